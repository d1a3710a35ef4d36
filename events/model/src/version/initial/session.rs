//! Facts about leases and their history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::display::Protocol;
use crate::ids::{ClientId, GroupId, MachineId, PoolId, TerminalId};
use crate::record::Timestamp;
use crate::sealed::SealedBox;

/// Who a lease belongs to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Client(ClientId),
    Terminal(TerminalId),
}

/// What was asked for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Pool(PoolId),
    Machine(MachineId),
}

/// Nothing was free: whoever asked waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Queued {
    pub subject: Subject,
    pub target: Target,
    pub protocol: Protocol,
    /// Smaller places come first.
    pub place: u64,
}

/// Whoever waits has asked again, from another viewer or for another protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct ProtocolChanged {
    pub protocol: Protocol,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Granted {
    pub subject: Subject,
    pub target: Target,
    pub protocol: Protocol,
    pub machine: MachineId,
    /// How long the machine waits for its person.
    pub return_after_seconds: u32,
    /// Groups with a limit that this desktop counts for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts_for: Vec<GroupId>,
}

/// Whoever asked waits no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Left {
    pub cause: LeaveCause,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LeaveCause {
    /// They said so.
    Request,
    /// They did not ask for too long.
    Silence,
    /// What they waited for is gone, or is no longer theirs.
    Revoked,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// They said so.
    Request,
    /// No sign of them for too long.
    Silence,
    /// The guest was shut down or they logged off.
    Guest,
    /// An administrator ended it, or their right to it.
    Revoked,
    /// The machine failed, or was taken for other work.
    Machine,
}

/// The machine is cut off from its viewers and is no longer theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Ended {
    pub cause: EndCause,
}

/// Another machine takes the place of one that would not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Moved {
    pub machine: MachineId,
}

/// A password for the next viewer can be made from this counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct TicketIssued {
    pub ticket: u32,
    pub protocol: Protocol,
    /// It is worth nothing then, if no display has taken it.
    pub expires_at: Timestamp,
    /// Where the viewer is, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SealedBox>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalId>,
}

/// The machine's display takes the ticket's password, and earlier viewers are cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct DisplayArmed {
    pub ticket: u32,
    /// It is worth nothing then, if no viewer has come.
    pub expires_at: Timestamp,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SpentBy {
    Used,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct TicketSpent {
    pub ticket: u32,
    pub cause: SpentBy,
}
