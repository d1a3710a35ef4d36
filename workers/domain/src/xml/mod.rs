//! A domain as XML. Each part is written and read side by side, so that they stay each other's
//! inverse:
//!
//! ```text
//!   mod        the whole, and the devices that every domain has
//!   adopted    what changes of one that others have written
//!   board      firmware, processor, features, clock
//!   storage    disks with what they stand on, media
//!   network    cards
//!   display    graphics, video, and what SPICE brings along
//!   reading    what is said of what can't be read
//! ```

mod adopted;
mod board;
mod display;
mod network;
mod reading;
mod storage;

use crate::domain::Domain;
use crate::ours::Ours;
use crate::tree::Element;

pub use adopted::Changes;
pub use reading::Unreadable;
pub(crate) use reading::memory_mib;
use reading::{Words, file, label, meant, number, required, text, word};
pub(crate) use storage::FORMATS;

/// How often QEMU asks the guest for its memory figures. Nobody needs them sooner.
const BALLOON_SECONDS: u32 = 10;

pub(crate) fn render(domain: &Domain) -> Element {
    let mut whole =
        Element::new("domain").with("type", word(board::VIRTUALIZATION, domain.virtualization));
    whole = whole.within([
        Element::new("name").with_text(&domain.name),
        Element::new("uuid").with_text(domain.uuid),
    ]);
    whole = whole.within(domain.title.as_ref().map(|title| Element::new("title").with_text(title)));
    whole = whole.within([
        Element::new("metadata").within([domain.ours.element()]),
        // No hard limit beside it: nobody can say how much QEMU needs for itself, and who is over
        // the limit is killed.
        Element::new("memory").with("unit", "MiB").with_text(domain.memory_mib),
        Element::new("vcpu").with("placement", "static").with_text(domain.cpu.vcpus()),
    ]);
    whole.within(board::render(domain)).within([devices(domain)])
}

pub(crate) fn read(whole: &Element) -> Result<Domain, Unreadable> {
    if whole.name != "domain" {
        return Err(Unreadable::Missing("domain"));
    }
    let devices = required(whole, &["devices"], "devices")?;
    let tpm = devices.child("tpm").is_some();
    Ok(Domain {
        name: text(whole, &["name"], "name")?,
        uuid: number(required(whole, &["uuid"], "uuid")?.text.as_str(), "uuid")?,
        title: whole.child("title").map(|it| label(&it.text, "title")).transpose()?,
        ours: Ours::find(whole).ok_or(Unreadable::Missing("metadata"))?,
        virtualization: meant(board::VIRTUALIZATION, whole.attribute("type"), "type")?,
        emulator: file(&required(devices, &["emulator"], "emulator")?.text, "emulator")?,
        machine_type: board::read_machine_type(whole)?,
        guest: board::read_guest(whole),
        memory_mib: memory_mib(whole)?,
        cpu: board::read_cpu(whole)?,
        firmware: board::read_firmware(whole)?,
        tpm,
        serial: board::read_serial(whole)?,
        boot: board::read_boot(whole)?,
        kernel: board::read_kernel(whole)?,
        disks: storage::read_disks(devices)?,
        media: storage::read_media(devices)?,
        cards: network::read(devices)?,
        display: display::read(devices)?,
        sound: devices.child("sound").is_some(),
        console_log: read_console_log(devices)?,
    })
}

fn devices(domain: &Domain) -> Element {
    let mut devices = Element::new("devices")
        .within([Element::new("emulator").with_text(&domain.emulator)])
        .within(storage::render(domain))
        .within([usb()])
        .within(network::render(&domain.cards))
        .within(domain.console_log.as_ref().map(console))
        .within([agent(), Element::new("input").with("type", "tablet").with("bus", "usb")]);
    if domain.tpm {
        devices.children.push(tpm());
    }
    devices = devices.within(display::render(&domain.display));
    if domain.sound {
        devices.children.push(Element::new("sound").with("model", "ich9"));
    }
    devices.within([rng(), balloon(), Element::new("panic").with("model", "isa")])
}

/// With ports for a tablet, sticks, and what viewers pass through.
fn usb() -> Element {
    let controller = Element::new("controller").with("type", "usb").with("index", 0);
    controller.with("model", "qemu-xhci").with("ports", 15)
}

fn agent() -> Element {
    let target =
        Element::new("target").with("type", "virtio").with("name", "org.qemu.guest_agent.0");
    Element::new("channel").with("type", "unix").within([target])
}

fn tpm() -> Element {
    let backend = Element::new("backend").with("type", "emulator").with("version", "2.0");
    let backend = backend.with("persistent_state", "yes");
    Element::new("tpm").with("model", "tpm-crb").within([backend])
}

fn rng() -> Element {
    let backend = Element::new("backend").with("model", "random").with_text("/dev/urandom");
    Element::new("rng").with("model", "virtio").within([backend])
}

/// Pages that the guest has freed are given back to the host.
fn balloon() -> Element {
    let balloon = Element::new("memballoon").with("model", "virtio");
    let balloon = balloon.with("autodeflate", "on").with("freePageReporting", "on");
    balloon.within([Element::new("stats").with("period", BALLOON_SECONDS)])
}

fn console(log: &crate::text::HostFile) -> Element {
    let source = Element::new("source").with("path", log).with("append", "on");
    let target = Element::new("target").with("type", "isa-serial").with("port", 0);
    Element::new("serial").with("type", "file").within([source, target])
}

fn read_console_log(devices: &Element) -> Result<Option<crate::text::HostFile>, Unreadable> {
    let serial = devices.children("serial").find(|serial| serial.is("type", "file"));
    let path = serial.and_then(|serial| serial.child("source")?.attribute("path"));
    path.map(|path| file(path, "serial")).transpose()
}
