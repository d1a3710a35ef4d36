//! Facts about labs: rooms with terminals.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Labels, Properties};
use crate::ids::PoolId;
use crate::name::Name;
use crate::text::Text;

/// What the terminals of a class run: a command line with `%HOST%`, `%USER%` and the like, filled
/// from the terminal's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Launcher {
    pub template: Text,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[derive(Default)]
#[serde(default)]
pub struct Settings {
    /// What is offered there, in order; the first one is the default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<PoolId>,
    /// So many machines of the default pool run at any time.
    pub start_instances: u32,
    /// At most so many machines of its pools run at once; none: as many as there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<u32>,
    /// A machine that nobody uses restarts when it has run so long; none: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_after_hours: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<Name, Launcher>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Created {
    pub name: Name,
    pub settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Updated {
    pub name: Name,
    pub settings: Settings,
}
