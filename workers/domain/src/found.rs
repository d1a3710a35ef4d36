//! What a domain is, whoever has made it, as libvirt tells of it: with addresses, aliases and
//! controllers that nobody asked for, with emulators that others have wrapped, and with disks
//! whose format nobody has recorded.
//!
//! Nothing is refused that libvirt takes. What is not there is nothing.

use uuid::Uuid;

use crate::disk::Format;
use crate::hardware::Virtualization;
use crate::network::Mac;
use crate::ours::Ours;
use crate::tree::Element;
use crate::xml::{FORMATS, Unreadable, memory_mib};

/// Chains of others may be longer than any of ours, but not endless.
const CHAIN_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub uuid: Uuid,
    pub name: String,
    pub title: Option<String>,
    /// Set if it is ours.
    pub ours: Option<Ours>,
    pub virtualization: Option<Virtualization>,
    pub emulator: Option<String>,
    pub machine_type: Option<String>,
    pub cpu_model: Option<String>,
    pub memory_mib: u32,
    pub vcpus: u32,
    pub sockets_cores_threads: Option<(u16, u16, u16)>,
    pub is_uefi: bool,
    pub has_tpm: bool,
    pub clock_is_local: bool,
    /// The SMBIOS serial number.
    pub serial: Option<String>,
    pub disks: Vec<FoundDisk>,
    pub cards: Vec<FoundCard>,
    pub displays: Vec<FoundDisplay>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDisk {
    pub device: FoundDevice,
    pub target: String,
    pub bus: String,
    pub is_read_only: bool,
    /// The file that the guest writes. Nothing: an empty tray, or no file.
    pub file: Option<String>,
    /// Nothing: libvirt would look for itself, or it is one that we don't know.
    pub format: Option<Format>,
    /// What the file stands on, as far as libvirt was told or has seen.
    pub backing: Vec<(String, Option<Format>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundDevice {
    Disk,
    Cd,
    Floppy,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCard {
    pub mac: Option<Mac>,
    pub model: Option<String>,
    /// Bridge, network or what else it is plugged into: kind and name.
    pub source: Option<(String, String)>,
    /// The host's end, while it runs.
    pub target: Option<String>,
}

/// Ports are there while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDisplay {
    pub kind: String,
    pub address: Option<String>,
    pub socket: Option<String>,
    pub port: Option<u16>,
    pub tls_port: Option<u16>,
}

impl Found {
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let whole = Element::parse(text).map_err(Unreadable::Malformed)?;
        Self::of(&whole)
    }

    pub fn of(whole: &Element) -> Result<Self, Unreadable> {
        let uuid = whole.child("uuid").and_then(|uuid| uuid.text.trim().parse().ok());
        let devices = whole.child("devices").cloned().unwrap_or_default();
        let text = |path: &[&str]| whole.at(path).map(|element| element.text.clone());
        let attribute = |path: &[&str], name: &str| {
            whole.at(path).and_then(|element| element.attribute(name)).map(str::to_owned)
        };
        let virtualization = match whole.attribute("type") {
            Some("kvm") => Some(Virtualization::Kvm),
            Some("qemu") => Some(Virtualization::Tcg),
            _ => None,
        };
        Ok(Self {
            uuid: uuid.ok_or(Unreadable::Missing("uuid"))?,
            name: text(&["name"]).ok_or(Unreadable::Missing("name"))?,
            title: text(&["title"]),
            ours: Ours::find(whole),
            virtualization,
            emulator: text(&["devices", "emulator"]),
            machine_type: attribute(&["os", "type"], "machine"),
            cpu_model: text(&["cpu", "model"]).or_else(|| attribute(&["cpu"], "mode")),
            memory_mib: memory_mib(whole)?,
            vcpus: text(&["vcpu"]).and_then(|it| it.trim().parse().ok()).unwrap_or(1),
            sockets_cores_threads: topology(whole),
            is_uefi: whole.at(&["os", "loader"]).is_some_and(|it| it.is("type", "pflash"))
                || whole.child("os").is_some_and(|os| os.is("firmware", "efi")),
            has_tpm: devices.child("tpm").is_some(),
            clock_is_local: whole.child("clock").is_some_and(|it| it.is("offset", "localtime")),
            serial: serial(whole),
            disks: devices.children("disk").map(disk).collect(),
            cards: devices.children("interface").map(card).collect(),
            displays: devices.children("graphics").map(display).collect(),
        })
    }

    /// What it has beside CDs and floppies.
    pub fn fixed_disks(&self) -> impl Iterator<Item = &FoundDisk> {
        let disks = self.disks.iter();
        disks.filter(|disk| matches!(disk.device, FoundDevice::Disk | FoundDevice::Other))
    }

    /// As QEMU has it where nobody has said.
    pub fn topology(&self) -> (u16, u16, u16) {
        let vcpus = u16::try_from(self.vcpus).unwrap_or(u16::MAX);
        self.sockets_cores_threads.unwrap_or((vcpus, 1, 1))
    }
}

/// Neither a CD nor a floppy.
pub(crate) fn is_fixed(disk: &Element) -> bool {
    matches!(device(disk), FoundDevice::Disk | FoundDevice::Other)
}

fn device(disk: &Element) -> FoundDevice {
    match disk.attribute("device").unwrap_or("disk") {
        "disk" => FoundDevice::Disk,
        "cdrom" => FoundDevice::Cd,
        "floppy" => FoundDevice::Floppy,
        _ => FoundDevice::Other,
    }
}

fn topology(whole: &Element) -> Option<(u16, u16, u16)> {
    let topology = whole.at(&["cpu", "topology"])?;
    let part = |name| topology.attribute(name)?.parse().ok();
    Some((part("sockets")?, part("cores")?, part("threads")?))
}

fn serial(whole: &Element) -> Option<String> {
    let mut entries = whole.at(&["sysinfo", "system"])?.children("entry");
    entries.find(|entry| entry.is("name", "serial")).map(|entry| entry.text.clone())
}

fn format(named: Option<&str>) -> Option<Format> {
    let known = FORMATS.iter().find(|(_, word)| Some(*word) == named);
    known.map(|(format, _)| *format)
}

/// Block devices are files, too.
fn source(from: &Element) -> Option<String> {
    let source = from.child("source")?;
    source.attribute("file").or_else(|| source.attribute("dev")).map(str::to_owned)
}

fn disk(disk: &Element) -> FoundDisk {
    let target = |name| disk.child("target").and_then(|it| it.attribute(name)).unwrap_or_default();
    let device = device(disk);
    let mut backing = Vec::new();
    let mut above = disk;
    while let Some(below) = above.child("backingStore")
        && backing.len() < CHAIN_MAX
        && let Some(file) = source(below)
    {
        let named = below.child("format").and_then(|format| format.attribute("type"));
        backing.push((file, format(named)));
        above = below;
    }
    FoundDisk {
        device,
        target: target("dev").to_owned(),
        bus: target("bus").to_owned(),
        is_read_only: disk.child("readonly").is_some() || device == FoundDevice::Cd,
        file: source(disk),
        format: format(disk.child("driver").and_then(|driver| driver.attribute("type"))),
        backing,
    }
}

fn card(card: &Element) -> FoundCard {
    let attribute = |element: &str, name: &str| {
        card.child(element).and_then(|element| element.attribute(name)).map(str::to_owned)
    };
    let kind = card.attribute("type").unwrap_or_default();
    // A network that runs says its bridge as well; what was asked for is the network.
    let kinds = [kind, "network", "bridge", "dev"];
    let source =
        kinds.into_iter().find_map(|name| Some((kind.to_owned(), attribute("source", name)?)));
    FoundCard {
        mac: attribute("mac", "address").and_then(|mac| mac.parse().ok()),
        model: attribute("model", "type"),
        source,
        target: attribute("target", "dev"),
    }
}

fn display(graphics: &Element) -> FoundDisplay {
    let port =
        |name| graphics.attribute(name).and_then(|port| port.parse().ok()).filter(|it| *it > 0);
    let listen = |name: &str| {
        let mut listens = graphics.children("listen");
        listens.find_map(|listen| listen.attribute(name)).map(str::to_owned)
    };
    FoundDisplay {
        kind: graphics.attribute("type").unwrap_or_default().to_owned(),
        address: listen("address"),
        socket: listen("socket").or_else(|| graphics.attribute("socket").map(str::to_owned)),
        port: port("port"),
        tls_port: port("tlsPort"),
    }
}
