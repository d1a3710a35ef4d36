//! How Carrel's processes talk to each other.
//!
//! ```text
//!   relay ---- work ----> work.<host>.fast, work.<host>.bulk ----> the host's worker
//!   relay <-- outcomes ------------------------------------------- the host's worker
//!   relay ---- events --> whoever has subscribed
//!   automation -- commands --> relay
//!   api  ---- ask ------> the host's worker, which answers at once or not at all
//!   relay <-- progress ------------------------------------------- the host's worker
//!
//!   pulse: who was heard when, and how far long steps are. Never logged, and nobody's truth.
//! ```
//!
//! The bus promises little: what was published arrives at least once, perhaps twice, and not always
//! in order. Whoever receives must be able to do it again, which is why everything on it has an id
//! or a generation. [`port`] says it word for word, and each adapter is held to it by one suite.
//!
//! This crate must never know HTTP, a hypervisor or what a message means.
//!
//! Start reading at [`port`], then [`topology`].

pub mod limits;
pub mod memory;
mod message;
pub mod port;
pub mod pulse;
pub mod topology;

pub use message::{Headers, Message};
pub use port::{AskError, Bus, BusError, Consumer, Delivery, Question, Questions, Receipt};
pub use pulse::{Beat, MemoryPulse, Progress, Pulse};
pub use topology::{Address, Queue};
