//! What Carrel knows, with no I/O at all.
//!
//! It holds the ids of things ([`ids`]) and the shape of what the log keeps ([`record`]).
//! It must never know a clock, a random number, a file, a socket or an async runtime: whatever
//! varies from run to run comes in as an argument.
//!
//! Start reading at [`record::CommandUnit`], what a writer hands to the log, and
//! [`record::Record`], what a reader gets back.

pub mod ids;
pub mod name;
pub mod record;
pub mod trace;
