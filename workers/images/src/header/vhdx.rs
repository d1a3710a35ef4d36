//! VHDX without a parent and with nothing in its log (Microsoft, [MS-VHDX]).
//!
//! All numbers are little-endian. Places and sizes are multiples of 1 MiB.

use super::fits;
use super::parts::Parts;
use super::refused::Refused;
use super::window::{Part, Window};
use crate::limits::Limits;

const MIB: u64 = 1 << 20;
const MAGIC: &[u8] = b"vhdxfile";
/// There are two, and the one with the higher number counts.
const HEADERS_AT: [u64; 2] = [64 << 10, 128 << 10];
const HEADER_BYTES: usize = 4096;
const REGIONS_AT: [u64; 2] = [192 << 10, 256 << 10];
const REGION_TABLE_BYTES: usize = 64 << 10;
const REGIONS_MAX: usize = 2047;
/// QEMU knows this much of the metadata table.
const METADATA_ENTRIES_MAX: usize = 2047;
const METADATA_BYTES_MIN: u64 = 64 << 10;

/// GUIDs as they lie in the file: the first three groups little-endian.
type Guid = [u8; 16];
const REGION_BAT: Guid = guid(0x2dc2_7766_f623_4200_9d64_115e_9bfd_4a08);
const REGION_METADATA: Guid = guid(0x8b7c_a206_4790_4b9a_b8fe_575f_050f_886e);
const FILE_PARAMETERS: Guid = guid(0xcaa1_6737_fa36_4d43_b3b6_33f0_aa44_e76b);
const DISK_SIZE: Guid = guid(0x2fa5_4224_cd1b_4876_b211_5dbe_d83b_f4b8);
const LOGICAL_SECTOR: Guid = guid(0x8141_bf1d_a96f_4709_ba47_f233_a8fa_ab5f);
const PHYSICAL_SECTOR: Guid = guid(0xcda3_48c7_445d_4471_9cc9_e988_5251_c556);
const DISK_ID: Guid = guid(0xbeca_12ab_b2e6_4523_93ef_c309_e000_c746);
const PARENT_LOCATOR: Guid = guid(0xa8d3_5f2d_b30b_454d_abf7_d3d8_4834_ab0c);
const HAS_PARENT: u32 = 1 << 1;
const IS_REQUIRED: u32 = 1 << 2;

const fn guid(number: u128) -> Guid {
    let it = number.to_be_bytes();
    [
        it[3], it[2], it[1], it[0], it[5], it[4], it[7], it[6], it[8], it[9], it[10], it[11],
        it[12], it[13], it[14], it[15],
    ]
}

pub(super) fn inspect(window: &mut Window<'_>, limits: &Limits) -> Result<u64, Refused> {
    let magic: Part<8> = window.part_if_there(0)?;
    if magic.0 != MAGIC {
        return Err(Refused::OtherFormat { claim: "VHDX" });
    }
    let log = header(window)?;
    let regions = regions(window)?;
    let disk = metadata(window, &regions)?;
    fits(disk.bytes, limits)?;
    let mut parts = Parts::of(window.length(), "its regions and blocks");
    parts.add(0, MIB)?;
    for (at, bytes) in [log, regions.bat, regions.metadata] {
        if at < MIB || !at.is_multiple_of(MIB) || !bytes.is_multiple_of(MIB) {
            return Err(Refused::Malformed("the place of a region"));
        }
        parts.add(at, bytes)?;
    }
    blocks(window, (&regions, &disk), parts, limits)?;
    Ok(disk.bytes)
}

/// Where the log of the header that counts is. Something in it would have to be done before the
/// rest may be believed.
fn header(window: &mut Window<'_>) -> Result<(u64, u64), Refused> {
    let mut newest: Option<(u64, Part<HEADER_BYTES>)> = None;
    for at in HEADERS_AT {
        let part: Part<HEADER_BYTES> = window.part(at, "a header")?;
        if !part.0.starts_with(b"head") || !sum_is_right(&part.0) {
            continue;
        }
        let number = part.le64(8);
        if newest.as_ref().is_none_or(|(other, _)| number > *other) {
            newest = Some((number, part));
        }
    }
    let (_, head) = newest.ok_or(Refused::Checksum("both headers"))?;
    if head.le16(66) != 1 {
        return Err(Refused::Version(head.le16(66).into()));
    }
    if head.le16(64) != 0 {
        return Err(Refused::Version(head.le16(64).into()));
    }
    if head.0[48..64].iter().any(|byte| *byte != 0) {
        return Err(Refused::NotClosed);
    }
    Ok((head.le64(72), head.le32(68).into()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Regions {
    bat: (u64, u64),
    metadata: (u64, u64),
}

/// Both tables say the same, whichever a tool reads.
fn regions(window: &mut Window<'_>) -> Result<Regions, Refused> {
    let [first, second] = REGIONS_AT;
    let (first, second) = (region_table(window, first)?, region_table(window, second)?);
    if first == second { Ok(first) } else { Err(Refused::Contradiction("where its regions are")) }
}

fn region_table(window: &mut Window<'_>, at: u64) -> Result<Regions, Refused> {
    let mut table = vec![0; REGION_TABLE_BYTES];
    window.fill(at, &mut table, "a region table")?;
    if !table.starts_with(b"regi") || !sum_is_right(&table) {
        return Err(Refused::Checksum("a region table"));
    }
    let count = number32(&table, 8) as usize;
    if count > REGIONS_MAX {
        return Err(Refused::Malformed("a region table"));
    }
    let (mut bat, mut metadata) = (None, None);
    for entry in table[16..].chunks_exact(32).take(count) {
        let place = (number64(entry, 16), u64::from(number32(entry, 24)));
        let known = match &entry[..16] {
            id if *id == REGION_BAT => &mut bat,
            id if *id == REGION_METADATA => &mut metadata,
            _ if number32(entry, 28) & 1 != 0 => {
                return Err(Refused::UnknownFeature("a region that is required".to_owned()));
            }
            _ => continue,
        };
        if known.replace(place).is_some() {
            return Err(Refused::Contradiction("where its regions are"));
        }
    }
    match (bat, metadata) {
        (Some(bat), Some(metadata)) => Ok(Regions { bat, metadata }),
        _ => Err(Refused::Malformed("a region table")),
    }
}

#[derive(Clone, Copy, Debug)]
struct Disk {
    bytes: u64,
    block_bytes: u64,
}

fn metadata(window: &mut Window<'_>, regions: &Regions) -> Result<Disk, Refused> {
    let what = "its metadata";
    let (at, length) = regions.metadata;
    let mut table = vec![0; REGION_TABLE_BYTES];
    window.fill(at, &mut table, what)?;
    let count = usize::from(u16::from_le_bytes([table[10], table[11]]));
    if !table.starts_with(b"metadata") || count > METADATA_ENTRIES_MAX {
        return Err(Refused::Malformed(what));
    }
    let (mut block, mut bytes, mut sector) = (None, None, None);
    for entry in table[32..].chunks_exact(32).take(count) {
        let (item_at, item_bytes) = (u64::from(number32(entry, 16)), number32(entry, 20));
        let inside = item_at >= METADATA_BYTES_MIN && item_at + u64::from(item_bytes) <= length;
        let mut item = |wanted: u32| -> Result<Part<8>, Refused> {
            if !inside || item_bytes != wanted {
                return Err(Refused::Malformed(what));
            }
            let mut part = [0; 8];
            window.fill(at + item_at, &mut part[..wanted as usize], what)?;
            Ok(Part(part))
        };
        let again = match &entry[..16] {
            id if *id == FILE_PARAMETERS => block.replace(item(8)?).is_some(),
            id if *id == DISK_SIZE => bytes.replace(item(8)?).is_some(),
            id if *id == LOGICAL_SECTOR => sector.replace(item(4)?).is_some(),
            id if *id == PHYSICAL_SECTOR || *id == DISK_ID => false,
            id if *id == PARENT_LOCATOR => return Err(Refused::BackingFile),
            _ if number32(entry, 24) & IS_REQUIRED != 0 => {
                return Err(Refused::UnknownFeature("metadata that is required".to_owned()));
            }
            _ => false,
        };
        if again {
            return Err(Refused::Contradiction("the disk in it"));
        }
    }
    let (Some(block), Some(bytes), Some(sector)) = (block, bytes, sector) else {
        return Err(Refused::Malformed(what));
    };
    let (block_bytes, bytes) = (u64::from(block.le32(0)), bytes.le64(0));
    if block.le32(4) & HAS_PARENT != 0 {
        return Err(Refused::BackingFile);
    }
    if sector.le32(0) != 512 {
        return Err(Refused::SectorSize(sector.le32(0)));
    }
    if !block_bytes.is_power_of_two() || !(MIB..=256 * MIB).contains(&block_bytes) {
        return Err(Refused::Malformed("the size of blocks"));
    }
    if bytes.is_multiple_of(512) {
        Ok(Disk { bytes, block_bytes })
    } else {
        Err(Refused::Malformed("the size of the disk"))
    }
}

/// Each block lies in the file and by itself.
fn blocks(
    window: &mut Window<'_>,
    (regions, disk): (&Regions, &Disk),
    mut parts: Parts,
    limits: &Limits,
) -> Result<(), Refused> {
    let (at, length) = regions.bat;
    // After so many blocks there is an entry for a bitmap, which only a disk with a parent has.
    let chunk = (1 << 23) * 512 / disk.block_bytes;
    let payload = disk.bytes.div_ceil(disk.block_bytes);
    let entries = payload + (payload - 1) / chunk;
    if entries * 8 > limits.table_bytes_max {
        return Err(Refused::TableTooLarge { what: "its block table" });
    }
    if entries * 8 > length {
        return Err(Refused::CutOff { what: "its block table" });
    }
    window.entries((at, entries), "its block table", |number, entry| {
        let entry = u64::from_le_bytes(entry);
        let (state, at) = (entry & 7, (entry >> 20) * MIB);
        let is_bitmap = (number + 1) % (chunk + 1) == 0;
        match (state, is_bitmap) {
            (0..=3, false) | (0, true) => Ok(()),
            (6, false) => parts.add(at, disk.block_bytes),
            (7, false) | (6, true) => Err(Refused::BackingFile),
            _ => Err(Refused::Malformed("its block table")),
        }
    })?;
    parts.are_apart()
}

/// CRC-32C of all bytes with those of the sum as zeros.
fn sum_is_right(bytes: &[u8]) -> bool {
    let sum = crc32c::crc32c(&bytes[..4]);
    let sum = crc32c::crc32c_append(sum, &[0; 4]);
    crc32c::crc32c_append(sum, &bytes[8..]) == number32(bytes, 4)
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
