//! What a guest reads from a file and all that it stands on, without a tool.
//!
//! ```text
//!   Chain      the file, what it stands on, what that stands on, ...: each opened once
//!     Layer    one file: which bytes of the disk it holds, and where        qcow2.rs, raw.rs
//!     Extent   a piece of the disk that is all in one place, or all zeros
//!   digest     of what a guest reads
//!   count      how much of the disk holds something
//! ```
//!
//! # The digest of a disk's content
//!
//! The SHA-256 (FIPS 180-4) of this, numbers big-endian:
//!
//! ```text
//!   "carrel-disk-1\n"                      14 bytes
//!   size of the disk in bytes               8 bytes
//!   for each block of 65536 bytes that is not all zeros, by rising number:
//!     number of the block, from 0           8 bytes
//!     SHA-256 of the block                 32 bytes     a last short one is filled up with zeros
//! ```
//!
//! It follows from what a guest reads and from nothing else: a chain, its flattened copy and a
//! compressed one have the same, and what is not there costs nothing.

mod chain;
mod count;
mod digest;
mod qcow2;
mod raw;

pub(crate) use chain::{Chain, local, resolve};
pub(crate) use count::count;
pub use digest::Digest;
pub(crate) use digest::digest;
pub(crate) use qcow2::is_untouched;

use std::fs::File;

use crate::failed::Failed;

/// Where the disk's bytes from some place on are to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// Not in this file: in the one below, or nowhere.
    Below,
    Zeros,
    /// In this file, at this byte.
    Here(u64),
    /// A whole cluster, deflated (RFC 1951) into so many bytes at most.
    Packed {
        at: u64,
        bytes: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    from: Where,
    /// For so many bytes.
    bytes: u64,
}

/// One file of a chain.
#[derive(Debug)]
enum Layer {
    Raw(raw::Raw),
    Qcow2(qcow2::Image),
}

impl Layer {
    fn virtual_bytes(&self) -> u64 {
        match self {
            Self::Raw(raw) => raw.bytes,
            Self::Qcow2(image) => image.header.virtual_bytes,
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::Raw(raw) => &raw.file,
            Self::Qcow2(image) => &image.file,
        }
    }

    /// What there is at this place of the disk, within this file. It is before its end.
    fn extent(&mut self, at: u64) -> Result<Extent, Failed> {
        match self {
            Self::Raw(raw) => raw.extent(at),
            Self::Qcow2(image) => image.extent(at),
        }
    }
}
