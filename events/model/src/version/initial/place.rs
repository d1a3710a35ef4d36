//! Facts about which host has a machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine::Placement;
use super::operation::Failure;
use crate::ids::HypervisorId;

/// A host is no longer responsible for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Released {
    pub hypervisor: HypervisorId,
    pub cause: ReleasedBy,
}

/// How it is known that nothing of it runs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleasedBy {
    /// The host has confirmed it.
    Host,
    /// Somebody has confirmed that the host is lost.
    HostLost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct MigrationRequested {
    pub to: HypervisorId,
    pub placement: Placement,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Migrated {
    pub from: HypervisorId,
    pub to: HypervisorId,
}

/// It stays where it is. What may be of it on the other host has to go from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct MigrationFailed {
    pub to: HypervisorId,
    pub failure: Failure,
}
