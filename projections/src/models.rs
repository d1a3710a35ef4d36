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

/// What rows are built anew for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They take the place of those in use.
    Use,
    /// They are compared with those in use, and thrown away.
    Comparison,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// As of which both were, the new ones and those that were in use.
    pub position: Position,
    /// What stood in one and not in the other: the first ones of each table. Nothing is compared
    /// where they were to be used.
    pub differences: Vec<String>,
}

/// Somebody wants the rows built anew, and to know what became of it.
#[derive(Debug)]
pub(crate) struct Rebuild {
    pub(crate) purpose: Purpose,
    pub(crate) done: oneshot::Sender<Result<Rebuilt, FollowError>>,
}

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

    async fn rebuild(&self, purpose: Purpose) -> Result<Rebuilt, FollowError> {
        let (done, wait) = oneshot::channel();
        let asked = Rebuild { purpose, done };
        self.0.rebuilds.send(asked).await.map_err(|_| FollowError::Ended)?;
        wait.await.map_err(|_| FollowError::Ended)?
    }

    fn state(&self) -> Vec<ProjectionState> {
        self.0.progress.borrow().0.to_vec()
    }
}
