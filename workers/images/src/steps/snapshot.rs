//! What disks held: files of their own, below the disks. The machine is off.
//!
//! ```text
//!   take      disk          ->   kept <- disk
//!   revert    kept <- disk  ->   kept <- disk, empty
//!   delete    a <- kept <- disk, other   ->   a <- disk, a <- other, with the same content
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::seal::{freeze, is_free};
use super::{is_durable, look};
use crate::content::{Chain, is_untouched};
use crate::disk::{DiskFile, Format, Frozen};
use crate::durable::{Name, is_part, is_sealed, remove, rename, sync_folder_of, unseal_mode};
use crate::failed::Failed;
use crate::images::Images;
use crate::open;
use crate::tool::Call;
use crate::watch::Watch;

const STAT_BLOCK_BYTES: u64 = 512;

impl Images {
    /// What each disk holds is kept under another name; it goes on in an overlay on that.
    ///
    /// # Errors
    ///
    /// A disk is raw, not there or no good, a process has it open, or there is no room. All of them
    /// are as they were then.
    pub fn take_snapshot(&self, disks: &[Frozen]) -> Result<(), Failed> {
        let disks: Vec<(DiskFile, DiskFile)> = disks.iter().map(both).collect::<Result<_, _>>()?;
        let taken = disks.iter().try_for_each(|(disk, kept)| can_be_taken(disk, kept));
        let taken = taken
            .and_then(|()| disks.iter().try_for_each(|(disk, kept)| self.take_one(disk, kept)));
        if taken.is_err() {
            for (disk, kept) in &disks {
                // What stays undone the next call finishes.
                let _ = put_back(disk, kept);
            }
        }
        taken
    }

    /// The overlay is whole before the disk gives up its name, so that no full file system leaves a
    /// machine without one.
    fn take_one(&self, disk: &DiskFile, kept: &DiskFile) -> Result<(), Failed> {
        if !open::exists(&kept.path)? {
            let bytes = Chain::open(disk)?.virtual_bytes;
            let overlay = self.begin(disk, (bytes, Some(kept)))?;
            freeze(&disk.path, &kept.path)?;
            let named = overlay.take_name(Name::New);
            return named.map_err(|failed| self.explain(&disk.path, failed));
        }
        // One that was killed in between has left no disk.
        if open::exists(&disk.path)? {
            return is_durable(&disk.path);
        }
        let bytes = Chain::open(kept)?.virtual_bytes;
        self.make(disk, (bytes, Some(kept)), Name::New)
    }

    /// Each disk begins anew on what it held. What it held since is gone.
    ///
    /// # Errors
    ///
    /// What was kept is not there or no good, or a process has a disk open.
    pub fn revert_snapshot(&self, disks: &[Frozen]) -> Result<(), Failed> {
        for frozen in disks {
            let (disk, kept) = both(frozen)?;
            let bytes = Chain::open(&kept)?.virtual_bytes;
            if is_fresh(&disk, &kept, bytes) {
                is_durable(&disk.path)?;
                continue;
            }
            if open::exists(&disk.path)? {
                open::alone(&disk.path, &open::to_write(&disk.path)?)?;
            }
            self.make(&disk, (bytes, Some(&kept)), Name::Replaced)?;
        }
        Ok(())
    }

    /// What stands on it keeps its content, and stands on what it stood on. That is looked for in
    /// the folders of the disk and of what was kept.
    ///
    /// # Errors
    ///
    /// Something that stands on it can't be read or is open in another process, or there is no
    /// room. It stays until all have what they need of it.
    pub fn delete_snapshot(&self, disks: &[Frozen], watch: &dyn Watch) -> Result<(), Failed> {
        for frozen in disks {
            let (disk, kept) = both(frozen)?;
            if !open::exists(&kept.path)? {
                continue;
            }
            let (_, below) = look(&kept)?;
            for above in above(&kept, &disk)? {
                self.take_over(&above, &kept, below.as_ref(), watch)?;
            }
            remove(&kept.path)?;
            sync_folder_of(&kept.path)?;
        }
        Ok(())
    }

    /// A file gets what it has from the one below it, and stands on the next one. One that was
    /// stopped in the middle has the same content, and stands on both.
    fn take_over(
        &self,
        above: &DiskFile,
        kept: &DiskFile,
        below: Option<&DiskFile>,
        watch: &dyn Watch,
    ) -> Result<(), Failed> {
        let chain = Chain::open(above)?;
        let meta = open::to_read(&kept.path)?.metadata();
        let meta = meta.map_err(|error| Failed::io(&kept.path, error))?;
        let hold = self.space.hold(&above.path, meta.blocks() * STAT_BLOCK_BYTES)?;
        let call = Call::rebase(&above.path, below, chain.virtual_bytes);
        drop(chain);
        let run = self.tools.run(&call, &self.limits, watch);
        run.map_err(|failed| hold.explain(failed))?;
        is_durable(&above.path)
    }
}

/// A disk, and what it held.
fn both(Frozen { disk, kept }: &Frozen) -> Result<(DiskFile, DiskFile), Failed> {
    Ok((qcow2(disk.clone())?, qcow2(DiskFile::named(kept))?))
}

/// An overlay has to be qcow2, and so has what it stands on to be kept by it.
fn qcow2(disk: DiskFile) -> Result<DiskFile, Failed> {
    match disk.format {
        Format::Qcow2 => Ok(disk),
        Format::Raw => {
            Err(Failed::unfit(&disk.path, "a raw disk has no snapshots; copy it to qcow2"))
        }
    }
}

/// Asked of all disks before any of them is touched.
fn can_be_taken(disk: &DiskFile, kept: &DiskFile) -> Result<(), Failed> {
    if open::exists(&kept.path)? {
        return Ok(());
    }
    Chain::open(disk)?;
    is_free(&disk.path).map(drop)
}

/// The disk holds what it held, and is written to again; unless it was written to since.
fn put_back(disk: &DiskFile, kept: &DiskFile) -> Result<(), Failed> {
    if open::exists(&kept.path)? {
        let name = if open::exists(&disk.path)? { Name::Replaced } else { Name::New };
        if name == Name::Replaced {
            let bytes = Chain::open(kept)?.virtual_bytes;
            if !is_fresh(disk, kept, bytes) {
                return Ok(());
            }
            open::alone(&disk.path, &open::to_write(&disk.path)?)?;
        }
        rename(&kept.path, &disk.path, name)?;
        sync_folder_of(&disk.path)?;
        sync_folder_of(&kept.path)?;
    }
    let file = open::to_read(&disk.path)?;
    let mode = file.metadata().map_err(|error| Failed::io(&disk.path, error))?.mode();
    if is_sealed(mode) { unseal_mode(&disk.path, &file) } else { Ok(()) }
}

/// Nothing was written since it was made. One that can't be read is made anew.
fn is_fresh(disk: &DiskFile, kept: &DiskFile, bytes: u64) -> bool {
    let stands = look(disk).is_ok_and(|it| it == (bytes, Some(kept.clone())));
    let untouched = || is_untouched(&disk.path, open::to_read(&disk.path)?);
    stands && untouched().unwrap_or(false)
}

/// All that stands on what is kept.
fn above(kept: &DiskFile, disk: &DiskFile) -> Result<Vec<DiskFile>, Failed> {
    // The disk may have a name that says nothing of its format.
    let mut others = BTreeSet::from([disk.path.clone()]);
    for folder in [&kept.path, &disk.path].iter().filter_map(|path| path.parent()) {
        let io = |error| Failed::io(folder, error);
        for entry in fs::read_dir(folder).map_err(io)? {
            let path: PathBuf = entry.map_err(io)?.path();
            if !is_part(&path) && Format::of_name(&path) == Format::Qcow2 {
                others.insert(path);
            }
        }
    }
    let mut found = Vec::new();
    for path in others.into_iter().filter(|path| *path != kept.path) {
        let other = DiskFile::new(path, Format::Qcow2);
        // One that can't be read may stand on it: it must not lose what it has there.
        match look(&other) {
            Ok((_, below)) if below.as_ref() == Some(kept) => found.push(other),
            Ok(_) | Err(Failed::Missing(_)) => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(found)
}
