//! The event log: the one truth that everything else in Carrel is derived from.
//!
//! [`EventLog`] is the port. The adapters behind it pass one conformance suite: [`memory`] for
//! tests and simulations, [`embedded`] for one machine, [`postgres`] for more than one.
//!
//! The log knows nothing of what is in its records: it carries bytes. It must never know HTTP, a
//! message broker or a hypervisor, and never asks for the time.
//!
//! Start reading at [`port`].

mod ahead;
pub mod chain;
pub mod disk;
pub mod embedded;
pub mod error;
pub mod format;
#[doc(hidden)]
pub mod fuzzing;
pub mod limits;
pub mod memory;
pub mod port;
pub mod portable;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod verify;
mod waiting;

pub use ahead::each_page;
pub use error::{AppendError, CursorError, ReadError, Refused};
pub use port::{
    Answer, Cursor, EventLog, Expected, Guard, Head, Page, PageLimit, PlacedUnit, Snapshot,
    SnapshotKey, Turn,
};
