//! Opening a log: what is on disk decides, and what was only in the page cache is not believed.
//!
//! ```text
//!   lock the directory
//!   sealed chunks: header, seal, and that each continues the one before
//!   the last chunk: scan it whole
//!      clean stop recorded and true?  yes: take it as it is
//!                                     no:  cut a torn group off, write the rest to a new file,
//!                                          fsync, rename: only then is it served
//!   indexes: those that are missing or wrong are made anew while reading works already
//!   catalogue: corrected from the chunks; a chunk that it knows and nobody has is missed
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_model::ids::LogId;
use carrel_model::record::{Incarnation, Position};

use super::catalogue::{Catalogue, CataloguePlace, ChunkEntry};
use super::chunk::{Header, Layout};
use super::clean::CleanStop;
use super::durable::{copy_bytes, create_zeroed};
use super::files::{Found, chunk_numbers, find, follows};
use super::fresh::FreshIndex;
use super::index::SealedIndex;
use super::inner::DirectoryLock;
use super::note::Notes;
use super::repair;
use super::scan::{Scan, Stop, scan};
use super::sealed::{IndexState, SealedChunk};
use super::writer::{Active, Opened};
use crate::chain::{End, Link};
use crate::disk::{Access, Disk, DiskFile, LockError};
use crate::error::{Damage, ReadError};

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{dir} is in use by {holder}; one process at a time may have a log open for writing")]
    InUse { dir: PathBuf, holder: String },
    #[error("there is no log in {0}")]
    NoLog(PathBuf),
    #[error(
        "{path} was written by a later version of Carrel (format {format}, this one knows {known})"
    )]
    Newer { path: PathBuf, format: u32, known: u32 },
    #[error(
        "chunk {number} is missing from {dir}; bring it back, or give up what follows with `carrel log repair`"
    )]
    MissingChunk { dir: PathBuf, number: u64 },
    #[error(
        "{dir} is in the middle of a repair; finish it with `carrel log repair --truncate-to {position}`"
    )]
    RepairUnfinished { dir: PathBuf, position: Position },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the catalogue {0}")]
    Catalogue(String),
    #[error("could not start a thread: {0}")]
    Thread(String),
}

impl OpenError {
    pub(crate) fn damaged(
        path: &Path,
        offset: u64,
        position: Position,
        what: impl Into<String>,
    ) -> Self {
        let (path, what) = (path.to_owned(), what.into());
        Self::Read(Damage { path, offset, position, what }.into())
    }
}

/// How to open a log.
#[derive(Clone, Debug)]
pub struct Options {
    /// The id of the log, if this is where it begins.
    pub new_log_id: LogId,
    pub chunk_bytes: u64,
    /// Appends are refused while less than this is free on the disk.
    pub reserve_bytes: u64,
    /// What another process is told that finds the directory in use.
    pub owner: String,
    /// Where the catalogue is; beside the chunks if nothing is said.
    pub catalogue: Option<CataloguePlace>,
}

#[cfg(test)]
impl Options {
    /// The smallest chunks, beside which the catalogue is.
    pub(crate) fn of_a_test() -> Self {
        Self {
            new_log_id: LogId::new(uuid::Uuid::from_u128(1)),
            chunk_bytes: 0,
            reserve_bytes: 0,
            owner: String::new(),
            catalogue: None,
        }
    }
}

/// What opening found that was not as a clean stop leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The unsealed tail was written anew before serving: the last stop was not clean, or chunks
    /// have become larger.
    pub rewritten: bool,
    /// A last group that never reached the disk whole was cut off at this position and offset.
    pub torn: Option<Torn>,
    /// Why the catalogue was begun anew.
    pub catalogue_lost: Option<String>,
    /// Chunks whose catalogue entries were missing or wrong.
    pub catalogue_corrected: Vec<u64>,
    /// Chunks whose indexes are being made anew.
    pub rebuilding: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    pub path: PathBuf,
    pub offset: u64,
    /// The first position that was cut off.
    pub position: Position,
    pub what: String,
}

pub(crate) struct Opening<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) layout: &'a Layout,
    pub(crate) options: &'a Options,
    pub(crate) report: Report,
}

impl Opening<'_> {
    pub(crate) fn lock(&self) -> Result<DirectoryLock, OpenError> {
        let dir = &self.layout.dir;
        for made in [dir.clone(), self.layout.chunks(), self.layout.snapshots()] {
            self.disk.create_dir_all(&made).map_err(ReadError::io("could not make", &made))?;
        }
        self.disk.sync_dir(dir).map_err(ReadError::io("could not sync", dir))?;
        lock(self.disk, self.layout, &self.options.owner)
    }

    pub(crate) fn open(&mut self) -> Result<(Opened, Catalogue), OpenError> {
        if let Some(position) = repair::unfinished(&**self.disk, self.layout)? {
            return Err(OpenError::RepairUnfinished { dir: self.layout.dir.clone(), position });
        }
        self.clear_leftovers()?;
        let (catalogue, lost) = self.open_catalogue()?;
        self.report.catalogue_lost = lost;
        let numbers = self.numbers(&catalogue)?;
        let mut sealed: Vec<Arc<SealedChunk>> = Vec::new();
        let mut last = None;
        for (nth, number) in numbers.iter().enumerate() {
            match find(self.disk, self.layout, *number)? {
                Found::Sealed(chunk) => {
                    follows(sealed.last(), &chunk.header, &chunk.path)?;
                    sealed.push(chunk);
                }
                Found::Unsealed { path, header } if nth + 1 == numbers.len() => {
                    follows(sealed.last(), &header, &path)?;
                    last = Some((path, header));
                }
                Found::Unsealed { path, header } => {
                    follows(sealed.last(), &header, &path)?;
                    sealed.push(self.seal_again(path, &header)?);
                }
            }
        }
        let opened = match last {
            Some((path, header)) => self.recover(sealed, path, header)?,
            None => self.begin(sealed)?,
        };
        self.load_indexes(&opened.sealed);
        self.correct(&catalogue, &opened.sealed);
        Ok((opened, catalogue))
    }

    fn clear_leftovers(&self) -> Result<(), OpenError> {
        for dir in [self.layout.chunks(), self.layout.snapshots()] {
            for entry in self.disk.list(&dir).map_err(ReadError::io("could not list", &dir))? {
                if entry.name.ends_with(".unfinished") || entry.name.ends_with(".prepared") {
                    let path = dir.join(entry.name);
                    self.disk.remove(&path).map_err(ReadError::io("could not remove", &path))?;
                }
            }
        }
        Ok(())
    }

    fn open_catalogue(&self) -> Result<(Catalogue, Option<String>), OpenError> {
        let beside = CataloguePlace::Directory(self.layout.catalogue());
        let place = self.options.catalogue.as_ref().unwrap_or(&beside);
        Catalogue::open(place).map_err(OpenError::Catalogue)
    }

    /// The numbers of all chunks, which must have no gap.
    fn numbers(&self, catalogue: &Catalogue) -> Result<Vec<u64>, OpenError> {
        let numbers = chunk_numbers(self.disk, self.layout)?;
        let known = catalogue.chunks().iter().map(|entry| entry.seal.number).max();
        // The last chunk is not in the catalogue yet, but a clean stop names it.
        let marked = CleanStop::find(&**self.disk, self.layout)?.map(|stop| stop.number);
        let last = numbers.last().copied().max(known).max(marked).unwrap_or(0);
        for number in 1..=last {
            if numbers.binary_search(&number).is_err() {
                return Err(OpenError::MissingChunk { dir: self.layout.chunks(), number });
            }
        }
        Ok(numbers)
    }

    /// A chunk that others follow was durable to its seal, whatever its length says.
    fn seal_again(&self, path: PathBuf, header: &Header) -> Result<Arc<SealedChunk>, OpenError> {
        let io = |action| ReadError::io(action, &path);
        let file = self.disk.open(&path, Access::ReadWrite).map_err(io("could not open"))?;
        let found = scan(&*file, &path, header, |_, _| {})?;
        let next = found.end.position.next();
        let Some((seal, seal_offset)) = found.seal else {
            return Err(match found.stop {
                Stop::Damaged(damage) => OpenError::Read(damage.into()),
                Stop::Clean | Stop::Torn { .. } => {
                    let what = "the chunk ends without a seal, but others follow";
                    OpenError::damaged(&path, found.end_offset, next, what)
                }
            });
        };
        file.set_len(found.end_offset).map_err(io("could not trim"))?;
        file.sync_all().map_err(io("could not sync"))?;
        let disk = Arc::clone(self.disk);
        let place = (seal, seal_offset);
        Ok(Arc::new(SealedChunk::new(disk, path, *header, place, IndexState::Missing)))
    }

    /// Takes up the last chunk, which has no seal at its end.
    fn recover(
        &mut self,
        mut sealed: Vec<Arc<SealedChunk>>,
        path: PathBuf,
        header: Header,
    ) -> Result<Opened, OpenError> {
        let io = |action| ReadError::io(action, &path);
        let file = self.disk.open(&path, Access::ReadWrite).map_err(io("could not open"))?;
        let found = scan(&*file, &path, &header, |_, _| {})?;
        let clean = self.clean_stop(&path, &header, &found)?;
        match &found.stop {
            Stop::Clean => {}
            Stop::Damaged(damage) => return Err(OpenError::Read(damage.clone().into())),
            Stop::Torn { offset, what } => {
                self.report.torn = Some(Torn {
                    path: path.clone(),
                    offset: *offset,
                    position: found.end.position.next(),
                    what: what.clone(),
                });
            }
        }
        if let Some((seal, seal_offset)) = found.seal {
            self.rewrite(&*file, (&path, &header), &found, found.end_offset)?;
            let disk = Arc::clone(self.disk);
            let place = (seal, seal_offset);
            let chunk = SealedChunk::new(disk, path, header, place, IndexState::Missing);
            sealed.push(Arc::new(chunk));
            return self.begin(sealed);
        }
        let length = file.len().map_err(io("could not measure"))?;
        let capacity = length.max(self.options.chunk_bytes);
        let file = if clean && capacity == length {
            file
        } else {
            self.rewrite(&*file, (&path, &header), &found, capacity)?
        };
        let active = Active {
            file: Arc::from(file),
            path,
            header,
            capacity,
            end: found.end_offset,
            durable_end: found.end_offset,
            index: found.index,
        };
        Ok(self.opened(sealed, active, found.end, found.notes, header.log_id))
    }

    /// Whether the log was closed in order, and is as it was left.
    fn clean_stop(&self, path: &Path, header: &Header, found: &Scan) -> Result<bool, OpenError> {
        let Some(stop) = CleanStop::find(&**self.disk, self.layout)? else { return Ok(false) };
        if (stop.log_id, stop.number) != (header.log_id, header.number) {
            return Ok(false);
        }
        if found.end_offset < stop.end_offset {
            if let Stop::Damaged(damage) = &found.stop {
                return Err(OpenError::Read(damage.clone().into()));
            }
            let next = found.end.position.next();
            let what = "the log was closed in order behind this, so it was on disk";
            return Err(OpenError::damaged(path, found.end_offset, next, what));
        }
        let same = found.end_offset == stop.end_offset && found.end.link == stop.link;
        Ok(same && found.stop == Stop::Clean)
    }

    /// Writes what was found of a chunk to a new file of zeros, and puts it in its place.
    fn rewrite(
        &mut self,
        file: &dyn DiskFile,
        (path, header): (&Path, &Header),
        found: &Scan,
        capacity: u64,
    ) -> Result<Box<dyn DiskFile>, OpenError> {
        self.report.rewritten = true;
        let io = || ReadError::io("could not write anew", path);
        let unfinished = path.with_added_extension("unfinished");
        let copy = create_zeroed(&**self.disk, &unfinished, capacity)
            .and_then(|copy| copy_bytes(file, &*copy, found.end_offset).map(|()| copy))
            .map_err(io())?;
        copy.sync_all().map_err(io())?;
        // After a failed sync, what the page cache said a moment ago may be gone by now.
        let copied = scan(&*copy, &unfinished, header, |_, _| {})?;
        if (copied.end_offset, copied.end) != (found.end_offset, found.end) {
            let what = "it is not what it was when it was read a moment ago";
            let (offset, next) = (copied.end_offset, copied.end.position.next());
            return Err(OpenError::damaged(path, offset, next, what));
        }
        let renamed = self.disk.rename(&unfinished, path);
        renamed.and_then(|()| self.disk.sync_dir(&self.layout.chunks())).map_err(io())?;
        Ok(copy)
    }

    /// Begins a chunk behind the sealed ones: the log's first, or the one that was never named.
    fn begin(&self, sealed: Vec<Arc<SealedChunk>>) -> Result<Opened, OpenError> {
        let header = match sealed.last() {
            Some(chunk) => Header {
                log_id: chunk.header.log_id,
                number: chunk.seal.number + 1,
                incarnation: chunk.seal.incarnation,
                first: chunk.seal.last.next(),
                link: chunk.seal.link,
            },
            None => Header {
                log_id: self.options.new_log_id,
                number: 1,
                incarnation: Incarnation(1),
                first: Position(1),
                link: Link::START,
            },
        };
        let mut notes = match sealed.last() {
            Some(chunk) => notes_of(chunk)?,
            None => Notes::default(),
        };
        notes.incarnation = header.incarnation;
        let path = self.layout.chunk(header.number);
        let unfinished = path.with_added_extension("unfinished");
        let mut bytes = header.write().to_vec();
        let position = Position(header.first.0 - 1);
        notes.carried().for_each(|note| note.write(&mut bytes, 0, position));
        let capacity = self.options.chunk_bytes;
        let written = || -> io::Result<Box<dyn DiskFile>> {
            let file = create_zeroed(&**self.disk, &unfinished, capacity)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_all()?;
            self.disk.rename(&unfinished, &path)?;
            self.disk.sync_dir(&self.layout.chunks())?;
            Ok(file)
        };
        let file = written().map_err(ReadError::io("could not begin", &path))?;
        let end_offset = bytes.len() as u64;
        let active = Active {
            file: Arc::from(file),
            path,
            header,
            capacity,
            end: end_offset,
            durable_end: end_offset,
            index: FreshIndex::default(),
        };
        let end = End { position, link: header.link };
        Ok(self.opened(sealed, active, end, notes, header.log_id))
    }

    fn opened(
        &self,
        sealed: Vec<Arc<SealedChunk>>,
        active: Active,
        end: End,
        notes: Notes,
        log_id: LogId,
    ) -> Opened {
        Opened { disk: Arc::clone(self.disk), log_id, sealed, active, end, notes }
    }

    fn load_indexes(&mut self, sealed: &[Arc<SealedChunk>]) {
        for chunk in sealed {
            let path = self.layout.index(chunk.seal.number);
            match SealedIndex::open(self.disk, &path, &chunk.identity()) {
                Ok(index) => chunk.set_index(IndexState::File(Arc::new(index))),
                Err(bad) => {
                    tracing::warn!(chunk = chunk.seal.number, %bad, "its index is made anew");
                    self.report.rebuilding.push(chunk.seal.number);
                }
            }
        }
    }

    fn correct(&mut self, catalogue: &Catalogue, sealed: &[Arc<SealedChunk>]) {
        let known = catalogue.chunks();
        for chunk in sealed {
            let entry = ChunkEntry { seal: chunk.seal, bytes: chunk.bytes };
            if !known.contains(&entry) {
                self.report.catalogue_corrected.push(chunk.seal.number);
                if let Err(error) = catalogue.put_chunk(&entry) {
                    tracing::warn!(chunk = chunk.seal.number, error, "not put into the catalogue");
                }
            }
        }
    }
}

/// Takes the directory for as long as the lock is held.
pub(crate) fn lock(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    owner: &str,
) -> Result<DirectoryLock, OpenError> {
    let dir = &layout.dir;
    disk.lock(&layout.lock(), owner).map(DirectoryLock).map_err(|error| match error {
        LockError::Held(holder) => OpenError::InUse { dir: dir.clone(), holder },
        LockError::Io(error) => ReadError::io("could not lock", dir)(error).into(),
    })
}

/// The notes in force at the end of a sealed chunk.
fn notes_of(chunk: &SealedChunk) -> Result<Notes, OpenError> {
    let file = chunk.open()?;
    Ok(scan(&*file, &chunk.path, &chunk.header, |_, _| {})?.notes)
}
