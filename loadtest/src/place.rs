//! Where stores are made to be measured, and thrown away again.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise, statfs, statvfs};
use tempfile::TempDir;

use crate::Failure;

/// File systems whose syncs cost nothing (linux/magic.h).
const TMPFS_MAGIC: i64 = 0x0102_1994;
const RAMFS_MAGIC: i64 = 0x8584_58f6;

/// A directory on a disk, gone with this value.
#[derive(Debug)]
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn make(parent: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(parent)?;
        let kind = statfs(parent)?.f_type;
        if kind == TMPFS_MAGIC || kind == RAMFS_MAGIC {
            let parent = parent.display();
            return Err(format!(
                "{parent} is in memory, where making data durable costs nothing; say --dir with a \
                 directory on a disk"
            )
            .into());
        }
        let root = tempfile::Builder::new().prefix("loadtest-").tempdir_in(parent)?;
        // A server may run as a user of its own, and has to pass through.
        fs::set_permissions(root.path(), Permissions::from_mode(0o711))?;
        Ok(Self { root })
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// An empty directory for one store.
    pub(crate) fn fresh(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix("store-").tempdir_in(&self.root)
    }

    /// The same for what guests have, whose processes run as another user.
    pub(crate) fn for_guests(&self) -> io::Result<TempDir> {
        let dir = self.fresh()?;
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711))?;
        Ok(dir)
    }

    /// A directory into which a server that runs as another user may put its own.
    pub(crate) fn for_servers(&self) -> io::Result<PathBuf> {
        let dir = self.root.path().join("servers");
        fs::create_dir_all(&dir)?;
        fs::set_permissions(&dir, Permissions::from_mode(0o1777))?;
        Ok(dir)
    }

    pub(crate) fn needs(&self, bytes: u64) -> Result<(), Failure> {
        let stat = statvfs(self.path())?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free >= bytes {
            return Ok(());
        }
        let (path, needed, free) = (self.path().display(), bytes >> 20, free >> 20);
        Err(format!("{path} has {free} MiB free; {needed} MiB are needed").into())
    }
}

/// The default: beside what cargo built this program into, which is on a disk as a rule.
pub(crate) fn beside_the_program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target =
        program.parent().and_then(Path::parent).ok_or("this program is in no directory")?;
    Ok(target.join("loadtest"))
}

/// All plain files below a directory.
pub(crate) fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// What the files below a directory take of the disk.
pub(crate) fn bytes_on_disk(dir: &Path) -> io::Result<u64> {
    const BLOCK_BYTES: u64 = 512;
    files(dir)?.iter().try_fold(0, |sum, file| Ok(sum + fs::metadata(file)?.blocks() * BLOCK_BYTES))
}

/// Makes the kernel forget what it has of these files, as after a start of the machine.
pub(crate) fn evict(dir: &Path) -> io::Result<()> {
    for path in files(dir)? {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}
