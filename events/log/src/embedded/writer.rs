//! The writer's state: where the log ends once all that was accepted is durable, and the group that
//! is gathering for the next write to disk.
//!
//! ```text
//!   append -> sequence: check ids, expectation, lease; give places; encode into the group
//!                |                           (under one lock, on the caller's thread)
//!   flusher  <- take: the whole group; write, fdatasync; then acknowledge (flush.rs)
//! ```
//!
//! While the flusher waits for the disk, the next group gathers.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use carrel_model::ids::LogId;
use carrel_model::record::{
    CommandUnit, Incarnation, NewRecord, Position, Record, StreamId, UnitHeader, Version,
};
use tokio::sync::oneshot;

use super::chunk::Header;
use super::fresh::{FreshIndex, Place};
use super::horizon::Horizon;
use super::note::{Note, Notes};
use super::recent::Recent;
use super::roll::Next;
use super::sealed::SealedChunk;
use super::standing::{Standing, Unknowable};
use crate::chain::{self, End};
use crate::disk::{Disk, DiskFile};
use crate::error::{AppendError, Refused};
use crate::format::frame::{self, Kind};
use crate::format::unit;
use crate::port::{Answer, Expected, Guard, Head};

#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
    pub(crate) capacity: u64,
    /// Where the next frame goes.
    pub(crate) end: u64,
    /// Up to here everything is on disk.
    pub(crate) durable_end: u64,
    pub(crate) index: FreshIndex,
}

/// Bytes that go to one place of one file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    /// It opens a chunk that still has to get its name.
    pub(crate) names: bool,
    /// It ends with the seal of this chunk.
    pub(crate) seals: Option<Arc<SealedChunk>>,
}

pub(crate) type Waiter = oneshot::Sender<Result<(), AppendError>>;

/// What is made durable next, all at once.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) segments: Vec<Segment>,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) notes: Vec<Note>,
    /// The records in the segments.
    pub(crate) records: Vec<Record>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log_id: LogId,
    pub(crate) sealed: Arc<Vec<Arc<SealedChunk>>>,
    pub(crate) horizon: Horizon,
    pub(crate) active: Active,
    pub(crate) next: Next,
    /// The size of the next chunk.
    pub(crate) chunk_bytes: u64,
    /// The end of all that was accepted, and of all that is durable.
    pub(crate) accepted: End,
    pub(crate) durable: End,
    /// The notes that were accepted, and those that are durable.
    pub(crate) notes: Notes,
    pub(crate) durable_notes: Notes,
    pub(crate) group: Group,
    pub(crate) recent: Recent,
    pub(crate) spare: Vec<u8>,
    pub(crate) failed: Option<String>,
    pub(crate) low_space: Option<Refused>,
    pub(crate) closed: bool,
    pub(crate) ask_keeper: bool,
    scratch: Vec<u8>,
}

/// What became of an append that was looked at.
#[derive(Debug)]
pub(crate) enum Sequenced {
    /// Acknowledge this once the channel says so.
    Gathered(Vec<Answer>, oneshot::Receiver<Result<(), AppendError>>),
    /// All of it was there and durable.
    Known(Vec<Answer>),
    /// There is no room in the active chunk and the next one isn't ready: wait and ask again.
    NoRoom,
    /// This chunk's index is damaged: have it rebuilt.
    IndexLost(Arc<SealedChunk>),
}

/// The parts of a [`Writer`] that opening a log finds out.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log_id: LogId,
    pub(crate) sealed: Vec<Arc<SealedChunk>>,
    pub(crate) active: Active,
    pub(crate) end: End,
    pub(crate) notes: Notes,
}

impl Writer {
    pub(crate) fn new(opened: Opened, chunk_bytes: u64) -> Self {
        Self {
            disk: opened.disk,
            log_id: opened.log_id,
            horizon: Horizon::of(&opened.sealed),
            sealed: Arc::new(opened.sealed),
            active: opened.active,
            next: Next::Making,
            chunk_bytes,
            accepted: opened.end,
            durable: opened.end,
            durable_notes: opened.notes.clone(),
            notes: opened.notes,
            group: Group::default(),
            recent: Recent::default(),
            spare: Vec::new(),
            failed: None,
            low_space: None,
            closed: false,
            ask_keeper: false,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            position: self.durable.position,
            link: self.durable.link,
            incarnation: self.durable_notes.incarnation,
            log_id: self.log_id,
        }
    }

    pub(crate) fn usable(&self) -> Result<(), Refused> {
        match &self.failed {
            Some(cause) => Err(Refused::Poisoned(cause.clone())),
            None if self.closed => Err(Refused::Closed),
            None => Ok(()),
        }
    }

    /// Nothing is changed unless all of it is accepted.
    pub(crate) fn sequence(
        &mut self,
        expected: Expected,
        units: &[CommandUnit],
        guard: Option<&Guard>,
    ) -> Result<Sequenced, AppendError> {
        match self.try_sequence(expected, units, guard) {
            Ok(sequenced) => Ok(sequenced),
            Err(Unknowable::Lost(chunk)) => Ok(Sequenced::IndexLost(chunk)),
            Err(Unknowable::Error(error)) => Err(error),
        }
    }

    fn try_sequence(
        &mut self,
        expected: Expected,
        units: &[CommandUnit],
        guard: Option<&Guard>,
    ) -> Result<Sequenced, Unknowable> {
        self.usable()?;
        let known = self.known(units)?;
        if let Some(answers) = known.iter().map(Standing::answer).collect::<Option<Vec<_>>>() {
            return Ok(self.repeat(answers));
        }
        self.permits(expected, guard)?;
        if let Some(refused) = &self.low_space {
            return Err(refused.clone().into());
        }
        let versions = self.versions(units, &known)?;
        let new = units.iter().zip(&known).filter(|(_, known)| **known == Standing::New);
        let bytes = new.map(|(unit, _)| unit::encoded_len(unit) as u64).sum();
        if !self.make_room(bytes)? {
            return Ok(Sequenced::NoRoom);
        }
        let answers = self.write(units, &known, versions);
        Ok(Sequenced::Gathered(answers, self.wait()))
    }

    /// All units were there before: they may still be on their way to the disk.
    fn repeat(&mut self, answers: Vec<Answer>) -> Sequenced {
        if answers.iter().all(|answer| answer.last <= self.durable.position) {
            Sequenced::Known(answers)
        } else {
            Sequenced::Gathered(answers, self.wait())
        }
    }

    /// Answers once the group that gathers now is durable, and with it all before.
    pub(crate) fn wait(&mut self) -> oneshot::Receiver<Result<(), AppendError>> {
        let (waiter, done) = oneshot::channel();
        self.group.waiters.push(waiter);
        done
    }

    fn permits(&self, expected: Expected, guard: Option<&Guard>) -> Result<(), AppendError> {
        let actual = self.accepted.position;
        match expected {
            Expected::At(expected) if expected != actual => {
                return Err(AppendError::Conflict { expected, actual });
            }
            Expected::At(_) | Expected::Any => {}
        }
        let Some(guard) = guard else { return Ok(()) };
        let current = self.notes.leases.get(&guard.lease).copied().unwrap_or_default();
        if guard.epoch < current {
            let (lease, given) = (guard.lease.clone(), guard.epoch);
            return Err(AppendError::Fenced { lease, given, current });
        }
        Ok(())
    }

    /// The gathering group's bytes for the active chunk.
    pub(crate) fn segment(&mut self) -> &mut Segment {
        let number = self.active.header.number;
        let fits = self.group.segments.last().is_some_and(|segment| segment.number == number);
        if !fits {
            self.group.segments.push(Segment {
                file: Arc::clone(&self.active.file),
                number,
                offset: self.active.end,
                bytes: mem::take(&mut self.spare),
                names: false,
                seals: None,
            });
        }
        let last = self.group.segments.len() - 1;
        &mut self.group.segments[last]
    }

    /// Gives the new units their places and encodes them. There is room, and nothing can fail.
    fn write(
        &mut self,
        units: &[CommandUnit],
        known: &[Standing],
        versions: Vec<Vec<(StreamId, Version)>>,
    ) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(units.len());
        let mut last_start = 0;
        for ((unit, known), versions) in units.iter().zip(known).zip(versions) {
            // The first of a repeated id was just written, so the index knows it.
            let repeated = || self.active.index.answer(unit.command_id);
            let answer = known
                .answer()
                .or_else(|| repeated().map(|answer| Answer { duplicate: true, ..answer }));
            answers.push(answer.unwrap_or_else(|| {
                last_start = self.segment().bytes.len();
                self.write_unit(unit, &versions)
            }));
        }
        frame::end_batch(&mut self.segment().bytes, last_start);
        answers
    }

    #[expect(clippy::cast_possible_truncation, reason = "a chunk is at most CHUNK_BYTES_MAX long")]
    fn write_unit(&mut self, unit: &CommandUnit, versions: &[(StreamId, Version)]) -> Answer {
        let header = Arc::new(header_of(unit, self.notes.incarnation));
        let first = self.accepted.position.next();
        let mut end = self.accepted;
        let mut scratch = mem::take(&mut self.scratch);
        let offset = self.active.end;
        let segment = self.segment();
        let before = segment.bytes.len();
        frame::write(&mut segment.bytes, Kind::Unit, segment.offset, first.0, |out| {
            let start = out.len();
            unit::put_shared(out, &header, unit.records.len());
            for (record, (_, version)) in unit.records.iter().zip(versions) {
                end.position = end.position.next();
                let fields = chain::Fields::of_new(record, end.position, *version);
                chain::canonical(&mut scratch, &header, &fields);
                end.link = end.link.then(&scratch);
                unit::put_record(out, &fields);
            }
            unit::put_link(out, start, end.link);
        });
        let written = (segment.bytes.len() - before) as u64;
        let places = (first.0..).map(Position).zip(versions);
        let records =
            unit.records.iter().zip(places).map(|(record, (position, (_, version)))| {
                placed(record, position, *version, &header)
            });
        self.group.records.extend(records);
        self.scratch = scratch;
        self.active.end += written;
        self.accepted = end;
        self.active.index.add(&Place {
            offset: offset as u32,
            first,
            command_id: unit.command_id,
            fingerprint: unit.fingerprint,
            records: versions,
        });
        Answer {
            command_id: unit.command_id,
            fingerprint: unit.fingerprint,
            first,
            last: end.position,
            duplicate: false,
        }
    }

    /// Puts a note into the gathering group. There must be room.
    pub(crate) fn note(&mut self, note: Note) {
        let position = self.accepted.position;
        let segment = self.segment();
        let before = segment.bytes.len();
        note.write(&mut segment.bytes, segment.offset, position);
        let written = (segment.bytes.len() - before) as u64;
        self.active.end += written;
        self.notes.apply(note.clone());
        self.group.notes.push(note);
    }

    /// Hands the gathering group to the flusher.
    pub(crate) fn take(&mut self) -> (Group, End, u64) {
        (mem::take(&mut self.group), self.accepted, self.active.end)
    }

    /// A group is on disk now, and with it everything up to `end`, which stands before `offset`.
    /// Says whether the next chunk has its name now, so that another one is needed.
    pub(crate) fn made_durable(&mut self, group: &mut Group, end: End, offset: u64) -> bool {
        self.durable = end;
        self.recent.add(mem::take(&mut group.records));
        group.notes.drain(..).for_each(|note| self.durable_notes.apply(note));
        let number = group.segments.last().map(|segment| segment.number);
        if number == Some(self.active.header.number) {
            self.active.durable_end = offset;
        } else if let (Next::Taken(rolled), Some(_)) = (&mut self.next, number) {
            rolled.durable_end = offset;
        }
        let spare = group.segments.last_mut().map(|segment| mem::take(&mut segment.bytes));
        if let Some(spare) = spare.filter(|spare| spare.capacity() > self.spare.capacity()) {
            self.spare = spare;
            self.spare.clear();
        }
        let named = group.segments.iter().any(|segment| segment.names);
        if named {
            self.next = Next::Making;
        }
        named
    }
}

fn placed(
    record: &NewRecord,
    position: Position,
    version: Version,
    unit: &Arc<UnitHeader>,
) -> Record {
    Record {
        position,
        stream: record.stream.clone(),
        version,
        event_id: record.event_id,
        kind: record.kind.clone(),
        schema: record.schema,
        unit: Arc::clone(unit),
        data: record.data.clone(),
    }
}

pub(crate) fn header_of(unit: &CommandUnit, incarnation: Incarnation) -> UnitHeader {
    UnitHeader {
        command_id: unit.command_id,
        fingerprint: unit.fingerprint,
        origin: unit.origin.clone(),
        incarnation,
    }
}
