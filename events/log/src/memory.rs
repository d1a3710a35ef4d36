//! The log in memory: the plainest reading of the port, for tests and simulations.
//!
//! Everything is durable as soon as it is done, for as long as the value lives.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use carrel_model::ids::{CommandId, LogId};
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{
    CommandUnit, Epoch, Incarnation, NewRecord, Position, Record, StreamId, UnitHeader, Version,
};
use tokio::sync::{RwLock, RwLockWriteGuard, watch};

use crate::chain::{self, Link};
use crate::error::{AppendError, CursorError, ReadError, Refused, TooLarge};
use crate::limits::{self, NAMES_MAX, SNAPSHOTS_KEPT};
use crate::port::{
    Answer, Cursor, EventLog, Expected, Guard, Head, Page, PageLimit, PlacedUnit, Snapshot,
    SnapshotKey, Turn,
};

#[derive(Debug)]
pub struct MemoryLog {
    /// Readers of this lock are appends that don't mind each other; a turn has it alone.
    place: RwLock<()>,
    state: Mutex<State>,
    ends_at: watch::Sender<Position>,
}

#[derive(Debug)]
struct State {
    log_id: LogId,
    incarnation: Incarnation,
    records: Vec<Record>,
    /// The chain's link after each record.
    links: Vec<Link>,
    streams: HashMap<StreamId, Vec<Position>>,
    commands: HashMap<CommandId, Answer>,
    cursors: BTreeMap<ConsumerName, Cursor>,
    leases: HashMap<LeaseName, Epoch>,
    snapshots: Vec<Snapshot>,
    closed: bool,
}

impl MemoryLog {
    pub fn new(log_id: LogId) -> Self {
        let state = State {
            log_id,
            incarnation: Incarnation(1),
            records: Vec::new(),
            links: Vec::new(),
            streams: HashMap::new(),
            commands: HashMap::new(),
            cursors: BTreeMap::new(),
            leases: HashMap::new(),
            snapshots: Vec::new(),
            closed: false,
        };
        let (ends_at, _) = watch::channel(Position::START);
        Self { place: RwLock::new(()), state: Mutex::new(state), ends_at }
    }

    /// No code panics while it holds the lock half-way through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(
        &self,
        expected: Expected,
        units: Vec<CommandUnit>,
        guard: Option<&Guard>,
    ) -> Result<Vec<Answer>, AppendError> {
        limits::check(&units)?;
        let mut state = self.state();
        state.open()?;
        state.permits(expected, guard)?;
        let answers = state.append(units)?;
        self.ends_at.send_replace(state.head().position);
        Ok(answers)
    }
}

impl State {
    fn open(&self) -> Result<(), Refused> {
        if self.closed { Err(Refused::Closed) } else { Ok(()) }
    }

    fn head(&self) -> Head {
        Head {
            position: Position(self.records.len() as u64),
            link: self.links.last().copied().unwrap_or(Link::START),
            incarnation: self.incarnation,
            log_id: self.log_id,
        }
    }

    fn permits(&self, expected: Expected, guard: Option<&Guard>) -> Result<(), AppendError> {
        let actual = self.head().position;
        match expected {
            Expected::At(expected) if expected != actual => {
                return Err(AppendError::Conflict { expected, actual });
            }
            Expected::At(_) | Expected::Any => {}
        }
        let Some(guard) = guard else { return Ok(()) };
        let current = self.leases.get(&guard.lease).copied().unwrap_or_default();
        if guard.epoch < current {
            let (lease, given) = (guard.lease.clone(), guard.epoch);
            return Err(AppendError::Fenced { lease, given, current });
        }
        Ok(())
    }

    /// All ids are looked at before anything is written: a batch is written whole or not at all.
    fn append(&mut self, units: Vec<CommandUnit>) -> Result<Vec<Answer>, AppendError> {
        let mut seen = HashMap::new();
        for unit in &units {
            let known = self.commands.get(&unit.command_id);
            let first = known.map_or(self.head().position.next(), |answer| answer.first);
            let fingerprint = known.map(|answer| answer.fingerprint);
            let fingerprint = fingerprint
                .unwrap_or_else(|| *seen.entry(unit.command_id).or_insert(unit.fingerprint));
            if fingerprint != unit.fingerprint {
                return Err(AppendError::IdReused { command_id: unit.command_id, first });
            }
        }
        Ok(units.into_iter().map(|unit| self.append_unit(unit)).collect())
    }

    fn append_unit(&mut self, unit: CommandUnit) -> Answer {
        if let Some(answer) = self.commands.get(&unit.command_id) {
            return Answer { duplicate: true, ..*answer };
        }
        let placed = self.place(unit, self.incarnation);
        self.keep(placed)
    }

    /// A unit's records as they would stand at the end of the log, each with its link.
    fn place(&self, unit: CommandUnit, incarnation: Incarnation) -> Vec<(Record, Link)> {
        let header = Arc::new(UnitHeader {
            command_id: unit.command_id,
            fingerprint: unit.fingerprint,
            origin: unit.origin,
            incarnation,
        });
        let Head { mut position, mut link, .. } = self.head();
        let mut versions: HashMap<StreamId, Version> = HashMap::new();
        let mut scratch = Vec::new();
        let place = |new: NewRecord| {
            position = position.next();
            let version = versions.entry(new.stream.clone()).or_insert_with(|| {
                Version(self.streams.get(&new.stream).map_or(0, Vec::len) as u64)
            });
            *version = version.next();
            let record = Record {
                position,
                version: *version,
                stream: new.stream,
                event_id: new.event_id,
                kind: new.kind,
                schema: new.schema,
                unit: Arc::clone(&header),
                data: new.data,
            };
            link = chain::next(link, &record, &mut scratch);
            (record, link)
        };
        unit.records.into_iter().map(place).collect()
    }

    /// `placed` is one unit, and has a record at least.
    fn keep(&mut self, placed: Vec<(Record, Link)>) -> Answer {
        let header = Arc::clone(&placed[0].0.unit);
        let first = placed[0].0.position;
        for (record, link) in placed {
            self.streams.entry(record.stream.clone()).or_default().push(record.position);
            self.records.push(record);
            self.links.push(link);
        }
        let answer = Answer {
            command_id: header.command_id,
            fingerprint: header.fingerprint,
            first,
            last: self.head().position,
            duplicate: false,
        };
        self.commands.insert(answer.command_id, answer);
        answer
    }

    fn import(&mut self, placed: PlacedUnit) -> Result<(), AppendError> {
        let head = self.head();
        placed.fits(&head)?;
        if let Some(known) = self.commands.get(&placed.unit.command_id) {
            let what = format!("its command is in the log already, at position {}", known.first);
            return Err(AppendError::not_continuous(head.position, what));
        }
        let records = self.place(placed.unit, placed.incarnation);
        if records.last().map(|(_, link)| *link) != Some(placed.link) {
            return Err(AppendError::not_continuous(head.position, "the chain breaks"));
        }
        self.incarnation = placed.incarnation;
        self.keep(records);
        Ok(())
    }

    /// The chain's link after the record at a position; before the first there is one, too.
    fn link_at(&self, position: Position) -> Option<Link> {
        match index(position).checked_sub(1) {
            None => Some(Link::START),
            Some(before) => self.links.get(before).copied(),
        }
    }

    fn page<'a>(&self, positions: impl Iterator<Item = &'a Record>, limit: PageLimit) -> Page {
        let limit = limit.capped();
        let mut page = Page { records: Vec::new(), at_end: true };
        let mut bytes = 0;
        for record in positions {
            bytes += record.data.len();
            let full = page.records.len() == limit.records || bytes > limit.bytes;
            if full && !page.records.is_empty() {
                page.at_end = false;
                break;
            }
            page.records.push(record.clone());
        }
        page
    }

    fn name_fits(&self, known: bool) -> Result<(), CursorError> {
        if !known && self.cursors.len() + self.leases.len() >= NAMES_MAX {
            return Err(TooLarge::Names { max: NAMES_MAX }.into());
        }
        Ok(())
    }
}

fn index(position: Position) -> usize {
    usize::try_from(position.0).unwrap_or(usize::MAX)
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn head(&self) -> Result<Head, ReadError> {
        Ok(self.state().head())
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        let place = self.place.write().await;
        let state = self.state();
        state.open()?;
        let head = state.head();
        head.within_reach_of(have)?;
        let since = state.records.get(index(have)..).unwrap_or_default().to_vec();
        Ok(Box::new(MemoryTurn { log: self, _place: place, head, since }))
    }

    async fn append(
        &self,
        expected: Expected,
        units: Vec<CommandUnit>,
    ) -> Result<Vec<Answer>, AppendError> {
        let _place = self.place.read().await;
        self.commit(expected, units, None)
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError> {
        Ok(self.state().commands.get(&command_id).copied())
    }

    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let state = self.state();
        Ok(state.page(state.records.iter().skip(index(after)), limit))
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        let state = self.state();
        let positions = state.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        let skipped = usize::try_from(after.0).unwrap_or(usize::MAX);
        let records =
            positions.iter().skip(skipped).filter_map(|at| state.records.get(index(*at) - 1));
        Ok(state.page(records, limit))
    }

    async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        let mut ends_at = self.ends_at.subscribe();
        let reached = ends_at.wait_for(|end| *end > position).await;
        // The sender lives in `self`, so the channel can't be closed while this borrows it.
        Ok(reached.map_or(position, |end| *end))
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        let mut state = self.state();
        state.open()?;
        let head = state.head();
        if position > head.position {
            return Err(CursorError::BeyondHead { given: position, head: head.position });
        }
        let known = state.cursors.get(name).map(|cursor| cursor.epoch);
        state.name_fits(known.is_some())?;
        if let Some(current) = known.filter(|current| epoch < *current) {
            return Err(CursorError::Fenced { given: epoch, current });
        }
        let cursor = Cursor { position, epoch, incarnation: head.incarnation };
        state.cursors.insert(name.clone(), cursor);
        Ok(())
    }

    async fn cursor(&self, name: &ConsumerName) -> Result<Option<Cursor>, ReadError> {
        Ok(self.state().cursors.get(name).copied())
    }

    async fn cursors(&self) -> Result<Vec<(ConsumerName, Cursor)>, ReadError> {
        Ok(self.state().cursors.iter().map(|(name, cursor)| (name.clone(), *cursor)).collect())
    }

    async fn raise_epoch(&self, lease: &LeaseName) -> Result<Epoch, CursorError> {
        let mut state = self.state();
        state.open()?;
        state.name_fits(state.leases.contains_key(lease))?;
        let epoch = state.leases.entry(lease.clone()).or_default();
        epoch.0 += 1;
        Ok(*epoch)
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), CursorError> {
        let mut state = self.state();
        state.open()?;
        snapshot.fits()?;
        let kind = snapshot.key.kind.clone();
        let (given, head) = (snapshot.position, state.head().position);
        if given > head {
            return Err(CursorError::BeyondHead { given, head });
        }
        state.snapshots.push(snapshot);
        state.snapshots.sort_by_key(|snapshot| snapshot.position);
        let of_kind = state.snapshots.iter().filter(|other| other.key.kind == kind).count();
        for _ in SNAPSHOTS_KEPT..of_kind {
            let oldest = state.snapshots.iter().position(|other| other.key.kind == kind);
            oldest.map(|oldest| state.snapshots.remove(oldest));
        }
        Ok(())
    }

    async fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, ReadError> {
        let state = self.state();
        let ours = |snapshot: &&Snapshot| {
            snapshot.key == *key && state.link_at(snapshot.position) == Some(snapshot.link)
        };
        Ok(state.snapshots.iter().rev().find(ours).cloned())
    }

    async fn import(&self, units: Vec<PlacedUnit>) -> Result<Head, AppendError> {
        limits::check(units.iter().map(|placed| &placed.unit))?;
        let _place = self.place.write().await;
        let mut state = self.state();
        state.open()?;
        let imported = units.into_iter().try_for_each(|placed| state.import(placed));
        let head = state.head();
        self.ends_at.send_replace(head.position);
        imported.map(|()| head)
    }

    async fn finish_import(&self) -> Result<Head, AppendError> {
        let _place = self.place.write().await;
        let mut state = self.state();
        state.open()?;
        state.incarnation.0 += 1;
        Ok(state.head())
    }

    async fn close(&self) -> Result<(), ReadError> {
        let _place = self.place.write().await;
        self.state().closed = true;
        Ok(())
    }
}

struct MemoryTurn<'a> {
    log: &'a MemoryLog,
    _place: RwLockWriteGuard<'a, ()>,
    head: Head,
    since: Vec<Record>,
}

#[async_trait]
impl Turn for MemoryTurn<'_> {
    fn head(&self) -> Head {
        self.head
    }

    fn since(&self) -> &[Record] {
        &self.since
    }

    async fn append(
        self: Box<Self>,
        units: Vec<CommandUnit>,
        guard: Option<Guard>,
    ) -> Result<Vec<Answer>, AppendError> {
        self.log.commit(Expected::At(self.head.position), units, guard.as_ref())
    }
}
