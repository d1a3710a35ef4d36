//! VHD, fixed and dynamic (Microsoft, "Virtual Hard Disk Image Format Specification" 1.0).
//!
//! A fixed disk is its content and a footer. A dynamic one begins with a copy of its footer. QEMU
//! looks at the beginning first, so a fixed disk whose content begins like a footer is refused.

use super::fits;
use super::parts::Parts;
use super::refused::Refused;
use super::window::{Part, Window};
use crate::limits::Limits;

const SECTOR_BYTES: u64 = 512;
const COOKIE: &[u8] = b"conectix";
const DYNAMIC_COOKIE: &[u8] = b"cxsparse";
const VERSION: u32 = 0x0001_0000;
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;
const UNUSED: u32 = u32::MAX;
const BLOCK_BYTES_MAX: u32 = 256 << 20;

pub(super) fn inspect(window: &mut Window<'_>, limits: &Limits) -> Result<u64, Refused> {
    let begin: Part<512> = window.part_if_there(0)?;
    let end_at = window.length().checked_sub(SECTOR_BYTES);
    let end_at = end_at.ok_or(Refused::OtherFormat { claim: "VHD" })?;
    let end: Part<512> = window.part(end_at, "its footer")?;
    let begins = begin.0.starts_with(COOKIE);
    if !end.0.starts_with(COOKIE) {
        let what = "its footer";
        let other = Refused::OtherFormat { claim: "VHD" };
        return Err(if begins { Refused::CutOff { what } } else { other });
    }
    let footer = Footer::read(&end)?;
    fits(footer.bytes, limits)?;
    match footer.kind {
        FIXED if begins => Err(Refused::Contradiction("what kind of disk it is")),
        FIXED if footer.bytes == end_at => Ok(footer.bytes),
        FIXED if footer.bytes > end_at => Err(Refused::CutOff { what: "the disk" }),
        FIXED => Err(Refused::Contradiction("the size of the disk")),
        DYNAMIC if begin.0 != end.0 => {
            Err(Refused::Contradiction("itself: its footer and the copy of it differ"))
        }
        DYNAMIC => dynamic(&footer, end_at, window, limits),
        DIFFERENCING => Err(Refused::BackingFile),
        other => Err(Refused::Kind(other.to_string())),
    }
}

#[derive(Clone, Copy, Debug)]
struct Footer {
    kind: u32,
    bytes: u64,
    dynamic_at: u64,
}

impl Footer {
    fn read(part: &Part<512>) -> Result<Self, Refused> {
        if part.be32(12) != VERSION {
            return Err(Refused::Version(part.be32(12)));
        }
        if checksum(&part.0, 64) != part.be32(64) {
            return Err(Refused::Checksum("its footer"));
        }
        if part.0[84] != 0 {
            return Err(Refused::NotClosed);
        }
        let bytes = part.be64(48);
        if !bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(Refused::Malformed("the size of the disk"));
        }
        Ok(Self { kind: part.be32(60), bytes, dynamic_at: part.be64(16) })
    }
}

fn dynamic(
    footer: &Footer,
    end_at: u64,
    window: &mut Window<'_>,
    limits: &Limits,
) -> Result<u64, Refused> {
    let head: Part<1024> = window.part(footer.dynamic_at, "its dynamic header")?;
    if !head.0.starts_with(DYNAMIC_COOKIE) || head.be32(24) != VERSION {
        return Err(Refused::Malformed("its dynamic header"));
    }
    if checksum(&head.0, 36) != head.be32(36) {
        return Err(Refused::Checksum("its dynamic header"));
    }
    // A parent's name, and where to look for it.
    if head.0[40..56].iter().chain(&head.0[64..768]).any(|byte| *byte != 0) {
        return Err(Refused::BackingFile);
    }
    let (table_at, blocks, block) = (head.be64(16), u64::from(head.be32(28)), head.be32(32));
    if !block.is_power_of_two() || !(4096..=BLOCK_BYTES_MAX).contains(&block) {
        return Err(Refused::Malformed("the size of blocks"));
    }
    let needed = footer.bytes.div_ceil(block.into());
    if blocks < needed {
        return Err(Refused::Contradiction("the size of the disk"));
    }
    let table_bytes = blocks * 4;
    if table_bytes > limits.table_bytes_max || blocks > needed.saturating_mul(2).max(1024) {
        return Err(Refused::TableTooLarge { what: "its block table" });
    }
    if !table_at.is_multiple_of(SECTOR_BYTES) {
        return Err(Refused::Malformed("the place of its block table"));
    }
    window.must_hold(table_at, table_bytes, "its block table")?;
    let bitmap_bytes = u64::from(block / 512 / 8).next_multiple_of(SECTOR_BYTES);
    let mut parts = Parts::of(window.length(), "its blocks");
    parts.add(0, SECTOR_BYTES)?;
    parts.add(footer.dynamic_at, 1024)?;
    parts.add(table_at, table_bytes)?;
    parts.add(end_at, SECTOR_BYTES)?;
    window.entries((table_at, blocks), "its block table", |_, entry| {
        let sector = u32::from_be_bytes(entry);
        if sector == UNUSED {
            return Ok(());
        }
        parts.add(u64::from(sector) * SECTOR_BYTES, bitmap_bytes + u64::from(block))
    })?;
    parts.are_apart()?;
    Ok(footer.bytes)
}

/// The ones' complement of the sum of all bytes but those of the sum.
fn checksum(bytes: &[u8], sum_at: usize) -> u32 {
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    let own: u32 = bytes[sum_at..sum_at + 4].iter().map(|byte| u32::from(*byte)).sum();
    !(sum - own)
}
