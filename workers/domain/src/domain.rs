//! A whole domain of ours, and what is refused of one.

use uuid::Uuid;

use crate::disk::{Cache, Disk, Format, Io, Medium, Tray};
use crate::display::{Display, Graphics};
use crate::hardware::{Cpu, Firmware, Virtualization};
use crate::network::{Attachment, Card};
use crate::ours::Ours;
use crate::text::{HostFile, Label, Name};
use crate::tree::{Element, Malformed};
use crate::xml::{self, Unreadable};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    pub name: Name,
    pub uuid: Uuid,
    /// For people who look at the host.
    pub title: Option<Label>,
    pub ours: Ours,
    pub virtualization: Virtualization,
    pub emulator: HostFile,
    /// With its version, so that a guest finds the same board wherever it goes.
    pub machine_type: Label,
    pub guest: Guest,
    pub memory_mib: u32,
    pub cpu: Cpu,
    pub firmware: Firmware,
    /// TPM 2.0, its state kept by swtpm beside the domain.
    pub tpm: bool,
    /// The SMBIOS serial number.
    pub serial: Option<Label>,
    pub boot: Vec<Boot>,
    /// Started instead of what is on its disks.
    pub kernel: Option<Kernel>,
    pub disks: Vec<Disk>,
    pub media: Vec<Medium>,
    pub cards: Vec<Card>,
    pub display: Display,
    pub sound: bool,
    /// Where what the guest writes to its first serial port is kept.
    pub console_log: Option<HostFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// And whatever else keeps its clock in UTC.
    Linux,
    /// Its clock is local time, and it knows what it runs on.
    Windows,
}

/// What is tried in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    Disk,
    Cd,
    Network,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    pub image: HostFile,
    pub initrd: Option<HostFile>,
    pub arguments: Option<Label>,
}

/// What no QEMU would start, or what would not be what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("without memory or processor, or with more than a host has")]
    Size,
    #[error("more devices than there are slots for")]
    Crowded,
    #[error("not one id for each of its disks")]
    DiskIds,
    #[error("native I/O on files that the host caches")]
    NativeIo,
    #[error("a chain of more than {BACKING_MAX} files")]
    Chain,
    #[error("a raw file that stands on another")]
    RawOnFile,
    #[error("a file that can be written and stands in a chain or a second time")]
    SharedFile,
    #[error("a stick without a file")]
    EmptyStick,
    #[error("a MAC address that is a group's, or that two cards have")]
    Mac,
    #[error("a tag that is none: from 1 to 4094")]
    Tag,
    #[error("no or too many monitors")]
    Monitors,
    #[error("nothing to boot from, or something twice")]
    Boot,
}

/// 16 TiB, the largest guest that QEMU 7 has a board for on common hosts.
const MEMORY_MIB_MAX: u32 = 16 << 20;
/// What q35 takes.
const VCPUS_MAX: u32 = 288;
/// A hot-pluggable PCI Express port each, on a bus that has 32.
const DISKS_MAX: usize = 12;
const CARDS_MAX: usize = 8;
/// Six ports of the SATA controller on the board, shared with disks that need them.
const MEDIA_MAX: usize = 6;
/// A version is at most four files deep, and snapshots go eight deep on top of it.
pub const BACKING_MAX: usize = 16;
/// Ports of a USB controller, less those of a tablet and of sticks.
const REDIRECTIONS_MAX: u8 = 8;
/// QXL has no more.
const MONITORS_MAX: u8 = 4;
const TAG_MAX: u16 = 4094;

impl Domain {
    pub fn check(&self) -> Result<(), Refused> {
        self.check_size()?;
        self.check_disks()?;
        self.check_cards()?;
        let monitors = self.display.video.monitors;
        let one_only = self.display.video.graphics == Graphics::Vga && monitors > 1;
        if !(1..=MONITORS_MAX).contains(&monitors) || one_only {
            return Err(Refused::Monitors);
        }
        let is_named_twice = |at: usize| self.boot[..at].contains(&self.boot[at]);
        // libvirt would add one of its own choice.
        if self.boot.is_empty() || (0..self.boot.len()).any(is_named_twice) {
            return Err(Refused::Boot);
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), Refused> {
        let memory = (1..=MEMORY_MIB_MAX).contains(&self.memory_mib);
        if !memory || !(1..=VCPUS_MAX).contains(&self.cpu.vcpus()) {
            return Err(Refused::Size);
        }
        let redirections = self.display.spice.as_ref().map_or(0, |spice| spice.usb_redirections);
        let fits = self.disks.len() <= DISKS_MAX
            && self.cards.len() <= CARDS_MAX
            && self.media.len() <= MEDIA_MAX
            && redirections <= REDIRECTIONS_MAX;
        if fits { Ok(()) } else { Err(Refused::Crowded) }
    }

    fn check_disks(&self) -> Result<(), Refused> {
        if self.ours.disks.len() != self.disks.len() {
            return Err(Refused::DiskIds);
        }
        for (at, disk) in self.disks.iter().enumerate() {
            if disk.io == Io::Native && disk.cache != Cache::None {
                return Err(Refused::NativeIo);
            }
            if disk.backing.len() > BACKING_MAX {
                return Err(Refused::Chain);
            }
            let below = disk.backing.iter().map(|backing| backing.format);
            let mut formats = std::iter::once(disk.format).chain(below);
            if formats.position(|it| it == Format::Raw).is_some_and(|at| at < disk.backing.len()) {
                return Err(Refused::RawOnFile);
            }
            let mut others = self.disks.iter().enumerate().filter(|(other, _)| *other != at);
            let mut below = self.disks.iter().flat_map(|disk| &disk.backing);
            if others.any(|(_, other)| other.file == disk.file)
                || below.any(|backing| backing.file == disk.file)
            {
                return Err(Refused::SharedFile);
            }
        }
        let is_no_stick =
            |medium: &Medium| medium.file.is_none() && matches!(medium.tray, Tray::Stick(_));
        if self.media.iter().any(is_no_stick) { Err(Refused::EmptyStick) } else { Ok(()) }
    }

    fn check_cards(&self) -> Result<(), Refused> {
        for (at, card) in self.cards.iter().enumerate() {
            let is_taken = self.cards[..at].iter().any(|other| other.mac == card.mac);
            if is_taken || !card.mac.is_of_one() {
                return Err(Refused::Mac);
            }
            if let Attachment::Tagged { tag, .. } = card.attachment
                && !(1..=TAG_MAX).contains(&tag)
            {
                return Err(Refused::Tag);
            }
        }
        Ok(())
    }

    /// What libvirt is told.
    pub fn render(&self) -> String {
        xml::render(self).write()
    }

    /// From what was rendered, or from what libvirt has made of it. What libvirt adds is passed
    /// over; what is ours has to be as we write it.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let element =
            Element::parse(text).map_err(|error: Malformed| Unreadable::Malformed(error))?;
        xml::read(&element)
    }
}
