//! Index files are made of blocks, each with a checksum of its own, so that one can be read and
//! believed without the others.
//!
//! ```text
//!  offset  size
//!       0  4092  content
//!    4092     4  CRC32C of bytes 0 to 4091
//! ```
//!
//! A section starts with a block. Entries of fixed size don't straddle blocks; other bytes do.

use std::fmt;
use std::io;

use crate::disk::DiskFile;
use crate::format::fields::Malformed;

pub(crate) const BLOCK_BYTES: usize = 4096;
pub(crate) const CONTENT_BYTES: usize = BLOCK_BYTES - 4;

/// Why a block can't be used.
#[derive(Debug)]
pub(crate) enum BadBlock {
    Malformed(Malformed),
    Io(io::Error),
}

#[derive(Debug, Default)]
pub(crate) struct BlockWriter {
    out: Vec<u8>,
    block: Vec<u8>,
}

impl BlockWriter {
    /// The number of the block that the next section starts with.
    pub(crate) fn blocks(&self) -> usize {
        self.out.len() / BLOCK_BYTES
    }

    fn finish_block(&mut self) {
        self.block.resize(CONTENT_BYTES, 0);
        self.out.extend_from_slice(&self.block);
        self.out.extend_from_slice(&crc32c::crc32c(&self.block).to_le_bytes());
        self.block.clear();
    }

    pub(crate) fn entries<const N: usize>(&mut self, entries: impl Iterator<Item = [u8; N]>) {
        for entry in entries {
            if self.block.len() + N > CONTENT_BYTES {
                self.finish_block();
            }
            self.block.extend_from_slice(&entry);
        }
        self.end_section();
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(CONTENT_BYTES) {
            self.block.extend_from_slice(part);
            self.finish_block();
        }
    }

    fn end_section(&mut self) {
        if !self.block.is_empty() {
            self.finish_block();
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// How many blocks `count` entries of `size` bytes take.
pub(crate) const fn blocks_of_entries(count: usize, size: usize) -> usize {
    count.div_ceil(CONTENT_BYTES / size)
}

pub(crate) const fn blocks_of_bytes(count: usize) -> usize {
    count.div_ceil(CONTENT_BYTES)
}

/// Reads blocks and checks them; gives their content without the checksums.
pub(crate) fn read(file: &dyn DiskFile, first: usize, count: usize) -> Result<Vec<u8>, BadBlock> {
    let mut raw = vec![0; count * BLOCK_BYTES];
    let offset = (first * BLOCK_BYTES) as u64;
    let filled = file.read_at(&mut raw, offset).map_err(BadBlock::Io)?;
    if filled < raw.len() {
        return Err(BadBlock::Malformed(Malformed::new("the index file is cut off")));
    }
    let mut content = Vec::with_capacity(count * CONTENT_BYTES);
    for (nth, block) in raw.chunks_exact(BLOCK_BYTES).enumerate() {
        let (bytes, crc) = block.split_at(CONTENT_BYTES);
        if crc != crc32c::crc32c(bytes).to_le_bytes() {
            let at = first + nth;
            return Err(BadBlock::Malformed(Malformed(format!("block {at} of an index is wrong"))));
        }
        content.extend_from_slice(bytes);
    }
    Ok(content)
}

/// The entries in the content of blocks that [`BlockWriter::entries`] wrote.
pub(crate) fn entries<const N: usize>(content: &[u8]) -> impl Iterator<Item = &[u8; N]> {
    content.chunks(CONTENT_BYTES).flat_map(|block| block.as_chunks::<N>().0)
}

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => what.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}
