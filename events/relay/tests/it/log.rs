//! A log in memory that can stop at a step, as a process does that is killed there.

use std::sync::Mutex;

use async_trait::async_trait;
use carrel_log::memory::MemoryLog;
use carrel_log::port::PlacedUnit;
use carrel_log::{
    Answer, AppendError, Cursor, CursorError, EventLog, Expected, Head, Page, PageLimit, ReadError,
    Snapshot, SnapshotKey, Turn, chain,
};
use carrel_model::ids::{CommandId, LogId};
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{CommandUnit, Epoch, Position, StreamId, Version};

use crate::bus::Step;

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) kept: MemoryLog,
    /// Where nothing goes on any more.
    pub(crate) stops_at: Mutex<Option<Step>>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let kept = MemoryLog::new(LogId::from_bytes([1; 16]));
        Self { kept, stops_at: Mutex::new(None) }
    }
}

#[async_trait]
impl EventLog for Log {
    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        if *self.stops_at.lock().expect("no panic") == Some(Step::Cursor) {
            std::future::pending::<()>().await;
        }
        self.kept.save_cursor(name, position, epoch).await
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        self.kept.turn(have).await
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
