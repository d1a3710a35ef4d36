//! Destroys the keys of those whom the log says were deleted.
//!
//! A deletion is a fact first; its key goes as soon as the fact is there. Whoever stops in between
//! finds the fact again: where this is in the log is saved after the keys are gone, and destroying
//! a key twice is destroying it once.

use std::sync::Arc;

use carrel_failpoint::{Point, reached};
use carrel_keys::{Keys, KeysError, shredded_by};
use carrel_log::{CursorError, EventLog, PageLimit, ReadError, Refused};
use carrel_model::name::{ConsumerName, NameError};
use carrel_model::record::{Epoch, Position, Record};

use crate::fold::{FoldError, decoded};
use crate::limits::SHREDDER_SAVES_EVERY;

/// Whose cursor it is.
pub const NAME: &str = "shredder";

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Where it was last.
    WhereItWas,
    /// At the beginning of the log: keys were restored from a backup, perhaps those of people who
    /// were deleted since.
    KeysWereRestored,
}

/// Why it can't go on. Whoever runs it begins again, or ends the process.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ShredError {
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("destroying keys was broken off")]
    BrokenOff,
}

impl ShredError {
    /// It may be closed at any moment, also between a key that is gone and a place that is saved.
    const fn is_of_a_closed_log(&self) -> bool {
        matches!(
            self,
            Self::Fold(FoldError::Read(ReadError::Over))
                | Self::Cursor(CursorError::Refused(Refused::Closed))
        )
    }
}

impl From<ReadError> for ShredError {
    fn from(error: ReadError) -> Self {
        Self::Fold(error.into())
    }
}

/// Follows the log.
pub struct Shredder {
    log: Arc<dyn EventLog>,
    keys: Keys,
    name: ConsumerName,
    /// Everything up to here is done.
    done: Position,
    saved: Position,
}

impl std::fmt::Debug for Shredder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shredder").field("done", &self.done).finish_non_exhaustive()
    }
}

impl Shredder {
    /// After the log's past has changed it begins at the beginning, too.
    pub async fn open(
        log: Arc<dyn EventLog>,
        keys: Keys,
        begin: Begin,
    ) -> Result<Self, ShredError> {
        let name = ConsumerName::new(NAME)?;
        let (cursor, head) = (log.cursor(&name).await?, log.head().await?);
        let cursor = cursor.filter(|it| it.incarnation == head.incarnation);
        let done = match (begin, cursor) {
            (Begin::WhereItWas, Some(cursor)) => cursor.position,
            (Begin::WhereItWas, None) => Position::START,
            (Begin::KeysWereRestored, _) => {
                // Who is stopped on the way goes on from there, whatever they are told then.
                log.save_cursor(&name, Position::START, Epoch::default()).await?;
                Position::START
            }
        };
        Ok(Self { log, keys, name, done, saved: done })
    }

    /// Does what the log has said so far. When it returns, nobody reads what was deleted by then.
    pub async fn catch_up(&mut self) -> Result<(), ShredError> {
        loop {
            let page = self.log.read(self.done, PageLimit::MAX).await?;
            let Some(last) = page.records.last().map(|record| record.position) else {
                return Ok(());
            };
            let gone = self.shred(page.records).await?;
            self.done = last;
            if gone > 0 {
                reached(Point::KeysDestroyed);
            }
            if gone > 0 || self.done.0 - self.saved.0 >= SHREDDER_SAVES_EVERY {
                self.log.save_cursor(&self.name, self.done, Epoch::default()).await?;
                self.saved = self.done;
            }
        }
    }

    /// Goes on until the log is closed. Dropping the future stops it at any moment.
    pub async fn run(mut self) -> Result<(), ShredError> {
        loop {
            match self.step().await {
                Ok(()) => {}
                Err(error) if error.is_of_a_closed_log() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn step(&mut self) -> Result<(), ShredError> {
        self.catch_up().await?;
        self.log.wait_past(self.done).await?;
        Ok(())
    }

    /// Says how many facts of a page take a key away.
    async fn shred(&self, records: Vec<Record>) -> Result<usize, ShredError> {
        let keys = self.keys.clone();
        let shredding = self.keys.beside(move || {
            let mut people = Vec::new();
            for record in &records {
                people.extend(shredded_by(&decoded(record)?));
            }
            let gone = people.len();
            let destroyed = keys.shred_all(people)?;
            if destroyed > 0 {
                tracing::info!(keys = destroyed, "keys of those who were deleted are destroyed");
            }
            Ok(gone)
        });
        shredding.await.map_err(|_| ShredError::BrokenOff)?
    }
}
