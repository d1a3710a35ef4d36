//! What everybody has who asks: it reads the file in use, and knows how far its rows have come.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use carrel_model::record::Position;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::{FollowError, ReadModelError};
use crate::kind::Kind;
use crate::limits::{ASK_AGAIN_AFTER, SEEN_WAIT_MAX};
use crate::page::{Count, Item, Page, ProjectionState, Standing};
use crate::port::ReadModels;
use crate::projection::Progress;
use crate::query::Query;
use crate::sqlite::{self, Readers, StoreError};

/// Clones share everything.
#[derive(Clone, Debug)]
pub struct SqliteModels(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: RwLock<(PathBuf, Readers)>,
    progress: watch::Receiver<Progress>,
    rebuilds: mpsc::Sender<Rebuild>,
}

/// Somebody wants the rows built anew, and to know when they are in use.
pub(crate) type Rebuild = oneshot::Sender<Result<Position, FollowError>>;

impl SqliteModels {
    pub(crate) fn new(
        path: PathBuf,
        readers: Readers,
        progress: watch::Receiver<Progress>,
        rebuilds: mpsc::Sender<Rebuild>,
    ) -> Self {
        Self(Arc::new(Inner { file: RwLock::new((path, readers)), progress, rebuilds }))
    }

    fn readers(&self) -> Readers {
        self.0.file.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// The file in use, for whoever compares it with another.
    pub fn path(&self) -> PathBuf {
        self.0.file.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// From now on others are read. Questions under way are answered from the earlier file.
    pub(crate) fn swap(&self, path: PathBuf, readers: Readers) -> Readers {
        let mut file = self.0.file.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *file, (path, readers)).1
    }

    /// Builds all rows anew beside those in use, and takes the new ones when they have caught up.
    /// One at a time: whoever comes second is refused.
    pub async fn rebuild(&self) -> Result<Position, FollowError> {
        let (done, wait) = oneshot::channel();
        self.0.rebuilds.send(done).await.map_err(|_| FollowError::Ended)?;
        wait.await.map_err(|_| FollowError::Ended)?
    }
}

fn unavailable(error: &StoreError) -> ReadModelError {
    ReadModelError::Unavailable(error.to_string())
}

#[async_trait]
impl ReadModels for SqliteModels {
    async fn page(&self, query: &Query) -> Result<Page, ReadModelError> {
        sqlite::page(&self.readers(), query).await.map_err(|error| unavailable(&error))
    }

    async fn one(&self, kind: Kind, id_or_name: &str) -> Result<Option<Item>, ReadModelError> {
        let found = sqlite::one(&self.readers(), kind, id_or_name).await;
        found.map_err(|error| unavailable(&error))
    }

    async fn counts(&self) -> Result<Vec<Count>, ReadModelError> {
        sqlite::counts(&self.readers()).await.map_err(|error| unavailable(&error))
    }

    async fn seen(
        &self,
        kind: Kind,
        position: Position,
        within: Duration,
    ) -> Result<(), ReadModelError> {
        let mut progress = self.0.progress.clone();
        let come = progress.wait_for(|progress| {
            progress.of(kind).is_none_or(|state| {
                state.position >= position || state.standing != Standing::Follows
            })
        });
        let waited = tokio::time::timeout(within.min(SEEN_WAIT_MAX), come).await;
        drop(waited);
        let progress = self.0.progress.borrow();
        let Some(state) = progress.of(kind) else { return Ok(()) };
        if state.position >= position {
            return Ok(());
        }
        if let Standing::Stopped { at, cause } = &state.standing {
            let (projection, cause) = (state.name, cause.clone());
            return Err(ReadModelError::Stopped { projection, position: *at, cause });
        }
        let (at, retry_after) = (state.position, ASK_AGAIN_AFTER);
        Err(ReadModelError::NotYet { wanted: position, at, retry_after })
    }

    fn state(&self) -> Vec<ProjectionState> {
        self.0.progress.borrow().0.to_vec()
    }
}
