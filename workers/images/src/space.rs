//! Room on a file system is promised once.
//!
//! A copy says how much it needs at most before it begins. What others were promised and have not
//! written yet is not free.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::statvfs;

use crate::failed::Failed;

const MIB: u64 = 1 << 20;
const STAT_BLOCK_BYTES: u64 = 512;

#[derive(Debug, Default)]
pub(crate) struct Space {
    held: Mutex<Vec<Held>>,
}

#[derive(Clone, Debug)]
struct Held {
    number: u64,
    device: u64,
    /// What is written for it, and how much of that was there before.
    writes: PathBuf,
    before: u64,
    bytes: u64,
}

/// As long as it is there, so much is kept free.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    space: &'a Space,
    number: u64,
    folder: PathBuf,
    needed: u64,
}

impl Space {
    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a file that is there already.
    pub(crate) fn hold(&self, writes: &Path, bytes: u64) -> Result<Hold<'_>, Failed> {
        let folder = writes.parent().unwrap_or(Path::new("/")).to_owned();
        let meta = folder.metadata().map_err(|error| Failed::io(&folder, error))?;
        let mut held = self.held();
        let free = free_bytes(&folder)?;
        let others = held.iter().filter(|other| other.device == meta.dev());
        let promised: u64 = others.map(Held::open).sum();
        let free = free.saturating_sub(promised);
        if bytes > free {
            let needed_mib = bytes.div_ceil(MIB);
            return Err(Failed::NoSpace { path: folder, free_mib: free / MIB, needed_mib });
        }
        let number = held.last().map_or(0, |last| last.number + 1);
        let (device, before) = (meta.dev(), allocated(writes));
        held.push(Held { number, device, writes: writes.to_owned(), before, bytes });
        Ok(Hold { space: self, number, folder, needed: bytes })
    }

    /// What neither is in use nor promised.
    pub(crate) fn free_mib(&self, folder: &Path) -> Result<u64, Failed> {
        let meta = folder.metadata().map_err(|error| Failed::io(folder, error))?;
        let held = self.held();
        let others = held.iter().filter(|other| other.device == meta.dev());
        let promised: u64 = others.map(Held::open).sum();
        Ok(free_bytes(folder)?.saturating_sub(promised) / MIB)
    }
}

impl Held {
    /// What is still to be written.
    fn open(&self) -> u64 {
        self.bytes.saturating_sub(allocated(&self.writes).saturating_sub(self.before))
    }
}

impl Hold<'_> {
    /// Says of a disk that turned out to be full how full it is.
    pub(crate) fn explain(&self, failed: Failed) -> Failed {
        failed.with_room(free_bytes(&self.folder).unwrap_or(0) / MIB, self.needed.div_ceil(MIB))
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.space.held().retain(|held| held.number != self.number);
    }
}

fn allocated(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |meta| meta.blocks() * STAT_BLOCK_BYTES)
}

/// What anybody may use, without what is kept for root.
fn free_bytes(folder: &Path) -> Result<u64, Failed> {
    let stat = statvfs(folder).map_err(|errno| Failed::io(folder, errno))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
