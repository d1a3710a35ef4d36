//! Facts about storages.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Labels, Properties, Switch};
use crate::ids::HypervisorId;
use crate::name::{HostPath, Name};

/// What kinds of files live there.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Versions of images.
    Images,
    /// What machines write and keep.
    Disks,
    /// What machines write and lose at power-off.
    Volatile,
    /// ISO images and drivers.
    Media,
}

/// What stands behind it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[derive(Default)]
pub enum Medium {
    #[default]
    Disk,
    /// A tmpfs: what is written there is memory of the host.
    Memory,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Settings {
    pub roles: BTreeSet<Role>,
    /// The hosts that see it, each with its path there.
    pub hosts: BTreeMap<HypervisorId, HostPath>,
    #[serde(default)]
    pub medium: Medium,
    /// Below so much free space nothing new is put there, in MiB.
    #[serde(default = "low_space_mib_default")]
    pub low_space_mib: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}

/// Room for one sealed disk of usual size.
pub const fn low_space_mib_default() -> u64 {
    20 * 1024
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

/// So much of it is free, which is not nearly as much as was known before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct SpaceChanged {
    pub free_mib: u64,
}

/// It fell below its watermark, or has room again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct SpaceLowChanged {
    pub switch: Switch,
    pub free_mib: u64,
}
