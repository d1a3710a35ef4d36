//! The log in memory: the plainest reading of the port, for tests and simulations.
//!
//! Everything is durable as soon as it is done, for as long as the value lives.

mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use carrel_model::ids::{CommandId, LogId};
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{CommandUnit, Epoch, Position, Record, StreamId, Version};
use tokio::sync::{RwLock, RwLockWriteGuard};

use self::state::{State, index};
use crate::chain::Link;
use crate::error::{AppendError, CursorError, ReadError};
use crate::limits::{self, SNAPSHOTS_KEPT};
use crate::port::{
    Answer, Cursor, EventLog, Expected, Guard, Head, Page, PageLimit, PlacedUnit, Snapshot,
    SnapshotKey, Turn,
};
use crate::waiting::EndsAt;

#[derive(Debug)]
pub struct MemoryLog {
    /// Readers of this lock are appends that don't mind each other; a turn has it alone.
    place: RwLock<()>,
    state: Mutex<State>,
    ends_at: EndsAt,
}

impl MemoryLog {
    pub fn new(log_id: LogId) -> Self {
        let ends_at = EndsAt::new(Position::START);
        Self { place: RwLock::new(()), state: Mutex::new(State::new(log_id)), ends_at }
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
        if !state.knows(&units)? {
            state.permits(expected, guard)?;
        }
        let answers = state.append(units);
        self.ends_at.announce(state.head().position);
        Ok(answers)
    }
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
        self.ends_at.wait_past(position).await
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

    async fn link_at(&self, position: Position) -> Result<Option<Link>, ReadError> {
        Ok(self.state().link_at(position))
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
        self.ends_at.announce(head.position);
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
        self.ends_at.over();
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
