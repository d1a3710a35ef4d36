//! Files are opened once, by a descriptor that can't turn out to be something else.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, fcntl_lock, fstat, openat};
use rustix::io::Errno;

use crate::failed::Failed;
use crate::header::Refused;

pub(crate) fn to_read(path: &Path) -> Result<File, Failed> {
    regular(path, OFlags::RDONLY)
}

pub(crate) fn to_write(path: &Path) -> Result<File, Failed> {
    regular(path, OFlags::RDWR)
}

/// A link is not followed, a pipe not waited for, a device not touched.
fn regular(path: &Path, access: OFlags) -> Result<File, Failed> {
    absolute(path)?;
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = openat(CWD, path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::LOOP => Failed::refused(path, Refused::NotAFile("a symbolic link")),
        Errno::NXIO => Failed::refused(path, Refused::NotAFile("a socket")),
        Errno::ISDIR => Failed::refused(path, Refused::NotAFile("a folder")),
        other => Failed::io(path, other),
    })?;
    let stat = fstat(&opened).map_err(|errno| Failed::io(path, errno))?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(File::from(opened)),
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::BlockDevice | FileType::CharacterDevice => "a device",
        FileType::Socket | FileType::Symlink | FileType::Unknown => "something else",
    };
    Err(Failed::refused(path, Refused::NotAFile(kind)))
}

/// A relative path would mean something else to a tool, and `nbd:` something else altogether.
pub(crate) fn absolute(path: &Path) -> Result<(), Failed> {
    if path.is_absolute() { Ok(()) } else { Err(Failed::unfit(path, "this is no absolute path")) }
}

/// Whether a file of ours can be written past the page cache.
pub(crate) fn direct(path: &Path) -> bool {
    openat(CWD, path, OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

pub(crate) fn exists(path: &Path) -> Result<bool, Failed> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failed::io(path, error)),
    }
}

/// No other process has it open, as far as locks say: QEMU holds shared ones on every image that it
/// has open (`block/file-posix.c`), and this asks for all bytes alone. It is held until any
/// descriptor of the file is closed in this process.
pub(crate) fn alone(path: &Path, file: &File) -> Result<(), Failed> {
    fcntl_lock(file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        Errno::ACCESS | Errno::AGAIN => Failed::InUse(path.to_owned()),
        other => Failed::io(path, other),
    })
}
