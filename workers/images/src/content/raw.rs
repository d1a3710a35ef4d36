//! A raw file: its bytes are the disk's. Holes are skipped where the file system tells of them.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::{Extent, Where};
use crate::failed::Failed;

#[derive(Debug)]
pub(super) struct Raw {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What QEMU fills a last sector up to.
const SECTOR_BYTES: u64 = 512;

impl Raw {
    pub(super) fn open(path: &Path, file: File) -> Result<Self, Failed> {
        let meta = file.metadata().map_err(|error| Failed::io(path, error))?;
        Ok(Self { file, path: path.to_owned(), bytes: meta.len().next_multiple_of(SECTOR_BYTES) })
    }

    pub(super) fn extent(&self, at: u64) -> Result<Extent, Failed> {
        let is_at = |from: SeekFrom| match seek(&self.file, from) {
            Ok(place) => Ok(place.clamp(at, self.bytes)),
            Err(Errno::NXIO) => Ok(self.bytes),
            Err(errno) => Err(Failed::io(&self.path, errno)),
        };
        let data = is_at(SeekFrom::Data(at))?;
        if data > at {
            return Ok(Extent { from: Where::Zeros, bytes: data - at });
        }
        let hole = is_at(SeekFrom::Hole(at))?.max(at + 1);
        Ok(Extent { from: Where::Here(at), bytes: hole - at })
    }
}
