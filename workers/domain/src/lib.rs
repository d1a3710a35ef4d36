//! A virtual machine as libvirt is told of it, in types.
//!
//! ```text
//!   Domain --- render ---> XML ---> libvirt ---> XML --- read ---> Domain      of ours
//!                                     |
//!                                     +--------> XML --- Found::read           anybody's
//! ```
//!
//! - Nothing that people wrote can become markup: text is checked where it comes in ([`text`]), and
//!   one writer escapes all of it ([`tree`]).
//! - Nothing is left for libvirt to guess: formats, what stands on what, machine type, emulator.
//! - No display takes anybody until it is armed, and no password is ever part of a [`Domain`].
//!
//! This crate does no I/O and must never know libvirt itself, nor anything else of Carrel.
//!
//! Start reading at [`domain`], then `xml`, which writes
//! and reads each part side by side.

pub mod device;
pub mod disk;
pub mod display;
pub mod domain;
pub mod found;
pub mod hardware;
pub mod network;
pub mod ours;
pub mod text;
pub mod tree;
mod xml;

pub use disk::{Backing, Bus, Cache, Disk, Format, Io, Medium, Tray};
pub use display::{Display, Graphics, Listen, Spice, Video, Vnc};
pub use domain::{Boot, Domain, Guest, Kernel, Refused};
pub use found::{Found, FoundCard, FoundDevice, FoundDisk, FoundDisplay};
pub use hardware::{Cpu, Firmware, Model, Uefi, Virtualization};
pub use network::{Attachment, Card, CardModel, Mac};
pub use ours::{Ended, Ours};
pub use text::{HostFile, Label, Name};
pub use xml::{Changes, Unreadable};
