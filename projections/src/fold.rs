//! The log as facts, and the fleet after them.

use std::sync::Arc;

use async_trait::async_trait;
use carrel_model::event::{Event, Undecodable};
use carrel_model::fleet::Fleet;
use carrel_model::record::{Position, Record, Timestamp};

use crate::follow::Concerned;
use crate::projection::Progress;

/// Folds of the log that somebody has kept, so that not all of it has to be folded again.
#[async_trait]
pub trait FleetSnapshots: Send + Sync {
    /// The newest one at or before a position, with the position that it is of.
    async fn newest(&self, at_most: Position) -> Option<(Fleet, Position)>;
}

/// The fleet at a place in the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folded {
    pub(crate) fleet: Fleet,
    pub(crate) position: Position,
    /// When the last fact came to be.
    pub(crate) at: Timestamp,
}

pub(crate) fn decode(record: &Record) -> Result<Event, Arc<Undecodable>> {
    let stream = (record.stream.category.as_str(), record.stream.id);
    Event::decode(record.kind.as_str(), record.schema, stream, &record.data).map_err(Arc::new)
}

/// What came of folding some records.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) folded: Folded,
    pub(crate) progress: Progress,
    pub(crate) concerned: Concerned,
}

/// Folds records, up to a bound of rows that they change, and never past one that stops somebody:
/// the rows of those who stop have to be written as they were before it.
pub(crate) fn batch(
    mut folded: Folded,
    mut progress: Progress,
    records: &[Record],
    rows_max: usize,
) -> Batch {
    let mut concerned = Concerned::default();
    for record in records {
        let position = record.position;
        let event = match decode(record) {
            Ok(event) => event,
            Err(_) if !concerned.is_empty() => break,
            Err(cause) => {
                if progress.stop(record.stream.category.as_str(), position, &cause.to_string()) {
                    tracing::error!(%position, %cause, "projections stop before an unknown fact");
                }
                folded.position = position;
                continue;
            }
        };
        let mut one = Concerned::default();
        folded.fleet = one.hear(folded.fleet, &event, record);
        folded.position = position;
        folded.at = folded.at.max(record.unit.origin.at);
        concerned.add(one, |kind| progress.wants(kind, position));
        if concerned.rows.len() >= rows_max {
            break;
        }
    }
    progress.advance(folded.position);
    Batch { folded, progress, concerned }
}
