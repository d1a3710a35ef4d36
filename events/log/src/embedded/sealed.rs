//! A sealed chunk and its index: what is there for good, and how to ask it.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use carrel_model::ids::CommandId;
use carrel_model::record::{Position, Record, StreamId, Version};

use super::blocks::BadBlock;
use super::chunk::{HEADER_END, Header, Seal};
use super::fresh::{self, FreshIndex, Place};
use super::horizon::Largest;
use super::index::{Identity, SealedIndex};
use crate::chain::Link;
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Damage, ReadError};
use crate::format::frame::Kind;
use crate::format::reader::{Broken, Frame, FrameReader, frame_at};
use crate::format::unit::{Decoder, Unit};
use crate::port::Answer;

#[derive(Clone, Debug)]
pub(crate) enum IndexState {
    /// Not on disk yet.
    Fresh(Arc<FreshIndex>),
    File(Arc<SealedIndex>),
    /// Lost or wrong; until it is made again, the chunk itself is searched.
    Missing,
}

#[derive(Debug)]
pub(crate) struct SealedChunk {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    pub(crate) seal: Seal,
    /// Where its frames of records end.
    pub(crate) seal_offset: u64,
    pub(crate) bytes: u64,
    index: RwLock<IndexState>,
}

impl SealedChunk {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        header: Header,
        (seal, seal_offset): (Seal, u64),
        index: IndexState,
    ) -> Self {
        let bytes = seal_offset + super::chunk::SEAL_FRAME_BYTES as u64;
        Self { disk, path, header, seal, seal_offset, bytes, index: RwLock::new(index) }
    }

    pub(crate) const fn identity(&self) -> Identity {
        Identity { log_id: self.header.log_id, seal: self.seal, chunk_bytes: self.bytes }
    }

    pub(crate) fn index(&self) -> IndexState {
        self.asked().clone()
    }

    fn asked(&self) -> RwLockReadGuard<'_, IndexState> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_index(&self, index: IndexState) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
    }

    /// Stops asking an index file that is wrong. Says whether it was still in use.
    pub(crate) fn give_up_index(&self) -> bool {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let in_use = matches!(*index, IndexState::File(_));
        if in_use {
            *index = IndexState::Missing;
        }
        in_use
    }

    pub(crate) fn open(&self) -> Result<Box<dyn DiskFile>, ReadError> {
        self.disk
            .open(&self.path, Access::Read)
            .map_err(ReadError::io("could not open", &self.path))
    }

    pub(crate) fn contains(&self, position: Position) -> bool {
        (self.seal.first..=self.seal.last).contains(&position)
    }

    /// A disk or a limit that is in the way now need not be so the next time.
    fn lost(&self, bad: BadBlock) -> Lost {
        match bad {
            BadBlock::Io(error) if error.kind() != io::ErrorKind::NotFound => {
                Lost::Chunk(ReadError::io("could not read the index of", &self.path)(error))
            }
            BadBlock::Io(_) | BadBlock::Malformed(_) => {
                tracing::warn!(chunk = self.seal.number, %bad, "its index is damaged");
                Lost::Index
            }
        }
    }

    /// The largest ids it has, unless its index is lost.
    pub(crate) fn largest(&self) -> Option<Largest> {
        match &*self.asked() {
            IndexState::Fresh(index) => Some(index.largest),
            IndexState::File(index) => Some(index.largest()),
            IndexState::Missing => None,
        }
    }

    /// Where to start reading for a position: at or before its unit.
    pub(crate) fn start_of(&self, position: Position) -> u64 {
        let found = match self.index() {
            IndexState::Fresh(index) => fresh::waypoint(&index.waypoints, position),
            IndexState::File(index) => fresh::waypoint(&index.waypoints, position),
            IndexState::Missing => None,
        };
        found.map_or(HEADER_END, u64::from)
    }

    /// Whether it may have a command, as far as memory tells.
    pub(crate) fn may_have(&self, id: CommandId) -> bool {
        match &*self.asked() {
            IndexState::Fresh(index) => index.commands.contains_key(&id),
            IndexState::File(index) => index.may_have(id),
            IndexState::Missing => true,
        }
    }

    /// What the caller of a command was answered. A damaged index is told apart from a damaged
    /// chunk: the first can be made again.
    pub(crate) fn answer(&self, id: CommandId) -> Result<Option<Answer>, Lost> {
        let offset = match &*self.asked() {
            IndexState::Fresh(index) => return Ok(index.answer(id)),
            IndexState::File(index) => index.command(id).map_err(|bad| self.lost(bad))?,
            IndexState::Missing => return Err(Lost::Index),
        };
        let Some(offset) = offset else { return Ok(None) };
        let unit = self.unit_at(u64::from(offset)).map_err(Lost::Chunk)?;
        Ok(answer_of(&unit).filter(|answer| answer.command_id == id))
    }

    pub(crate) fn last_version(&self, stream: &StreamId) -> Result<Option<Version>, Lost> {
        match &*self.asked() {
            IndexState::Fresh(index) => Ok(index.last_version(stream)),
            IndexState::File(index) => {
                let entry = index.stream(stream).map_err(|bad| self.lost(bad))?;
                Ok(entry.map(|entry| entry.last()))
            }
            IndexState::Missing => Err(Lost::Index),
        }
    }

    /// Offsets of the units of a stream's versions after `after`: all in memory, or one block.
    pub(crate) fn postings(
        &self,
        stream: &StreamId,
        after: Version,
    ) -> Result<Option<(Version, Vec<u32>)>, Lost> {
        match self.index() {
            IndexState::Fresh(index) => Ok(index.streams.get(stream).and_then(|postings| {
                postings_after(postings.first, postings.offsets.len() as u64, after)
                    .map(|(version, skip)| (version, postings.offsets[skip as usize..].to_vec()))
            })),
            IndexState::File(index) => {
                let Some(entry) = index.stream(stream).map_err(|bad| self.lost(bad))? else {
                    return Ok(None);
                };
                let Some((version, skip)) =
                    postings_after(entry.first, u64::from(entry.count), after)
                else {
                    return Ok(None);
                };
                let offsets = index.postings(&entry, skip).map_err(|bad| self.lost(bad))?;
                Ok(Some((version, offsets)))
            }
            IndexState::Missing => Err(Lost::Index),
        }
    }

    pub(crate) fn unit_at(&self, offset: u64) -> Result<Unit, ReadError> {
        let file = self.open()?;
        let frame = frame_at(&*file, offset);
        unit_of(frame, &self.path, self.seal.first)
    }

    pub(crate) fn reader<'a>(&self, file: &'a dyn DiskFile, from: u64) -> FrameReader<'a> {
        FrameReader::new(file, from, self.seal_offset)
    }

    pub(crate) fn damage(&self, position: Position, broken: Broken) -> ReadError {
        broken_to_error(broken, &self.path, position)
    }

    /// Reads the whole chunk and makes its index anew.
    pub(crate) fn index_anew(&self) -> Result<FreshIndex, ReadError> {
        let file = self.open()?;
        let mut reader = self.reader(&*file, HEADER_END);
        let mut index = FreshIndex::default();
        let mut next = self.seal.first;
        let mut decoder = Decoder::default();
        let mut records = Vec::new();
        while let Some(frame) = reader.next_frame().map_err(|broken| self.damage(next, broken))? {
            if frame.header.kind == Kind::Unit {
                records.clear();
                decode(&frame, &mut decoder, &self.path, &mut records)?;
                next = Position(next.0 + records.len() as u64);
                add_unit(&mut index, &frame, &records);
            }
        }
        Ok(index)
    }
}

/// Why an index gave no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    Index,
    Chunk(ReadError),
}

pub(crate) fn answer_of(unit: &Unit) -> Option<Answer> {
    let (first, last) = (unit.records.first()?, unit.records.last()?);
    Some(Answer {
        command_id: first.unit.command_id,
        fingerprint: first.unit.fingerprint,
        first: first.position,
        last: last.position,
        duplicate: false,
    })
}

/// The first version after `after` among `count` versions from `first` on, and how many to skip.
fn postings_after(first: Version, count: u64, after: Version) -> Option<(Version, u32)> {
    let version = after.next().max(first);
    let skip = version.0 - first.0;
    if skip >= count { None } else { Some((version, u32::try_from(skip).ok()?)) }
}

#[expect(clippy::cast_possible_truncation, reason = "a chunk is at most CHUNK_BYTES_MAX long")]
pub(crate) fn add_unit(index: &mut FreshIndex, frame: &Frame, records: &[Record]) {
    let Some(first) = records.first() else { return };
    let versions: Vec<(StreamId, Version)> =
        records.iter().map(|record| (record.stream.clone(), record.version)).collect();
    index.add(&Place {
        offset: frame.offset as u32,
        first: first.position,
        command_id: first.unit.command_id,
        fingerprint: first.unit.fingerprint,
        records: &versions,
    });
}

/// Decodes a frame that should hold a unit.
pub(crate) fn unit_of(
    frame: Result<Frame, Broken>,
    path: &std::path::Path,
    position: Position,
) -> Result<Unit, ReadError> {
    let frame = frame.map_err(|broken| broken_to_error(broken, path, position))?;
    let mut records = Vec::new();
    let link = decode(&frame, &mut Decoder::default(), path, &mut records)?;
    Ok(Unit { records, link })
}

/// Decodes a frame that should hold a unit, and appends its records to `out`.
pub(crate) fn decode(
    frame: &Frame,
    decoder: &mut Decoder,
    path: &std::path::Path,
    out: &mut Vec<Record>,
) -> Result<Link, ReadError> {
    let what = if frame.header.kind == Kind::Unit {
        match decoder.read(&frame.body, frame.header.position, out) {
            Ok(link) => return Ok(link),
            Err(malformed) => malformed.0,
        }
    } else {
        String::from("a unit was expected here")
    };
    let (path, offset) = (path.to_owned(), frame.offset);
    let position = Position(frame.header.position);
    Err(Damage { path, offset, position, what }.into())
}

pub(crate) fn broken_to_error(
    broken: Broken,
    path: &std::path::Path,
    position: Position,
) -> ReadError {
    match broken {
        Broken::Frame { offset, header, what } => {
            let position = header.map_or(position, |header| Position(header.position));
            Damage { path: path.to_owned(), offset, position, what: what.0 }.into()
        }
        Broken::Io(error) => ReadError::io("could not read", path)(error),
    }
}
