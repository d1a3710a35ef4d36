//! A desktop or a server.
//!
//! What it shall be is *desired*, with a generation that every change raises; what it is, is
//! *observed* by the host that is responsible for it.
//!
//! ```text
//! observed state, and what changes it
//!
//!   off --------- start requested ----------> starting
//!   crashed ----- start requested ----------> starting
//!   starting ---- started ------------------> running
//!   starting ---- start failed -------------> off
//!   starting ---- stopped ------------------> off
//!   running ----- ready, not ready ---------> running
//!   running ----- paused -------------------> paused
//!   running ----- slept --------------------> asleep
//!   running ----- stopping -----------------> stopping
//!   running ----- stopped ------------------> off
//!   running ----- stopped by a crash -------> crashed
//!   starting ---- stopped by a crash -------> crashed
//!   paused ------ resumed ------------------> running
//!   paused ------ restarted ----------------> running
//!   paused ------ stopped ------------------> off
//!   paused ------ stopped by a crash -------> crashed
//!   asleep ------ resumed ------------------> running
//!   asleep ------ restarted ----------------> running
//!   asleep ------ paused by its host -------> paused
//!   asleep ------ stopped ------------------> off
//!   asleep ------ stopped by a crash -------> crashed
//!   stopping ---- paused by its host -------> paused
//!   stopping ---- restarted ----------------> running
//!   stopping ---- stopped ------------------> off
//!   stopping ---- stopped by a crash -------> crashed
//!   stopping ---- shutdown ignored ---------> running
//!   stopping ---- restart ignored ----------> running
//!   off --------- started past Carrel ------> running
//!   crashed ----- started past Carrel ------> running
//!   running ----- power cut ----------------> off
//!
//!   and while its host is silent, whatever is not off is, for all that is known:
//!
//!   starting ---- host silent --------------> unknown
//!   running ----- host silent --------------> unknown
//!   paused ------ host silent --------------> unknown
//!   asleep ------ host silent --------------> unknown
//!   stopping ---- host silent --------------> unknown
//!   unknown ----- host heard ---------------> running
//!   unknown ----- host lost ----------------> off
//!   unknown ----- stopped ------------------> off
//!   unknown ----- stopped by a crash -------> crashed
//! ```
//!
//! Where to read on: `create.rs` and `new.rs` make machines; `start.rs`, `delete.rs` and the like
//! hold what people can have done with them, each with what it does to one; `power.rs` decides on
//! and off, `observe.rs` what hosts say of a machine, `outcome.rs` what they say of their work,
//! `expire.rs` what happens when they say nothing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

use thin_vec::ThinVec;

use crate::ids::{
    DiskId, HypervisorId, ImageId, MachineId, MediaId, MessageId, PoolId, SessionId, SnapshotId,
};
use crate::name::Name;
use crate::record::{Timestamp, Version};
use crate::text::Text;
use crate::version::latest::display::Policy;
pub use crate::version::latest::machine::{
    Base, Cpu, Created, Devices, Disk, DiskBus, DiskRole, DiskSource, External, Firmware, Format,
    Hardware, Identity, Kind, NetworkCard, OnReboot, Os, PauseReason, Placement, Probe, Readiness,
    Reason, Reservation, Rest, RestartManner, Settings, StopCause, StopManner, Tpm,
    VirtualSnapshot,
};
use crate::version::latest::operation::Failure;
pub use crate::version::latest::renewal::Recipe;
use crate::version::latest::renewal::Renewal;
pub use crate::version::latest::session::Subject;

mod adopt;
mod base;
mod clone;
mod create;
pub(crate) mod delete;
pub(crate) mod disk;
mod draft;
pub(crate) mod evolve;
mod expire;
pub(crate) mod maintenance;
pub(crate) mod media;
pub(crate) mod message;
pub(crate) mod migrate;
pub(crate) mod new;
pub(crate) mod observe;
pub(crate) mod obstacle;
mod outcome;
pub(crate) mod power;
pub mod rejection;
pub(crate) mod restart;
pub(crate) mod snapshot;
pub(crate) mod start;
mod state;
pub(crate) mod stop;
pub(crate) mod suspend;
#[cfg(test)]
pub(crate) mod tests;
mod update;

pub use adopt::AdoptedDisk;
pub(crate) use create::default_network;
pub use create::{FurtherDisk, FurtherRole, NewKind};
pub use draft::Draft;
pub use evolve::{FAILURES_MAX, FAILURES_WINDOW_SECONDS};
pub use outcome::{Outcome, Reported};
pub use snapshot::{SNAPSHOTS_DEEP_MAX, SNAPSHOTS_MAX, Snapshot, SnapshotState};
pub use state::{Observed, Power, Ready, State, Wish, Writes};

/// The commands of this folder.
pub mod commands {
    pub use super::adopt::AdoptMachine;
    pub use super::clone::CloneMachine;
    pub use super::create::CreateMachine;
    pub use super::delete::DeleteMachine;
    pub use super::disk::ResizeDisk;
    pub use super::expire::{ExpirePower, ExpireReadiness};
    pub use super::maintenance::SetMaintenance;
    pub use super::media::{AttachMedia, DetachMedia};
    pub use super::message::MessageMachine;
    pub use super::migrate::MigrateMachine;
    pub use super::outcome::ReportOutcome;
    pub use super::restart::{RebootMachine, ResetMachine};
    pub use super::snapshot::{DeleteSnapshot, RevertSnapshot, TakeSnapshot};
    pub use super::start::StartMachine;
    pub use super::stop::{PowerOffMachine, ShutdownMachine};
    pub use super::suspend::{ResumeMachine, SuspendMachine};
    pub use super::update::{LockMachine, UnlockMachine, UpdateMachine};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub id: MachineId,
    pub version: Version,
    pub name: Name,
    pub kind: Kind,
    pub identity: Identity,
    pub settings: Arc<Settings>,
    pub disks: ThinVec<Disk>,
    /// The disks that it has instead when what is being copied to it is there. Until then, and if
    /// the copy fails, it keeps those that it has.
    pub disks_to_come: ThinVec<Disk>,
    /// The other file of the same version that its system disk is being put onto. Until that is
    /// known to be done, it may stand on either.
    pub rebasing_to: Option<u16>,
    /// The throwaway overlay that it gets at its next start.
    pub virtual_snapshot: Option<VirtualSnapshot>,
    pub snapshots: ThinVec<Snapshot>,
    /// The snapshot that its disks stand on now.
    pub snapshot: Option<SnapshotId>,
    pub media: ThinVec<MediaId>,

    /// Raised by every change of what it shall be. It never falls.
    pub generation: u64,
    /// The last generation that its host has brought about.
    pub applied: u64,
    /// The last generation that its host could not bring about. That it couldn't is said once.
    pub failed: u64,
    pub power: Power,
    /// The host that is responsible for it.
    pub place: Option<HypervisorId>,
    /// What that host keeps for it while it is on.
    pub reserved: Arc<Reservation>,
    /// A host that has yet to confirm that it is no longer responsible.
    pub leaving: Option<HypervisorId>,
    /// The generation with which that host was told so; a confirmation of an earlier leave is late.
    pub leaving_since: u64,
    /// Set when it is a domain that was there before; its disks' files have names of their own.
    pub adopted_from: Option<HypervisorId>,
    /// A host was responsible for it once, so there may be files of it.
    pub has_files: bool,
    pub observed: Observed,
    /// What it was started with; what differs from its settings waits for the next power cycle.
    pub running_with: Option<Arc<Settings>>,
    /// What its viewers may do since it was started: what its pool said then.
    pub allows: Option<Policy>,

    pub maintenance: BTreeSet<Reason>,
    pub locked: bool,
    pub pool: Option<PoolId>,
    /// Those it is assigned to, each for good. At most as many as it has seats.
    pub owners: ThinVec<Subject>,
    pub leases: ThinVec<SessionId>,
    /// Whose traces are on it. Nobody else gets it before it was made clean.
    pub written: Option<Subject>,
    /// Whose traces are on its own disks, which only new disks take away. Traces on a throwaway
    /// overlay go with the power.
    pub kept: Option<Subject>,
    /// Its own disk holds what was written while nobody had it, on a start that was asked to keep
    /// that: nobody's traces, but not to be lost unasked.
    pub upkeep: bool,
    /// Whose traces come with what is being copied to it.
    pub traces_to_come: Option<Subject>,

    /// Its disk may hold what no version holds: it was started or copied since the last seal.
    pub unsealed: bool,
    /// The highest number that a version of it ever had.
    pub versions_made: u32,
    /// File work that keeps it from running.
    pub task: Option<Task>,
    /// The generation with which that was asked for; what is said about earlier ones is late.
    pub task_since: u64,
    /// Fresh disks that it will get or is getting.
    pub renewal: Option<Arc<Renewing>>,
    /// The system disk that it had when it was last whole. Its file is kept until the present one
    /// has proved itself, however many renewals were superseded or failed in between.
    pub disk_before: Option<Arc<Disk>>,
    /// A first boot was begun and has not ended as it should, or it is a clone that has yet to get
    /// its copy, or got one of such a disk: its disk is half made.
    pub half_made: bool,
    /// How it was last populated, with what was set since: for the next reset, and for when a tag
    /// that it follows moves.
    pub recipe: Option<Arc<Recipe>>,
    pub message: Option<Arc<Message>>,
    /// Failed starts and readiness time-outs of late, oldest first.
    pub failures: ThinVec<Timestamp>,
    /// What last went wrong.
    pub trouble: Option<Arc<Failure>>,
    pub deleting: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Its disk is being copied from a source.
    Copying { source: MachineId },
    /// Its disk is becoming a version.
    Sealing { image: ImageId },
    /// It is moving to another host while it runs.
    Migrating { to: HypervisorId },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewing {
    pub renewal: Renewal,
    pub step: RenewalStep,
    /// When this step has to be over.
    pub deadline: Option<Timestamp>,
    /// How often this step got more time.
    pub delays: u16,
    /// How often in a row it got more time because its host was silent.
    pub silences: u16,
    /// When it begins, as people are told.
    pub announced: Option<Timestamp>,
}

/// ```text
///   pending --> stopping --> overlaying --> first boot --> finishing --> (populated, cleaned)
///      |                         |                                            ^
///      |                         +---------- without a first boot ------------+
///      +--> (dropped)      each but pending --> (failed), (dropped)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RenewalStep {
    /// Waits for its person to leave, or for its time.
    Pending,
    Stopping,
    Overlaying,
    FirstBoot,
    /// The first boot has done its work; the machine is going off.
    Finishing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub text: Text,
}

impl Machine {
    pub fn seats(&self) -> usize {
        match &self.kind {
            Kind::External(external) => external.seats.into(),
            Kind::Simple | Kind::Source | Kind::Initial { .. } | Kind::Vdi { .. } => 1,
        }
    }

    pub fn is_external(&self) -> bool {
        matches!(self.kind, Kind::External(_))
    }

    /// The initial that it is a child of.
    pub fn initial(&self) -> Option<MachineId> {
        match self.kind {
            Kind::Vdi { initial } => Some(initial),
            Kind::Simple | Kind::Source | Kind::Initial { .. } | Kind::External(_) => None,
        }
    }

    pub fn system_disk(&self) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.role == DiskRole::System)
    }

    pub fn disk(&self, id: DiskId) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.id == id)
    }

    /// Disks that neither Populate nor a reset makes anew, nor a throwaway overlay covers.
    pub fn has_further_disks(&self) -> bool {
        self.disks.iter().any(|disk| disk.role != DiskRole::System)
    }

    /// Its disk becomes versions of an image.
    pub fn seals(&self) -> bool {
        matches!(self.kind, Kind::Initial { .. })
    }

    /// What would become of what is written, if it were started now.
    pub fn writes_if_started(&self, persistent_once: bool) -> Writes {
        match self.virtual_snapshot {
            Some(_) if !persistent_once => Writes::ThrownAway,
            Some(_) | None => Writes::Kept,
        }
    }

    /// What is written now outlives its power: on its own system disk, or on further disks.
    pub fn keeps_writes(&self) -> bool {
        self.power.writes == Writes::Kept || self.has_further_disks()
    }

    /// Whoever comes next finds nothing of whoever was there: its system disk can be made anew, or
    /// is covered while it runs, and there are no others. Whoever keeps a terminal server keeps its
    /// users apart.
    pub fn can_be_cleaned(&self) -> bool {
        let renews = self.image().is_some() || self.virtual_snapshot.is_some();
        self.is_external() || renews && !self.has_further_disks()
    }

    /// Whose traces a copy of its disks has.
    pub(crate) fn traces_on_disks(&self) -> Option<Subject> {
        self.kept.or(self.written.filter(|_| self.virtual_snapshot.is_none()))
    }

    /// It runs once without its throwaway overlay, for upkeep.
    pub fn is_kept_up(&self) -> bool {
        self.power.persistent_once && self.virtual_snapshot.is_some() && !self.at_rest()
    }

    /// Something is done with it during which nobody gets it.
    pub fn is_busy(&self) -> bool {
        self.locked
            || self.deleting
            || self.task.is_some()
            || self.snapshot_at_work().is_some()
            || self.is_kept_up()
            || self.may_run_unseen()
            || self.leaving.is_some() && self.place.is_none()
    }

    /// Off, and nothing is on its way to change that.
    pub fn at_rest(&self) -> bool {
        self.power.wish.is_off() && self.observed.state.is_off()
    }

    /// At rest, and every host that could still run it has said so.
    pub fn is_known_off(&self) -> bool {
        self.at_rest() && self.power.rest == Rest::Confirmed && self.leaving.is_none()
    }

    /// It takes memory and processors of its host, or soon will.
    pub fn uses_host(&self) -> bool {
        !self.at_rest() && !self.is_external()
    }

    /// Whoever gets it can use it now. One that is about to reboot can't be.
    pub fn is_ready(&self) -> bool {
        let reboots = self.power.restart.is_some() && self.power.deadline.is_some();
        self.observed.ready == Ready::Yes && !reboots
    }

    pub fn being_renewed(&self) -> bool {
        self.renewal.as_ref().is_some_and(|renewing| renewing.step != RenewalStep::Pending)
    }

    /// The settings that a running guest doesn't have yet.
    pub fn has_pending_settings(&self) -> bool {
        self.running_with.as_ref().is_some_and(|with| with != &self.settings)
    }
}
