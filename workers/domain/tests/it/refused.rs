//! What no QEMU would start is refused before anybody is asked.

use carrel_domain::{
    Attachment, Backing, Boot, Cache, Domain, Format, Graphics, Mac, Medium, Refused, Tray,
};
use uuid::Uuid;

use crate::examples::{file, label, linux, windows};

#[track_caller]
fn must_be(refused: Refused, change: impl FnOnce(&mut Domain)) {
    let mut domain = windows();
    change(&mut domain);
    assert_eq!(domain.check(), Err(refused));
}

#[test]
fn what_is_usual_is_accepted() {
    assert_eq!((linux().check(), windows().check()), (Ok(()), Ok(())));
}

#[test]
fn sizes_and_numbers_have_their_bounds() {
    must_be(Refused::Size, |domain| domain.memory_mib = 0);
    must_be(Refused::Size, |domain| domain.cpu.cores = 0);
    must_be(Refused::Size, |domain| domain.cpu.cores = u16::MAX);
    must_be(Refused::Crowded, |domain| {
        domain.media = vec![Medium { tray: Tray::Cd, file: None }; 7];
    });
    must_be(Refused::Monitors, |domain| domain.display.video.monitors = 0);
    must_be(Refused::Monitors, |domain| domain.display.video.graphics = Graphics::Vga);
    must_be(Refused::Boot, |domain| domain.boot.clear());
    must_be(Refused::Boot, |domain| domain.boot = vec![Boot::Disk, Boot::Cd, Boot::Disk]);
}

#[test]
fn no_two_write_one_file_and_every_disk_has_its_id() {
    must_be(Refused::DiskIds, |domain| domain.ours.disks.push(Uuid::nil()));
    must_be(Refused::SharedFile, |domain| domain.disks[1].file = domain.disks[0].file.clone());
    must_be(Refused::SharedFile, |domain| {
        let file = domain.disks[1].file.clone();
        domain.disks[0].backing = vec![Backing { file, format: Format::Qcow2 }];
    });
    must_be(Refused::RawOnFile, |domain| {
        domain.disks[0].format = Format::Raw;
        domain.disks[0].backing = vec![Backing { file: file("/a"), format: Format::Raw }];
    });
    must_be(Refused::Chain, |domain| {
        domain.disks[0].backing = vec![Backing { file: file("/a"), format: Format::Qcow2 }; 17];
    });
    must_be(Refused::NativeIo, |domain| domain.disks[0].cache = Cache::Writeback);
    must_be(Refused::EmptyStick, |domain| {
        domain.media = vec![Medium { tray: Tray::Stick(Format::Raw), file: None }];
    });
}

#[test]
fn cards_are_told_from_each_other() {
    must_be(Refused::Mac, |domain| domain.cards[1].mac = domain.cards[0].mac);
    must_be(Refused::Mac, |domain| domain.cards[0].mac = Mac([1, 0, 0x5e, 0, 0, 1]));
    for tag in [0, 4095] {
        must_be(Refused::Tag, |domain| {
            domain.cards[0].attachment = Attachment::Tagged { bridge: label("ovs0"), tag };
        });
    }
}
