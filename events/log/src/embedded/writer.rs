//! The writer's state: where the log ends once all that was accepted is durable, and the group that
//! is gathering for the next write to disk.
//!
//! ```text
//!   append -> sequence: check ids, expectation, lease; give places; encode into the gathering group
//!                |                                          (under one lock, on the caller's thread)
//!   flusher  <- take: the whole group; write, fdatasync; then acknowledge (flush.rs)
//! ```
//!
//! While the flusher waits for the disk, the next group gathers.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use carrel_model::ids::{CommandId, LogId};
use carrel_model::record::{CommandUnit, Incarnation, Position, StreamId, UnitHeader, Version};
use tokio::sync::oneshot;

use super::chunk::{HEADER_BYTES, HEADER_END, Header, SEAL_FRAME_BYTES, Seal};
use super::fresh::{self, FreshIndex, Place};
use super::horizon::Horizon;
use super::note::{NOTE_FRAME_BYTES_MAX, Note, Notes};
use super::sealed::{IndexState, SealedChunk};
use super::standing::{Standing, Unknowable};
use super::view::{ActiveView, View};
use crate::chain::{self, End};
use crate::disk::{Disk, DiskFile};
use crate::error::{AppendError, Refused, TooLarge};
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

/// The last chunk as it is on disk.
#[derive(Clone, Copy, Debug)]
struct Last<'a> {
    file: &'a Arc<dyn DiskFile>,
    path: &'a PathBuf,
    header: &'a Header,
    index: &'a FreshIndex,
    end: u64,
    before: &'a Arc<Vec<Arc<SealedChunk>>>,
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
}

/// A chunk file filled with zeros that waits for its number.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) capacity: u64,
}

/// The next chunk, which is made beforehand because making it takes long.
#[derive(Debug)]
pub(crate) enum Next {
    /// The keeper was asked for it.
    Making,
    Ready(Prepared),
    /// It is written to and does not have its name yet: its file must be left alone.
    Taken(Rolled),
    /// It could not be made; whoever needs it asks again.
    Failed(Refused),
}

/// The chunk before the active one, while its seal is on its way to the disk. Who reads sees the
/// log as it is on disk, where this chunk is still the last.
#[derive(Debug)]
pub(crate) struct Rolled {
    pub(crate) chunk: Arc<SealedChunk>,
    pub(crate) index: Arc<FreshIndex>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) durable_end: u64,
    /// The sealed chunks before it.
    pub(crate) before: Arc<Vec<Arc<SealedChunk>>>,
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
    pub(crate) spare: Vec<u8>,
    pub(crate) failed: Option<String>,
    pub(crate) low_space: Option<Refused>,
    pub(crate) closed: bool,
    ask_keeper: bool,
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

    fn last(&self) -> Last<'_> {
        let active = &self.active;
        if let Next::Taken(rolled) = &self.next {
            return Last {
                file: &rolled.file,
                path: &rolled.chunk.path,
                header: &rolled.chunk.header,
                index: &rolled.index,
                end: rolled.durable_end,
                before: &rolled.before,
            };
        }
        Last {
            file: &active.file,
            path: &active.path,
            header: &active.header,
            index: &active.index,
            end: active.durable_end,
            before: &self.sealed,
        }
    }

    /// What is durable, to be read from `after` on.
    pub(crate) fn view(&self, after: Position) -> View {
        let last = self.last();
        let start = fresh::waypoint(&last.index.waypoints, after.next()).map(u64::from);
        View {
            sealed: Arc::clone(last.before),
            active: ActiveView {
                file: Arc::clone(last.file),
                path: last.path.clone(),
                first: last.header.first,
                link: last.header.link,
                start: start.filter(|start| *start < last.end).unwrap_or(HEADER_END),
                end: last.end,
            },
            until: self.durable.position,
        }
    }

    /// The offsets of a stream's durable units in the last chunk, after a version.
    pub(crate) fn postings(&self, stream: &StreamId, after: Version) -> Vec<u32> {
        let last = self.last();
        let Some(postings) = last.index.streams.get(stream) else { return Vec::new() };
        let skip = usize::try_from(after.next().0.saturating_sub(postings.first.0));
        let offsets = postings.offsets.get(skip.unwrap_or(usize::MAX)..).unwrap_or_default();
        offsets.iter().copied().take_while(|offset| u64::from(*offset) < last.end).collect()
    }

    /// What a command was answered whose unit is in the last chunk and durable.
    pub(crate) fn durable_answer(&self, id: CommandId) -> Option<Answer> {
        let answer = self.last().index.answer(id);
        answer.filter(|answer| answer.last <= self.durable.position)
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

    /// Makes sure that `bytes` and a seal fit into the active chunk; rolls over to the next one if
    /// they don't. Says whether there is room now.
    ///
    /// Something always stays empty behind a seal: only a chunk that was trimmed after its seal was
    /// durable ends with it, so a seal at the end of a file can be believed.
    pub(crate) fn make_room(&mut self, bytes: u64) -> Result<bool, AppendError> {
        let needed = bytes + SEAL_FRAME_BYTES as u64;
        if self.active.end + needed < self.active.capacity {
            return Ok(true);
        }
        self.fits_a_new_chunk(bytes)?;
        match mem::replace(&mut self.next, Next::Making) {
            Next::Ready(prepared) => {
                self.roll(prepared);
                Ok(true)
            }
            Next::Failed(refused) => {
                self.ask_keeper = true;
                Err(refused.into())
            }
            waiting @ (Next::Making | Next::Taken(_)) => {
                self.next = waiting;
                Ok(false)
            }
        }
    }

    /// Whether the keeper has to be asked for the next chunk once more.
    pub(crate) fn asks_keeper(&mut self) -> bool {
        mem::take(&mut self.ask_keeper)
    }

    /// A chunk of the usual size has room for the largest batch; a very small one may not.
    fn fits_a_new_chunk(&self, bytes: u64) -> Result<(), TooLarge> {
        let notes = self.notes.names() * NOTE_FRAME_BYTES_MAX;
        let taken = (HEADER_BYTES + notes + SEAL_FRAME_BYTES) as u64;
        let max = self.chunk_bytes.saturating_sub(taken + 1);
        if bytes <= max {
            return Ok(());
        }
        let index = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Err(TooLarge::Batch { given: index(bytes), max: index(max) })
    }

    fn roll(&mut self, prepared: Prepared) {
        let number = self.active.header.number + 1;
        let seal = Seal {
            number: self.active.header.number,
            first: self.active.header.first,
            last: self.accepted.position,
            link: self.accepted.link,
            incarnation: self.notes.incarnation,
            units: self.active.index.units,
        };
        let seal_offset = self.active.end;
        let segment = self.segment();
        seal.write(&mut segment.bytes, segment.offset);
        let index = Arc::new(mem::take(&mut self.active.index));
        let chunk = Arc::new(SealedChunk::new(
            Arc::clone(&self.disk),
            self.active.path.clone(),
            self.active.header,
            (seal, seal_offset),
            IndexState::Fresh(Arc::clone(&index)),
        ));
        self.segment().seals = Some(Arc::clone(&chunk));
        self.horizon.push(&chunk);
        self.next = Next::Taken(Rolled {
            chunk: Arc::clone(&chunk),
            index,
            file: Arc::clone(&self.active.file),
            durable_end: self.active.durable_end,
            before: Arc::clone(&self.sealed),
        });
        Arc::make_mut(&mut self.sealed).push(chunk);

        let header = Header {
            log_id: self.log_id,
            number,
            incarnation: self.notes.incarnation,
            first: self.accepted.position.next(),
            link: self.accepted.link,
        };
        let path = self.active.path.with_file_name(format!("{number:010}.chunk"));
        let file = prepared.file;
        let mut bytes = Vec::with_capacity(self.spare.capacity());
        bytes.extend_from_slice(&header.write());
        for note in self.notes.carried() {
            note.write(&mut bytes, 0, self.accepted.position);
        }
        self.active = Active {
            file: Arc::clone(&file),
            path,
            header,
            capacity: prepared.capacity,
            end: bytes.len() as u64,
            durable_end: HEADER_END,
            index: FreshIndex::default(),
        };
        let segment = Segment { file, number, offset: 0, bytes, names: true, seals: None };
        self.group.segments.push(segment);
    }

    /// The gathering group's bytes for the active chunk.
    fn segment(&mut self) -> &mut Segment {
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
        let header = header_of(unit, self.notes.incarnation);
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

pub(crate) fn header_of(unit: &CommandUnit, incarnation: Incarnation) -> UnitHeader {
    UnitHeader {
        command_id: unit.command_id,
        fingerprint: unit.fingerprint,
        origin: unit.origin.clone(),
        incarnation,
    }
}
