//! How a guest is seen, and what goes along with that.
//!
//! A display is closed until it is armed: it is rendered with an empty password, which libvirt
//! takes as one that nobody can give.

use std::net::IpAddr;

use crate::text::HostFile;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Display {
    pub spice: Option<Spice>,
    pub vnc: Option<Vnc>,
    pub video: Video,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spice {
    pub listen: Listen,
    pub clipboard: bool,
    pub file_transfer: bool,
    /// What the guest plays is heard at the viewer.
    pub audio: bool,
    /// How many USB devices of the viewer's computer can be passed through at once.
    pub usb_redirections: u8,
    /// The viewer's smart card.
    pub smart_card: bool,
}

/// Beyond this host nothing is in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    Loopback,
    Tls(IpAddr),
}

/// On a Unix socket only: eight bytes of a password are no protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vnc {
    /// Nothing: libvirt finds a place that only QEMU and root can reach.
    pub socket: Option<HostFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Video {
    pub graphics: Graphics,
    pub monitors: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    Qxl,
    Virtio,
    Vga,
}
