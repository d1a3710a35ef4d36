//! Sealed chunks may live elsewhere, on slower and larger storage, and are read from there. A small
//! file says where: one line with the path. Indexes stay.
//!
//! ```text
//!   copy the chunk to <to>/0000000001.chunk.unfinished, fsync, read all of it again and check it
//!   rename it to <to>/0000000001.chunk
//!   write chunks/0000000001.moved
//!   remove chunks/0000000001.chunk
//! ```
//!
//! Interrupted anywhere, the log is whole, and archiving goes on when it is run again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_model::record::Position;

use super::chunk::Layout;
use super::durable::{copy_bytes, create_anew, replace};
use super::files::{existing_numbers, header_of, sealed_chunk};
use super::open::{self, OpenError};
use super::repair;
use super::scan::{Stop, scan};
use super::sealed::SealedChunk;
use crate::disk::{Access, Disk};
use crate::error::ReadError;
use crate::verify::Progress;

/// Paths are shorter than this on Linux (PATH_MAX).
const POINTER_BYTES_MAX: usize = 4096;

/// Which sealed chunks to move. The one that is written to never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All but the newest so many.
    AllBut(u64),
    /// Those that only hold records before this one.
    Below(Position),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// The chunks that were moved now.
    pub moved: Vec<u64>,
    /// Those that had been moved before.
    pub before: Vec<u64>,
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{to} can't be an archive: {why}")]
    NotAPlace { to: PathBuf, why: &'static str },
    #[error("{path} is there already and is not this log's chunk {number}")]
    Taken { path: PathBuf, number: u64 },
    #[error("chunk {number} stays where it is: its copy in the archive is not right ({what})")]
    NotRight { number: u64, what: String },
}

/// Moves sealed chunks to another directory. Takes the log's lock: no process may have it open.
pub fn archive(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    to: &Path,
    which: Which,
    owner: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Archived, ArchiveError> {
    let layout = Layout::new(dir);
    is_a_place(&layout, to)?;
    let numbers = existing_numbers(disk, &layout)?;
    let _lock = open::lock(disk, &layout, owner)?;
    if let Some(position) = repair::unfinished(&**disk, &layout)? {
        return Err(OpenError::RepairUnfinished { dir: layout.dir, position }.into());
    }
    disk.create_dir_all(to).map_err(ReadError::io("could not make", to))?;
    if disk.is_same_dir(to, &layout.chunks()).map_err(ReadError::io("could not look at", to))? {
        let (to, why) = (to.to_owned(), "the chunks are there now");
        return Err(ArchiveError::NotAPlace { to, why });
    }
    let Some((_, sealed)) = numbers.split_last() else { return Ok(Archived::default()) };
    let mut archived = Archived::default();
    let mut chunks = Vec::new();
    for (older, number) in (1..).zip(sealed) {
        let chunk = sealed_chunk(disk, &layout, *number)?;
        let wanted = match which {
            Which::AllBut(newest) => older + newest <= sealed.len() as u64,
            Which::Below(position) => chunk.seal.last < position,
        };
        if chunk.path != layout.chunk(*number) {
            archived.before.push(*number);
        } else if wanted {
            chunks.push(chunk);
        }
    }
    let total = chunks.iter().map(|chunk| chunk.bytes).sum();
    for chunk in chunks {
        progress(Progress { done: archived.bytes, total });
        move_chunk(disk, &layout, to, &chunk)?;
        archived.moved.push(chunk.seal.number);
        archived.bytes += chunk.bytes;
    }
    progress(Progress { done: total, total });
    Ok(archived)
}

/// What can be written into one line, and read from anywhere.
fn is_a_place(layout: &Layout, to: &Path) -> Result<(), ArchiveError> {
    let not = |why| Err(ArchiveError::NotAPlace { to: to.to_owned(), why });
    let Some(text) = to.to_str() else { return not("its path is not UTF-8") };
    if !to.is_absolute() {
        return not("its path is not absolute");
    }
    if text.contains('\n') || layout.chunk(1).as_os_str().len() + text.len() > POINTER_BYTES_MAX {
        return not("its path has a line break or is too long");
    }
    Ok(())
}

fn move_chunk(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    to: &Path,
    chunk: &SealedChunk,
) -> Result<(), ArchiveError> {
    let number = chunk.seal.number;
    let here = layout.chunk(number);
    let there = to.join(here.file_name().unwrap_or_default());
    if let Ok(copy) = disk.open(&there, Access::Read) {
        // Somebody else may have put it there, and it may be nowhere but in memory yet.
        copy.sync_all()
            .and_then(|()| disk.sync_dir(to))
            .map_err(ReadError::io("could not sync", &there))?;
        check(&**disk, &there, chunk)
            .map_err(|_| ArchiveError::Taken { path: there.clone(), number })?;
    } else {
        let unfinished = there.with_added_extension("unfinished");
        copy(&**disk, chunk, &unfinished).map_err(ReadError::io("could not write", &unfinished))?;
        check(&**disk, &unfinished, chunk)
            .map_err(|what| ArchiveError::NotRight { number, what })?;
        disk.rename(&unfinished, &there)
            .and_then(|()| disk.sync_dir(to))
            .map_err(ReadError::io("could not put in place", &there))?;
    }
    let pointer = layout.moved(number);
    let line = format!("{}\n", there.display());
    replace(&**disk, &pointer, line.as_bytes())
        .map_err(ReadError::io("could not write", &pointer))?;
    disk.remove(&here)
        .and_then(|()| disk.sync_dir(&layout.chunks()))
        .map_err(ReadError::io("could not remove", &here))?;
    Ok(())
}

fn copy(disk: &dyn Disk, chunk: &SealedChunk, path: &Path) -> io::Result<()> {
    let from = disk.open(&chunk.path, Access::Read)?;
    let copy = create_anew(disk, path)?;
    copy_bytes(&*from, &*copy, chunk.bytes)?;
    copy.sync_all()
}

/// Reads a copy through: every frame, the chain, and the seal.
fn check(disk: &dyn Disk, path: &Path, chunk: &SealedChunk) -> Result<(), String> {
    let header = header_of(disk, path, chunk.seal.number).map_err(|error| error.to_string())?;
    let file = disk.open(path, Access::Read).map_err(|error| error.to_string())?;
    let length = file.len().map_err(|error| error.to_string())?;
    let found = scan(&*file, path, &header, |_, _| {}).map_err(|error| error.to_string())?;
    let place = (chunk.seal, chunk.seal_offset);
    if header == chunk.header && found.seal == Some(place) && length == chunk.bytes {
        return Ok(());
    }
    Err(match found.stop {
        Stop::Damaged(damage) => damage.to_string(),
        Stop::Torn { what, .. } => what,
        Stop::Clean => String::from("it is another chunk"),
    })
}

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
