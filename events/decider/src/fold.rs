//! The fleet as the log says it is.

use std::sync::Arc;

use carrel_log::{EventLog, ReadError, each_page};
use carrel_model::event::{Event, Undecodable};
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::record::{Position, Record, Timestamp};

use crate::limits::PACKED_AFTER;
use crate::snapshot::Snapshots;

/// The fleet, and up to where in the log it is folded. A clone costs nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    pub fleet: Fleet,
    pub position: Position,
    /// When the last fact came to be.
    pub at: Timestamp,
}

/// Why a log can't be folded. Nothing is skipped: whoever meets a fact they don't know stops there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FoldError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("position {position}: {cause}")]
    Undecodable { position: Position, cause: Arc<Undecodable> },
}

impl Standing {
    /// Everything that is in the log now.
    pub async fn of(log: &dyn EventLog) -> Result<Self, FoldError> {
        Self::start(log, None, None).await
    }

    /// What the log says up to a position, or up to its end: the newest snapshot that is not behind
    /// that, and what follows on it.
    pub async fn start(
        log: &dyn EventLog,
        snapshots: Option<&Snapshots>,
        up_to: Option<Position>,
    ) -> Result<Self, FoldError> {
        let newest = match snapshots {
            Some(snapshots) => snapshots.newest(log, up_to).await?,
            None => None,
        };
        newest.unwrap_or_default().goes_on(log, up_to).await
    }

    /// This, and what the log has behind it.
    pub(crate) async fn goes_on(
        mut self,
        log: &dyn EventLog,
        up_to: Option<Position>,
    ) -> Result<Self, FoldError> {
        let before = self.position;
        self.catch_up_to(log, up_to).await?;
        if self.position.0 - before.0 >= PACKED_AFTER {
            self.fleet.pack();
        }
        Ok(self)
    }

    /// Folds what the log has behind it.
    pub async fn catch_up(&mut self, log: &dyn EventLog) -> Result<(), FoldError> {
        self.catch_up_to(log, None).await
    }

    async fn catch_up_to(
        &mut self,
        log: &dyn EventLog,
        up_to: Option<Position>,
    ) -> Result<(), FoldError> {
        let last = up_to.unwrap_or(Position(u64::MAX));
        if self.position >= last {
            return Ok(());
        }
        each_page(log, self.position, |page| {
            let inside = page.records.partition_point(|record| record.position <= last);
            self.follow(&page.records[..inside])?;
            Ok(self.position < last)
        })
        .await
    }

    /// Folds records that come right behind it.
    pub fn follow(&mut self, records: &[Record]) -> Result<(), FoldError> {
        for record in records {
            let event = decoded(record)?;
            self.fleet = evolve(std::mem::take(&mut self.fleet), &event);
            self.position = record.position;
            self.at = self.at.max(record.unit.origin.at);
        }
        Ok(())
    }
}

pub(crate) fn decoded(record: &Record) -> Result<Event, FoldError> {
    let stream = (record.stream.category.as_str(), record.stream.id);
    let event = Event::decode(record.kind.as_str(), record.schema, stream, &record.data);
    event.map_err(|cause| FoldError::Undecodable {
        position: record.position,
        cause: Arc::new(cause),
    })
}
