//! Facts about templates: what a new machine is made of.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::display::Display;
use super::machine::Hardware;
use super::{Labels, Properties};
use crate::name::Name;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    pub hardware: Hardware,
    /// The size of a new machine's system disk, in GiB.
    #[serde(default = "disk_gib_default")]
    pub disk_gib: u32,
    #[serde(default)]
    pub display: Display,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}

pub const fn disk_gib_default() -> u32 {
    20
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hardware: Hardware::default(),
            disk_gib: disk_gib_default(),
            display: Display::default(),
            labels: Labels::new(),
            properties: Properties::new(),
        }
    }
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
