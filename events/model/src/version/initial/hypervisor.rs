//! Facts about hosts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Labels, Properties, Switch};
use crate::name::{Counter, HostAddress, Name};

/// What a host can give to machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Capacity {
    /// For all machines together, in MiB.
    pub memory_mib: u64,
    pub vcpus: u32,
    /// Things there are only so many of, such as `gpu/nvidia-a16-4q`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<Counter, u32>,
}

/// How much of its capacity may be promised, in percent. 100 promises nothing twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Overcommit {
    pub memory_percent: u16,
    pub vcpus_percent: u16,
}

impl Default for Overcommit {
    /// Memory that isn't there makes a host swap, and everybody on it slow; processors are shared
    /// well by desktops that mostly wait.
    fn default() -> Self {
        Self { memory_percent: 100, vcpus_percent: 400 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Settings {
    pub capacity: Capacity,
    #[serde(default)]
    pub overcommit: Overcommit,
    /// Where clients reach its displays, if that is not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_address: Option<HostAddress>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Registered {
    pub name: Name,
    pub settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Updated {
    pub name: Name,
    pub settings: Settings,
}

/// Why a host gets no further machines. None takes another away; whoever takes a host out of
/// maintenance clears `admin`, `drain` and `lost`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Admin,
    Drain,
    /// Its worker has not been heard for too long.
    Silent,
    /// Somebody confirmed that it is off and stays off; its machines may start elsewhere.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct MaintenanceChanged {
    pub reason: Reason,
    pub switch: Switch,
}
