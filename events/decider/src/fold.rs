//! The fleet as the log says it is.

use std::sync::Arc;

use carrel_log::{EventLog, ReadError, each_page};
use carrel_model::event::{Event, Undecodable};
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::record::{Position, Record, Timestamp};

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
        let mut standing = Self::default();
        standing.catch_up(log).await?;
        Ok(standing)
    }

    /// Folds what the log has behind it.
    pub async fn catch_up(&mut self, log: &dyn EventLog) -> Result<(), FoldError> {
        each_page(log, self.position, |page| self.follow(&page.records).map(|()| true)).await
    }

    /// Folds records that come right behind it.
    pub fn follow(&mut self, records: &[Record]) -> Result<(), FoldError> {
        for record in records {
            let stream = (record.stream.category.as_str(), record.stream.id);
            let event = Event::decode(record.kind.as_str(), record.schema, stream, &record.data);
            let event = event.map_err(|cause| FoldError::Undecodable {
                position: record.position,
                cause: Arc::new(cause),
            })?;
            self.fleet = evolve(std::mem::take(&mut self.fleet), &event);
            self.position = record.position;
            self.at = self.at.max(record.unit.origin.at);
        }
        Ok(())
    }
}
