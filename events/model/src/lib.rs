//! What Carrel knows and may decide, with no I/O at all.
//!
//! It must never know a clock, a random number, a file, a socket or an async runtime: whatever
//! varies from run to run comes in with [`context::Context`].
//!
//! A command ([`command`], the table of all) is decided on a [`fleet::Fleet`] by [`decide::decide`]
//! and becomes facts ([`event`], the table of all); [`evolve::evolve`] makes of a fleet and a fact
//! the fleet after it. There is a folder for each kind of thing, with its states drawn, its
//! commands, what facts make of it, and its refusals.
//!
//! To follow one command, take Populate: `image/populate.rs` decides it, `operation/run.rs` gives
//! each machine its turn, `image/children.rs` makes new children, `renewal/` takes a machine from
//! step to step, `machine/observe.rs` and `machine/outcome.rs` are what hosts say meanwhile,
//! `follow.rs` is what follows from every fact, and [`work`] is what hosts are told to do.

pub mod admin;
mod arranged;
pub mod client;
pub mod clockwork;
pub mod cluster;
pub mod command;
pub mod context;
pub mod contract;
pub mod decide;
mod deciding;
pub mod event;
pub mod evolve;
pub mod fleet;
mod follow;
pub mod foreign;
pub mod group;
pub mod hash;
mod hex;
pub mod hypervisor;
pub mod ids;
pub mod image;
pub mod inventory;
pub mod lab;
pub mod mac;
pub mod machine;
pub mod media;
pub mod name;
pub mod network;
pub mod operation;
pub mod people;
mod placement;
pub mod pool;
pub mod record;
pub mod reference;
pub mod rejection;
pub mod renewal;
pub mod sealed;
pub mod session;
mod spare;
pub mod storage;
pub mod template;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod text;
pub mod timestamp;
pub mod trace;
pub mod version;
pub mod wire;
pub mod work;
