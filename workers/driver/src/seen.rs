//! What a hypervisor sees.

use carrel_model::hash::Digest;
use carrel_model::ids::{MachineId, MediaId, SessionId};
use carrel_model::machine::{PauseReason, Probe};
use carrel_model::version::latest::image::Stat;
use carrel_model::version::latest::session::Ports;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::place::{Place, Root};

/// A domain that is ours, or that was asked for by its UUID.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    pub machine: MachineId,
    /// With which it was defined, for people to read.
    pub generation: u64,
    /// The epoch that it was defined for, or that it has got to by a reset or a reboot.
    pub boot_epoch: u64,
    pub state: DomainState,
    /// The files that its guest writes, in the order of its disks.
    pub disks: Vec<Place>,
    pub media: Vec<MediaId>,
    /// Of whom its configuration CD says something.
    pub people: Vec<Uuid>,
    /// Those of its probes that answer. One that has may be taken to do so until its next epoch.
    pub answers: Vec<Probe>,
    /// Tickets that were armed since it was started, the newest of each session.
    pub armed: Vec<Armed>,
    /// Of its SPICE display, while it runs. A list of all domains does not say them.
    pub ports: Ports,
    pub viewers: Vec<Viewer>,
    /// Whose person has logged off in the guest.
    pub logged_off: Vec<SessionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainState {
    /// How its last run ended; nothing if it was not started since it was defined.
    Off {
        ended: Option<End>,
    },
    Running,
    Paused(PauseReason),
    /// The guest has put itself to sleep.
    Asleep,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The guest powered itself off.
    Guest,
    /// Its power was cut.
    Cut,
    Crash,
    /// The host went down under it, or nobody knows.
    Unknown,
}

impl DomainState {
    /// There is a process that may write to its disks.
    pub const fn is_on(self) -> bool {
        match self {
            Self::Off { .. } => false,
            Self::Running | Self::Paused(_) | Self::Asleep => true,
        }
    }
}

/// Whether what a machine is ready by answers now.
pub fn is_answered(domain: &Domain, probe: &Probe) -> bool {
    domain.answers.contains(probe)
}

/// A display that takes the password of a ticket, or took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    pub session: SessionId,
    pub ticket: u32,
    pub is: TicketUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TicketUse {
    Open,
    Used,
    Expired,
}

/// Somebody looks. Who it is follows from the ticket that they came in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    pub session: SessionId,
    pub ticket: u32,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFile {
    pub place: Place,
    /// The file that it stands on.
    pub backing: Option<Place>,
    /// How large the disk in it is.
    pub size_gib: u32,
    /// Nobody may write to it any more.
    pub sealed: bool,
    pub stat: Stat,
    /// What it was found to read as by [`Step::Accept`](crate::Step::Accept), if it is still as it
    /// was then.
    pub accepted: Option<Digest>,
}

/// Everything that there is of one thing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub domain: Option<Domain>,
    /// Those that were asked for and those in the machine's folders, as far as they are there.
    pub files: Vec<SeenFile>,
    /// Storages that were asked about and are not mounted: what lies there is not seen, and not
    /// gone.
    pub unmounted: Vec<Root>,
}

impl Seen {
    pub fn file(&self, place: &Place) -> Option<&SeenFile> {
        self.files.iter().find(|file| file.place == *place)
    }

    pub fn has(&self, place: &Place) -> bool {
        self.file(place).is_some()
    }
}

/// All domains of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    pub domains: Vec<Domain>,
    /// How many there are that are nobody's of ours.
    pub foreign: u32,
}
