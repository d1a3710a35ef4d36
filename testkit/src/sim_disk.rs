//! A disk in memory that behaves as badly as real ones may.
//!
//! - What is written is in the page cache; only a sync brings it to the platter.
//! - When power goes, each sector that was not synced is on the platter or not, and of the changes
//!   to names that were not synced some first few are.
//! - A sync that fails loses what it should have written, and the page cache calls those pages
//!   clean: they can still be read, and no later sync writes them (Rebello et al., ATC 2020).
//! - The n-th operation fails if asked to; the disk is as full as asked to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub use carrel_log::disk::{Access, Disk, DiskFile, Entry, LockError};

use crate::random::Random;

const SECTOR_BYTES: usize = 512;

#[derive(Clone, Debug, Default)]
struct File {
    cache: Vec<u8>,
    platter: Vec<u8>,
    /// Sectors that the cache has and the platter doesn't, and that a sync would write.
    dirty: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Put(PathBuf, usize),
    Removed(PathBuf),
}

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    platter_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    operations: u64,
    fail_at: Option<u64>,
    failed: bool,
    dead: bool,
    bytes_max: Option<u64>,
    /// Syncs of this file wait; whether one does.
    held: Option<(PathBuf, bool)>,
    /// Opening this file works so often, and then fails so often.
    denied: Option<(PathBuf, u64, u64)>,
    locks: BTreeMap<PathBuf, String>,
}

/// A disk; clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<(Mutex<State>, Condvar)>);

fn eio() -> io::Error {
    io::Error::other("input/output error (injected)")
}

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another disk in the same state, with nobody holding a lock on it.
    pub fn copy(&self) -> Self {
        let state = State { locks: BTreeMap::new(), ..self.state().clone() };
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// Lets the n-th operation from now on fail that changes something, counted from 1.
    pub fn fail_at(&self, nth: u64) {
        let mut state = self.state();
        state.fail_at = Some(state.operations + nth);
        state.failed = false;
    }

    /// Whether the failure that was asked for has happened.
    pub fn has_failed(&self) -> bool {
        self.state().failed
    }

    /// Nothing works any more, as when the process is gone; what was written stays.
    pub fn die(&self) {
        self.state().dead = true;
    }

    /// What the next process finds if only the old one ended: the page cache is still there.
    pub fn restart(&self) -> Self {
        let next = self.copy();
        let mut state = next.state();
        state.dead = false;
        state.fail_at = None;
        state.failed = false;
        drop(state);
        next
    }

    /// What the next process finds after power was lost.
    pub fn power_loss(&self, random: &mut Random) -> Self {
        let next = self.restart();
        next.state().lose_power(random);
        next
    }

    /// Lets syncs of this file wait until [`SimDisk::release`].
    pub fn hold(&self, path: &Path) {
        self.state().held = Some((path.to_owned(), false));
    }

    /// Returns once a sync waits.
    pub fn wait_for_held_sync(&self) {
        let waits = |state: &mut State| !matches!(state.held, Some((_, true)));
        let state = self.0.1.wait_while(self.state(), waits);
        drop(state.unwrap_or_else(PoisonError::into_inner));
    }

    pub fn release(&self) {
        self.state().held = None;
        self.0.1.notify_all();
    }

    /// Marks that a sync of this file waits, and waits with it.
    fn wait_if_held(&self, inode: usize) {
        let mut state = self.state();
        let names = state.names.clone();
        let is_held = |state: &State| {
            state.held.as_ref().is_some_and(|(path, _)| names.get(path) == Some(&inode))
        };
        while is_held(&state) {
            if let Some((_, waiting)) = &mut state.held {
                *waiting = true;
            }
            self.0.1.notify_all();
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next so many times that somebody opens this file fail, as when a process has too many
    /// files open.
    pub fn deny(&self, path: &Path, times: u64) {
        self.deny_after(path, 0, times);
    }

    /// The same after it was opened a few times more.
    pub fn deny_after(&self, path: &Path, works: u64, times: u64) {
        self.state().denied = Some((path.to_owned(), works, times));
    }

    /// The disk holds at most this much; nothing means that it is never full.
    pub fn limit(&self, bytes_max: Option<u64>) {
        self.state().bytes_max = bytes_max;
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// A file's bytes, as the page cache has them.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|inode| state.files[*inode].cache.clone())
    }

    /// Puts a file there, on the platter too.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = File { cache: bytes.clone(), platter: bytes, dirty: BTreeSet::new() };
        state.files.push(file);
        let inode = state.files.len() - 1;
        state.names.insert(path.to_owned(), inode);
        state.platter_names.insert(path.to_owned(), inode);
    }
}

impl State {
    fn denies(&mut self, path: &Path) -> bool {
        let Some((denied, works, times)) = &mut self.denied else { return false };
        if denied != path || (*works, *times) == (0, 0) {
            return false;
        }
        let denies = *works == 0;
        let left = if denies { times } else { works };
        *left -= 1;
        denies
    }

    fn usable(&self) -> io::Result<()> {
        if self.dead { Err(eio()) } else { Ok(()) }
    }

    /// Counts an operation that changes something. Says whether it has to fail.
    fn fails(&mut self) -> io::Result<bool> {
        self.usable()?;
        self.operations += 1;
        let fails = self.fail_at == Some(self.operations);
        self.failed |= fails;
        Ok(fails)
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(not_found)
    }

    fn used(&self) -> u64 {
        let inodes: BTreeSet<usize> = self.names.values().copied().collect();
        inodes.into_iter().map(|inode| self.files[inode].cache.len() as u64).sum()
    }

    fn lose_power(&mut self, random: &mut Random) {
        for file in &mut self.files {
            file.lose_power(random);
        }
        let kept = random.index(self.name_changes.len() + 1);
        for change in self.name_changes.drain(..).take(kept).collect::<Vec<_>>() {
            change.apply(&mut self.platter_names);
        }
        self.names = self.platter_names.clone();
    }

    fn change_name(&mut self, change: NameChange) {
        change.clone().apply(&mut self.names);
        self.name_changes.push(change);
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Put(path, inode) => names.insert(path, inode),
            Self::Removed(path) => names.remove(&path),
        };
    }

    fn path(&self) -> &Path {
        match self {
            Self::Put(path, _) | Self::Removed(path) => path,
        }
    }
}

impl File {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    fn bring_down(&mut self, sector: usize) {
        let start = sector * SECTOR_BYTES;
        let end = (start + SECTOR_BYTES).min(self.cache.len());
        if start >= end {
            return;
        }
        if self.platter.len() < end {
            self.platter.resize(end, 0);
        }
        self.platter[start..end].copy_from_slice(&self.cache[start..end]);
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.bring_down(sector);
        }
        self.platter.resize(self.cache.len(), 0);
    }

    fn lose_power(&mut self, random: &mut Random) {
        for sector in std::mem::take(&mut self.dirty) {
            if random.chance(2) {
                self.bring_down(sector);
            }
        }
        self.cache = self.platter.clone();
    }
}

#[derive(Debug)]
struct Handle {
    disk: SimDisk,
    inode: usize,
}

#[expect(clippy::cast_possible_truncation, reason = "files in memory are small")]
const fn index(offset: u64) -> usize {
    offset as usize
}

impl DiskFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        state.usable()?;
        let cache = &state.files[self.inode].cache;
        let from = index(offset).min(cache.len());
        let count = buffer.len().min(cache.len() - from);
        buffer[..count].copy_from_slice(&cache[from..from + count]);
        Ok(count)
    }

    /// A write that fails got some of its bytes through.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let fails = state.fails()?;
        let grows = (offset + bytes.len() as u64)
            .saturating_sub(state.files[self.inode].cache.len() as u64);
        if state.bytes_max.is_some_and(|max| grows > 0 && state.used() + grows > max) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let through = if fails { bytes.len() / 2 } else { bytes.len() };
        state.files[self.inode].write(&bytes[..through], index(offset));
        if fails { Err(eio()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.wait_if_held(self.inode);
        let mut state = self.disk.state();
        if state.fails()? {
            state.files[self.inode].dirty.clear();
            return Err(eio());
        }
        state.files[self.inode].sync();
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.usable()?;
        Ok(state.files[self.inode].cache.len() as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.fails()? {
            return Err(eio());
        }
        state.files[self.inode].cache.resize(index(bytes), 0);
        Ok(())
    }
}

struct Lock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.usable()?;
        if state.denies(path) {
            return Err(io::Error::other("too many open files (injected)"));
        }
        let inode = match access {
            Access::Read | Access::ReadWrite => state.inode(path)?,
            Access::Create => {
                if state.names.contains_key(path) {
                    return Err(io::Error::from(io::ErrorKind::AlreadyExists));
                }
                if state.fails()? {
                    return Err(eio());
                }
                state.files.push(File::default());
                let inode = state.files.len() - 1;
                state.change_name(NameChange::Put(path.to_owned(), inode));
                inode
            }
        };
        drop(state);
        Ok(Box::new(Handle { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.fails()? {
            return Err(eio());
        }
        let inode = state.inode(from)?;
        state.change_name(NameChange::Put(to.to_owned(), inode));
        state.change_name(NameChange::Removed(from.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.usable()?;
        state.inode(path)?;
        if state.fails()? {
            return Err(eio());
        }
        state.change_name(NameChange::Removed(path.to_owned()));
        Ok(())
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        self.state().usable()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.fails()? {
            return Err(eio());
        }
        let changes = std::mem::take(&mut state.name_changes);
        for change in changes {
            if change.path().parent() == Some(dir) {
                change.apply(&mut state.platter_names);
            } else {
                state.name_changes.push(change);
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.state();
        state.usable()?;
        let here = state.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        let entry = |(path, inode): (&PathBuf, &usize)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Entry { name, bytes: state.files[*inode].cache.len() as u64 })
        };
        Ok(here.filter_map(entry).collect())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        let state = self.state();
        state.usable()?;
        Ok(state.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(state.used())))
    }

    fn lock(&self, path: &Path, owner: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        let mut state = self.state();
        if let Some(holder) = state.locks.get(path) {
            return Err(LockError::Held(holder.clone()));
        }
        state.locks.insert(path.to_owned(), owner.to_owned());
        drop(state);
        Ok(Box::new(Lock { disk: self.clone(), path: path.to_owned() }))
    }
}
