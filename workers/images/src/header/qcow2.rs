//! The header of a qcow2 file as it stands there (QEMU's docs/interop/qcow2.txt).
//!
//! Read for uploads, and for Carrel's own files when somebody looks at them. What is read is
//! judged elsewhere: by `qcow2_upload` for uploads, by [`Qcow2::readable`] for our own.

use super::refused::Refused;
use super::window::{Part, Window};

pub(crate) const MAGIC: [u8; 4] = *b"QFI\xfb";
pub(crate) const HEADER_BYTES_V2: u64 = 72;
pub(crate) const HEADER_BYTES_V3: u64 = 104;
/// With the compression type, as QEMU writes it since 5.1.
pub(crate) const HEADER_BYTES: u64 = 112;
const CLUSTER_BITS_MIN: u32 = 9;
/// QEMU opens none with larger ones.
const CLUSTER_BITS_MAX: u32 = 21;
/// Longer ones are not allowed.
pub(crate) const NAME_BYTES_MAX: u64 = 1023;
/// QEMU's own maximum (`QCOW_MAX_L1_SIZE`).
pub(crate) const L1_BYTES_MAX: u64 = 32 << 20;

pub(crate) mod feature {
    pub(crate) const DIRTY: u64 = 1;
    pub(crate) const CORRUPT: u64 = 1 << 1;
    pub(crate) const DATA_FILE: u64 = 1 << 2;
    pub(crate) const COMPRESSION: u64 = 1 << 3;
    pub(crate) const AUTOCLEAR_BITMAPS: u64 = 1;
    pub(crate) const AUTOCLEAR_RAW_DATA_FILE: u64 = 1 << 1;
}

pub(crate) mod extension {
    pub(crate) const END: u32 = 0;
    pub(crate) const BACKING_FORMAT: u32 = 0xe279_2aca;
    pub(crate) const FEATURE_NAMES: u32 = 0x6803_f857;
    pub(crate) const BITMAPS: u32 = 0x2385_2875;
    pub(crate) const ENCRYPTION: u32 = 0x0537_be77;
    pub(crate) const DATA_FILE: u32 = 0x4441_5441;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Qcow2 {
    pub(crate) version: u32,
    pub(crate) backing: Option<Named>,
    pub(crate) cluster_bits: u32,
    pub(crate) virtual_bytes: u64,
    pub(crate) encryption: u32,
    pub(crate) l1_entries: u32,
    pub(crate) l1_at: u64,
    pub(crate) refcounts_at: u64,
    pub(crate) refcount_clusters: u32,
    pub(crate) snapshots: u32,
    pub(crate) incompatible: u64,
    pub(crate) autoclear: u64,
    pub(crate) refcount_order: u32,
    pub(crate) compression: u8,
    pub(crate) extensions: Vec<Extension>,
    /// Where the area of extensions ends.
    pub(crate) extensions_end: u64,
}

/// The name of a backing file, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) at: u64,
    pub(crate) name: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) kind: u32,
    /// Where its data begins.
    pub(crate) at: u64,
    /// Its first bytes: enough for a format's name.
    pub(crate) data: Vec<u8>,
    pub(crate) bytes: u64,
}

const EXTENSION_DATA_MAX: usize = 16;
/// Each takes at least 8 bytes; QEMU writes three.
const EXTENSIONS_MAX: usize = 64;

impl Qcow2 {
    pub(crate) fn read(window: &mut Window<'_>) -> Result<Self, Refused> {
        let magic: Part<8> = window.part_if_there(0)?;
        if magic.array(0) != MAGIC {
            return Err(Refused::OtherFormat { claim: "qcow2" });
        }
        let (version, length) = match magic.be32(4) {
            2 => (2, HEADER_BYTES_V2),
            3 => (3, HEADER_BYTES_V3),
            other => return Err(Refused::Version(other)),
        };
        window.must_hold(0, length, "its header")?;
        let head: Part<112> = window.part_if_there(0)?;
        let cluster_bits = head.be32(20);
        if !(CLUSTER_BITS_MIN..=CLUSTER_BITS_MAX).contains(&cluster_bits) {
            return Err(Refused::Malformed("the size of clusters"));
        }
        let length = if version == 3 { u64::from(head.be32(100)) } else { length };
        let in_range = (HEADER_BYTES_V3..=1 << cluster_bits).contains(&length);
        if version == 3 && (!in_range || !length.is_multiple_of(8)) {
            return Err(Refused::Malformed("the length of the header"));
        }
        let v3 = |number: u64| if version == 3 { number } else { 0 };
        let mut it = Self {
            version,
            backing: None,
            cluster_bits,
            virtual_bytes: head.be64(24),
            encryption: head.be32(32),
            l1_entries: head.be32(36),
            l1_at: head.be64(40),
            refcounts_at: head.be64(48),
            refcount_clusters: head.be32(56),
            snapshots: head.be32(60),
            incompatible: v3(head.be64(72)),
            autoclear: v3(head.be64(88)),
            refcount_order: if version == 3 { head.be32(96) } else { 4 },
            compression: if length > HEADER_BYTES_V3 { head.0[104] } else { 0 },
            extensions: Vec::new(),
            extensions_end: length,
        };
        let (name_at, name_bytes) = (head.be64(8), u64::from(head.be32(16)));
        it.read_extensions(window, length, if name_at == 0 { None } else { Some(name_at) })?;
        it.backing = it.read_name(window, (name_at, name_bytes))?;
        Ok(it)
    }

    /// They go on to an end mark, to the backing file's name or to the end of the first cluster.
    fn read_extensions(
        &mut self,
        window: &mut Window<'_>,
        from: u64,
        name_at: Option<u64>,
    ) -> Result<(), Refused> {
        let until = name_at.unwrap_or(self.cluster_bytes()).min(self.cluster_bytes());
        let mut at = from;
        while at + 8 <= until {
            let head: Part<8> = window.part_if_there(at)?;
            let (kind, bytes) = (head.be32(0), u64::from(head.be32(4)));
            at += 8;
            if kind == extension::END {
                break;
            }
            if self.extensions.len() == EXTENSIONS_MAX || at + bytes > until {
                return Err(Refused::Malformed("a header extension"));
            }
            let mut data = [0; EXTENSION_DATA_MAX];
            let kept = usize::try_from(bytes).unwrap_or(usize::MAX).min(EXTENSION_DATA_MAX);
            window.fill(at, &mut data[..kept], "a header extension")?;
            self.extensions.push(Extension { kind, at, data: data[..kept].to_vec(), bytes });
            at += bytes.next_multiple_of(8);
        }
        self.extensions_end = at.min(until);
        Ok(())
    }

    fn read_name(
        &self,
        window: &mut Window<'_>,
        (at, bytes): (u64, u64),
    ) -> Result<Option<Named>, Refused> {
        if at == 0 {
            return Ok(None);
        }
        let beyond = at.checked_add(bytes).is_none_or(|end| end > self.cluster_bytes());
        if bytes == 0 || bytes > NAME_BYTES_MAX || beyond || at < HEADER_BYTES_V2 {
            return Err(Refused::Malformed("the place of the backing file's name"));
        }
        let mut name = vec![0; usize::try_from(bytes).unwrap_or(0)];
        window.fill(at, &mut name, "the backing file's name")?;
        Ok(Some(Named { at, name }))
    }

    pub(crate) const fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// How much of the disk one L2 table is for.
    pub(crate) const fn l2_covers(&self) -> u64 {
        1 << (2 * self.cluster_bits - 3)
    }

    pub(crate) const fn l1_bytes(&self) -> u64 {
        self.l1_entries as u64 * 8
    }

    /// As many L1 entries as the disk has need of.
    pub(crate) const fn l1_entries_needed(&self) -> u64 {
        self.virtual_bytes.div_ceil(self.l2_covers())
    }

    pub(crate) fn extension(&self, kind: u32) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.kind == kind)
    }

    /// Whether this crate knows enough to read the disk in it.
    pub(crate) fn readable(&self) -> Result<(), Refused> {
        if self.encryption != 0 {
            return Err(Refused::Encrypted);
        }
        if self.incompatible & feature::CORRUPT != 0 {
            return Err(Refused::MarkedCorrupt);
        }
        if self.incompatible & feature::DATA_FILE != 0 {
            return Err(Refused::DataElsewhere);
        }
        let has_bit = self.incompatible & feature::COMPRESSION != 0;
        if has_bit || self.compression != 0 {
            return Err(Refused::Compression);
        }
        let known = feature::DIRTY;
        if self.incompatible & !known != 0 {
            return Err(Refused::UnknownFeature(format!("{:#x}", self.incompatible & !known)));
        }
        let needed = self.l1_entries_needed();
        if u64::from(self.l1_entries) < needed || self.l1_bytes() > L1_BYTES_MAX {
            return Err(Refused::Malformed("the size of the L1 table"));
        }
        Ok(())
    }
}
