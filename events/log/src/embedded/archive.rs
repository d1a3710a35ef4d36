//! Sealed chunks may live elsewhere, on slower and larger storage, and are read from there. A small
//! file says where: one line with the path.

use std::io;
use std::path::PathBuf;

use super::chunk::Layout;
use crate::disk::{Access, Disk};
use crate::error::ReadError;

/// Paths are shorter than this on Linux (PATH_MAX).
const POINTER_BYTES_MAX: usize = 4096;

/// Where a chunk is now.
pub(crate) fn locate(disk: &dyn Disk, layout: &Layout, number: u64) -> Result<PathBuf, ReadError> {
    let pointer = layout.moved(number);
    let file = match disk.open(&pointer, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(layout.chunk(number)),
        Err(error) => return Err(ReadError::io("could not open", &pointer)(error)),
    };
    // As long as the chunk is still here, that is the one: the archive may not be whole yet.
    if disk.open(&layout.chunk(number), Access::Read).is_ok() {
        return Ok(layout.chunk(number));
    }
    let mut bytes = vec![0; POINTER_BYTES_MAX];
    let filled = file.read_at(&mut bytes, 0).map_err(ReadError::io("could not read", &pointer))?;
    bytes.truncate(filled);
    let text = String::from_utf8_lossy(&bytes);
    Ok(PathBuf::from(text.trim_end_matches('\n')))
}
