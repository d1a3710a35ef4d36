//! What hosts say about what they are responsible for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deciding::{Decide, Deciding};
use crate::ids::{HypervisorId, ImageId, MachineId, SessionId, SnapshotId};
use crate::image;
use crate::machine::{PauseReason, StopCause};
use crate::rejection::Rejection;
use crate::session::SpentBy;
use crate::version::latest::image::Stat;
use crate::version::latest::operation::Failure;
use crate::version::latest::session::Ports;

/// Of the system: a host reports what became of work, or what it sees. Accepted only from the host
/// that is responsible; what is late, repeated or foreign changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportOutcome {
    pub hypervisor: HypervisorId,
    /// The generation of the work that this is about, or that was the newest when it was seen.
    pub generation: u64,
    pub thing: Reported,
}

/// What a report is about, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reported {
    Machine { id: MachineId, outcome: Outcome },
    Image { id: ImageId, outcome: image::Outcome },
}

/// What a host says about a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Everything up to the generation is so.
    Applied,
    /// The domain is no longer defined there; its files are untouched.
    Released,
    /// The domain and its own files are gone.
    Absent,
    /// It can't be brought about, and trying again would not help.
    Failed {
        failure: Failure,
    },
    Started {
        boot_epoch: u64,
    },
    Ready {
        boot_epoch: u64,
    },
    Stopping {
        boot_epoch: u64,
    },
    Stopped {
        boot_epoch: u64,
        cause: StopCause,
    },
    Paused {
        reason: PauseReason,
    },
    Asleep,
    Resumed,
    /// The guest has done what its first boot is for.
    FirstBootEnded {
        boot_epoch: u64,
    },
    Copied,
    Sealed {
        stat: Stat,
    },
    SnapshotTaken {
        snapshot: SnapshotId,
    },
    SnapshotReverted {
        snapshot: SnapshotId,
    },
    SnapshotDeleted {
        snapshot: SnapshotId,
    },
    SnapshotFailed {
        snapshot: SnapshotId,
        failure: Failure,
    },
    Migrated,
    MigrationFailed {
        failure: Failure,
    },
    DisplayArmed {
        session: SessionId,
        ticket: u32,
        #[serde(default)]
        ports: Ports,
    },
    TicketSpent {
        session: SessionId,
        ticket: u32,
        by: SpentBy,
    },
    /// The person of the session has logged off in the guest.
    LoggedOff {
        session: SessionId,
    },
}

impl Decide for ReportOutcome {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        match &self.thing {
            Reported::Machine { id, outcome } => {
                super::observe::hear(deciding, (self.hypervisor, self.generation), *id, outcome);
            }
            Reported::Image { id, outcome } => {
                image::outcome::hear(deciding, self.hypervisor, *id, outcome);
            }
        }
        Ok(())
    }
}
