//! Rows that were built anew beside those in use: they catch up, and then take their place or are
//! compared with them.

use carrel_log::PageLimit;
use carrel_model::record::Position;

use super::Projector;
use crate::build::{Built, build};
use crate::compare::compare;
use crate::error::FollowError;
use crate::limits::BATCH_FACTS_MAX;
use crate::models::{Purpose, Rebuild, Rebuilt};

impl Projector {
    /// One at a time.
    pub(super) fn begin(&mut self, asked: Rebuild) {
        if self.waiting.is_some() {
            drop(asked.done.send(Err(FollowError::Building)));
            return;
        }
        self.waiting = Some(asked);
        let (log, open) = (self.sources.log.clone(), self.sources.open.clone());
        self.building.spawn(build(log, open, self.files.clone()));
    }

    pub(super) fn built(&mut self, built: Option<Result<Built, FollowError>>) {
        match built.unwrap_or(Err(FollowError::Ended)) {
            Ok(built) => self.ahead = Some(built),
            Err(error) => self.tell(Err(error)),
        }
    }

    fn tell(&mut self, outcome: Result<Rebuilt, FollowError>) {
        if let Some(waiting) = self.waiting.take() {
            // Who asked may have given up waiting.
            drop(waiting.done.send(outcome));
        }
    }

    pub(super) async fn finish(&mut self, built: Built) -> Result<(), FollowError> {
        let purpose = self.waiting.as_ref().map_or(Purpose::Use, |waiting| waiting.purpose);
        let outcome = match purpose {
            Purpose::Use => self.adopt(built).await,
            Purpose::Comparison => self.compared(built).await,
        };
        let result = outcome.as_ref().map(drop).map_err(Clone::clone);
        self.tell(outcome);
        result
    }

    fn swap(&mut self, other: &mut Built) {
        std::mem::swap(&mut self.opened, &mut other.opened);
        std::mem::swap(&mut self.folded, &mut other.folded);
        std::mem::swap(&mut self.progress, &mut other.progress);
    }

    /// Goes on with a new file. It is behind by what was written meanwhile, and nobody reads it
    /// before it is not.
    async fn adopt(&mut self, mut other: Built) -> Result<Rebuilt, FollowError> {
        let upto = self.folded.position;
        self.swap(&mut other);
        let caught_up = self.catch_up(upto).await;
        if let Err(error) = caught_up.and_then(|()| Ok(self.files.take(&self.opened.path)?)) {
            self.swap(&mut other);
            return Err(error);
        }
        self.erases = true;
        let position = self.folded.position;
        tracing::info!(%position, before = %other.progress.behind(), "rows are new");
        let readers = self.models.swap(self.opened.path.clone(), self.opened.readers.clone());
        self.shown.send_replace(self.progress.clone());
        other.opened.writer.close().await;
        // Whoever still asks the old file keeps it until they are answered.
        drop(readers);
        drop(other.opened.readers);
        self.files.remove_others(None)?;
        Ok(Rebuilt { position, differences: Vec::new() })
    }

    /// Brings both to the same place, and looks at them while neither goes on.
    async fn compared(&mut self, mut other: Built) -> Result<Rebuilt, FollowError> {
        let position = self.folded.position.max(other.folded.position);
        let living = self.catch_up_and_prune(position).await;
        self.shown.send_replace(self.progress.clone());
        self.swap(&mut other);
        let anew = self.catch_up_and_prune(position).await;
        self.swap(&mut other);
        let differences = match living.and(anew) {
            Ok(()) => compare(&self.opened.path, &other.opened.path).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        other.opened.readers.close().await;
        other.opened.writer.close().await;
        self.files.remove_others(None)?;
        Ok(Rebuilt { position, differences: differences? })
    }

    async fn catch_up_and_prune(&mut self, upto: Position) -> Result<(), FollowError> {
        self.catch_up(upto).await?;
        while self.prune().await? {}
        Ok(())
    }

    /// Follows as far as a position and no further.
    async fn catch_up(&mut self, upto: Position) -> Result<(), FollowError> {
        while self.folded.position < upto {
            let left = usize::try_from(upto.0 - self.folded.position.0).unwrap_or(usize::MAX);
            let limit = PageLimit::records(left.min(BATCH_FACTS_MAX));
            let page = self.sources.log.read(self.folded.position, limit).await?;
            if page.records.is_empty() {
                break;
            }
            let done = self.next(page.records).await?;
            self.erases |= done.concerned.erases;
            self.folded = done.folded;
            self.progress = done.progress;
        }
        Ok(())
    }
}
