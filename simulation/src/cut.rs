//! A log of which no more is seen than is shown.

use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::memory::MemoryLog;
use carrel_log::{EventLog, Head, Page, PageLimit, ReadError};
use carrel_model::record::Position;
use carrel_testkit::front::{Front, Fronted};
use tokio::sync::watch;

#[derive(Debug)]
pub(crate) struct Cut {
    log: Arc<MemoryLog>,
    upto: watch::Sender<Position>,
}

impl Cut {
    pub(crate) fn new(log: Arc<MemoryLog>, upto: Position) -> Arc<Fronted<Self>> {
        Arc::new(Fronted(Self { log, upto: watch::Sender::new(upto) }))
    }

    pub(crate) fn shows(&self, upto: Position) {
        self.upto.send_replace(upto);
    }

    fn upto(&self) -> Position {
        *self.upto.borrow()
    }
}

#[async_trait]
impl Front for Cut {
    fn behind(&self) -> &dyn EventLog {
        &*self.log
    }

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
}
