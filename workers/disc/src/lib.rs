//! The CD by which a guest learns who it is, and what it is given.
//!
//! ```text
//!   Disc ---- image      bytes of an ISO 9660 image: the same for the same input
//!     |
//!     +-- cloud      meta-data, user-data, network-config      cloud-init, cloudbase-init
//!     +-- windows    autounattend.xml, unattend.xml            Windows Setup and sysprep
//!     +-- told       carrel.json                               scripts of whoever made the image
//!     +-- quoted     what somebody has written, as a string of JSON, YAML or XML
//!     +-- iso        files become an image
//! ```
//!
//! Nothing that somebody has written becomes markup: it stands in strings only, and what can't be
//! held is refused. This crate knows what a guest may be told. It must never know a file, a host or
//! a fleet, and it reads no clock.
//!
//! Start reading at [`Disc`].

mod cloud;
mod disc;
mod iso;
mod quoted;
mod told;
mod windows;

pub use disc::{Card, Disc, FirstBoot, LABEL, Os, Refused};
