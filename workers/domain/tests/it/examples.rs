//! Two desktops as people have them.

use carrel_domain::{
    Attachment, Backing, Boot, Bus, Cache, Card, CardModel, Cpu, Disk, Display, Domain, Firmware,
    Format, Graphics, Guest, HostFile, Io, Label, Listen, Mac, Medium, Model, Name, Ours, Spice,
    Tray, Uefi, Video, Virtualization, Vnc,
};
use uuid::Uuid;

pub(crate) fn file(path: &str) -> HostFile {
    HostFile::new(path).expect("a path")
}

pub(crate) fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}

fn ours(disks: &[u128]) -> Ours {
    let mut ours = Ours::new(Uuid::from_u128(0x0192_0000), (1, 7), 3);
    ours.disks = disks.iter().map(|id| Uuid::from_u128(*id)).collect();
    ours
}

fn disk(name: &str, backing: &[&str]) -> Disk {
    let backing = backing.iter();
    Disk {
        file: file(&format!("/srv/disks/{name}")),
        format: Format::Qcow2,
        bus: Bus::Virtio,
        cache: Cache::None,
        io: Io::Native,
        discard: true,
        backing: backing
            .map(|name| Backing {
                file: file(&format!("/srv/images/{name}")),
                format: Format::Qcow2,
            })
            .collect(),
    }
}

fn spice(listen: Listen) -> Spice {
    Spice {
        listen,
        clipboard: false,
        file_transfer: false,
        audio: true,
        usb_redirections: 4,
        smart_card: false,
    }
}

fn card(last: u8, attachment: Attachment) -> Card {
    Card {
        mac: Mac([0x52, 0x54, 0, 0, 0, last]),
        model: CardModel::Virtio,
        attachment,
        link: true,
        no_spoofing: false,
        isolated: false,
    }
}

/// A child of an image: BIOS, two versions below its disk, a bridge.
pub(crate) fn linux() -> Domain {
    Domain {
        name: Name::new("desktop-001").expect("a name"),
        uuid: Uuid::from_u128(0x5eed_0001),
        title: Some(label("Desktop <1> of \"R&D\"")),
        ours: ours(&[1]),
        virtualization: Virtualization::Tcg,
        emulator: file("/usr/bin/qemu-system-x86_64"),
        machine_type: label("pc-q35-7.2"),
        guest: Guest::Linux,
        memory_mib: 2048,
        cpu: Cpu { sockets: 1, cores: 2, threads: 1, model: Model::Maximum },
        firmware: Firmware::Bios,
        tpm: false,
        serial: Some(label("C-0001")),
        boot: vec![Boot::Disk, Boot::Cd],
        kernel: None,
        disks: vec![disk("001.qcow2", &["1-0.qcow2", "0-0.qcow2"])],
        media: vec![Medium { tray: Tray::Cd, file: Some(file("/srv/config/001.iso")) }],
        cards: vec![card(1, Attachment::Bridge(label("br0")))],
        display: Display {
            spice: Some(spice(Listen::Loopback)),
            vnc: Some(Vnc { socket: None }),
            video: Video { graphics: Graphics::Qxl, monitors: 1 },
        },
        sound: true,
        console_log: Some(file("/var/log/carrel/001.log")),
    }
}

/// An installation: UEFI with secure boot, TPM, CDs of Windows and of its drivers, smart card.
pub(crate) fn windows() -> Domain {
    let cd =
        |name: &str| Medium { tray: Tray::Cd, file: Some(file(&format!("/srv/media/{name}.iso"))) };
    Domain {
        name: Name::new("windows-source").expect("a name"),
        uuid: Uuid::from_u128(0x5eed_0002),
        title: None,
        ours: ours(&[2, 3]),
        virtualization: Virtualization::Kvm,
        guest: Guest::Windows,
        memory_mib: 8192,
        cpu: Cpu {
            sockets: 1,
            cores: 4,
            threads: 2,
            model: Model::Named(label("Skylake-Client-IBRS")),
        },
        firmware: Firmware::Uefi(Uefi {
            loader: file("/usr/share/OVMF/OVMF_CODE_4M.ms.fd"),
            nvram: file("/srv/disks/windows.nvram"),
            template: file("/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
            secure: true,
        }),
        tpm: true,
        boot: vec![Boot::Cd, Boot::Disk, Boot::Network],
        disks: vec![
            Disk { bus: Bus::Scsi, ..disk("windows.qcow2", &[]) },
            Disk { cache: Cache::Unsafe, io: Io::Threads, ..disk("data.qcow2", &[]) },
        ],
        media: vec![
            cd("windows"),
            cd("virtio"),
            cd("answers"),
            Medium { tray: Tray::Cd, file: None },
            Medium { tray: Tray::Stick(Format::Raw), file: Some(file("/srv/media/drivers.img")) },
        ],
        cards: vec![
            Card { model: CardModel::E1000e, ..card(2, Attachment::Network(label("default"))) },
            Card {
                link: false,
                no_spoofing: true,
                isolated: true,
                ..card(3, Attachment::Bridge(label("br1")))
            },
            card(4, Attachment::Tagged { bridge: label("ovs0"), tag: 12 }),
        ],
        display: Display {
            spice: Some(Spice {
                clipboard: true,
                smart_card: true,
                ..spice(Listen::Tls([192, 0, 2, 7].into()))
            }),
            vnc: Some(Vnc { socket: Some(file("/run/carrel/vnc/windows")) }),
            video: Video { graphics: Graphics::Qxl, monitors: 3 },
        },
        ..linux()
    }
}
