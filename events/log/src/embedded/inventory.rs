//! What there is in a log directory, for people who look after it.

use std::path::PathBuf;

use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{Epoch, Position, Record};

use super::chunk::Layout;
use super::known::Known;
use super::sealed::{IndexState, broken_to_error, unit_of};
use super::snapshot;
use crate::chain::Link;
use crate::disk::Disk;
use crate::error::{Damage, ReadError};
use crate::format::frame::Kind;
use crate::format::reader::FrameReader;
use crate::port::{Cursor, Head};

#[derive(Clone, Debug)]
pub struct Inventory {
    pub head: Head,
    pub chunks: Vec<ChunkFile>,
    pub cursors: Vec<(ConsumerName, Cursor)>,
    pub leases: Vec<(LeaseName, Epoch)>,
    pub snapshots: Vec<SnapshotFile>,
    /// Where the last chunk can't be read any further.
    pub damage: Option<Damage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkState {
    Sealed,
    /// Sealed, and moved to an archive.
    Archived,
    Active,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkFile {
    pub number: u64,
    pub path: PathBuf,
    pub state: ChunkState,
    pub first: Position,
    /// Before `first` if it holds no record.
    pub last: Position,
    /// What is used of it.
    pub bytes: u64,
    /// Of its index file, if that is there and belongs to it.
    pub index_bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    pub name: String,
    pub position: Position,
    pub bytes: u64,
}

impl Inventory {
    pub(crate) fn take(known: &Known, disk: &dyn Disk, layout: &Layout) -> Result<Self, ReadError> {
        let sealed = known.sealed.iter().map(|chunk| ChunkFile {
            number: chunk.seal.number,
            path: chunk.path.clone(),
            state: if chunk.path.parent() == Some(&layout.chunks()) {
                ChunkState::Sealed
            } else {
                ChunkState::Archived
            },
            first: chunk.seal.first,
            last: chunk.seal.last,
            bytes: chunk.bytes,
            index_bytes: match chunk.index() {
                IndexState::File(index) => Some(index.bytes()),
                IndexState::Fresh(_) | IndexState::Missing => None,
            },
        });
        let last = ChunkFile {
            number: known.last.header.number,
            path: known.last.path.clone(),
            state: ChunkState::Active,
            first: known.last.header.first,
            last: known.last.scan.end.position,
            bytes: known.last.scan.end_offset,
            index_bytes: None,
        };
        let dir = layout.snapshots();
        let snapshots = snapshot::files(disk, layout);
        let notes = &known.last.scan.notes;
        Ok(Self {
            head: known.head(),
            chunks: sealed.chain([last]).collect(),
            cursors: notes.cursors.iter().map(|(name, it)| (name.clone(), *it)).collect(),
            leases: notes.leases.iter().map(|(name, epoch)| (name.clone(), *epoch)).collect(),
            snapshots: snapshots.map_err(ReadError::io("could not list", &dir))?,
            damage: known.damage().cloned(),
        })
    }
}

/// Where a record stands on disk, with its whole unit.
#[derive(Clone, Debug)]
pub struct RecordPlace {
    pub path: PathBuf,
    pub chunk: u64,
    /// Of the frame of its unit.
    pub offset: u64,
    pub frame_bytes: u64,
    /// Where the group starts that was made durable at once with it.
    pub group_start: u64,
    /// All records of its unit, in order.
    pub unit: Vec<Record>,
    /// The chain link after the unit's last record.
    pub link: Link,
}

impl RecordPlace {
    pub(crate) fn find(known: &Known, position: Position) -> Result<Option<Self>, ReadError> {
        if position == Position::START || position > known.head().position {
            return Ok(None);
        }
        let active = known.view(Position(position.0 - 1)).active;
        let sealed = known.sealed.iter().find(|chunk| chunk.contains(position));
        let file;
        let (mut reader, path, chunk) = match sealed {
            Some(chunk) => {
                file = chunk.open()?;
                let reader = chunk.reader(&*file, chunk.start_of(position));
                (reader, chunk.path.clone(), chunk.seal.number)
            }
            None => {
                let reader = FrameReader::new(&*active.file, active.start, active.end);
                (reader, active.path.clone(), known.last.header.number)
            }
        };
        while let Some(frame) =
            reader.next_frame().map_err(|broken| broken_to_error(broken, &path, position))?
        {
            if frame.header.kind != Kind::Unit {
                continue;
            }
            let (offset, header) = (frame.offset, frame.header);
            let unit = unit_of(Ok(frame), &path, position)?;
            if unit.records.iter().any(|record| record.position == position) {
                return Ok(Some(Self {
                    path,
                    chunk,
                    offset,
                    frame_bytes: header.frame_len() as u64,
                    group_start: header.group_start,
                    unit: unit.records,
                    link: unit.link,
                }));
            }
        }
        Ok(None)
    }
}
