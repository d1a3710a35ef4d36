//! Real hosts for tests: a libvirtd that nobody else sees, guests that boot, viewers that sign in.
//!
//! ```text
//!   Lab       ops/lab/libvirtd: a libvirtd with processes, network and host name of its own
//!   guest     ops/lab/guest-image: a disk that boots, counts its boots and answers as an agent
//!   Room      a file system of fixed size, which gets full
//!   spice     as much of a viewer as it takes to sign in
//!   Viewer    remote-viewer, on a screen of its own
//! ```
//!
//! It takes root and packages of Debian, which `ops/test` installs; without them tests fail, and
//! say what is missing. This crate must never know another one of Carrel.

#![expect(clippy::expect_used, reason = "a test ends where it can't go on")]

mod guest;
mod host;
mod room;
pub mod spice;
mod viewer;

pub use guest::{backing, change, digest, guest_image, make};
pub use host::{Lab, Piped, comes_to, eventually};
pub use room::Room;
pub use viewer::{Screen, Viewer};
