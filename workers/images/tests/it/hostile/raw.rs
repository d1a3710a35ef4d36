//! Said to be raw.

use carrel_images::Claim;

use super::{Case, Change, changed, put};

pub(super) fn good() -> Vec<u8> {
    let mut bytes = vec![0; 1 << 20];
    put(&mut bytes, 0, b"hello");
    bytes
}

pub(super) fn cases() -> Vec<Case> {
    changed(Claim::Raw, &good(), CHANGES)
}

const IN_DISGUISE: &str = "image_disguised";

const CHANGES: &[Change] = &[
    ("with a header of QED", IN_DISGUISE, |it| put(it, 0, b"QED\0")),
    ("with a header of VDI", IN_DISGUISE, |it| put(it, 64, b"\x7f\x10\xda\xbe")),
    ("with a header of LUKS", IN_DISGUISE, |it| put(it, 0, b"LUKS\xba\xbe")),
    ("with a header of Parallels", IN_DISGUISE, |it| put(it, 0, b"WithoutFreeSpace")),
    ("with a newer header of Parallels", IN_DISGUISE, |it| put(it, 0, b"WithouFreSpacExt")),
    ("with a header of Bochs", IN_DISGUISE, |it| put(it, 0, b"Bochs Virtual HD Image")),
    ("with a header of cloop", IN_DISGUISE, |it| put(it, 0, b"#!/bin/sh\n#V2.0 Format\n")),
    ("with a header of old VMDKs", IN_DISGUISE, |it| put(it, 0, b"COWD")),
    ("with a footer of DMG", IN_DISGUISE, |it| {
        let end = it.len() - 512;
        put(it, end, b"koly");
    }),
    ("with a footer of old VHDs", IN_DISGUISE, |it| {
        let end = it.len() - 511;
        put(it, end, b"conectix");
    }),
    ("that is a descriptor of VMDK", IN_DISGUISE, |it| put(it, 0, b"# Disk DescriptorFile\n")),
    ("that is a descriptor after comments", IN_DISGUISE, |it| {
        put(it, 0, b"# nothing\n\n  \nversion=1\nRW 1 FLAT \"/tmp/carrel-images-secret\" 0\n");
    }),
    ("of no full sectors", "image_odd_size", |it| it.push(1)),
    ("of one byte", "image_odd_size", |it| it.truncate(1)),
];
