//! What the log's callers and its two threads share.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use carrel_model::record::CommandUnit;
use tokio::sync::{Notify, watch};

use super::catalogue::Catalogue;
use super::chunk::Layout;
use super::sealed::SealedChunk;
use super::writer::{Sequenced, Writer};
use crate::disk::Disk;
use crate::error::{AppendError, Refused};
use crate::port::{Expected, Guard};
use crate::waiting::EndsAt;

/// How often the disk is asked for its free space: after this many bytes.
const SPACE_CHECK_BYTES: u64 = 1024 * 1024;

/// Work for the keeper (keeper.rs).
#[derive(Debug)]
pub(crate) enum Job {
    /// Make the next chunk.
    Prepare,
    /// A chunk was sealed: give it its final length, its index and its entry in the catalogue.
    Finish(Arc<SealedChunk>),
    /// Make a lost index anew.
    Rebuild(Arc<SealedChunk>),
    Stop,
}

/// Indexes that have to be made anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilds {
    pub total: u64,
    pub done: u64,
    /// Why one can't be made: its chunk can't be read.
    pub failed: Option<String>,
}

impl Rebuilds {
    /// While an index is missing, a command id that stands in its chunk could be taken for new.
    pub(crate) fn allow_appends(&self) -> Result<(), Refused> {
        match &self.failed {
            Some(cause) => Err(Refused::Damaged(cause.clone())),
            None if self.done < self.total => {
                Err(Refused::Rebuilding { done: self.done, total: self.total })
            }
            None => Ok(()),
        }
    }

    pub(crate) const fn under_way(&self) -> bool {
        self.done < self.total && self.failed.is_none()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) bytes: AtomicU64,
    unchecked: AtomicU64,
}

impl Counters {
    pub(crate) fn flushed(&self, bytes: usize) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.unchecked.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) layout: Layout,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) chunk_bytes: u64,
    pub(crate) reserve_bytes: u64,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) work: Condvar,
    pub(crate) ends_at: EndsAt,
    pub(crate) failure: watch::Sender<Option<String>>,
    /// Told when the next chunk is ready, or could not be made.
    pub(crate) room: Notify,
    pub(crate) jobs: Sender<Job>,
    pub(crate) counters: Counters,
    pub(crate) rebuilds: watch::Sender<Rebuilds>,
    /// Their indexes could not be made because the disk was in the way.
    pub(crate) to_rebuild: Mutex<Vec<Arc<SealedChunk>>>,
    pub(crate) catalogue: Catalogue,
    /// The directory is ours until this goes, which is after everything else.
    pub(crate) _lock: DirectoryLock,
}

pub(crate) struct DirectoryLock(
    #[expect(dead_code, reason = "it is held, not asked")] pub(crate) Box<dyn Send + Sync>,
);

impl fmt::Debug for DirectoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectoryLock")
    }
}

impl Inner {
    /// Nothing panics half-way through a change of the writer's state.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn wait_for_work<'a>(
        &self,
        writer: MutexGuard<'a, Writer>,
    ) -> MutexGuard<'a, Writer> {
        self.work.wait(writer).unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever waits for more, or for room, need not wait any longer.
    pub(crate) fn over(&self) {
        self.ends_at.over();
        self.room.notify_waiters();
    }

    pub(crate) fn failed(&self, cause: String) {
        self.failure.send_replace(Some(cause));
        self.over();
    }

    /// The keeper lives as long as the log is open; after that nobody misses its work.
    pub(crate) fn job(&self, job: Job) {
        let _ = self.jobs.send(job);
    }

    pub(crate) fn sequence(
        &self,
        expected: Expected,
        units: &[CommandUnit],
        guard: Option<&Guard>,
    ) -> Result<Sequenced, AppendError> {
        self.ready()?;
        let mut writer = self.writer();
        if writer.low_space.is_some() {
            writer.low_space = self.low_space(0).err();
        }
        let sequenced = writer.sequence(expected, units, guard);
        let asks = writer.asks_keeper();
        drop(writer);
        if asks {
            self.job(Job::Prepare);
        }
        match &sequenced {
            Ok(Sequenced::Gathered(..)) => self.work.notify_one(),
            Ok(Sequenced::IndexLost(chunk)) => {
                self.lose_index(chunk);
                self.ready()?;
            }
            Ok(Sequenced::Known(_) | Sequenced::NoRoom) | Err(_) => {}
        }
        sequenced
    }

    /// Whether appends are taken. Whoever asks after the disk was in the way of a rebuild has it
    /// tried again.
    pub(crate) fn ready(&self) -> Result<(), Refused> {
        let ready = self.rebuilds.borrow().allow_appends();
        if ready.is_err() {
            let mut again = self.to_rebuild.lock().unwrap_or_else(PoisonError::into_inner);
            if !again.is_empty() {
                self.rebuilds.send_modify(|rebuilds| rebuilds.failed = None);
            }
            again.drain(..).for_each(|chunk| self.job(Job::Rebuild(chunk)));
        }
        ready
    }

    pub(crate) fn lose_index(&self, chunk: &Arc<SealedChunk>) {
        if chunk.give_up_index() {
            tracing::warn!(chunk = chunk.seal.number, "its index is damaged and is made anew");
            self.rebuilds.send_modify(|rebuilds| rebuilds.total += 1);
            self.job(Job::Rebuild(Arc::clone(chunk)));
        }
    }

    /// Whether `bytes` more can be written without touching the reserve.
    pub(crate) fn low_space(&self, bytes: u64) -> Result<(), Refused> {
        let path = &self.layout.dir;
        match self.disk.free_bytes(path) {
            Ok(free) if free >= self.reserve_bytes.saturating_add(bytes) => Ok(()),
            Ok(free) => {
                let watermark = self.reserve_bytes;
                Err(Refused::LowSpace { path: path.clone(), free, watermark })
            }
            Err(error) => Err(Refused::NoChunk(cannot("ask for the free space of", path, &error))),
        }
    }

    /// The active chunk has its space already, but others write to this disk, too.
    pub(crate) fn watch_space(&self) {
        if self.counters.unchecked.load(Ordering::Relaxed) < SPACE_CHECK_BYTES {
            return;
        }
        self.counters.unchecked.store(0, Ordering::Relaxed);
        if let Err(refused) = self.low_space(0) {
            tracing::warn!(%refused, "appends are refused");
            self.writer().low_space = Some(refused);
        }
    }
}

pub(crate) fn cannot(action: &str, path: &Path, error: &std::io::Error) -> String {
    format!("could not {action} {}: {error}", path.display())
}
