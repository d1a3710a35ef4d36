//! The digest of what a guest reads. What it is of is defined in [`super`].

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Chain;
use crate::failed::Failed;
use crate::watch::Watch;

const NAME: &[u8] = b"carrel-disk-1\n";
const BLOCK_BYTES: usize = 64 << 10;
/// How much is read in one piece.
const READ_BYTES: usize = 1 << 20;

/// Of a disk's content; see [`crate::content`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub(crate) fn of_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads everything that is there. Memory: one megabyte, a cluster, and tables.
pub(crate) fn digest(chain: &mut Chain, watch: &dyn Watch) -> Result<Digest, Failed> {
    let size = chain.virtual_bytes;
    let mut blocks = Blocks::new(size);
    let mut buffer = vec![0; READ_BYTES];
    let mut at = 0;
    while at < size {
        if watch.is_cancelled() {
            return Err(Failed::Cancelled);
        }
        let piece = chain.piece(at)?;
        if piece.is_zeros() {
            blocks.skip(piece.bytes);
            at += piece.bytes;
        } else {
            // To the end of a block, so that the next ones need not be put together.
            let room = READ_BYTES - usize::try_from(at).unwrap_or(0) % BLOCK_BYTES;
            let bytes = usize::try_from(piece.bytes).unwrap_or(usize::MAX).min(room);
            chain.read(at, &piece, &mut buffer[..bytes])?;
            blocks.add(&buffer[..bytes]);
            at += bytes as u64;
        }
        watch.is(at, Some(size));
    }
    Ok(blocks.end())
}

/// Puts blocks together out of pieces.
struct Blocks {
    all: Sha256,
    number: u64,
    /// The beginning of the next one.
    open: Vec<u8>,
}

impl Blocks {
    fn new(size: u64) -> Self {
        let all = Sha256::new().chain_update(NAME).chain_update(size.to_be_bytes());
        Self { all, number: 0, open: Vec::with_capacity(BLOCK_BYTES) }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.open.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            bytes = later;
            if now.len() == BLOCK_BYTES {
                self.block(now);
                continue;
            }
            self.open.extend_from_slice(now);
            if self.open.len() == BLOCK_BYTES {
                self.close();
            }
        }
    }

    fn skip(&mut self, zeros: u64) {
        let to_fill = if self.open.is_empty() { 0 } else { BLOCK_BYTES - self.open.len() };
        let fills = zeros.min(to_fill as u64);
        self.add(&[0; BLOCK_BYTES][..usize::try_from(fills).unwrap_or(0)]);
        let rest = zeros - fills;
        self.number += rest / BLOCK_BYTES as u64;
        let tail = usize::try_from(rest % BLOCK_BYTES as u64).unwrap_or(0);
        self.open.resize(self.open.len() + tail, 0);
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.block(&open);
        self.open = open;
        self.open.clear();
    }

    fn block(&mut self, block: &[u8]) {
        if !is_zeros(block) {
            self.all.update(self.number.to_be_bytes());
            self.all.update(Sha256::digest(block));
        }
        self.number += 1;
    }

    fn end(mut self) -> Digest {
        if !self.open.is_empty() {
            self.open.resize(BLOCK_BYTES, 0);
            self.close();
        }
        Digest(self.all.finalize().into())
    }
}

fn is_zeros(block: &[u8]) -> bool {
    let (wide, rest) = block.as_chunks();
    wide.iter().all(|it| u128::from_ne_bytes(*it) == 0) && rest.iter().all(|byte| *byte == 0)
}
