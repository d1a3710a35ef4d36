//! Which chunk files a directory has, and what their headers and seals say.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_model::record::Position;

use super::archive::locate;
use super::chunk::{self, HEADER_BYTES, HEADER_END, Header, Layout, NotAHeader, SEAL_FRAME_BYTES};
use super::open::OpenError;
use super::scan::{Stop, scan};
use super::sealed::{IndexState, SealedChunk};
use crate::chain::Link;
use crate::disk::{Access, Disk, DiskFile, Entry};
use crate::error::ReadError;
use crate::format::frame;

/// A chunk file as it was found.
pub(crate) enum Found {
    Sealed(Arc<SealedChunk>),
    Unsealed { path: PathBuf, header: Header },
}

/// The numbers of the chunks of a log that has to be there.
pub(crate) fn existing_numbers(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
) -> Result<Vec<u64>, OpenError> {
    let none = || OpenError::NoLog(layout.dir.clone());
    let dir = layout.chunks();
    let entries = disk.list(&dir).map_err(|error| {
        let missing = error.kind() == io::ErrorKind::NotFound;
        if missing { none() } else { ReadError::io("could not list", &dir)(error).into() }
    })?;
    let numbers = numbers_of(&entries);
    if numbers.is_empty() { Err(none()) } else { Ok(numbers) }
}

/// The numbers of all chunks that are here or known to be elsewhere, in order.
pub(crate) fn chunk_numbers(disk: &Arc<dyn Disk>, layout: &Layout) -> Result<Vec<u64>, OpenError> {
    let dir = layout.chunks();
    let entries = disk.list(&dir).map_err(ReadError::io("could not list", &dir))?;
    Ok(numbers_of(&entries))
}

fn numbers_of(entries: &[Entry]) -> Vec<u64> {
    let number = |name: &str| chunk::numbered(name, "chunk").or(chunk::numbered(name, "moved"));
    let mut numbers: Vec<u64> = entries.iter().filter_map(|entry| number(&entry.name)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Reads a chunk's header, and its seal if it ends with one.
pub(crate) fn find(disk: &Arc<dyn Disk>, layout: &Layout, number: u64) -> Result<Found, OpenError> {
    let path = locate(&**disk, layout, number)?;
    let io = |action| ReadError::io(action, &path);
    let archived = path.parent() != Some(&layout.chunks());
    let opening = if archived { "could not open the archived chunk" } else { "could not open" };
    let file = disk.open(&path, Access::Read).map_err(io(opening))?;
    let header = read_header(&*file, &path)?;
    if header.number != number {
        let what = format!("the header says chunk {}", header.number);
        return Err(OpenError::damaged(&path, 0, header.first, what));
    }
    let length = file.len().map_err(io("could not measure"))?;
    let seal_offset = length.saturating_sub(SEAL_FRAME_BYTES as u64);
    if seal_offset >= HEADER_END
        && let Some(seal) = read_seal(&*file, seal_offset)
        && (seal.number, seal.first) == (number, header.first)
    {
        let disk = Arc::clone(disk);
        let place = (seal, seal_offset);
        let chunk = SealedChunk::new(disk, path, header, place, IndexState::Missing);
        return Ok(Found::Sealed(Arc::new(chunk)));
    }
    Ok(Found::Unsealed { path, header })
}

fn read_seal(file: &dyn DiskFile, offset: u64) -> Option<chunk::Seal> {
    let frame = crate::format::reader::frame_at(file, offset).ok()?;
    if frame.header.kind == frame::Kind::Seal { chunk::Seal::read(&frame.body).ok() } else { None }
}

pub(crate) fn read_header(file: &dyn DiskFile, path: &Path) -> Result<Header, OpenError> {
    let mut bytes = vec![0; HEADER_BYTES];
    let filled = file.read_at(&mut bytes, 0).map_err(ReadError::io("could not read", path))?;
    bytes.truncate(filled);
    Header::read(&bytes.into()).map_err(|bad| match bad {
        NotAHeader::Newer(format) => {
            OpenError::Newer { path: path.to_owned(), format, known: chunk::FORMAT }
        }
        NotAHeader::Malformed(what) => OpenError::damaged(path, 0, Position(0), what.0),
    })
}

/// A chunk must begin where the one before it ended.
pub(crate) fn follows(
    before: Option<&Arc<SealedChunk>>,
    header: &Header,
    path: &Path,
) -> Result<(), OpenError> {
    let fits = match before {
        None => header.first == Position(1) && header.link == Link::START,
        Some(before) => {
            header.log_id == before.header.log_id
                && header.first == before.seal.last.next()
                && header.link == before.seal.link
        }
    };
    if fits {
        return Ok(());
    }
    let what = "the chunk does not continue the one before it";
    Err(OpenError::damaged(path, 0, header.first, what))
}

/// Reads a chunk that others follow. Its process may not have had the time to trim it.
pub(crate) fn sealed_chunk(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    number: u64,
) -> Result<Arc<SealedChunk>, OpenError> {
    let (path, header) = match find(disk, layout, number)? {
        Found::Sealed(chunk) => return Ok(chunk),
        Found::Unsealed { path, header } => (path, header),
    };
    let file = disk.open(&path, Access::Read).map_err(ReadError::io("could not open", &path))?;
    let found = scan(&*file, &path, &header, |_, _| {})?;
    match (found.seal, found.stop) {
        (Some(place), _) => {
            let disk = Arc::clone(disk);
            Ok(Arc::new(SealedChunk::new(disk, path, header, place, IndexState::Missing)))
        }
        (None, Stop::Damaged(damage)) => Err(OpenError::Read(damage.into())),
        (None, Stop::Clean | Stop::Torn { .. }) => {
            let what = "the chunk ends without a seal, but others follow";
            let next = found.end.position.next();
            Err(OpenError::damaged(&path, found.end_offset, next, what))
        }
    }
}

/// The header of the chunk that should have this number.
pub(crate) fn header_of(disk: &dyn Disk, path: &Path, number: u64) -> Result<Header, OpenError> {
    let file = disk.open(path, Access::Read).map_err(ReadError::io("could not open", path))?;
    let header = read_header(&*file, path)?;
    if header.number == number {
        return Ok(header);
    }
    let what = format!("the header says chunk {}", header.number);
    Err(OpenError::damaged(path, 0, header.first, what))
}
