//! A raw disk is anything, but for what a tool that guesses would take for something else.

use super::refused::Refused;
use super::window::{Part, Window};

const SECTOR_BYTES: u64 = 512;

/// What files of other formats begin with, at which byte (QEMU's probes in `block/*.c`).
const BEGINNINGS: &[(usize, &[u8], &str)] = &[
    (0, b"QFI\xfb", "qcow2"),
    (0, b"QED\0", "QED"),
    (0, b"KDMV", "VMDK"),
    (0, b"COWD", "VMDK"),
    (0, b"conectix", "VHD"),
    (0, b"vhdxfile", "VHDX"),
    (64, b"\x7f\x10\xda\xbe", "VDI"),
    (0, b"LUKS\xba\xbe", "LUKS"),
    (0, b"WithoutFreeSpace", "Parallels"),
    (0, b"WithouFreSpacExt", "Parallels"),
    (0, b"Bochs Virtual HD Image", "Bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\n", "cloop"),
];

/// QEMU takes a text for a VMDK if this is its first line, after comments and blank lines.
const DESCRIPTOR: &[u8] = b"# disk descriptorfile";
const VERSIONS: &[&[u8]] = &[b"version=1", b"version=2", b"version=3"];

/// What their last sector begins with.
const ENDS: &[(&[u8], &str)] = &[(b"conectix", "VHD"), (b"koly", "DMG")];

pub(super) fn inspect(window: &mut Window<'_>) -> Result<u64, Refused> {
    let begin: Part<2048> = window.part_if_there(0)?;
    for (at, magic, is) in BEGINNINGS {
        if begin.0[*at..].starts_with(magic) {
            return Err(Refused::LooksLike { is });
        }
    }
    if is_descriptor(&begin.0) {
        return Err(Refused::LooksLike { is: "VMDK" });
    }
    // VHDs that were cut to full MiBs or written by old tools end with a sector of 511 bytes.
    for bytes in [SECTOR_BYTES, SECTOR_BYTES - 1] {
        let Some(at) = window.length().checked_sub(bytes) else { continue };
        let end: Part<8> = window.part(at, "its last sector")?;
        if let Some((_, is)) = ENDS.iter().find(|(magic, _)| end.0.starts_with(magic)) {
            return Err(Refused::LooksLike { is });
        }
    }
    if !window.length().is_multiple_of(SECTOR_BYTES) {
        return Err(Refused::OddSize);
    }
    Ok(window.length())
}

fn is_descriptor(begin: &[u8]) -> bool {
    if begin.len() >= DESCRIPTOR.len() && begin[..DESCRIPTOR.len()].eq_ignore_ascii_case(DESCRIPTOR)
    {
        return true;
    }
    let mut lines = begin.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"));
    first.is_some_and(|line| VERSIONS.iter().any(|version| line.eq_ignore_ascii_case(version)))
}
