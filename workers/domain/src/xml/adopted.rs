//! A domain that somebody else has written, as Carrel starts it: as it was, but for this.
//!
//! ```text
//!   metadata                           whose it is, and in which epoch
//!   graphics, what SPICE passes on     who may see it, and what may pass
//!   what follows when it ends          one that is off is off
//!   memory, vcpu, cpu/topology         where somebody has changed them
//!   a disk's file                      where it is another one
//!   cards                              where somebody has said which networks it has
//! ```
//!
//! All else stays, also what nobody here knows of: its emulator, board, firmware, processor, buses,
//! addresses, drives.

use super::{Unreadable, board, display, memory_mib, network, storage};
use crate::disk::Disk;
use crate::display::Display;
use crate::found::{Found, is_fixed};
use crate::network::Card;
use crate::ours::{self, Ours};
use crate::tree::Element;

/// What has to be Carrel's of a domain that it has adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    pub ours: Ours,
    pub memory_mib: u32,
    pub sockets_cores_threads: (u16, u16, u16),
    /// Each of its fixed disks. Nothing: as it is.
    pub disks: Vec<Option<Disk>>,
    /// None at all: as they are.
    pub cards: Vec<Card>,
    pub display: Display,
}

/// What takes part in SPICE, and can't be there without it.
const OF_SPICE: [&str; 3] = ["channel", "redirdev", "smartcard"];

impl Changes {
    /// The domain as it is defined becomes this.
    pub fn onto(&self, found: &Element) -> Result<Element, Unreadable> {
        let mut whole = found.clone();
        let known = Found::of(found)?;
        self.mark(&mut whole);
        self.size(&mut whole, &known)?;
        for ending in board::endings() {
            put(&mut whole, ending);
        }
        let devices = whole.children.iter_mut().find(|it| it.name == "devices");
        let devices = devices.ok_or(Unreadable::Missing("devices"))?;
        self.put_disks(devices)?;
        if !self.cards.is_empty() {
            devices.children.retain(|device| device.name != "interface");
            devices.children.extend(network::render(&self.cards));
        }
        self.show(devices);
        Ok(whole)
    }

    fn mark(&self, whole: &mut Element) {
        let mut metadata = Element::new("metadata");
        if let Some(there) = whole.child("metadata") {
            metadata.attributes.clone_from(&there.attributes);
        }
        let metadata = metadata.within(ours::of_others(whole)).within([self.ours.element()]);
        put(whole, metadata);
    }

    fn size(&self, whole: &mut Element, known: &Found) -> Result<(), Unreadable> {
        if memory_mib(whole)? != self.memory_mib {
            whole.children.retain(|it| it.name != "currentMemory");
            put(whole, Element::new("memory").with("unit", "MiB").with_text(self.memory_mib));
        }
        if known.topology() == self.sockets_cores_threads {
            return Ok(());
        }
        let (sockets, cores, threads) = self.sockets_cores_threads;
        let vcpus = u32::from(sockets) * u32::from(cores) * u32::from(threads);
        whole.children.retain(|it| it.name != "vcpus");
        put(whole, Element::new("vcpu").with_text(vcpus));
        let topology = Element::new("topology").with("sockets", sockets).with("dies", 1);
        let topology = topology.with("cores", cores).with("threads", threads);
        let mut cpu = whole.child("cpu").cloned().unwrap_or_else(|| Element::new("cpu"));
        put(&mut cpu, topology);
        put(whole, cpu);
        Ok(())
    }

    fn put_disks(&self, devices: &mut Element) -> Result<(), Unreadable> {
        let mut fixed = devices.children.iter_mut().filter(|it| it.name == "disk" && is_fixed(it));
        for wanted in &self.disks {
            let there = fixed.next().ok_or(Unreadable::Missing("disk"))?;
            if let Some(wanted) = wanted {
                there.set("type", "file");
                for part in storage::parts(wanted) {
                    put(there, part);
                }
            }
        }
        Ok(())
    }

    fn show(&self, devices: &mut Element) {
        let spice = self.display.spice.as_ref();
        let may_stay = |device: &Element| match device.name.as_str() {
            "graphics" => false,
            name if OF_SPICE.contains(&name) && device.is("type", "spicevmc") => {
                spice.is_some_and(|spice| match name {
                    "redirdev" => spice.usb_redirections > 0,
                    "smartcard" => spice.smart_card,
                    _ => true,
                })
            }
            _ => true,
        };
        devices.children.retain(may_stay);
        if !spice.is_some_and(|spice| spice.audio) {
            let audio = devices.children.iter_mut().filter(|it| it.name == "audio");
            audio.filter(|it| it.is("type", "spice")).for_each(|it| it.set("type", "none"));
        }
        let rendered = display::render(&self.display).into_iter();
        devices.children.extend(rendered.filter(|device| device.name == "graphics"));
    }
}

/// In the place of the first of its name.
fn put(into: &mut Element, child: Element) {
    match into.children.iter_mut().find(|it| it.name == child.name) {
        Some(there) => *there = child,
        None => into.children.push(child),
    }
}
