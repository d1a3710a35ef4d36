//! A qcow2 file: the disk's clusters by its two levels of tables (docs/interop/qcow2.txt).
//!
//! The L1 table is kept, at most 32 MiB as QEMU has it, and one L2 table at a time: a disk is read
//! from its beginning to its end.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{Extent, Where};
use crate::failed::Failed;
use crate::header::Refused;
use crate::header::qcow2::Qcow2;
use crate::header::window::Window;

const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const PACKED: u64 = 1 << 62;
/// Since version 3: the cluster reads as zeros, whatever it points to.
const ZEROS: u64 = 1;
const SECTOR_BYTES: u64 = 512;
/// Header, names and tables of our own files; an L1 table of 32 MiB is the largest part.
const READ_BYTES_MAX: u64 = 40 << 20;

#[derive(Debug)]
pub(super) struct Image {
    pub(super) file: File,
    pub(super) header: Qcow2,
    path: PathBuf,
    file_bytes: u64,
    l1: Vec<u64>,
    /// The table that was read last, and of which L1 entry it is.
    l2: Option<(u64, Vec<u64>)>,
}

impl Image {
    pub(super) fn open(path: &Path, mut file: File) -> Result<Self, Failed> {
        let refused = |why| Failed::refused(path, why);
        let mut window = Window::new(&mut file, READ_BYTES_MAX).map_err(refused)?;
        let header = Qcow2::read(&mut window).map_err(refused)?;
        header.readable().map_err(refused)?;
        let mut l1 = Vec::new();
        let entries = (header.l1_at, header.l1_entries_needed());
        let read = window.entries(entries, "its L1 table", |_, entry| {
            l1.push(u64::from_be_bytes(entry) & OFFSET);
            Ok(())
        });
        read.map_err(refused)?;
        let file_bytes = window.length();
        Ok(Self { file, header, path: path.to_owned(), file_bytes, l1, l2: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn broken(&self, what: &'static str) -> Failed {
        Failed::refused(&self.path, Refused::Malformed(what))
    }

    /// Neighbours of one kind are told together, within one L2 table.
    pub(super) fn extent(&mut self, at: u64) -> Result<Extent, Failed> {
        let covers = self.header.l2_covers();
        let (number, cluster) = (at / covers, self.header.cluster_bytes());
        let end = self.header.virtual_bytes.min((number + 1).saturating_mul(covers));
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        match self.l1.get(index) {
            Some(0) => return Ok(Extent { from: Where::Below, bytes: end - at }),
            Some(table_at) => self.load(number, *table_at)?,
            None => return Err(self.broken("the size of the L1 table")),
        }
        let inside = at % cluster;
        let mut bytes = cluster - inside;
        let first = self.cluster(at)?;
        let from = if let Where::Here(place) = first { Where::Here(place + inside) } else { first };
        while at + bytes < end && !matches!(first, Where::Packed { .. }) {
            let next = self.cluster(at + bytes)?;
            let follows = match (first, next) {
                (Where::Below, Where::Below) | (Where::Zeros, Where::Zeros) => true,
                (Where::Here(place), Where::Here(next)) => next == place + inside + bytes,
                _ => false,
            };
            if !follows {
                break;
            }
            bytes += cluster;
        }
        Ok(Extent { from, bytes: bytes.min(end - at) })
    }

    /// Where the cluster is that this place lies in. Its L2 table is loaded.
    fn cluster(&self, at: u64) -> Result<Where, Failed> {
        let bits = self.header.cluster_bits;
        let index = (at % self.header.l2_covers()) >> bits;
        let table = self.l2.as_ref().map_or(&[][..], |(_, table)| table.as_slice());
        let entry = usize::try_from(index).ok().and_then(|index| table.get(index));
        let entry = *entry.ok_or_else(|| self.broken("an L2 table"))?;
        if entry & PACKED != 0 {
            return self.packed(entry);
        }
        let place = entry & OFFSET;
        if entry & ZEROS != 0 && self.header.version >= 3 {
            return Ok(Where::Zeros);
        }
        if place == 0 {
            return Ok(Where::Below);
        }
        if !place.is_multiple_of(self.header.cluster_bytes()) {
            return Err(self.broken("an entry of an L2 table"));
        }
        if place >= self.file_bytes {
            let what = "a cluster";
            return Err(Failed::refused(&self.path, Refused::CutOff { what }));
        }
        Ok(Where::Here(place))
    }

    fn packed(&self, entry: u64) -> Result<Where, Failed> {
        let sectors_at = 62 - (self.header.cluster_bits - 8);
        let at = entry & ((1 << sectors_at) - 1);
        let sectors = ((entry & !PACKED & !(1 << 63)) >> sectors_at) + 1;
        // The last sector may be one that was never filled up.
        let bytes =
            (sectors * SECTOR_BYTES - at % SECTOR_BYTES).min(self.file_bytes.saturating_sub(at));
        if bytes == 0 {
            let what = "a compressed cluster";
            return Err(Failed::refused(&self.path, Refused::CutOff { what }));
        }
        Ok(Where::Packed { at, bytes: usize::try_from(bytes).unwrap_or(usize::MAX) })
    }

    fn load(&mut self, number: u64, table_at: u64) -> Result<(), Failed> {
        if self.l2.as_ref().is_some_and(|(loaded, _)| *loaded == number) {
            return Ok(());
        }
        let bytes = self.header.cluster_bytes();
        if !table_at.is_multiple_of(bytes) || table_at + bytes > self.file_bytes {
            return Err(self.broken("the place of an L2 table"));
        }
        let mut read = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.file.read_exact_at(&mut read, table_at).map_err(|it| Failed::io(&self.path, it))?;
        let numbers = read.as_chunks().0.iter().map(|entry| u64::from_be_bytes(*entry));
        self.l2 = Some((number, numbers.collect()));
        Ok(())
    }

    /// A whole cluster, inflated into a buffer of its size.
    pub(super) fn unpack(&self, (at, bytes): (u64, usize), into: &mut [u8]) -> Result<(), Failed> {
        let mut packed = vec![0; bytes];
        self.file.read_exact_at(&mut packed, at).map_err(|it| Failed::io(&self.path, it))?;
        let mut state = miniz_oxide::inflate::core::DecompressorOxide::new();
        let flat =
            miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (_, _, written) =
            miniz_oxide::inflate::core::decompress(&mut state, &packed, into, 0, flat);
        // What follows in the sector is not the stream's, so only the cluster's end counts.
        if written == into.len() { Ok(()) } else { Err(self.broken("a compressed cluster")) }
    }
}

/// Nothing was written to it since it was made: it has no L2 table.
pub(crate) fn is_untouched(path: &Path, file: File) -> Result<bool, Failed> {
    Ok(Image::open(path, file)?.l1.iter().all(|entry| *entry == 0))
}
