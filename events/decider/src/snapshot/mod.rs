//! Fleets as they were, in a directory: whoever starts reads the newest one and folds the rest.
//!
//! They are a cache. What is damaged, half written, of another log, of another past or of another
//! model is passed over with a warning, and if there is nothing else the log is folded from its
//! beginning. Nobody needs a snapshot to be there, and nobody waits for one to be written.
//!
//! One process writes into a directory; any number may read.

mod file;
mod keeper;
mod shelf;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_log::disk::Disk;
use carrel_log::{EventLog, Head, ReadError};
use carrel_model::record::Position;
use tokio::task::JoinError;

pub use self::keeper::Keeper;

use self::file::{Header, Of, Unusable};
use self::shelf::Shelf;
use crate::fold::{FoldError, Standing};
use crate::limits::{SNAPSHOT_EVERY, SNAPSHOTS_KEPT};

const UNFINISHED: &str = "fleet.unfinished";
const SUFFIX: &str = ".fleet";

/// A directory of snapshots. Clones share it.
#[derive(Clone, Debug)]
pub struct Snapshots {
    disk: Arc<dyn Disk>,
    dir: Arc<Path>,
    every: u64,
    waits: bool,
    shelf: Arc<Shelf>,
}

/// Why a snapshot was not written. There will be another.
#[derive(Debug, thiserror::Error)]
pub enum NotSaved {
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error("the log does not go as far as position {0}")]
    BeyondEnd(Position),
    #[error("{dir}: {cause}")]
    Io { dir: PathBuf, cause: io::Error },
    #[error("writing was broken off")]
    BrokenOff,
}

impl Snapshots {
    pub fn new(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>) -> Self {
        Self {
            disk,
            dir: dir.into().into(),
            every: SNAPSHOT_EVERY,
            waits: true,
            shelf: Arc::default(),
        }
    }

    /// After how many facts the next one is written.
    #[must_use]
    pub fn every(self, facts: u64) -> Self {
        Self { every: facts.max(1), ..self }
    }

    /// For a disk in memory, for which nobody waits: it is read and written where that is asked.
    #[must_use]
    pub fn in_memory(self) -> Self {
        Self { waits: false, ..self }
    }

    /// The newest that is of this log and whole, and does not go beyond `at_most`.
    pub async fn newest(
        &self,
        log: &dyn EventLog,
        at_most: Option<Position>,
    ) -> Result<Option<Standing>, ReadError> {
        let head = log.head().await?;
        let shelved = self.shelf.newest(at_most.unwrap_or(head.position));
        for (position, path) in self.found().await {
            if at_most.is_some_and(|at_most| position > at_most) {
                continue;
            }
            if shelved.as_ref().is_some_and(|shelved| shelved.position >= position) {
                break;
            }
            match self.load(log, &head, position, &path).await? {
                Ok(standing) => return Ok(Some(standing)),
                Err(unusable) => {
                    let snapshot = path.display();
                    tracing::warn!(%snapshot, %unusable, "a snapshot is passed over");
                }
            }
        }
        Ok(shelved)
    }

    /// Whoever starts with these and folds past a position keeps for others what there was.
    pub fn wanted(&self, at: impl IntoIterator<Item = Position>) {
        self.shelf.wanted(at);
    }

    /// Nobody starts any more: what was kept would soon be a fleet of its own in memory.
    pub fn have_started(&self) {
        self.shelf.clear();
    }

    /// The newest and what the log has behind it.
    pub(crate) async fn folded(
        &self,
        log: &dyn EventLog,
    ) -> Result<(Standing, Position), FoldError> {
        let newest = self.newest(log, None).await?.unwrap_or_default();
        let (mut standing, newest) = (newest.clone(), newest.position);
        for position in self.shelf.behind(newest) {
            standing = standing.goes_on(log, Some(position)).await?;
            self.shelf.keep(standing.clone());
        }
        Ok((standing.goes_on(log, None).await?, newest))
    }

    async fn load(
        &self,
        log: &dyn EventLog,
        head: &Head,
        position: Position,
        path: &Path,
    ) -> Result<Result<Standing, Unusable>, ReadError> {
        let (disk, at) = (Arc::clone(&self.disk), path.to_owned());
        let header = match self.blocking(move || file::look(&*disk, &at)).await {
            Ok(header) => header,
            Err(unusable) => return Ok(Err(unusable)),
        };
        if let Err(unusable) = fits(&header, head, position) {
            return Ok(Err(unusable));
        }
        match log.link_at(position).await? {
            None => return Ok(Err(Unusable::BeyondEnd)),
            Some(link) if link != header.of.link => return Ok(Err(Unusable::OtherPast)),
            Some(_) => {}
        }
        let (disk, at) = (Arc::clone(&self.disk), path.to_owned());
        Ok(self.blocking(move || file::load(&*disk, &at, &header)).await)
    }

    /// Those that are there, the newest first.
    async fn found(&self) -> Vec<(Position, PathBuf)> {
        let (disk, dir) = (Arc::clone(&self.disk), Arc::clone(&self.dir));
        match self.blocking(move || Ok(found(&*disk, &dir)?)).await {
            Ok(found) => found,
            Err(Unusable::Io(error)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(unusable) => {
                tracing::warn!(dir = %self.dir.display(), %unusable, "no snapshot is found");
                Vec::new()
            }
        }
    }

    async fn beside<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        if self.waits { tokio::task::spawn_blocking(job).await } else { Ok(job()) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Unusable> + Send + 'static,
    ) -> Result<T, Unusable> {
        let ended = |_| Unusable::Io(io::Error::other("reading was broken off"));
        self.beside(job).await.map_err(ended)?
    }

    /// Writes one of what is in the log, and removes those that nobody needs any more.
    pub async fn save(&self, log: &dyn EventLog, standing: Standing) -> Result<(), NotSaved> {
        let Standing { fleet, position, at } = standing;
        let head = log.head().await?;
        let link = log.link_at(position).await?.ok_or(NotSaved::BeyondEnd(position))?;
        let of = Of { log_id: head.log_id, incarnation: head.incarnation, position, link, at };
        let (disk, dir) = (Arc::clone(&self.disk), Arc::clone(&self.dir));
        let saving = self.beside(move || {
            disk.create_dir_all(&dir)?;
            file::save(&*disk, &dir.join(file_name(position)), of, &fleet)?;
            remove_others(&*disk, &dir, position)
        });
        let saved = saving.await.map_err(|_| NotSaved::BrokenOff)?;
        saved.map_err(|cause| NotSaved::Io { dir: self.dir.to_path_buf(), cause })
    }
}

fn fits(header: &Header, head: &Head, position: Position) -> Result<(), Unusable> {
    let of = header.of;
    if of.position != position {
        return Err(Unusable::OtherPosition(of.position));
    }
    if of.log_id != head.log_id {
        return Err(Unusable::OtherLog(of.log_id));
    }
    if of.incarnation != head.incarnation {
        let (given, ours) = (of.incarnation, head.incarnation);
        return Err(Unusable::OtherIncarnation { given, ours });
    }
    Ok(())
}

/// Of equal length, so that they sort by position.
fn file_name(position: Position) -> String {
    format!("{:020}{SUFFIX}", position.0)
}

fn found(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(Position, PathBuf)>> {
    let named = disk.list(dir)?.into_iter().filter_map(|entry| {
        let position = entry.name.strip_suffix(SUFFIX)?.parse().ok()?;
        Some((Position(position), dir.join(entry.name)))
    });
    let mut found: Vec<_> = named.collect();
    found.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
    Ok(found)
}

/// The one that was just written stays, and those right before it. One that goes further is of a
/// past that a restore has undone.
fn remove_others(disk: &dyn Disk, dir: &Path, written: Position) -> io::Result<()> {
    let mut kept = 0;
    for (position, path) in found(disk, dir)? {
        if position <= written && kept < SNAPSHOTS_KEPT {
            kept += 1;
        } else {
            disk.remove(&path)?;
        }
    }
    Ok(())
}
