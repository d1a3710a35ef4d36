//! What a machine's power shall be, and what is known of it.

use super::{PauseReason, Rest, RestartManner, StopManner};
use crate::record::Timestamp;
use serde::{Deserialize, Serialize};

/// What its power shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Power {
    pub wish: Wish,
    /// A worker acts once for each epoch.
    pub boot_epoch: u64,
    /// What is written in this epoch is kept, although there is a virtual snapshot.
    pub persistent_once: bool,
    /// What became or becomes of what is written in this epoch; the last one's, while it is off.
    pub writes: Writes,
    /// When what was wished has to be so.
    pub deadline: Option<Timestamp>,
    /// It should have been off by now, and its host is told again and again: nobody waits for that.
    pub overdue: bool,
    /// The generation with which it was wished; what is said about earlier ones is late.
    pub since: u64,
    /// How it comes to its epoch when it runs already.
    pub restart: Option<RestartManner>,
    /// What is known of its rest, while it is at rest.
    pub rest: Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writes {
    Kept,
    ThrownAway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    On,
    /// On, but not running.
    Suspended,
    Off(StopManner),
}

impl Wish {
    pub fn is_off(self) -> bool {
        matches!(self, Self::Off(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub state: State,
    /// The epoch in which it was last seen running.
    pub boot_epoch: u64,
    /// Since when it runs.
    pub started: Option<Timestamp>,
    pub ready: Ready,
    /// Its guest was asked to shut down since it runs, and runs on.
    pub ignored_shutdown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    Off,
    Starting,
    Running,
    Paused(PauseReason),
    /// The guest put itself to sleep (ACPI S3).
    Asleep,
    Stopping,
    /// As off, after a crash.
    Crashed,
    /// Its host is silent. Never stored: it is concluded by [`crate::fleet::Fleet::state_of`].
    Unknown,
}

impl State {
    /// No process runs for it, for all that is known.
    pub fn is_off(self) -> bool {
        matches!(self, Self::Off | Self::Crashed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    No,
    /// The probe has to answer by then.
    By(Timestamp),
    Yes,
}
