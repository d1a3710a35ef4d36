//! What a machine shall be, as a domain. Nothing of it is anybody's XML, and every file comes with
//! its format.

use std::path::PathBuf;

use carrel_domain::{
    Attachment, Backing, Boot, Bus, Card, CardModel, Cpu, Disk, Display, Domain, Firmware, Format,
    Graphics, Guest, HostFile, Label, Mac, Medium, Model, Name, Ours, Spice, Tray, Uefi, Video,
    Virtualization, Vnc,
};
use carrel_images::{DiskFile, Images};
use carrel_model::ids::MachineId;
use carrel_model::machine::{
    DiskBus, Firmware as FirmwareKind, Format as DiskFormat, Hardware, NetworkCard, Os, Tpm,
};
use carrel_model::media::Kind;
use carrel_model::version::latest::display::{self, Protocol};
use carrel_model::version::latest::machine::BootDevice;
use carrel_model::version::latest::network::Attachment as Attached;
use carrel_model::work::{MediumSpec, NetworkSpec};

use super::power::unfit_path;
use super::{Facts, config, disk_io, files, probes};
use crate::place::{Place, firmware_file, medium_file};
use crate::step::{DefinedDisk, Definition};
use crate::trouble::Trouble;

/// Drives that are there, with or without a CD: one for the system and one for its drivers.
const DRIVES_MIN: usize = 2;

pub(super) fn domain(of: &Definition, facts: &Facts, images: &Images) -> Result<Domain, Trouble> {
    let hardware = &of.settings.hardware;
    let mut disks = Vec::with_capacity(of.disks.len());
    for it in &of.disks {
        disks.push(disk(it, hardware, images)?);
    }
    let mut media = media(&of.media)?;
    media.extend(config::drive(of)?);
    let console = console(of.machine, facts);
    Ok(Domain {
        name: Name::new(of.name.as_str()).map_err(|unfit| unfit_text("name", &unfit))?,
        uuid: of.identity.uuid,
        title: None,
        ours: ours(of)?,
        virtualization: facts.virtualization,
        emulator: facts.emulator.clone(),
        machine_type: label(of.identity.machine_type.as_str())?,
        guest: guest(hardware.os),
        memory_mib: hardware.memory_mib,
        cpu: cpu(of, facts)?,
        firmware: firmware(of, facts)?,
        tpm: hardware.tpm == Tpm::V2,
        serial: Some(label(of.identity.serial.as_str())?),
        boot: boot(&hardware.boot),
        kernel: None,
        disks,
        media,
        cards: cards(of)?,
        display: display(of, facts),
        sound: hardware.devices.sound,
        console_log: Some(host_file(&console.to_string_lossy())?),
    })
}

pub(super) fn ours(of: &Definition) -> Result<Ours, Trouble> {
    // The incarnation is the ledger's to know.
    let mut ours = Ours::new(of.machine.uuid(), (0, of.generation), of.boot_epoch);
    ours.disks = of.disks.iter().map(|disk| disk.id.uuid()).collect();
    ours.probes = probes::words(of)?;
    ours.people.clone_from(&of.people);
    Ok(ours)
}

pub(super) fn cards(of: &Definition) -> Result<Vec<Card>, Trouble> {
    of.networks.iter().map(|it| card(it, &of.settings.hardware)).collect()
}

/// Where it is written what its guest says.
pub(super) fn console(machine: MachineId, facts: &Facts) -> PathBuf {
    facts.consoles.join(format!("{machine}.log"))
}

fn unfit_text(what: &str, unfit: &carrel_domain::text::Unfit) -> Trouble {
    Trouble::never("text", &format!("{what}: {unfit}"))
}

fn label(text: &str) -> Result<Label, Trouble> {
    Label::new(text).map_err(|unfit| unfit_text(text, &unfit))
}

fn host_file(path: &str) -> Result<HostFile, Trouble> {
    HostFile::new(path).map_err(|unfit| unfit_path(path, &unfit))
}

pub(super) fn file(place: &Place) -> Result<HostFile, Trouble> {
    host_file(&place.path())
}

const fn guest(os: Os) -> Guest {
    match os {
        Os::Windows => Guest::Windows,
        Os::Linux | Os::Other => Guest::Linux,
    }
}

fn cpu(of: &Definition, facts: &Facts) -> Result<Cpu, Trouble> {
    let cpu = &of.settings.hardware.cpu;
    let model = match (facts.virtualization, of.identity.cpu_model.as_str()) {
        // It runs on no processor of the host, and has all that QEMU can do.
        (Virtualization::Tcg, _) | (_, "maximum") => Model::Maximum,
        (Virtualization::Kvm, "host-model") => Model::Host,
        (Virtualization::Kvm, named) => Model::Named(label(named)?),
    };
    Ok(Cpu { sockets: cpu.sockets, cores: cpu.cores, threads: cpu.threads, model })
}

/// What it sets in its firmware is on the storage of its first disk, and is its own.
fn firmware(of: &Definition, facts: &Facts) -> Result<Firmware, Trouble> {
    let (found, secure) = match of.settings.hardware.firmware {
        FirmwareKind::Bios => return Ok(Firmware::Bios),
        FirmwareKind::Uefi => (&facts.uefi, false),
        FirmwareKind::UefiSecureBoot => (&facts.uefi_secure, true),
    };
    let missing = || Trouble::never("no_firmware", "this host has no UEFI; install ovmf there");
    let found = found.as_ref().ok_or_else(missing)?;
    let diskless = || Trouble::never("no_disk", "UEFI keeps its settings beside a disk");
    let disk = of.disks.first().ok_or_else(diskless)?;
    let no_name = || Trouble::never("path", "there is no name for what firmware keeps");
    let nvram = firmware_file(of.machine, disk.own());
    let nvram = file(&nvram.ok_or_else(no_name)?)?;
    let (loader, template) = (found.loader.clone(), found.template.clone());
    Ok(Firmware::Uefi(Uefi { loader, nvram, template, secure }))
}

fn boot(devices: &[BootDevice]) -> Vec<Boot> {
    let devices = devices.iter().map(|device| match device {
        BootDevice::Disk => Boot::Disk,
        BootDevice::Cdrom => Boot::Cd,
        BootDevice::Network => Boot::Network,
    });
    devices.collect()
}

pub(super) fn disk(
    of: &DefinedDisk,
    hardware: &Hardware,
    images: &Images,
) -> Result<Disk, Trouble> {
    let bus = match hardware.devices.disk_bus {
        DiskBus::Virtio => Bus::Virtio,
        DiskBus::Scsi => Bus::Scsi,
        DiskBus::Sata => Bus::Sata,
    };
    let (cache, io) = match of.throwaway {
        Some(_) => disk_io::THROWN_AWAY,
        None => disk_io::of(of.file.path().as_ref()),
    };
    Ok(Disk {
        file: file(&of.file)?,
        format: format(files::format(of.format)),
        bus,
        cache,
        io,
        discard: true,
        backing: chain(&of.file, of.format, images)?,
    })
}

const fn format(of: carrel_images::Format) -> Format {
    match of {
        carrel_images::Format::Raw => Format::Raw,
        carrel_images::Format::Qcow2 => Format::Qcow2,
    }
}

/// What the file stands on, from its headers: the nearest first.
fn chain(
    top: &Place,
    of: carrel_model::machine::Format,
    images: &Images,
) -> Result<Vec<Backing>, Trouble> {
    let mut chain = Vec::new();
    let mut above = DiskFile::new(top.path(), files::format(of));
    while let Some(below) = below(&above, images)? {
        if chain.len() == carrel_domain::domain::BACKING_MAX {
            return Err(Trouble::never("chain", &format!("{top} stands on too many files")));
        }
        let path = host_file(&below.path.to_string_lossy())?;
        chain.push(Backing { file: path, format: format(below.format) });
        above = below;
    }
    Ok(chain)
}

fn below(file: &DiskFile, images: &Images) -> Result<Option<DiskFile>, Trouble> {
    let seen = images.seen(&[], std::slice::from_ref(file))?;
    let path = file.path.display();
    let Some(seen) = seen.first() else {
        return Err(Trouble::never("file_missing", &format!("{path} is not there")));
    };
    let Some(backing) = &seen.backing else { return Ok(None) };
    let below = backing.path.display();
    let unsaid = || {
        let detail = format!(
            "{path} does not say what format {below} has; while the machine is off, \
             `qemu-img rebase -u -F FORMAT -b {below} {path}` writes it down"
        );
        Trouble::never("format", &detail)
    };
    let format = backing.format.ok_or_else(unsaid)?;
    Ok(Some(DiskFile::new(backing.path.clone(), format)))
}

/// CDs in drives, of which some are always there; anything else is a stick.
fn media(specs: &[MediumSpec]) -> Result<Vec<Medium>, Trouble> {
    let mut media = Vec::new();
    for spec in specs {
        let unseen = || Trouble::never("media_unseen", "this host does not see a medium's storage");
        let file = file(&medium_file(spec).ok_or_else(unseen)?)?;
        let tray = match spec.kind {
            Kind::Iso => Tray::Cd,
            Kind::Drivers | Kind::Disk => {
                let unread = || Trouble::never("format", "no drive reads this medium; import it");
                // A format that can name other files would have QEMU open them.
                let raw = spec.format.of_disk().filter(|it| *it == DiskFormat::Raw);
                Tray::Stick(format(files::format(raw.ok_or_else(unread)?)))
            }
        };
        media.push(Medium { tray, file: Some(file) });
    }
    while media.iter().filter(|it| it.tray == Tray::Cd).count() < DRIVES_MIN {
        media.push(Medium { tray: Tray::Cd, file: None });
    }
    Ok(media)
}

fn card(of: &NetworkSpec, hardware: &Hardware) -> Result<Card, Trouble> {
    let model = match hardware.devices.network_card {
        NetworkCard::Virtio => CardModel::Virtio,
        NetworkCard::E1000e => CardModel::E1000e,
        NetworkCard::Rtl8139 => CardModel::Rtl8139,
    };
    let attachment = match &of.attachment {
        Attached::Bridge { name } => Attachment::Bridge(label(name.as_str())?),
        Attached::Vlan { bridge, tag } => {
            Attachment::Tagged { bridge: label(bridge.as_str())?, tag: *tag }
        }
        Attached::Libvirt { name } => Attachment::Network(label(name.as_str())?),
    };
    Ok(Card {
        mac: Mac(of.mac.0),
        model,
        attachment,
        link: true,
        no_spoofing: of.policy.no_spoofing,
        isolated: of.policy.isolated,
    })
}

pub(super) fn display(of: &Definition, facts: &Facts) -> Display {
    let (may, wanted) = (&of.display, &of.settings.display);
    let has = |protocol| wanted.protocols.contains(&protocol);
    let redirections = of.settings.hardware.devices.usb_redirections;
    let spice = has(Protocol::Spice).then_some(Spice {
        listen: facts.spice,
        clipboard: may.clipboard,
        file_transfer: may.file_transfer,
        audio: may.audio && of.settings.hardware.devices.sound,
        usb_redirections: if may.usb { redirections } else { 0 },
        smart_card: may.smart_card,
    });
    let graphics = match wanted.graphics {
        display::Graphics::Qxl => Graphics::Qxl,
        display::Graphics::Virtio => Graphics::Virtio,
        display::Graphics::Vga => Graphics::Vga,
    };
    let most = if graphics == Graphics::Vga { 1 } else { may.monitors };
    Display {
        spice,
        vnc: has(Protocol::Vnc).then_some(Vnc { socket: None }),
        video: Video { graphics, monitors: wanted.monitors.min(most).max(1) },
    }
}
