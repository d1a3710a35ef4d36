//! A log in memory that refuses, forgets to answer, and sees processes die beside it.

use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::memory::MemoryLog;
use carrel_log::port::PlacedUnit;
use carrel_log::{
    Answer, AppendError, Cursor, CursorError, EventLog, Expected, Guard, Head, Page, PageLimit,
    ReadError, Refused, Snapshot, SnapshotKey, Turn, chain,
};
use carrel_model::ids::{CommandId, LogId};
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{CommandUnit, Epoch, Position, Record, StreamId, Version};

use crate::fate::{Fate, Moment, Whose};
use crate::rates::{APPEND_REFUSED, APPEND_UNKNOWN, CURSOR_UNKNOWN};

#[derive(Debug)]
pub(crate) struct Log {
    kept: Arc<MemoryLog>,
    fate: Arc<Fate>,
}

impl Log {
    pub(crate) fn new(fate: Arc<Fate>) -> Self {
        Self { kept: Arc::new(MemoryLog::new(LogId::from_bytes([1; 16]))), fate }
    }

    /// As it is, for those who look on.
    pub(crate) fn kept(&self) -> Arc<MemoryLog> {
        Arc::clone(&self.kept)
    }
}

struct Turned<'a> {
    turn: Box<dyn Turn + 'a>,
    fate: &'a Fate,
}

fn unknown() -> AppendError {
    AppendError::OutcomeUnknown("the line broke".to_owned())
}

#[async_trait]
impl Turn for Turned<'_> {
    fn head(&self) -> Head {
        self.turn.head()
    }

    fn since(&self) -> &[Record] {
        self.turn.since()
    }

    async fn append(
        self: Box<Self>,
        units: Vec<CommandUnit>,
        guard: Option<Guard>,
    ) -> Result<Vec<Answer>, AppendError> {
        let Self { turn, fate } = *self;
        fate.passes(Whose::Decider, Moment::Append).await;
        if fate.chance(APPEND_REFUSED) {
            return Err(Refused::Unreachable("the line broke".to_owned()).into());
        }
        let unheard = fate.chance(APPEND_UNKNOWN);
        if unheard && fate.below(2) == 0 {
            return Err(unknown());
        }
        let answers = turn.append(units, guard).await?;
        fate.passes(Whose::Decider, Moment::Appended).await;
        if unheard { Err(unknown()) } else { Ok(answers) }
    }
}

#[async_trait]
impl EventLog for Log {
    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        let turn = self.kept.turn(have).await?;
        Ok(Box::new(Turned { turn, fate: &self.fate }))
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        // The shredder's process ends with such an answer, and begins again.
        let whose = if name.as_str() == "relay" { Whose::Relay } else { Whose::Decider };
        self.fate.passes(whose, Moment::Cursor).await;
        let unheard = whose == Whose::Relay && self.fate.chance(CURSOR_UNKNOWN);
        if unheard && self.fate.below(2) == 0 {
            return Err(CursorError::OutcomeUnknown("the line broke".to_owned()));
        }
        self.kept.save_cursor(name, position, epoch).await?;
        self.fate.passes(whose, Moment::CursorSaved).await;
        let told = CursorError::OutcomeUnknown("the line broke".to_owned());
        if unheard { Err(told) } else { Ok(()) }
    }

    async fn head(&self) -> Result<Head, ReadError> {
        self.kept.head().await
    }

    async fn append(
        &self,
        expected: Expected,
        units: Vec<CommandUnit>,
    ) -> Result<Vec<Answer>, AppendError> {
        self.kept.append(expected, units).await
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError> {
        self.kept.lookup(command_id).await
    }

    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.kept.read(after, limit).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        self.kept.read_stream(stream, after, limit).await
    }

    async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        self.kept.wait_past(position).await
    }

    async fn cursor(&self, name: &ConsumerName) -> Result<Option<Cursor>, ReadError> {
        self.kept.cursor(name).await
    }

    async fn cursors(&self) -> Result<Vec<(ConsumerName, Cursor)>, ReadError> {
        self.kept.cursors().await
    }

    async fn raise_epoch(&self, lease: &LeaseName) -> Result<Epoch, CursorError> {
        self.kept.raise_epoch(lease).await
    }

    async fn link_at(&self, position: Position) -> Result<Option<chain::Link>, ReadError> {
        self.kept.link_at(position).await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), CursorError> {
        self.kept.save_snapshot(snapshot).await
    }

    async fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, ReadError> {
        self.kept.snapshot(key).await
    }

    async fn import(&self, units: Vec<PlacedUnit>) -> Result<Head, AppendError> {
        self.kept.import(units).await
    }

    async fn finish_import(&self) -> Result<Head, AppendError> {
        self.kept.finish_import().await
    }

    async fn close(&self) -> Result<(), ReadError> {
        self.kept.close().await
    }
}
