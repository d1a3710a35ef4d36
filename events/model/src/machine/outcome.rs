//! What hosts say about what they are responsible for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deciding::{Decide, Deciding};
use crate::hash::Digest;
use crate::ids::{HypervisorId, ImageId, MachineId, SessionId, SnapshotId};
use crate::image;
use crate::machine::{PauseReason, StopCause};
use crate::rejection::Rejection;
use crate::session::SpentBy;
use crate::version::latest::operation::Failure;

/// Of the system: a host reports what became of work, or what it sees. Accepted only from the host
/// that is responsible; what is late, repeated or foreign changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportOutcome {
    pub hypervisor: HypervisorId,
    pub thing: Reported,
    /// The generation of the work that this is about, or that was the newest when it was seen.
    pub generation: u64,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    Machine(MachineId),
    Image(ImageId),
}

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
        size_bytes: u64,
    },
    Verified {
        digest: Digest,
    },
    FileDone {
        file: u16,
        digest: Digest,
    },
    FileFailed {
        file: u16,
        failure: Failure,
    },
    FileRemoved {
        file: u16,
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
        match self.thing {
            Reported::Machine(machine) => {
                super::observe::hear(deciding, machine, self);
            }
            Reported::Image(image) => of_image(deciding, image, self),
        }
        Ok(())
    }
}

/// About files of an image only a host is heard that sees one of them.
fn of_image(deciding: &mut Deciding<'_>, id: ImageId, report: &ReportOutcome) {
    let host = report.hypervisor;
    let fleet = &deciding.fleet;
    let Some(image) = fleet.images.get(id) else { return };
    let sees = |storage| {
        let storage = fleet.storages.get(storage);
        storage.is_some_and(|storage| storage.settings.hosts.contains_key(&host))
    };
    if !image.files.iter().any(|file| sees(file.storage)) {
        return;
    }
    match &report.outcome {
        Outcome::Verified { digest } => image::outcome::verified(deciding, id, *digest),
        Outcome::FileDone { file, digest } => {
            image::outcome::file_done(deciding, host, (id, *file), *digest);
        }
        Outcome::FileFailed { file, failure } => {
            image::outcome::file_failed(deciding, host, (id, *file), failure);
        }
        Outcome::FileRemoved { file } => {
            image::outcome::file_removed(deciding, host, (id, *file));
        }
        // These are said about machines.
        Outcome::Applied
        | Outcome::Released
        | Outcome::Absent
        | Outcome::Failed { .. }
        | Outcome::Started { .. }
        | Outcome::Ready { .. }
        | Outcome::Stopping { .. }
        | Outcome::Stopped { .. }
        | Outcome::Paused { .. }
        | Outcome::Asleep
        | Outcome::Resumed
        | Outcome::FirstBootEnded { .. }
        | Outcome::Copied
        | Outcome::Sealed { .. }
        | Outcome::SnapshotTaken { .. }
        | Outcome::SnapshotReverted { .. }
        | Outcome::SnapshotDeleted { .. }
        | Outcome::SnapshotFailed { .. }
        | Outcome::Migrated
        | Outcome::MigrationFailed { .. }
        | Outcome::DisplayArmed { .. }
        | Outcome::TicketSpent { .. }
        | Outcome::LoggedOff { .. } => {}
    }
}
