//! Facts about thin clients.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Labels, Properties};
use crate::ids::LabId;
use crate::name::{Name, TerminalLabel};
use crate::sealed::Boxes;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Settings {
    pub lab: LabId,
    /// One of the lab's classes.
    pub class: Name,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Registered {
    pub termid: TerminalLabel,
    pub settings: Settings,
    /// What its class's template is filled with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: Boxes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Updated {
    pub termid: TerminalLabel,
    pub settings: Settings,
    /// What its class's template is filled with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: Boxes,
}
