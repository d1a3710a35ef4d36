//! Disks with what they stand on, and media.

use super::reading::attribute;
use super::{Unreadable, Words, file, meant, required, word};
use crate::disk::{Backing, Bus, Cache, Disk, Format, Io, Medium, Tray, target};
use crate::domain::{BACKING_MAX, Domain};
use crate::text::HostFile;
use crate::tree::Element;

pub(crate) const FORMATS: Words<Format> = &[(Format::Raw, "raw"), (Format::Qcow2, "qcow2")];
const BUSES: Words<Bus> = &[(Bus::Virtio, "virtio"), (Bus::Scsi, "scsi"), (Bus::Sata, "sata")];
const CACHES: Words<Cache> =
    &[(Cache::None, "none"), (Cache::Writeback, "writeback"), (Cache::Unsafe, "unsafe")];
const IO: Words<Io> = &[(Io::Threads, "threads"), (Io::Native, "native")];

/// Letters follow from the order: those of virtio by themselves, all others in one row.
pub(super) fn render(domain: &Domain) -> Vec<Element> {
    let (mut virtio, mut others) = (0, 0);
    let mut next = |is_virtio: bool| {
        let (prefix, number) = if is_virtio { ("vd", &mut virtio) } else { ("sd", &mut others) };
        *number += 1;
        target(prefix, *number - 1)
    };
    let disks = domain.disks.iter().map(|it| disk(it, &next(it.bus == Bus::Virtio)));
    let mut elements: Vec<Element> = disks.collect();
    let has_scsi_cd = domain.media.iter().any(|medium| medium.tray == Tray::ScsiCd);
    let mut drives = 0;
    for it in &domain.media {
        let element = medium(it, &next(false));
        // libvirt boots from the first CD and sorts by bus, in the order in which buses come: where
        // a disk brings SCSI in first, that must not be the CD which nobody boots from.
        if has_scsi_cd && it.tray == Tray::Cd {
            elements.insert(drives, element);
            drives += 1;
        } else {
            elements.push(element);
        }
    }
    if has_scsi_cd || domain.disks.iter().any(|disk| disk.bus == Bus::Scsi) {
        let controller = Element::new("controller").with("type", "scsi").with("index", 0);
        elements.push(controller.with("model", "virtio-scsi"));
    }
    elements
}

fn disk(disk: &Disk, target: &str) -> Element {
    let target = Element::new("target").with("dev", target).with("bus", word(BUSES, disk.bus));
    Element::new("disk")
        .with("type", "file")
        .with("device", "disk")
        .within(parts(disk))
        .within([target])
}

/// Which file it is, and how QEMU gets to it.
pub(super) fn parts(disk: &Disk) -> [Element; 3] {
    let driver = Element::new("driver")
        .with("name", "qemu")
        .with("type", word(FORMATS, disk.format))
        .with("cache", word(CACHES, disk.cache))
        // What the storage can't take stops the guest, rather than being told to it: it goes on
        // when there is room again.
        .with("error_policy", "stop")
        .with("io", word(IO, disk.io))
        .with("discard", if disk.discard { "unmap" } else { "ignore" });
    [driver, source(&disk.file), chain(&disk.backing)]
}

fn source(file: &HostFile) -> Element {
    Element::new("source").with("file", file)
}

/// It ends with an empty element: libvirt looks for nothing more.
fn chain(backing: &[Backing]) -> Element {
    let end = Element::new("backingStore");
    backing.iter().rev().fold(end, |below, backing| {
        let format = Element::new("format").with("type", word(FORMATS, backing.format));
        let element = Element::new("backingStore").with("type", "file");
        element.within([format, source(&backing.file), below])
    })
}

fn medium(medium: &Medium, target: &str) -> Element {
    let (device, bus, format) = match medium.tray {
        Tray::Cd => ("cdrom", "sata", Format::Raw),
        Tray::ScsiCd => ("cdrom", "scsi", Format::Raw),
        Tray::Stick(format) => ("disk", "usb", format),
    };
    let driver = Element::new("driver").with("name", "qemu").with("type", word(FORMATS, format));
    let file = medium.file.iter().flat_map(|file| [source(file), chain(&[])]);
    Element::new("disk")
        .with("type", "file")
        .with("device", device)
        .within([driver])
        .within(file)
        .within([
            Element::new("target").with("dev", target).with("bus", bus),
            Element::new("readonly"),
        ])
}

fn bus_of(disk: &Element) -> &str {
    disk.child("target").and_then(|target| target.attribute("bus")).unwrap_or_default()
}

pub(super) fn read_disks(devices: &Element) -> Result<Vec<Disk>, Unreadable> {
    let disks = devices.children("disk");
    disks.filter(|disk| disk.child("readonly").is_none()).map(read_disk).collect()
}

fn read_disk(disk: &Element) -> Result<Disk, Unreadable> {
    let driver = required(disk, &["driver"], "disk/driver")?;
    Ok(Disk {
        file: read_source(disk)?,
        format: meant(FORMATS, driver.attribute("type"), "disk format")?,
        bus: meant(BUSES, Some(bus_of(disk)), "disk bus")?,
        cache: meant(CACHES, driver.attribute("cache"), "cache")?,
        io: meant(IO, driver.attribute("io"), "io")?,
        discard: driver.is("discard", "unmap"),
        backing: read_chain(disk)?,
    })
}

fn read_source(from: &Element) -> Result<HostFile, Unreadable> {
    let source = required(from, &["source"], "source")?;
    file(attribute(source, "file")?, "file")
}

fn read_chain(disk: &Element) -> Result<Vec<Backing>, Unreadable> {
    let mut chain = Vec::new();
    let mut above = disk;
    while let Some(below) = above.child("backingStore").filter(|it| it.child("source").is_some()) {
        if chain.len() == BACKING_MAX {
            return Err(super::reading::odd("backing chain", "longer than any of ours"));
        }
        let format = required(below, &["format"], "backing format")?;
        let format = meant(FORMATS, format.attribute("type"), "backing format")?;
        chain.push(Backing { file: read_source(below)?, format });
        above = below;
    }
    Ok(chain)
}

pub(super) fn read_media(devices: &Element) -> Result<Vec<Medium>, Unreadable> {
    let media = devices.children("disk").filter(|disk| disk.child("readonly").is_some());
    media.map(read_medium).collect()
}

fn read_medium(medium: &Element) -> Result<Medium, Unreadable> {
    let tray = if medium.is("device", "cdrom") {
        if bus_of(medium) == word(BUSES, Bus::Scsi) { Tray::ScsiCd } else { Tray::Cd }
    } else {
        let driver = required(medium, &["driver"], "medium/driver")?;
        Tray::Stick(meant(FORMATS, driver.attribute("type"), "medium format")?)
    };
    let file = medium.child("source").is_some().then(|| read_source(medium));
    Ok(Medium { tray, file: file.transpose()? })
}
