//! Disk images on a host's storages: made, copied, sealed, rebased, verified, imported.
//!
//! ```text
//!   Images ---- make_disk, resize, rebase          what a guest writes to
//!          ---- copy, copy_version, import         under a temporary name until whole and durable
//!          ---- seal, verify, accept               what nobody writes to any more, and its digest
//!          ---- take_, revert_, delete_snapshot    what a disk held, kept under another name
//!          ---- put                                a small file that a guest only reads
//!          ---- await_file, receive, abandon       a file that somebody sends in pieces
//!          ---- remove
//!          ---- seen, list, free_mib               what is there; no process is started for it
//!          ---- put_aside, seal_again, clear      for whoever looks after a storage
//!             |
//!             +-- header     is this what it is said to be, and nothing that leads elsewhere?
//!             +-- content    what a guest reads from a file and all that it stands on
//!             +-- tool       qemu-img, with limits, and only for files that `header` let through
//! ```
//!
//! Nothing is guessed: formats are told or follow from the names that Carrel gave, a file that is
//! stood on is named together with its format, and no tool probes. A call finds what it shall do
//! done and changes nothing, or does it whole; what a killed one leaves is a temporary file, which
//! the next call of the same clears up. A file has its name only when it is whole and durable.
//!
//! This crate knows paths, formats and bytes. It must never know a machine, a hypervisor, a fleet,
//! or why a file is wanted. Nobody may write to a file while a call works on it; that a running
//! guest has it open is noticed, and refused.
//!
//! Start reading at [`Images`], then at [`header`].

pub mod content;
mod disk;
mod durable;
mod failed;
pub mod header;
mod images;
mod limits;
mod mend;
mod open;
mod overlay;
mod seen;
mod space;
mod steps;
mod tool;
mod watch;

pub use content::Digest;
pub use disk::{Claim, DiskFile, Format, Frozen, Made, Stat, Upload};
pub use failed::{Failed, Hope};
pub use header::{Header, Refused};
pub use images::Images;
pub use limits::Limits;
pub use seen::{Backing, Found, Kind, SeenFile};
pub use steps::{Arrived, Incoming, Pieces};
pub use tool::Tools;
pub use watch::{Unwatched, Watch};
