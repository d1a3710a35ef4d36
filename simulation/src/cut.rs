//! A log of which no more is seen than is shown.

use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::memory::MemoryLog;
use carrel_log::port::PlacedUnit;
use carrel_log::{
    Answer, AppendError, Cursor, CursorError, EventLog, Expected, Head, Page, PageLimit, ReadError,
    Snapshot, SnapshotKey, Turn, chain,
};
use carrel_model::ids::CommandId;
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{CommandUnit, Epoch, Position, StreamId, Version};
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Cut {
    log: Arc<MemoryLog>,
    upto: watch::Sender<Position>,
}

impl Cut {
    pub(crate) fn new(log: Arc<MemoryLog>, upto: Position) -> Arc<Self> {
        Arc::new(Self { log, upto: watch::Sender::new(upto) })
    }

    pub(crate) fn shows(&self, upto: Position) {
        self.upto.send_replace(upto);
    }

    fn upto(&self) -> Position {
        *self.upto.borrow()
    }
}

#[async_trait]
impl EventLog for Cut {
    async fn head(&self) -> Result<Head, ReadError> {
        let (head, position) = (self.log.head().await?, self.upto());
        let link = self.log.link_at(position).await?.unwrap_or(head.link);
        Ok(Head { position, link, ..head })
    }

    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let (mut page, upto) = (self.log.read(after, limit).await?, self.upto());
        page.records.retain(|record| record.position <= upto);
        page.at_end |= page.records.last().is_none_or(|last| last.position >= upto);
        Ok(page)
    }

    async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        let mut upto = self.upto.subscribe();
        let past = upto.wait_for(|upto| *upto > position).await.map(|upto| *upto);
        past.map_err(|_| ReadError::Over)
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        self.log.turn(have).await
    }

    async fn append(
        &self,
        expected: Expected,
        units: Vec<CommandUnit>,
    ) -> Result<Vec<Answer>, AppendError> {
        self.log.append(expected, units).await
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError> {
        self.log.lookup(command_id).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        self.log.read_stream(stream, after, limit).await
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        self.log.save_cursor(name, position, epoch).await
    }

    async fn cursor(&self, name: &ConsumerName) -> Result<Option<Cursor>, ReadError> {
        self.log.cursor(name).await
    }

    async fn cursors(&self) -> Result<Vec<(ConsumerName, Cursor)>, ReadError> {
        self.log.cursors().await
    }

    async fn raise_epoch(&self, lease: &LeaseName) -> Result<Epoch, CursorError> {
        self.log.raise_epoch(lease).await
    }

    async fn link_at(&self, position: Position) -> Result<Option<chain::Link>, ReadError> {
        self.log.link_at(position).await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), CursorError> {
        self.log.save_snapshot(snapshot).await
    }

    async fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, ReadError> {
        self.log.snapshot(key).await
    }

    async fn import(&self, units: Vec<PlacedUnit>) -> Result<Head, AppendError> {
        self.log.import(units).await
    }

    async fn finish_import(&self) -> Result<Head, AppendError> {
        self.log.finish_import().await
    }

    async fn close(&self) -> Result<(), ReadError> {
        self.log.close().await
    }
}
