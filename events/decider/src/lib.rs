//! The one writer of Carrel: commands come in, are decided on the newest fleet, and become facts in
//! the log.
//!
//! ```text
//!   submit --> known? seal --> ask --> queue --+        +--> answer
//!                                              v        |
//!            [ desk: turn, catch up, decide a batch on a clone, append, swap ]
//!                                                                        |
//!                                       snapshots <-- every so often <---+--> standing
//! ```
//!
//! [`Decider::submit`] takes commands as people and programs send them, [`Decider::ask`] those that
//! the system tells itself. Both answer when what was decided is durable, or say that nothing was
//! written, or that nobody knows. [`Decider::standing`] is the fleet as it is in the log, for
//! everybody who reads.
//!
//! Nothing is decided twice: a command whose id is in the log gets its first answer. Who may ask
//! for what is not known here: that was decided before.
//!
//! This crate must never know HTTP, a message broker or a hypervisor. Time and randomness come in.
//!
//! Start reading at [`ask`], then `desk.rs` and `batch.rs`; `entrance.rs` is what stands before
//! them, [`snapshot`] what a start begins with, and [`shredder`] destroys the keys of those who
//! were deleted.

pub mod ask;
mod batch;
mod desk;
mod entrance;
pub mod fold;
pub mod limits;
mod newcomers;
mod outside;
pub mod shredder;
pub mod snapshot;

pub use ask::{Accepted, Answer, Answered, Ask, Refusal, Sent};
pub use desk::{Decider, Desk, open};
pub use fold::{FoldError, Standing};
pub use outside::{Clock, Entropy};
pub use shredder::{ShredError, Shredder};
pub use snapshot::Snapshots;
