//! What stands in the way of a start is told, and whether trying again would help.

use std::fs;

use carrel_domain::{
    Attachment, Backing, Bus, Cache, Card, CardModel, Disk, Domain, Format, HostFile, Io, Label,
    Mac,
};
use carrel_libvirt::{Hope, Host, Was};
use uuid::Uuid;

use crate::support::guest::{Does, guest};
use crate::support::lab::{Lab, lab, target};
use carrel_lab::make;

fn with_disk(lab: &Lab, number: u64, file: HostFile, format: Format) -> Domain {
    let mut domain = guest(lab, number, Does::Wait);
    let (cache, io, discard) = (Cache::Writeback, Io::Threads, true);
    let backing = Vec::new();
    domain.disks = vec![Disk { file, format, bus: Bus::Virtio, cache, io, discard, backing }];
    domain.ours.disks = vec![Uuid::from_u128(1)];
    domain
}

#[track_caller]
fn must_not_start(host: &Host, domain: &Domain, hope: Hope, code: &str) {
    host.define(domain).expect("defined");
    let refusal = host.start(target(domain), 1).expect_err("it can't");
    assert_eq!((refusal.hope, refusal.code), (hope, code), "{refusal}");
    let observed = host.observe(domain.uuid).expect("observed").expect("there");
    assert_eq!((observed.state.is_on(), observed.ended()), (false, None), "it has never run");
}

#[test]
fn a_disk_that_is_not_there_or_not_what_it_was_said_to_be_never_starts() {
    let lab = lab();
    let host = lab.host();
    let gone = with_disk(&lab, 1, lab.file("gone.qcow2"), Format::Qcow2);
    must_not_start(&host, &gone, Hope::Never, "no_file");

    fs::write(lab.folder().join("odd.qcow2"), vec![0; 1 << 20]).expect("written");
    let odd = with_disk(&lab, 2, lab.file("odd.qcow2"), Format::Qcow2);
    must_not_start(&host, &odd, Hope::Never, "image");

    let (gone, top) = (lab.file("gone.qcow2"), lab.file("top.qcow2"));
    make(&["create", "-u", "-f", "qcow2", "-b", gone.as_str(), "-F", "qcow2", top.as_str(), "1M"]);
    let mut unfounded = with_disk(&lab, 3, top, Format::Qcow2);
    unfounded.disks[0].backing = vec![Backing { file: gone, format: Format::Qcow2 }];
    must_not_start(&host, &unfounded, Hope::Never, "no_file");
}

#[test]
fn a_bridge_that_is_not_there_is_told() {
    let lab = lab();
    let host = lab.host();
    let mut domain = guest(&lab, 1, Does::Wait);
    domain.cards = vec![Card {
        mac: Mac([0x52, 0x54, 0, 0, 1, 1]),
        model: CardModel::Virtio,
        attachment: Attachment::Bridge(Label::new("nobridge0").expect("a label")),
        link: true,
        no_spoofing: false,
        isolated: false,
    }];
    must_not_start(&host, &domain, Hope::Never, "no_device");
    domain.cards[0].attachment = Attachment::Network(Label::new("nonet").expect("a label"));
    must_not_start(&host, &domain, Hope::Never, "no_network");
}

#[test]
fn a_disk_that_somebody_else_writes_is_worth_another_try() {
    let lab = lab();
    let host = lab.host();
    fs::write(lab.folder().join("disk.raw"), vec![0; 1 << 20]).expect("written");
    let [first, second] =
        [1, 2].map(|number| with_disk(&lab, number, lab.file("disk.raw"), Format::Raw));
    host.define(&first).expect("defined");
    host.start(target(&first), 1).expect("started");
    must_not_start(&host, &second, Hope::Again, "locked");
    host.destroy(target(&first)).expect("cut");
    assert_eq!(host.start(target(&second), 1), Ok(Was::Done));
    host.destroy(target(&second)).expect("cut");
}
