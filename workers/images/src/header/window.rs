//! A file through which nobody is led to read too much.

use std::io::{Read, Seek, SeekFrom};

use super::refused::Refused;

/// A header with all that belongs to it is mostly within so many bytes: they are read at once, and
/// a look at a file takes a single read.
const BEGIN_BYTES: u64 = 1024;
/// A table is read in pieces of this size.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;

trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

pub(crate) struct Window<'a> {
    from: &'a mut dyn Source,
    length: u64,
    /// The first bytes.
    begin: Vec<u8>,
    max_bytes: u64,
    left: u64,
}

impl<'a> Window<'a> {
    pub(crate) fn new(from: &'a mut (impl Read + Seek), max_bytes: u64) -> Result<Self, Refused> {
        let length = from.seek(SeekFrom::End(0)).map_err(unreadable)?;
        if length == 0 {
            return Err(Refused::Empty);
        }
        let mut begin = vec![0; usize::try_from(length.min(BEGIN_BYTES)).unwrap_or(0)];
        from.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        from.read_exact(&mut begin).map_err(unreadable)?;
        Ok(Self { from, length, begin, max_bytes, left: max_bytes })
    }

    /// Of the file, in bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Whether so many bytes at this place are in the file.
    pub(crate) fn holds(&self, at: u64, bytes: u64) -> bool {
        at.checked_add(bytes).is_some_and(|end| end <= self.length)
    }

    pub(crate) fn must_hold(&self, at: u64, bytes: u64, what: &'static str) -> Result<(), Refused> {
        if self.holds(at, bytes) { Ok(()) } else { Err(Refused::CutOff { what }) }
    }

    pub(crate) fn fill(
        &mut self,
        at: u64,
        into: &mut [u8],
        what: &'static str,
    ) -> Result<(), Refused> {
        let bytes = into.len() as u64;
        self.must_hold(at, bytes, what)?;
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or(Refused::TooMuchToRead { max_bytes: self.max_bytes })?;
        let known = usize::try_from(at).ok().and_then(|at| self.begin.get(at..));
        if let Some(known) = known.and_then(|known| known.get(..into.len())) {
            into.copy_from_slice(known);
            return Ok(());
        }
        self.from.seek(SeekFrom::Start(at)).map_err(unreadable)?;
        self.from.read_exact(into).map_err(unreadable)
    }

    pub(crate) fn part<const BYTES: usize>(
        &mut self,
        at: u64,
        what: &'static str,
    ) -> Result<Part<BYTES>, Refused> {
        let mut part = [0; BYTES];
        self.fill(at, &mut part, what)?;
        Ok(Part(part))
    }

    /// As much of this as there is; what lies beyond the end of the file is zeros.
    pub(crate) fn part_if_there<const BYTES: usize>(
        &mut self,
        at: u64,
    ) -> Result<Part<BYTES>, Refused> {
        let mut part = [0; BYTES];
        let there = self.length.saturating_sub(at).min(BYTES as u64);
        let there = usize::try_from(there).unwrap_or(BYTES);
        self.fill(at, &mut part[..there], "its beginning")?;
        Ok(Part(part))
    }

    /// Shows a table entry by entry, with the number of each.
    pub(crate) fn entries<const BYTES: usize>(
        &mut self,
        (at, count): (u64, u64),
        what: &'static str,
        mut each: impl FnMut(u64, [u8; BYTES]) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let all = count.checked_mul(BYTES as u64).ok_or(Refused::CutOff { what })?;
        self.must_hold(at, all, what)?;
        let mut piece = vec![0; PIECE_BYTES - PIECE_BYTES % BYTES];
        let (mut done, mut number) = (0, 0);
        while done < all {
            let bytes = usize::try_from(all - done).unwrap_or(usize::MAX).min(piece.len());
            let piece = &mut piece[..bytes];
            self.fill(at + done, piece, what)?;
            for entry in piece.chunks_exact(BYTES) {
                let mut own = [0; BYTES];
                own.copy_from_slice(entry);
                each(number, own)?;
                number += 1;
            }
            done += bytes as u64;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
fn unreadable(error: std::io::Error) -> Refused {
    Refused::Unreadable(error.to_string())
}

/// Bytes of a known number, with numbers in them. To read beyond them is a mistake of ours, never
/// of a file.
#[derive(Clone, Copy)]
pub(crate) struct Part<const BYTES: usize>(pub(crate) [u8; BYTES]);

impl<const BYTES: usize> Part<BYTES> {
    pub(crate) fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.0[at..at + N]);
        array
    }

    pub(crate) fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    pub(crate) fn be64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }

    pub(crate) fn le16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(crate) fn le32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(crate) fn le64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
}
