//! The port: what every hypervisor promises to a worker.
//!
//! - All calls block, and may be made from many threads at once; for one thing there is one at a
//!   time.
//! - What a call finds undone it does whole, or it leaves no more behind than a second call clears
//!   up. A file has its name only when it is whole.
//! - [`Step::Start`](crate::Step::Start), resets and the end of a run are seen together with their
//!   epoch: `Off { ended: None }` means that the domain never ran in the epoch that it has.
//! - A step that was cancelled ends soon. It may have been done.
//! - Nothing is guessed: formats, sizes and what stands on what are told, or read from what this
//!   port has written itself.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use carrel_model::contract::{Guest, Taken};
use carrel_model::foreign::ForeignDomain;
use carrel_model::ids::MachineId;
use carrel_model::machine::Format;
use carrel_model::name::HostPath;
use carrel_model::work::Thing;
use uuid::Uuid;

use crate::cancel::Cancel;
use crate::place::{Place, Root};
use crate::seen::{Listing, Seen};
use crate::step::{Done, Step};
use crate::trouble::Trouble;

/// Hears that something has changed.
pub type Listener = Arc<dyn Fn() + Send + Sync>;

pub trait Hypervisor: Send + Sync + Debug {
    /// What there is of one thing.
    fn observe(&self, look: &Look) -> Result<Seen, Trouble>;

    /// All domains, as cheaply as can be: it is asked every few seconds.
    fn list(&self) -> Result<Listing, Trouble>;

    fn step(
        &self,
        doing: &Doing,
        step: &Step,
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble>;

    /// What a machine's display shows, as PNG.
    fn screenshot(&self, machine: MachineId) -> Result<Vec<u8>, Trouble>;

    /// What a machine's guest says of itself; or why it stands still, if a disk is why.
    fn guest(&self, machine: MachineId) -> Result<Guest, Trouble>;

    /// Domains that Carrel has not made. Nobody touches them.
    fn foreign(&self) -> Result<Vec<ForeignDomain>, Trouble>;

    /// What these machines take on these storages.
    fn taken(&self, machines: &[MachineId], storages: &[HostPath]) -> Result<Vec<Taken>, Trouble>;

    fn free_mib(&self, storage: &Root) -> Result<u64, Trouble>;

    /// Calls this from now on, from any thread, soon after something has changed that nobody has
    /// asked for; once for many changes. What it was is found by looking. Whoever looks often
    /// enough without being told misses nothing.
    fn tells(&self, _listener: Listener) {}

    /// Whether everything but steps is answered without waiting for anything, so that nobody has to
    /// lend a thread for it.
    fn answers_at_once(&self) -> bool {
        false
    }
}

/// What somebody wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub domain: Option<LookFor>,
    /// Where the machine has its folder.
    pub roots: Vec<Root>,
    /// Whether they are there, wherever they lie.
    pub places: Vec<Place>,
    /// In which format those of them are that were there before Carrel: their names don't say it.
    pub formats: BTreeMap<Place, Format>,
}

/// A machine's domain is known by its metadata; one that was there before Carrel, by its UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookFor {
    pub machine: MachineId,
    pub uuid: Option<Uuid>,
}

/// What a step is done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Doing {
    pub thing: Thing,
    pub generation: u64,
    pub boot_epoch: u64,
}

/// Hears how far a long step is.
pub trait Advance: Send + Sync + Debug {
    fn is(&self, done_bytes: u64, of_bytes: Option<u64>);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilentAdvance;

impl Advance for SilentAdvance {
    fn is(&self, _done_bytes: u64, _of_bytes: Option<u64>) {}
}
