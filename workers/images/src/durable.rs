//! A file gets its name when it is whole and durable, and not before.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::failed::Failed;
use crate::open;

const PART_BEGINS: &[u8] = b".";
const PART_ENDS: &[u8] = b".part";
/// Nobody else on the host reads a guest's disk. QEMU's user gets it when a guest is started.
const MODE: u32 = 0o600;
/// Everybody may read what nobody writes: guests of several users stand on it.
pub(crate) const SEALED_MODE: u32 = 0o444;
/// QEMU is a user of its own, and has to get through whatever umask Carrel was started with.
const ENTER_BITS: u32 = 0o111;
const WRITE_BITS: u32 = 0o222;

/// How a file becomes the one that has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// Nothing has it yet.
    New,
    /// In the place of what has it.
    Replaced,
}

/// A file that is being made: `.<name>.part`, beside where it will be. It goes with this value if
/// it has not got its name.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    to: PathBuf,
    named: bool,
}

impl Part {
    /// Empty, and open to write. What an earlier call has left is gone.
    pub(crate) fn begin(to: &Path) -> Result<(Self, File), Failed> {
        open::absolute(to)?;
        let path = part_of(to).ok_or_else(|| Failed::unfit(to, "this is no name of a file"))?;
        let file = make_file(&path, || remove(&path).map(drop))?;
        Ok((Self { path, to: to.to_owned(), named: false }, file))
    }

    pub(crate) fn finish(self, sealed: bool, name: Name) -> Result<(), Failed> {
        self.settle(sealed)?;
        self.take_name(name)
    }

    /// All of it is durable, and it has no name yet.
    pub(crate) fn settle(&self, sealed: bool) -> Result<(), Failed> {
        let file = open::to_read(&self.path)?;
        if sealed {
            seal_mode(&self.path, &file)?;
        }
        file.sync_all().map_err(|error| full_or(&self.path, error))
    }

    /// From here on it is there whatever happens.
    pub(crate) fn take_name(mut self, name: Name) -> Result<(), Failed> {
        rename(&self.path, &self.to, name)?;
        self.named = true;
        sync_folder_of(&self.to)
    }
}

/// A new file, in a folder that is there. Whoever removes the last of its other files removes the
/// folder, too: then all is done again, with what comes before the file.
pub(crate) fn make_file(
    path: &Path,
    before: impl Fn() -> Result<(), Failed>,
) -> Result<File, Failed> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(MODE);
    for _ in 0..MAKE_TRIES {
        make_folder(folder)?;
        let open = || options.open(path).map_err(|error| full_or(path, error));
        match before().and_then(|()| open()) {
            Err(Failed::Missing(_)) => {}
            opened => return opened,
        }
    }
    Err(Failed::Missing(folder.to_owned()))
}

/// Each time somebody has come in between two calls.
const MAKE_TRIES: usize = 8;

impl Drop for Part {
    fn drop(&mut self) {
        if !self.named {
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(crate) fn part_of(path: &Path) -> Option<PathBuf> {
    beside(path, ".part")
}

/// A file of no machine's, about the one that has the name.
pub(crate) fn beside(path: &Path, ends: &str) -> Option<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name()?);
    name.push(ends);
    Some(path.with_file_name(name))
}

pub(crate) fn is_part(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    name.starts_with(PART_BEGINS) && name.ends_with(PART_ENDS)
}

pub(crate) fn rename(from: &Path, to: &Path, name: Name) -> Result<(), Failed> {
    let flags = match name {
        Name::New => RenameFlags::NOREPLACE,
        Name::Replaced => RenameFlags::empty(),
    };
    renameat_with(CWD, from, CWD, to, flags).map_err(|errno| match errno {
        Errno::EXIST => Failed::Differs { path: to.to_owned(), what: "somebody else made it" },
        Errno::NOENT => Failed::Missing(from.to_owned()),
        other => full_or(to, other.into()),
    })
}

pub(crate) fn sync_folder_of(path: &Path) -> Result<(), Failed> {
    sync_folder(path.parent().unwrap_or(Path::new("/")))
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), Failed> {
    let sync = File::open(folder).and_then(|folder| folder.sync_all());
    sync.map_err(|error| Failed::io(folder, error))
}

/// With all above it, each of them durable.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Failed> {
    for _ in 0..MAKE_TRIES {
        match make_one(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let above = folder.parent().ok_or_else(|| Failed::Missing(folder.to_owned()))?;
                make_folder(above)?;
            }
            made => return made.map_err(|error| full_or(folder, error)),
        }
    }
    Err(Failed::Missing(folder.to_owned()))
}

/// One that is there may be of somebody who was killed before it could be entered, or of somebody
/// else, who opened it for us.
fn make_one(folder: &Path) -> io::Result<()> {
    let is_new = match fs::create_dir(folder) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    let mode = fs::metadata(folder)?.permissions().mode();
    if mode & ENTER_BITS != ENTER_BITS {
        let opened = fs::set_permissions(folder, Permissions::from_mode(mode | ENTER_BITS));
        opened.or_else(|error| if is_new { Err(error) } else { passed(error) })?;
    }
    if is_new {
        let above = folder.parent().unwrap_or(Path::new("/"));
        File::open(above).and_then(|above| above.sync_all())?;
    }
    Ok(())
}

fn passed(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) }
}

/// Whether there was one.
pub(crate) fn remove(path: &Path) -> Result<bool, Failed> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(Failed::io(path, error)),
    }
}

pub(crate) fn seal_mode(path: &Path, file: &File) -> Result<(), Failed> {
    let mode = Permissions::from_mode(SEALED_MODE);
    file.set_permissions(mode).map_err(|error| Failed::io(path, error))
}

/// Of a disk that is written to again.
pub(crate) fn unseal_mode(path: &Path, file: &File) -> Result<(), Failed> {
    let mode = Permissions::from_mode(MODE);
    file.set_permissions(mode).map_err(|error| Failed::io(path, error))
}

pub(crate) fn is_sealed(mode: u32) -> bool {
    mode & WRITE_BITS == 0
}

/// How much is free is said by whoever knows how much was needed.
pub(crate) fn full_or(path: &Path, error: io::Error) -> Failed {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        Failed::NoSpace { path: path.to_owned(), free_mib: 0, needed_mib: 0 }
    } else {
        Failed::io(path, error)
    }
}
