//! Files that are on disk, whole, before anything relies on them.

use std::io;
use std::path::Path;

use crate::disk::{Access, Disk, DiskFile};

const WINDOW_BYTES: usize = 1024 * 1024;

/// An empty file, whatever was there before.
pub(crate) fn create_anew(disk: &dyn Disk, path: &Path) -> io::Result<Box<dyn DiskFile>> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    disk.open(path, Access::Create)
}

/// A file of zeros that are on disk: overwriting them later needs no space and no metadata.
pub(crate) fn create_zeroed(
    disk: &dyn Disk,
    path: &Path,
    bytes: u64,
) -> io::Result<Box<dyn DiskFile>> {
    let file = create_anew(disk, path)?;
    let zeros = vec![0; WINDOW_BYTES];
    let mut at = 0;
    while at < bytes {
        let count = usize::try_from(bytes - at).map_or(WINDOW_BYTES, |left| left.min(WINDOW_BYTES));
        file.write_all_at(&zeros[..count], at)?;
        at += count as u64;
    }
    file.sync_all()?;
    Ok(file)
}

/// Copies the first `bytes` bytes of a file.
pub(crate) fn copy_bytes(from: &dyn DiskFile, to: &dyn DiskFile, bytes: u64) -> io::Result<()> {
    let mut window = vec![0; WINDOW_BYTES];
    let mut at = 0;
    while at < bytes {
        let count = usize::try_from(bytes - at).map_or(WINDOW_BYTES, |left| left.min(WINDOW_BYTES));
        let part = &mut window[..count];
        if from.read_at(part, at)? < count {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        to.write_all_at(part, at)?;
        at += count as u64;
    }
    Ok(())
}

/// Puts a whole file in place of what was there, durably.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension("unfinished");
    let file = create_anew(disk, &unfinished)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    disk.rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}
