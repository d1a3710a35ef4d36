//! The one writer of Carrel: commands come in, are decided on the newest fleet, and become facts in
//! the log.
//!
//! ```text
//!   ask --> queue --> [ desk: turn, catch up, decide a batch on a clone, append, swap ] --> answer
//!                                                                                |
//!                                                                                +--> standing
//! ```
//!
//! [`Decider::ask`] answers when what was decided is durable, or says that nothing was written, or
//! that nobody knows. [`Decider::standing`] is the fleet as it is in the log, for everybody who
//! reads.
//!
//! Nothing is decided twice: a command whose id is in the log gets its first answer.
//!
//! This crate must never know HTTP, a message broker or a hypervisor. Time and randomness come in.
//!
//! Start reading at [`ask`], then `desk.rs` and `batch.rs`.

pub mod ask;
mod batch;
mod desk;
pub mod fold;
pub mod limits;
mod outside;

pub use ask::{Accepted, Answer, Ask, Refusal};
pub use desk::{Decider, Desk, open};
pub use fold::{FoldError, Standing};
pub use outside::{Clock, Entropy};
