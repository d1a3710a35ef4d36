//! Files that nobody needs any more.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::accept::record_of;
use crate::durable::{part_of, remove, sync_folder, sync_folder_of};
use crate::failed::Failed;
use crate::images::Images;
use crate::open;

impl Images {
    /// Those that are not there are gone already. Leftovers and records of theirs go too, and
    /// folders that are empty then.
    ///
    /// # Errors
    ///
    /// One can't be removed. Others may have been.
    pub fn remove(&self, files: &[PathBuf]) -> Result<(), Failed> {
        let mut folders = BTreeSet::new();
        for file in files {
            open::absolute(file)?;
            remove(file)?;
            for beside in part_of(file).into_iter().chain(record_of(file)) {
                remove(&beside)?;
            }
            folders.extend(file.parent());
        }
        folders.into_iter().try_for_each(tidy)
    }
}

/// There may be more in it, or it is where something is mounted.
pub(crate) fn tidy(folder: &Path) -> Result<(), Failed> {
    match fs::remove_dir(folder) {
        Ok(()) => sync_folder_of(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        Err(_) => match sync_folder(folder) {
            // Somebody else has removed the last one.
            Err(Failed::Missing(_)) => Ok(()),
            other => other,
        },
    }
}
