//! A log that stands in front of another, and says only in what it differs.

use std::ops::Deref;

use async_trait::async_trait;
use carrel_log::port::PlacedUnit;
use carrel_log::{
    Answer, AppendError, Cursor, CursorError, EventLog, Expected, Head, Page, PageLimit, ReadError,
    Snapshot, SnapshotKey, Turn, chain,
};
use carrel_model::ids::CommandId;
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{CommandUnit, Epoch, Position, StreamId, Version};

/// What one of them may do otherwise; the rest is what the log behind it does.
#[async_trait]
pub trait Front: Send + Sync {
    fn behind(&self) -> &dyn EventLog;

    async fn head(&self) -> Result<Head, ReadError> {
        self.behind().head().await
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        self.behind().turn(have).await
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError> {
        self.behind().lookup(command_id).await
    }

    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.behind().read(after, limit).await
    }

    async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        self.behind().wait_past(position).await
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        self.behind().save_cursor(name, position, epoch).await
    }
}

/// One of them, as a log.
#[derive(Debug)]
pub struct Fronted<F>(pub F);

impl<F> Deref for Fronted<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.0
    }
}

#[async_trait]
impl<F: Front> EventLog for Fronted<F> {
    async fn head(&self) -> Result<Head, ReadError> {
        self.0.head().await
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        self.0.turn(have).await
    }

    async fn append(
        &self,
        expected: Expected,
        units: Vec<CommandUnit>,
    ) -> Result<Vec<Answer>, AppendError> {
        self.behind().append(expected, units).await
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError> {
        self.0.lookup(command_id).await
    }

    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.0.read(after, limit).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        self.behind().read_stream(stream, after, limit).await
    }

    async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        self.0.wait_past(position).await
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        self.0.save_cursor(name, position, epoch).await
    }

    async fn cursor(&self, name: &ConsumerName) -> Result<Option<Cursor>, ReadError> {
        self.behind().cursor(name).await
    }

    async fn cursors(&self) -> Result<Vec<(ConsumerName, Cursor)>, ReadError> {
        self.behind().cursors().await
    }

    async fn raise_epoch(&self, lease: &LeaseName) -> Result<Epoch, CursorError> {
        self.behind().raise_epoch(lease).await
    }

    async fn link_at(&self, position: Position) -> Result<Option<chain::Link>, ReadError> {
        self.behind().link_at(position).await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), CursorError> {
        self.behind().save_snapshot(snapshot).await
    }

    async fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, ReadError> {
        self.behind().snapshot(key).await
    }

    async fn import(&self, units: Vec<PlacedUnit>) -> Result<Head, AppendError> {
        self.behind().import(units).await
    }

    async fn finish_import(&self) -> Result<Head, AppendError> {
        self.behind().finish_import().await
    }

    async fn close(&self) -> Result<(), ReadError> {
        self.behind().close().await
    }
}
