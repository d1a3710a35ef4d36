//! What keys in a directory ask of a file system. Tests put a disk in its place that fails, and
//! forgets what was not synced.

use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// What stands under a name, and who may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub what: What,
    /// The permissions alone.
    pub mode: u32,
    pub owner: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Directory,
    File,
    /// A symbolic link, a socket and the like.
    Other,
}

pub trait Disk: Send + Sync + Debug {
    /// Who this process runs as.
    fn user(&self) -> u32;
    /// Nothing if there is nothing. Symbolic links are not followed.
    fn look(&self, path: &Path) -> io::Result<Option<Look>>;
    /// Up to so many bytes of a file; nothing if there is none.
    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>>;
    /// A new file for its owner alone, and its content lasts; fails if there is one already.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Writes zeros over the content, and they last.
    fn wipe(&self, path: &Path) -> io::Result<()>;
    /// Atomic; lasts once the directory is synced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// For its owner alone, unless it is there; lasts once the directory above is synced.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory last.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory; none if there is no such directory.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Held until the value is dropped or its process ends. `owner` is what others are told.
    fn lock(&self, path: &Path, owner: &str) -> Result<Box<dyn Send + Sync>, LockError>;
}

#[derive(Debug)]
pub enum LockError {
    /// Somebody else has it; what they left in the lock file.
    Held(String),
    Io(io::Error),
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

/// Nothing, where nothing was found.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn nofollow() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

impl Disk for OsDisk {
    fn user(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn look(&self, path: &Path) -> io::Result<Option<Look>> {
        let metadata = found(fs::symlink_metadata(path))?;
        Ok(metadata.map(|metadata| {
            let what = match metadata.file_type() {
                kind if kind.is_dir() => What::Directory,
                kind if kind.is_file() => What::File,
                _ => What::Other,
            };
            Look { what, mode: metadata.mode() & 0o7777, owner: metadata.uid() }
        }))
    }

    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let file = found(OpenOptions::new().read(true).custom_flags(nofollow()).open(path))?;
        let Some(file) = file else { return Ok(None) };
        // With room for all, so that no copy is left behind where the buffer grew.
        let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 1));
        file.take(bytes_max as u64).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn wipe(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).custom_flags(nofollow()).open(path)?;
        let length = file.metadata()?.len();
        io::copy(&mut io::repeat(0).take(length), &mut file)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let Some(entries) = found(fs::read_dir(path))? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in entries {
            // A name that is not UTF-8 is not one of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn lock(&self, path: &Path, owner: &str) -> Result<Box<dyn Send + Sync>, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nofollow())
            .open(path)
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(LockError::Io)?;
                return Err(LockError::Held(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        file.set_len(0).map_err(LockError::Io)?;
        writeln!(file, "{owner}").map_err(LockError::Io)?;
        Ok(Box::new(file))
    }
}
