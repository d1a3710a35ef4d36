//! VMDK: one sparse extent with its descriptor inside (VMware, "Virtual Disk Format 5.0"; the
//! names of fields are those of its `SparseExtentHeader`).
//!
//! A descriptor may name other files as extents or as parent. QEMU looks for the parent's name
//! anywhere in 20 sectors from the descriptor on, so it must not be there in any form.

use super::fits;
use super::parts::Parts;
use super::refused::Refused;
use super::window::{Part, Window};
use crate::limits::Limits;

const SECTOR_BYTES: u64 = 512;
const MAGIC: &[u8] = b"KDMV";
const TEXT: &[u8] = b"# Disk DescriptorFile";
/// Written by old ESX hosts, and by new ones for snapshots.
const OTHER_MAGICS: &[(&[u8], &str)] =
    &[(b"COWD", "vmfsSparse"), (b"\xbe\xba\xfe\xca\0\0\0\0", "seSparse")];
const VERSION_MAX: u32 = 3;
/// Line ends, a second directory, zeroed grains, compressed grains, markers.
const FLAGS_KNOWN: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 16 | 1 << 17;
const FLAG_COMPRESSED: u32 = 1 << 16;
const FLAG_MARKERS: u32 = 1 << 17;
/// The directory is at the end, and a second header before it says where.
const AT_END: u64 = u64::MAX;
/// From the end of the file: the footer, and the mark that the stream ends.
const FOOTER_BYTES: u64 = 2 * SECTOR_BYTES;
const GRAIN_SECTORS_MIN: u64 = 8;
const GRAIN_SECTORS_MAX: u64 = 4096;
const TABLE_ENTRIES: u32 = 512;
/// As much as QEMU reads of it.
const DESCRIPTOR_SECTORS: u64 = 20;
const DESCRIPTOR_BYTES: usize = 20 * 512;
const KINDS: &[&str] = &["monolithicSparse", "streamOptimized"];

pub(super) fn inspect(window: &mut Window<'_>, limits: &Limits) -> Result<u64, Refused> {
    let head: Part<512> = window.part_if_there(0)?;
    if head.0.starts_with(TEXT) {
        return Err(Refused::DataElsewhere);
    }
    if let Some((_, kind)) = OTHER_MAGICS.iter().find(|(magic, _)| head.0.starts_with(magic)) {
        return Err(Refused::Kind((*kind).to_owned()));
    }
    if !head.0.starts_with(MAGIC) {
        return Err(Refused::OtherFormat { claim: "VMDK" });
    }
    window.must_hold(0, SECTOR_BYTES, "its header")?;
    let first = Sparse::read(&head)?;
    let bytes = first.bytes()?;
    fits(bytes, limits)?;
    descriptor(&first, window)?;
    let used = if first.directory_at == AT_END { footer(&first, window)? } else { first };
    tables(&used, window, limits)?;
    Ok(bytes)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sparse {
    flags: u32,
    sectors: u64,
    grain_sectors: u64,
    descriptor_at: u64,
    descriptor_sectors: u64,
    directory_at: u64,
}

impl Sparse {
    fn read(head: &Part<512>) -> Result<Self, Refused> {
        let version = head.le32(4);
        if !(1..=VERSION_MAX).contains(&version) {
            return Err(Refused::Version(version));
        }
        let it = Self {
            flags: head.le32(8),
            sectors: head.le64(12),
            grain_sectors: head.le64(20),
            descriptor_at: head.le64(28),
            descriptor_sectors: head.le64(36),
            directory_at: head.le64(56),
        };
        if it.flags & !FLAGS_KNOWN != 0 {
            return Err(Refused::UnknownFeature(format!("flags {:#x}", it.flags & !FLAGS_KNOWN)));
        }
        let grains = GRAIN_SECTORS_MIN..=GRAIN_SECTORS_MAX;
        if !grains.contains(&it.grain_sectors) || !it.grain_sectors.is_power_of_two() {
            return Err(Refused::Malformed("the size of grains"));
        }
        if head.le32(44) != TABLE_ENTRIES {
            return Err(Refused::Malformed("the size of grain tables"));
        }
        if head.0[72] != 0 {
            return Err(Refused::NotClosed);
        }
        if it.flags & 1 != 0 && head.array(73) != *b"\n \r\n" {
            return Err(Refused::Malformed("its line ends: it was sent as text"));
        }
        match (head.le16(77), it.flags & FLAG_COMPRESSED != 0) {
            (0, false) | (1, true) => Ok(it),
            _ => Err(Refused::Compression),
        }
    }

    fn bytes(&self) -> Result<u64, Refused> {
        self.sectors.checked_mul(SECTOR_BYTES).ok_or(Refused::Malformed("the size of the disk"))
    }
}

/// One that was written as a stream ends with the header that it should have begun with.
fn footer(first: &Sparse, window: &mut Window<'_>) -> Result<Sparse, Refused> {
    if first.flags & FLAG_MARKERS == 0 {
        return Err(Refused::Contradiction("where its grain directory is"));
    }
    let at = window.length().checked_sub(FOOTER_BYTES);
    let at = at.ok_or(Refused::CutOff { what: "its footer" })?;
    let foot: Part<512> = window.part(at, "its footer")?;
    if !foot.0.starts_with(MAGIC) {
        return Err(Refused::CutOff { what: "its footer" });
    }
    let last = Sparse::read(&foot)?;
    let same = Sparse { directory_at: first.directory_at, ..last };
    if same != *first || last.directory_at == AT_END {
        return Err(Refused::Contradiction("itself: header and footer differ"));
    }
    Ok(last)
}

/// Directory and tables lie in the file, each by itself.
fn tables(it: &Sparse, window: &mut Window<'_>, limits: &Limits) -> Result<(), Refused> {
    let table_bytes = u64::from(TABLE_ENTRIES) * 4;
    let tables = it.sectors.div_ceil(it.grain_sectors * u64::from(TABLE_ENTRIES));
    let bytes = tables * 4;
    if bytes > limits.table_bytes_max {
        return Err(Refused::TableTooLarge { what: "its grain directory" });
    }
    let far = Refused::CutOff { what: "its grain directory" };
    let at = it.directory_at.checked_mul(SECTOR_BYTES).ok_or(far)?;
    if at == 0 {
        return Err(Refused::Malformed("the place of its grain directory"));
    }
    window.must_hold(at, bytes, "its grain directory")?;
    let mut parts = Parts::of(window.length(), "its grain tables");
    parts.add(0, SECTOR_BYTES)?;
    parts.add(at, bytes)?;
    window.entries((at, tables), "its grain directory", |_, entry| {
        let at = u64::from(u32::from_le_bytes(entry)) * SECTOR_BYTES;
        if at == 0 { Ok(()) } else { parts.add(at, table_bytes) }
    })?;
    parts.are_apart()
}

fn descriptor(it: &Sparse, window: &mut Window<'_>) -> Result<(), Refused> {
    let sectors = it.descriptor_sectors;
    if it.descriptor_at == 0 || sectors == 0 || sectors > DESCRIPTOR_SECTORS {
        return Err(Refused::Malformed("the place of its descriptor"));
    }
    let far = Refused::CutOff { what: "its descriptor" };
    let at = it.descriptor_at.checked_mul(SECTOR_BYTES).ok_or(far)?;
    window.must_hold(at, sectors * SECTOR_BYTES, "its descriptor")?;
    let near: Part<DESCRIPTOR_BYTES> = window.part_if_there(at)?;
    let text = near.0.to_ascii_lowercase();
    if text.windows(10).any(|word| word == b"parentfile") {
        return Err(Refused::BackingFile);
    }
    let own = usize::try_from(sectors * SECTOR_BYTES).unwrap_or(0);
    let text = near.0[..own].split(|byte| *byte == 0).next().unwrap_or_default();
    let text = std::str::from_utf8(text).map_err(|_| Refused::Malformed("its descriptor"))?;
    lines(it, text)
}

/// One extent, which is this file, and no parent.
fn lines(it: &Sparse, text: &str) -> Result<(), Refused> {
    let (mut kind, mut parent, mut extents) = (None, None, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=').filter(|(key, _)| !key.contains('"')) {
            let value = value.trim().trim_matches('"');
            match key.trim().to_ascii_lowercase().as_str() {
                "createtype" => kind = Some(value.to_owned()),
                "parentcid" => parent = Some(value.to_ascii_lowercase()),
                _ => {}
            }
        } else if !line.is_empty() {
            extent(it, line)?;
            extents += 1;
        }
    }
    let kind = kind.ok_or(Refused::Malformed("its descriptor: no createType"))?;
    if !KINDS.contains(&kind.as_str()) {
        return Err(Refused::Kind(kind));
    }
    if parent.is_some_and(|parent| parent != "ffffffff") {
        return Err(Refused::BackingFile);
    }
    if extents == 1 { Ok(()) } else { Err(Refused::DataElsewhere) }
}

/// `RW 2097152 SPARSE "name.vmdk"`
fn extent(it: &Sparse, line: &str) -> Result<(), Refused> {
    let (front, name) = line.split_once('"').ok_or(Refused::Malformed("an extent"))?;
    let name = name.strip_suffix('"').ok_or(Refused::DataElsewhere)?;
    if name.is_empty() || name.contains(['/', '\\', ':', '"']) {
        return Err(Refused::DataElsewhere);
    }
    let words: Vec<&str> = front.split_whitespace().collect();
    let [_access, sectors, "SPARSE"] = words.as_slice() else {
        return Err(Refused::DataElsewhere);
    };
    if sectors.parse() == Ok(it.sectors) {
        Ok(())
    } else {
        Err(Refused::Contradiction("the size of the disk"))
    }
}
