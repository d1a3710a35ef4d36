//! What is done by hand of whoever looks after a storage. Nothing is lost by it: a file that is put
//! aside can be put back.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::disk::Stat;
use crate::durable::{Name, make_folder, remove, rename, seal_mode, sync_folder_of};
use crate::failed::Failed;
use crate::images::Images;
use crate::open;
use crate::seen::{Found, Kind};
use crate::steps::remove::tidy;

const PROCESSES: &str = "/proc";

impl Images {
    /// Moves a file to another place of its storage, where nothing has the name yet.
    ///
    /// # Errors
    ///
    /// It is not what was found any more, a folder, open in a process, or of another file system.
    pub fn put_aside(&self, found: &Found, to: &Path) -> Result<(), Failed> {
        let meta = unchanged(found)?;
        if meta.is_dir() {
            return Err(Failed::unfit(&found.path, "a folder is for somebody to look at"));
        }
        nobody_holds(&found.path, &meta)?;
        make_folder(to.parent().unwrap_or(Path::new("/")))?;
        rename(&found.path, to, Name::New)?;
        sync_folder_of(to)?;
        found.path.parent().map_or(Ok(()), tidy)
    }

    /// Nobody may write to a sealed file any more.
    ///
    /// # Errors
    ///
    /// It is not what was found any more, or is somebody else's.
    pub fn seal_again(&self, found: &Found) -> Result<(), Failed> {
        let file = open::to_read(&found.path)?;
        let meta = file.metadata().map_err(|error| Failed::io(&found.path, error))?;
        is_that(found, &meta)?;
        seal_mode(&found.path, &file)?;
        file.sync_all().map_err(|error| Failed::io(&found.path, error))
    }

    /// Removes what a call that was killed has left.
    ///
    /// # Errors
    ///
    /// It is none, is not what was found any more, or is open in a process.
    pub fn clear(&self, found: &Found) -> Result<(), Failed> {
        if found.kind != Kind::Leftover {
            return Err(Failed::unfit(&found.path, "this is more than a leftover"));
        }
        nobody_holds(&found.path, &unchanged(found)?)?;
        remove(&found.path)?;
        found.path.parent().map_or(Ok(()), tidy)
    }
}

fn unchanged(found: &Found) -> Result<Metadata, Failed> {
    let meta = found.path.symlink_metadata().map_err(|error| Failed::io(&found.path, error))?;
    is_that(found, &meta).map(|()| meta)
}

fn is_that(found: &Found, meta: &Metadata) -> Result<(), Failed> {
    if Stat::of(meta) == found.stat {
        return Ok(());
    }
    Err(Failed::Differs { path: found.path.clone(), what: "it was changed meanwhile" })
}

/// As far as can be seen: of processes of others only root sees what they have open, and only QEMU
/// and its tools lock it.
fn nobody_holds(path: &Path, meta: &Metadata) -> Result<(), Failed> {
    if !meta.is_file() {
        return Ok(());
    }
    if is_open(meta) {
        return Err(Failed::InUse(path.to_owned()));
    }
    match open::to_write(path) {
        Ok(file) => open::alone(path, &file),
        // Who may not write can't ask for a lock either.
        Err(Failed::Io { .. }) => Ok(()),
        Err(failed) => Err(failed),
    }
}

fn is_open(meta: &Metadata) -> bool {
    let processes = fs::read_dir(PROCESSES).into_iter().flatten().filter_map(Result::ok);
    let descriptors = processes.filter_map(|process| fs::read_dir(process.path().join("fd")).ok());
    let mut open = descriptors.flatten().filter_map(Result::ok);
    open.any(|it| is_same(&it.path(), meta))
}

/// Behind the link is what is open, whatever it is called by now.
fn is_same(descriptor: &Path, meta: &Metadata) -> bool {
    let behind = fs::metadata(descriptor);
    behind.is_ok_and(|it| (it.dev(), it.ino()) == (meta.dev(), meta.ino()))
}
