//! The storages of a simulated site: what lies where, and what stands on what.

use std::collections::BTreeMap;
use std::time::Duration;

use carrel_model::hash::Digest;
use carrel_model::ids::StorageId;
use carrel_model::machine::Format;
use carrel_model::name::FilePath;
use carrel_model::record::Timestamp;
use carrel_model::version::latest::image::Stat;
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::place::Place;
use crate::seen::SeenFile;
use crate::step::Frozen;
use crate::trouble::{BACKING_CHANGED, Trouble};

use super::pace::mix;

pub(super) type Key = (StorageId, FilePath);

pub(super) fn key(place: &Place) -> Key {
    (place.root.storage, place.file.clone())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct File {
    backing: Option<Place>,
    /// How often that one had been written to. One that was written since is no good any more.
    stands_on: u64,
    written: u64,
    /// What its reader finds, as a number: the same content, the same number.
    content: u64,
    pub(super) size_gib: u32,
    sealed: bool,
    inode: u64,
    modified: Timestamp,
    /// It is not the file that was made, and was found to read as it.
    #[serde(default)]
    accepted: Option<Digest>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) files: OrdMap<Key, File>,
    inodes: u64,
}

/// Whether a call changed anything.
pub(super) type Changed = bool;

impl Files {
    fn make(&mut self, at: &Place, content: u64, size_gib: u32, now: Duration) -> &mut File {
        self.inodes += 1;
        let micros = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let file = File {
            backing: None,
            stands_on: 0,
            written: 0,
            content,
            size_gib,
            sealed: false,
            inode: self.inodes,
            modified: Timestamp(micros),
            accepted: None,
        };
        self.files.remove(&key(at));
        self.files.entry(key(at)).or_insert(file)
    }

    /// As it was in another process. Nothing: it was gone.
    pub(super) fn was(&mut self, key: Key, file: Option<File>) {
        match file {
            Some(file) => {
                self.inodes = self.inodes.max(file.inode);
                self.files.insert(key, file);
            }
            None => drop(self.files.remove(&key)),
        }
    }

    fn get(&self, place: &Place) -> Result<&File, Trouble> {
        let missing = || Trouble::never("file_missing", &format!("{place} is not there"));
        self.files.get(&key(place)).ok_or_else(missing)
    }

    /// As QEMU finds it when it opens the file.
    pub(super) fn opens(&self, place: &Place) -> Result<&File, Trouble> {
        let top = self.get(place)?;
        let mut at = top;
        while let Some(backing) = &at.backing {
            let below = self.get(backing)?;
            if below.written != at.stands_on {
                let detail = format!("{backing} was written to after something was put on it");
                return Err(Trouble::never("backing_written", &detail));
            }
            at = below;
        }
        Ok(top)
    }

    pub(super) fn make_disk(
        &mut self,
        at: &Place,
        (size_gib, on): (u32, Option<&(Place, Format)>),
        now: Duration,
    ) -> Result<Changed, Trouble> {
        if self.files.contains_key(&key(at)) {
            return Ok(false);
        }
        let below = match on {
            Some((on, _)) => {
                let below = self.opens(on)?;
                Some((on.clone(), below.written, below.content))
            }
            None => None,
        };
        let content = below.as_ref().map_or(0, |(_, _, content)| *content);
        let file = self.make(at, content, size_gib, now);
        if let Some((on, written, _)) = below {
            file.backing = Some(on);
            file.stands_on = written;
        }
        Ok(true)
    }

    pub(super) fn resize(&mut self, at: &Place, size_gib: u32) -> Result<Changed, Trouble> {
        self.get(at)?;
        let file = self.files.get_mut(&key(at)).filter(|file| file.size_gib < size_gib);
        Ok(file.map(|file| file.size_gib = size_gib).is_some())
    }

    pub(super) fn rebase(&mut self, at: &Place, onto: &Place) -> Result<Changed, Trouble> {
        let written = self.opens(onto)?.written;
        self.get(at)?;
        let same = |file: &&mut File| file.backing.as_ref().map(key) != Some(key(onto));
        let Some(file) = self.files.get_mut(&key(at)).filter(same) else { return Ok(false) };
        file.backing = Some(onto.clone());
        file.stands_on = written;
        Ok(true)
    }

    pub(super) fn copy(
        &mut self,
        (from, to): (&Place, &Place),
        sealed: bool,
        now: Duration,
    ) -> Result<Changed, Trouble> {
        if self.files.contains_key(&key(to)) {
            return Ok(false);
        }
        let (content, size_gib) = {
            let file = self.opens(from)?;
            (file.content, file.size_gib)
        };
        self.make(to, content, size_gib, now).sealed = sealed;
        Ok(true)
    }

    /// What an upload becomes: its content is known by its digest.
    pub(super) fn import(&mut self, digest: &Digest, to: &Place, now: Duration) -> Changed {
        if self.files.contains_key(&key(to)) {
            return false;
        }
        let content = digest.0.iter().fold(1, |sum, byte| mix(sum ^ u64::from(*byte)));
        self.make(to, content, 1, now).sealed = true;
        true
    }

    pub(super) fn seal(&mut self, from: &Place, to: &Place) -> Result<Changed, Trouble> {
        if self.files.get(&key(to)).is_some_and(|file| file.sealed) {
            return Ok(false);
        }
        self.opens(from)?;
        let Some(file) = self.files.remove(&key(from)) else { return Ok(false) };
        self.files.insert(key(to), File { sealed: true, ..file });
        Ok(true)
    }

    pub(super) fn digest(&self, place: &Place) -> Result<Digest, Trouble> {
        let content = self.opens(place)?.content;
        let mut bytes = [0; 32];
        for (part, number) in bytes.chunks_exact_mut(8).zip(1_u64..) {
            part.copy_from_slice(&mix(content ^ number).to_be_bytes());
        }
        Ok(Digest(bytes))
    }

    pub(super) fn accept(&mut self, place: &Place, digest: &Digest) -> Result<Changed, Trouble> {
        if self.digest(place)? != *digest {
            let detail = format!("{place} reads as something else");
            return Err(Trouble::never(BACKING_CHANGED, &detail));
        }
        let file = self.files.get_mut(&key(place)).filter(|file| file.accepted != Some(*digest));
        Ok(file.map(|file| file.accepted = Some(*digest)).is_some())
    }

    /// Somebody puts a copy of it in its place, or something else.
    pub(super) fn put_anew(&mut self, place: &Place, is_same: bool) {
        self.inodes += 1;
        if let Some(file) = self.files.get_mut(&key(place)) {
            file.inode = self.inodes;
            file.content ^= u64::from(!is_same);
        }
    }

    pub(super) fn stat(&self, place: &Place) -> Result<Stat, Trouble> {
        self.get(place).map(File::stat)
    }

    pub(super) fn remove(&mut self, places: &[Place]) -> Changed {
        let before = self.files.len();
        for place in places {
            self.files.remove(&key(place));
        }
        self.files.len() != before
    }

    /// A guest is started on it.
    pub(super) fn write(&mut self, place: &Place) -> Result<(), Trouble> {
        if self.opens(place)?.sealed {
            return Err(Trouble::never("read_only", &format!("{place} is sealed")));
        }
        if let Some(file) = self.files.get_mut(&key(place)) {
            file.written += 1;
            file.content = mix(file.content ^ mix(file.inode) ^ file.written);
        }
        Ok(())
    }

    pub(super) fn forget_writes(&mut self, place: &Place) {
        let below = self.files.get(&key(place)).and_then(|file| file.backing.as_ref());
        let content = below.and_then(|below| self.files.get(&key(below))).map(|it| it.content);
        if let (Some(file), Some(content)) = (self.files.get_mut(&key(place)), content) {
            file.content = content;
        }
    }

    pub(super) fn take_snapshot(
        &mut self,
        disks: &[Frozen],
        now: Duration,
    ) -> Result<Changed, Trouble> {
        let mut changed = false;
        for Frozen { disk, kept, .. } in disks {
            if !self.files.contains_key(&key(kept)) {
                self.opens(disk)?;
                let Some(file) = self.files.remove(&key(disk)) else { continue };
                self.files.insert(key(kept), File { sealed: true, ..file });
            }
            // Whoever was stopped in between has left no disk.
            let size_gib = self.opens(kept)?.size_gib;
            let on = (kept.clone(), Format::Qcow2);
            changed |= self.make_disk(disk, (size_gib, Some(&on)), now)?;
        }
        Ok(changed)
    }

    pub(super) fn revert(&mut self, disks: &[Frozen], now: Duration) -> Result<Changed, Trouble> {
        let mut changed = false;
        for Frozen { disk, kept, .. } in disks {
            let size_gib = self.opens(kept)?.size_gib;
            let is_fresh = |file: &File| {
                file.written == 0 && file.backing.as_ref().map(key) == Some(key(kept))
            };
            if !self.files.get(&key(disk)).is_some_and(is_fresh) {
                self.files.remove(&key(disk));
                self.make_disk(disk, (size_gib, Some(&(kept.clone(), Format::Qcow2))), now)?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// What stood on it stands on what it stood on, with the same content as before.
    pub(super) fn forget_snapshot(&mut self, disks: &[Frozen]) -> Changed {
        let mut changed = false;
        for Frozen { kept, .. } in disks {
            let Some(gone) = self.files.remove(&key(kept)) else { continue };
            changed = true;
            let onto = |file: &File| file.backing.as_ref().map(key) == Some(key(kept));
            let above = self.files.iter().filter(|(_, file)| onto(file));
            let above: Vec<Key> = above.map(|(key, _)| key.clone()).collect();
            for above in above {
                if let Some(file) = self.files.get_mut(&above) {
                    file.backing.clone_from(&gone.backing);
                    file.stands_on = gone.stands_on;
                }
            }
        }
        changed
    }

    pub(super) fn see(&self, place: &Place) -> Option<SeenFile> {
        let file = self.files.get(&key(place))?;
        Some(SeenFile {
            place: place.clone(),
            backing: file.backing.clone(),
            size_gib: file.size_gib,
            sealed: file.sealed,
            stat: file.stat(),
            accepted: file.accepted,
        })
    }

    /// Everything below a folder of a storage.
    pub(super) fn below(&self, storage: StorageId, folder: &str) -> Vec<FilePath> {
        let Ok(from) = FilePath::new(&format!("{folder}-")) else { return Vec::new() };
        let ahead = self.files.range((storage, from)..).map(|(key, _)| key);
        let inside =
            ahead.take_while(|(at, file)| *at == storage && file.as_str().starts_with(folder));
        inside.map(|(_, file)| file.clone()).collect()
    }

    /// All files, for tests to compare.
    pub(super) fn all(&self) -> BTreeMap<Key, (Option<Key>, bool)> {
        let told = |file: &File| (file.backing.as_ref().map(key), file.sealed);
        self.files.iter().map(|(key, file)| (key.clone(), told(file))).collect()
    }
}

impl File {
    fn stat(&self) -> Stat {
        let size_bytes = u64::from(self.size_gib) << 30;
        Stat { size_bytes, modified: self.modified, inode: self.inode }
    }
}
