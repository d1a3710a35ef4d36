//! From now on nobody writes to what was a disk, and it has another name.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{is_durable, sealed_stat};
use crate::content::Chain;
use crate::disk::{DiskFile, Stat};
use crate::durable::{Name, is_sealed, make_folder, rename, seal_mode, sync_folder_of};
use crate::failed::Failed;
use crate::images::Images;
use crate::open;

impl Images {
    /// Nothing is copied: both names are on one file system. Written content is durable before the
    /// file has its new name.
    ///
    /// # Errors
    ///
    /// The disk, or what it stands on, is not there or no good; a process has it open; another
    /// file has the name.
    pub fn seal(&self, from: &DiskFile, to: &Path) -> Result<Stat, Failed> {
        if open::exists(to)? {
            let stat = sealed_stat(to)?;
            is_durable(to)?;
            return Ok(stat);
        }
        Chain::open(from)?;
        freeze(&from.path, to)?;
        sealed_stat(to)
    }
}

/// Killed at any place, it can be done again: a sealed file under its old name is none too many.
pub(super) fn freeze(from: &Path, to: &Path) -> Result<(), Failed> {
    let io = |error| Failed::io(from, error);
    let file = open::to_read(from)?;
    if let Some(writable) = is_free(from)? {
        seal_mode(from, &writable)?;
    }
    file.sync_all().map_err(io)?;
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    rename(from, to, Name::New)?;
    sync_folder_of(to)?;
    sync_folder_of(from)
}

/// No process has it open, for as long as what comes back is. Nothing: it is sealed already.
pub(super) fn is_free(path: &Path) -> Result<Option<File>, Failed> {
    let meta = open::to_read(path)?.metadata().map_err(|error| Failed::io(path, error))?;
    if is_sealed(meta.mode()) {
        return Ok(None);
    }
    let writable = open::to_write(path)?;
    open::alone(path, &writable)?;
    Ok(Some(writable))
}
