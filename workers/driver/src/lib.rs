//! What a hypervisor can do for a worker, and hypervisors that do it.
//!
//! ```text
//!   worker ---- observe, list -------> what is there            Domain, SeenFile
//!          ---- step (one of Step) --> it is done, or Trouble   with progress, can be cancelled
//!          ---- screenshot, free_mib
//!                     |
//!              trait Hypervisor, blocking
//!                     |
//!               libvirt  sim     hosts in memory that outlive their workers: for tests,
//!                  |             demonstrations and load
//!              a real host: domains by carrel-libvirt, files by carrel-images
//! ```
//!
//! A step does one thing and can be done again: it finds that it is so and changes nothing. Whether
//! it is to be done, and in which order, is the worker's to know.
//!
//! This crate must never know a bus, a log, SQL or HTTP, and waits for nobody but the hypervisor.
//!
//! Start reading at [`hypervisor`], then [`step`].

mod cancel;
pub mod hypervisor;
#[cfg(feature = "libvirt")]
pub mod libvirt;
pub mod place;
pub mod seen;
pub mod sim;
pub mod step;
mod told;
mod trouble;

pub use cancel::{Cancel, Waited};
pub use hypervisor::{Advance, Doing, Hypervisor, Listener, Look, LookFor, SilentAdvance};
pub use place::{Place, Root};
pub use seen::{
    Armed, Domain, DomainState, End, Listing, Seen, SeenFile, TicketUse, Viewer, is_answered,
};
pub use step::{DefinedDisk, Definition, Done, Frozen, Step, StepKind};
pub use trouble::{BACKING_CHANGED, Hope, STORAGE_NOT_MOUNTED, Trouble};
