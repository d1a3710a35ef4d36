//! What a libvirtd does for Carrel, each call within its time.
//!
//! ```text
//!                        Host
//!     list, observe       |      define, power, display, device, agent, screenshot, migrate
//!            \____________|______________/
//!                   lines                     connections with a thread each, and deadlines
//!                         |
//!   watch <--- events --- bridge              what libvirt tells by itself; the only unsafe file
//!                         |
//!                     libvirtd
//! ```
//!
//! - Nobody waits longer than a deadline, whatever libvirtd does; and what hangs is bounded.
//! - Nothing is done to a domain whose metadata don't say that it is the machine that was meant.
//! - Every call can be made again. What must outlive libvirtd's memory stands in that metadata.
//!
//! This crate must never know anything of Carrel but [`carrel_domain`], nor guess at files.
//!
//! Start reading at [`Host`], then `power.rs`.

mod agent;
mod bridge;
mod capacity;
mod define;
mod device;
mod display;
mod events;
mod host;
mod known;
mod lines;
mod list;
mod migrate;
mod power;
pub mod preflight;
mod screenshot;
mod state;
mod target;
mod trouble;
mod watch;

pub use agent::{Inside, Shown};
pub use capacity::Capacity;
pub use carrel_domain::device::Kind;
pub use define::Firmly;
pub use device::DiskError;
pub use display::Viewing;
pub use events::{Happened, Hint, ViewerIs};
pub use host::{Deadlines, Host, Loads, Settings};
pub use lines::Load;
pub use list::{Foreign, Listed, Listing, Observed};
pub use migrate::Destination;
pub use power::{Asked, Was};
pub use state::{Pause, State};
pub use target::Target;
pub use trouble::{Hope, Trouble};
pub use virt::error::ErrorNumber;
pub use watch::Watch;
