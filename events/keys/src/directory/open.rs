//! Opening a directory of keys: is it ours alone, and what did a crash or a restore leave there?

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use super::disk::{Disk, LockError, What};
use super::{DIRECTORY_MODE, DirectoryStore, FILE_MODE, KEY, Layout, NEW, SHREDDED};
use crate::error::StoreError;

/// What was found in a directory, for whoever starts Carrel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub people: usize,
    pub shredded: usize,
    /// Keys that had come back, and are destroyed again.
    pub shredded_again: usize,
    pub hosts: usize,
    /// Files that were not finished when a process ended, and are gone.
    pub unfinished: usize,
}

impl DirectoryStore {
    /// Opens a directory, which is made if it is not there. `owner` is what another process is told
    /// that wants it too.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, owner: &str) -> Result<(Self, Found), StoreError> {
        let layout = Layout { dir: dir.to_owned() };
        make(&*disk, dir)?;
        let lock = lock(&*disk, dir, owner)?;
        for directory in [layout.people(), layout.hosts()] {
            make(&*disk, &directory)?;
        }
        let found = sweep(&*disk, &layout)?;
        let was_empty = found.people + found.shredded + found.hosts == 0;
        let (making, poison) = (Mutex::default(), OnceLock::new());
        Ok((Self { disk, layout, was_empty, making, poison, _lock: lock }, found))
    }
}

/// Whether there is something, which then has to be what it should be, and for its owner alone.
pub(super) fn is_private(disk: &dyn Disk, path: &Path, wanted: What) -> Result<bool, StoreError> {
    let look = disk.look(path).map_err(StoreError::io("could not look at", path))?;
    let Some(look) = look else { return Ok(false) };
    let path = path.to_owned();
    if look.what != wanted {
        let wanted = if wanted == What::Directory { "a directory" } else { "a file" };
        return Err(StoreError::Misplaced { path, wanted });
    }
    let (owner, user) = (look.owner, disk.user());
    if owner != user {
        return Err(StoreError::Foreign { path, owner, user });
    }
    if look.mode & 0o077 != 0 {
        let wanted = if wanted == What::Directory { DIRECTORY_MODE } else { FILE_MODE };
        return Err(StoreError::Exposed { path, mode: look.mode, wanted });
    }
    Ok(true)
}

/// A directory of ours. A process that made it may have ended before it lasted.
fn make(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    if !is_private(disk, dir, What::Directory)? {
        disk.make_dir(dir).map_err(StoreError::io("could not make", dir))?;
    }
    let above = match dir.parent() {
        Some(above) if above != Path::new("") => above,
        Some(_) | None => Path::new("."),
    };
    disk.sync_dir(above).map_err(StoreError::io("could not sync", above))
}

fn lock(disk: &dyn Disk, dir: &Path, owner: &str) -> Result<Box<dyn Send + Sync>, StoreError> {
    let path = dir.join("lock");
    disk.lock(&path, owner).map_err(|error| match error {
        LockError::Held(holder) => StoreError::Held { path: dir.to_owned(), holder },
        LockError::Io(error) => StoreError::io("could not lock", &path)(error),
    })
}

/// Removes what was not finished, destroys what was restored though it had been shredded, and makes
/// all names last: what the last process saw may not have been on the disk yet.
fn sweep(disk: &dyn Disk, layout: &Layout) -> Result<Found, StoreError> {
    let mut found = Found::default();
    sweep_directory(disk, &layout.dir, &mut found)?;
    found.hosts = sweep_directory(disk, &layout.hosts(), &mut found)?.len();
    for shard in layout.shards() {
        let kept = sweep_directory(disk, &shard, &mut found)?;
        for name in &kept {
            let Some((person, extension)) = name.split_once('.') else { continue };
            let tombstone = format!("{person}.{SHREDDED}");
            if extension == SHREDDED {
                found.shredded += 1;
            } else if extension == KEY && kept.contains(&tombstone) {
                destroy(disk, &shard.join(name))?;
                found.shredded_again += 1;
            } else if extension == KEY {
                found.people += 1;
            }
        }
        if !kept.is_empty() {
            disk.sync_dir(&shard).map_err(StoreError::io("could not sync", &shard))?;
        }
    }
    for dir in [layout.dir.clone(), layout.hosts(), layout.people()] {
        disk.sync_dir(&dir).map_err(StoreError::io("could not sync", &dir))?;
    }
    Ok(found)
}

/// The names in a directory without those of files that were not finished.
fn sweep_directory(
    disk: &dyn Disk,
    dir: &Path,
    found: &mut Found,
) -> Result<BTreeSet<String>, StoreError> {
    let names = disk.list(dir).map_err(StoreError::io("could not list", dir))?;
    if !names.is_empty() {
        is_private(disk, dir, What::Directory)?;
    }
    let mut kept = BTreeSet::new();
    for name in names {
        if Path::new(&name).extension().is_some_and(|extension| extension == NEW) {
            destroy(disk, &dir.join(&name))?;
            found.unfinished += 1;
        } else {
            kept.insert(name);
        }
    }
    Ok(kept)
}

/// Writes over a file and removes its name. That lasts once the directory is synced.
pub(super) fn destroy(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    disk.wipe(path).map_err(StoreError::io("could not wipe", path))?;
    disk.remove(path).map_err(StoreError::io("could not remove", path))
}
