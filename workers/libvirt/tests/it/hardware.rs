//! What a domain describes is what QEMU takes, device by device.

use std::fs;
use std::path::Path;
use std::time::Duration;

use carrel_domain::{
    Attachment, Backing, Boot, Bus, Cache, Card, CardModel, Cpu, Disk, Domain, Firmware, Format,
    Graphics, Guest, HostFile, Io, Label, Mac, Medium, Model, Tray, Uefi, Video,
};
use carrel_libvirt::{DiskError, Firmly, Happened, Hint, Pause, State, Was};

use crate::support::guest::{Does, guest};
use crate::support::lab::{Lab, lab, target};
use carrel_lab::eventually;
use carrel_lab::make;

fn disk(file: HostFile, format: Format, bus: Bus) -> Disk {
    let (cache, io) = (Cache::Writeback, Io::Threads);
    Disk { file, format, bus, cache, io, discard: true, backing: Vec::new() }
}

fn card(last: u8, model: CardModel) -> Card {
    Card {
        mac: Mac([0x52, 0x54, 0, 0, 1, last]),
        model,
        attachment: Attachment::Bridge(Label::new("br0").expect("a label")),
        link: true,
        no_spoofing: false,
        isolated: true,
    }
}

/// Everything that a template can ask for.
fn everything(lab: &Lab) -> Domain {
    let mut domain = guest(lab, 1, Does::Wait);
    let (base, top) = (lab.file("base.qcow2"), lab.file("top.qcow2"));
    make(&["create", "-f", "qcow2", base.as_str(), "16M"]);
    make(&["create", "-f", "qcow2", "-b", base.as_str(), "-F", "qcow2", top.as_str()]);
    let raw = lab.file("data.raw");
    make(&["create", "-f", "raw", raw.as_str(), "16M"]);
    let stick = lab.file("stick.img");
    fs::write(stick.as_str(), vec![0; 1 << 20]).expect("written");
    let backing = vec![Backing { file: base, format: Format::Qcow2 }];
    let file = |path: &str| HostFile::new(path).expect("a path");
    domain.guest = Guest::Windows;
    domain.memory_mib = 256;
    domain.kernel = None;
    domain.boot = vec![Boot::Cd, Boot::Disk, Boot::Network];
    domain.cpu = Cpu {
        sockets: 1,
        cores: 2,
        threads: 1,
        model: Model::Named(Label::new("qemu64").expect("a label")),
    };
    domain.firmware = Firmware::Uefi(Uefi {
        loader: file("/usr/share/OVMF/OVMF_CODE_4M.ms.fd"),
        nvram: lab.file("vars.fd"),
        template: file("/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
        secure: true,
    });
    domain.tpm = true;
    domain.sound = true;
    domain.disks = vec![
        Disk { backing, ..disk(top, Format::Qcow2, Bus::Virtio) },
        disk(raw, Format::Raw, Bus::Scsi),
    ];
    domain.ours.disks = vec![uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2)];
    domain.media = vec![
        Medium { tray: Tray::Cd, file: None },
        Medium { tray: Tray::Cd, file: None },
        Medium { tray: Tray::ScsiCd, file: Some(stick.clone()) },
        Medium { tray: Tray::Stick(Format::Raw), file: Some(stick) },
    ];
    domain.cards =
        vec![card(1, CardModel::Virtio), card(2, CardModel::E1000e), card(3, CardModel::Rtl8139)];
    domain.display.video = Video { graphics: Graphics::Qxl, monitors: 2 };
    if let Some(spice) = &mut domain.display.spice {
        spice.usb_redirections = 4;
        spice.smart_card = true;
    }
    domain
}

#[test]
fn everything_at_once_starts_and_its_state_stays_or_goes() {
    let lab = lab();
    let loader = Path::new("/usr/share/OVMF/OVMF_CODE_4M.ms.fd");
    assert!(loader.exists(), "this test takes ovmf, which ops/test installs");
    let host = lab.host();
    let domain = everything(&lab);
    let it = target(&domain);
    host.define(&domain).expect("defined");
    assert_eq!(host.start(it, 1), Ok(Was::Done));
    assert_eq!(host.list().expect("listed").domains[0].state, State::Running);
    let text = lab.virsh(&["dumpxml", "--inactive", "--security-info", "carrel-test-1"]);
    let mut started = domain.clone();
    started.ours.ran = true;
    assert_eq!(Domain::read(&text), Ok(started), "{text}");
    host.destroy(it).expect("cut");

    let state = [lab.folder().join("vars.fd"), lab.folder().join(format!("lib/swtpm/{}", it.uuid))];
    let there = || state.each_ref().map(|path| path.exists());
    host.undefine(it, Firmly::Kept).expect("undefined");
    assert_eq!(there(), [true, true]);
    host.define(&domain).expect("defined");
    host.undefine(it, Firmly::Gone).expect("undefined");
    assert_eq!(there(), [false, false]);
    assert!(lab.folder().join("top.qcow2").exists(), "disks are not libvirt's to remove");
}

/// What a guest writes to a raw disk may look like the header of an image on a file of the host.
#[test]
fn no_header_that_a_guest_has_written_is_believed() {
    let lab = lab();
    let host = lab.host();
    let mut domain = guest(&lab, 1, Does::Wait);
    let file = lab.file("disk.raw");
    make(&["create", "-u", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw", file.as_str(), "16M"]);
    domain.disks = vec![disk(file, Format::Raw, Bus::Virtio)];
    domain.ours.disks = vec![uuid::Uuid::from_u128(1)];
    let it = target(&domain);
    host.define(&domain).expect("defined");
    host.start_paused(it, 1).expect("started");
    let command = fs::read_to_string(lab.folder().join("log/qemu/carrel-test-1.log"));
    let command = command.expect("QEMU's log");
    assert!(command.contains("\"driver\":\"raw\"") && !command.contains("shadow"), "{command}");
    assert!(!lab.virsh(&["dumpxml", "carrel-test-1"]).contains("shadow"));
    host.destroy(it).expect("cut");
}

#[test]
fn a_guest_whose_storage_is_full_waits_and_says_so() {
    let lab = lab();
    let host = lab.host();
    let watch = host.watch().expect("watched");
    let mut domain = guest(&lab, 1, Does::Fill);
    // 8 MiB that shall fit into 2.
    lab.tell("small");
    domain.disks = vec![disk(lab.file("small/disk"), Format::Raw, Bus::Virtio)];
    domain.ours.disks = vec![uuid::Uuid::from_u128(1)];
    let it = target(&domain);
    host.define(&domain).expect("defined");
    host.start(it, 1).expect("started");
    let full = |hint: &Hint| match hint {
        Hint::Domain(_, Happened::IoError { reason, .. }) => reason == "enospc",
        Hint::Domain(..) | Hint::All | Hint::Gone => false,
    };
    eventually("it is heard of", || watch.next(Duration::from_secs(30)).filter(full));
    eventually("it waits", || {
        let state = host.list().expect("listed").domains[0].state;
        (state == State::Paused(Pause::Io)).then_some(())
    });
    let errors = host.disk_errors(it).expect("asked");
    let file = lab.file("small/disk");
    let is_told = |error: &DiskError| error.is_full && error.file.as_deref() == Some(file.as_str());
    assert!(errors.iter().any(is_told), "{errors:?}");
    assert_eq!(host.start(it, 1), Ok(Was::So), "there is no more room than before");
    host.destroy(it).expect("cut");
}
