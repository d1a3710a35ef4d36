//! What hosts and the rest of Carrel say to each other: the bodies of messages, as JSON.
//!
//! ```text
//!   Order       what a thing shall be on a host, signed        -> the host's worker
//!   Report      what became of it, or what the host has        <- the host's worker
//!   Signs       that it lives, how far it is, who looks        <- the host's worker, never logged
//!   Question    what somebody who waits wants to know now      -> the host's worker
//! ```
//!
//! Everything that may be about a past that was taken back carries the log's incarnation. A body of
//! another form is put aside: nothing here is guessed at.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{CommandId, HypervisorId, MachineId, SessionId, StorageId};
use crate::machine::commands::ReportOutcome;
use crate::name::HostPath;
use crate::record::Incarnation;
use crate::text::Text;
use crate::version::latest::Properties;
use crate::work::{Thing, Work};

/// Work on its way. The signature in the message's header is of these bytes as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub incarnation: Incarnation,
    pub work: Work,
    /// What the guest may read of those who sit there, opened. What is sealed in the work stays
    /// closed: hosts have no keys.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub personal: Properties,
    /// The operation for which this is done, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<CommandId>,
}

/// What a host says. The message's id is that of the command that it becomes, so that what is said
/// twice is decided once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// What became of work, or what the host saw of a thing that it has.
    Outcome { incarnation: Incarnation, outcome: ReportOutcome },
    /// Everything that the host has: when its worker starts, and from time to time.
    Inventory(Inventory),
}

/// Whoever compares it with what they know finds what was lost on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    pub hypervisor: HypervisorId,
    pub incarnation: Incarnation,
    /// Of each thing that the host has done something for and has not let go of.
    pub things: Vec<Held>,
    /// What is free of those storages that the host has work on.
    pub space: Vec<FreeSpace>,
    /// Domains that nobody has told the host to have. Nobody touches them.
    pub foreign: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Held {
    pub thing: Thing,
    /// The newest that the host has heard in the inventory's incarnation; 0 if it has heard nothing
    /// in that one.
    pub generation: u64,
    /// Everything up to that generation came to an end, well or not, and was reported: also that
    /// the guest can be used, and that its first boot is done, if that was waited for.
    pub settled: bool,
    /// What the domain does, if it is a machine's that is defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<HeldPower>,
}

/// What a domain was seen to do, and in which epoch it was started last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldPower {
    pub boot_epoch: u64,
    pub runs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreeSpace {
    pub storage: StorageId,
    pub free_mib: u64,
}

/// Worth nothing later, and so never logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signs {
    pub hypervisor: HypervisorId,
    /// Long steps, and those that ended since the last signs.
    pub steps: Vec<LongStep>,
    /// Sessions with an open viewer.
    pub viewers: Vec<SessionId>,
    /// Machines whose guest agent was heard.
    pub agents: Vec<MachineId>,
}

/// How far a step is that takes long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongStep {
    pub thing: Thing,
    /// In words: what is being done.
    pub step: Text,
    pub done_bytes: u64,
    /// Nothing while nobody knows.
    pub of_bytes: Option<u64>,
    pub operation: Option<CommandId>,
    /// There is nothing long to do for this thing any more.
    pub ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// What the machine's display shows, as PNG.
    Screenshot { machine: MachineId },
    /// What its guest says of itself: a [`Guest`], as JSON.
    Guest { machine: MachineId },
    /// Domains that Carrel has not made: all of them as [`ForeignDomain`], as JSON.
    ///
    /// [`ForeignDomain`]: crate::foreign::ForeignDomain
    Foreign,
    /// What machines take on these storages of the host: a [`Taken`] of each, as JSON.
    Space { machines: Vec<MachineId>, storages: Vec<HostPath> },
}

/// What the files of a machine take, whatever its guest sees of its disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    pub machine: MachineId,
    pub kept_bytes: u64,
    /// Gone with the power.
    pub thrown_away_bytes: u64,
}

/// What a guest's agent says of it. It is what whoever rules the guest wants to be read, and
/// nothing depends on it being true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// The agent's version, as QEMU counts them.
    pub agent: Option<Text>,
    pub hostname: Option<Text>,
    /// Of all its cards, but for loopback.
    pub addresses: Vec<IpAddr>,
    /// Who is logged in, by the guest's own names.
    pub users: Vec<Text>,
    /// Why it stands still: disks that could not be written or read. Its host says this, and it
    /// says nothing itself meanwhile.
    #[serde(default)]
    pub disk_errors: Vec<Text>,
}
