//! Makes a host as its work says, and reports what became of it.
//!
//! ```text
//!   bus: work.<host>.fast, .bulk
//!          |
//!       consume     genuine? for this host? new? --> ledger, and only then done
//!          |
//!        owner      one for each thing that has something to do:
//!          |          look --> plan::next --> ledger --> step --> look ...
//!          |                       pure                   |
//!          |                                     lanes --> driver
//!          v
//!       ledger      newest order, step under way, what was said; durable, for many hosts
//!          |
//!       report ---> bus: outcomes        until the bus has confirmed
//!       watch  ---> news for owners; inventory every 15 s; signs of life
//! ```
//!
//! A worker knows what shall be, sees what is, and does the next thing that is missing. A message
//! that comes twice, late or never, a crash at any point, and a host that was off for a day all end
//! the same way: it looks again.
//!
//! This crate must never know the log, the decider, SQL or HTTP, nor decide what ought to be.
//!
//! Start reading at [`plan`], then [`worker`] and [`entry`].

mod consume;
pub mod entry;
mod error;
pub mod lanes;
pub mod ledger;
pub mod limits;
pub mod news;
mod outside;
mod owner;
pub mod plan;
mod questions;
mod report;
mod shared;
mod signs;
mod wanted;
mod watch;
pub mod worker;

pub use error::WorkerError;
pub use lanes::{AtOnce, Hand, Pool};
pub use ledger::{FileStore, Ledger, LedgerError, LedgerWriter, MemoryStore};
pub use outside::{Ids, Millis};
pub use worker::{Setup, Worker};
