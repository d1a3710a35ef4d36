//! Network cards.

use std::fmt;
use std::str::FromStr;

use crate::text::Label;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub mac: Mac,
    pub model: CardModel,
    pub attachment: Attachment,
    /// Whether the cable is in.
    pub link: bool,
    /// It can send with its own MAC and IP address only. libvirt's own filter sees to that.
    pub no_spoofing: bool,
    /// It doesn't reach other isolated cards on the same bridge.
    pub isolated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardModel {
    Virtio,
    E1000e,
    Rtl8139,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// A bridge of the host, without tags. For a VLAN on a Linux bridge the host has one for each.
    Bridge(Label),
    /// A VLAN on a bridge of Open vSwitch. libvirt before 11 sets no tags on Linux bridges.
    Tagged { bridge: Label, tag: u16 },
    /// A network that libvirt keeps.
    Network(Label),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no MAC address")]
pub struct NoMac;

impl Mac {
    /// What only groups have is nobody's.
    pub const fn is_of_one(self) -> bool {
        self.0[0] & 1 == 0
    }
}

impl FromStr for Mac {
    type Err = NoMac;

    fn from_str(text: &str) -> Result<Self, NoMac> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(NoMac)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| NoMac)?;
        }
        if parts.next().is_none() { Ok(Self(bytes)) } else { Err(NoMac) }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
