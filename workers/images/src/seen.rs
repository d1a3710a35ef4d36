//! What is there. It is read from files' headers and from the file system; no process is started.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::content::{Digest, local};
use crate::disk::{DiskFile, Format, Stat};
use crate::durable::{is_part, is_sealed};
use crate::failed::Failed;
use crate::header::Refused;
use crate::header::qcow2::{Qcow2, extension};
use crate::header::window::Window;
use crate::open;
use crate::steps::accept::{accepted, recorded};

/// The folders of a storage in which Carrel has its files (see `place.rs` of the driver).
const FOLDERS: &[&str] = &["consoles", "images", "machines", "media", "throwaway"];
/// `<folder>/<thing>/<file>`, and one more for what does not belong there.
const DEPTH_MAX: usize = 4;
const STAT_BLOCK_BYTES: u64 = 512;
const HEADER_READ_BYTES: u64 = 64 << 10;

/// What a file says that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backing {
    pub path: PathBuf,
    /// Nothing: it does not say, or names a format that none of Carrel's files has.
    pub format: Option<Format>,
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFile {
    pub file: DiskFile,
    pub backing: Option<Backing>,
    /// How large the disk in it is.
    pub virtual_bytes: u64,
    /// How much room it takes on its storage.
    pub allocated_bytes: u64,
    /// Nobody may write to it any more.
    pub sealed: bool,
    pub stat: Stat,
    /// What it was found to read as, since it has this stat.
    pub accepted: Option<Digest>,
    /// Why it can't be what its name says; nothing is known of its disk then.
    pub damage: Option<Refused>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    File,
    /// What a call works on now, or one that was killed has left.
    Leftover,
    /// No file at all: a link, a device.
    Other,
}

/// Something in a storage's folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub kind: Kind,
    pub allocated_bytes: u64,
    pub backing: Option<Backing>,
    /// Nobody may write to it any more.
    pub sealed: bool,
    pub stat: Stat,
    /// Why it can't be what its name says.
    pub damage: Option<Refused>,
}

pub(crate) fn seen(folders: &[PathBuf], files: &[DiskFile]) -> Result<Vec<SeenFile>, Failed> {
    let mut wanted: Vec<DiskFile> = files.to_vec();
    for folder in folders {
        let is_disk = |path: &PathBuf| !is_part(path) && recorded(path).is_none();
        let there = entries(folder)?.into_iter().filter(is_disk);
        wanted.extend(there.map(DiskFile::named));
    }
    let mut known = BTreeSet::new();
    let mut seen = Vec::new();
    for file in wanted {
        if known.insert(file.path.clone()) {
            seen.extend(look(file)?);
        }
    }
    Ok(seen)
}

/// Nothing: it is not there, or is no file.
fn look(file: DiskFile) -> Result<Option<SeenFile>, Failed> {
    let opened = match open::to_read(&file.path) {
        Ok(opened) => opened,
        Err(Failed::Missing(_) | Failed::Refused { .. }) => return Ok(None),
        Err(failed) => return Err(failed),
    };
    let meta = opened.metadata().map_err(|error| Failed::io(&file.path, error))?;
    let (disk, damage) = match disk(&file, opened) {
        Ok(disk) => (disk, None),
        Err(why) => ((0, None), Some(why)),
    };
    let (stat, sealed) = (Stat::of(&meta), is_sealed(meta.mode()));
    Ok(Some(SeenFile {
        accepted: if sealed { accepted(&file.path, &stat) } else { None },
        file,
        backing: disk.1,
        virtual_bytes: disk.0,
        allocated_bytes: meta.blocks() * STAT_BLOCK_BYTES,
        sealed,
        stat,
        damage,
    }))
}

fn disk(file: &DiskFile, mut opened: File) -> Result<(u64, Option<Backing>), Refused> {
    let mut window = match Window::new(&mut opened, HEADER_READ_BYTES) {
        Err(Refused::Empty) if file.format == Format::Raw => return Ok((0, None)),
        other => other?,
    };
    if file.format == Format::Raw {
        return Ok((window.length(), None));
    }
    let header = Qcow2::read(&mut window)?;
    window.must_hold(header.l1_at, header.l1_bytes(), "its L1 table")?;
    Ok((header.virtual_bytes, backing(&file.path, &header)))
}

fn backing(path: &Path, header: &Qcow2) -> Option<Backing> {
    let named = header.backing.as_ref()?;
    let format = header.extension(extension::BACKING_FORMAT);
    let format = format.and_then(|format| Format::of_word(&format.data));
    // A name that is none of a file is told as it stands there.
    let path = local(path, &named.name)
        .unwrap_or_else(|_| PathBuf::from(String::from_utf8_lossy(&named.name).into_owned()));
    Some(Backing { path, format })
}

pub(crate) fn list(root: &Path) -> Result<Vec<Found>, Failed> {
    open::absolute(root)?;
    let mut found = Vec::new();
    for folder in FOLDERS {
        walk(&root.join(folder), DEPTH_MAX, &mut found)?;
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Links are told, and not followed.
fn walk(folder: &Path, depth: usize, found: &mut Vec<Found>) -> Result<(), Failed> {
    for path in entries(folder)? {
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            // It went meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failed::io(&path, error)),
        };
        if meta.is_dir() && depth > 1 {
            walk(&path, depth - 1, found)?;
            continue;
        }
        let of = recorded(&path);
        if meta.is_file() && of.as_ref().is_some_and(|of| of.exists()) {
            continue;
        }
        let is_left = is_part(&path) || of.is_some();
        let kind = match (meta.is_file(), is_left) {
            (false, _) => Kind::Other,
            (true, true) => Kind::Leftover,
            (true, false) => Kind::File,
        };
        let disk = if kind == Kind::File { look(DiskFile::named(&path))? } else { None };
        found.push(Found {
            path,
            kind,
            allocated_bytes: meta.blocks() * STAT_BLOCK_BYTES,
            sealed: is_sealed(meta.mode()),
            stat: Stat::of(&meta),
            damage: disk.as_ref().and_then(|disk| disk.damage.clone()),
            backing: disk.and_then(|disk| disk.backing),
        });
    }
    Ok(())
}

/// A folder that is not there has nothing in it.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failed::io(folder, error)),
    };
    let paths = read.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>().map_err(|it| Failed::io(folder, it))?;
    paths.sort();
    Ok(paths)
}
