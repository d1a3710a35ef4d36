//! The log on one machine: chunk files of our own, sled as their catalogue.
//!
//! ```text
//!   <dir>/lock                        one process at a time
//!         clean-stop                  where the log ended, if it was closed in order
//!         chunks/0000000001.chunk     sealed: frames, checked and never changed (chunk.rs)
//!                0000000001.index     can be made anew from it (index.rs)
//!                0000000002.chunk     active: appended to (writer.rs, flush.rs)
//!                0000000003.moved     where an archived chunk is now (archive.rs)
//!                next.prepared        zeros, waiting to be the next (keeper.rs)
//!         snapshots/                  can be made anew by folding (snapshot.rs)
//!         catalogue/                  sled; corrected from the files above (catalogue.rs)
//!         repair                      what a repair is about to do (repair/)
//!         cut-1/                      what it cut off
//! ```
//!
//! Three threads touch it: the caller's, which gives an append its place and encodes it; the
//! flusher, which makes groups durable and acknowledges them; the keeper, which does what takes
//! long. What they share is in [`inner`].

mod adapter;
pub mod archive;
mod blocks;
mod catalogue;
pub mod chunk;
mod clean;
mod durable;
mod files;
mod filter;
mod flush;
mod fresh;
pub(crate) mod fuzzed;
mod horizon;
mod import;
mod index;
mod inner;
mod inventory;
mod keeper;
mod known;
pub mod note;
mod open;
mod reader;
mod recent;
pub mod repair;
mod roll;
mod scan;
mod sealed;
mod shown;
mod snapshot;
mod standing;
mod tail;
pub mod verify;
mod view;
mod writer;

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use carrel_model::record::CommandUnit;
use tokio::sync::{Notify, RwLock, oneshot, watch};

pub use self::catalogue::CataloguePlace;
pub use self::chunk::{CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, Layout};
pub use self::inner::Rebuilds;
pub use self::inventory::{ChunkFile, ChunkState, Inventory, RecordPlace, SnapshotFile};
pub use self::open::{OpenError, Options, Report, Torn};
pub use self::reader::{EmbeddedReader, Pause};

use self::clean::CleanStop;
use self::inner::{Counters, Inner, Job};
use self::note::Note;
use self::open::Opening;
use self::writer::{Sequenced, Writer};
use crate::disk::Disk;
use crate::error::{AppendError, CursorError, ReadError, Refused};
use crate::limits;
use crate::port::{Answer, Expected, Guard};
use crate::waiting::EndsAt;

/// Kept free for everybody else on the disk, and for what the log itself has to write to recover:
/// several chunks of the default size.
pub const RESERVE_BYTES_DEFAULT: u64 = 512 * 1024 * 1024;

/// Below this, chunks cost more than they hold. A batch has to fit into one chunk; from 5 MiB on
/// every batch within the limits does.
pub const CHUNK_BYTES_MIN: u64 = 64 * 1024;

#[derive(Debug)]
pub struct EmbeddedLog {
    inner: Arc<Inner>,
    /// Readers of this lock are appends that don't mind each other; a turn has it alone.
    place: RwLock<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    report: Report,
}

/// What the log did since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Groups made durable: one fdatasync each.
    pub syncs: u64,
    pub bytes: u64,
}

impl EmbeddedLog {
    /// Opens the log in a directory, or begins one there. Takes as long as the unsealed tail; lost
    /// indexes are made anew afterwards, see [`EmbeddedLog::rebuilt`].
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, mut options: Options) -> Result<Self, OpenError> {
        options.chunk_bytes = options.chunk_bytes.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        let layout = Layout::new(dir);
        let mut opening =
            Opening { disk: &disk, layout: &layout, options: &options, report: Report::default() };
        let lock = opening.lock()?;
        let (opened, catalogue) = opening.open()?;
        let Opening { report, .. } = opening;
        let rebuilding = opened
            .sealed
            .iter()
            .filter(|chunk| report.rebuilding.contains(&chunk.seal.number))
            .cloned()
            .collect::<Vec<_>>();

        let (jobs, queue) = mpsc::channel();
        let writer = Writer::new(opened, options.chunk_bytes);
        let ends_at = EndsAt::new(writer.durable.position);
        let inner = Arc::new(Inner {
            layout,
            disk,
            chunk_bytes: options.chunk_bytes,
            reserve_bytes: options.reserve_bytes,
            writer: Mutex::new(writer),
            work: Condvar::new(),
            ends_at,
            failure: watch::channel(None).0,
            room: Notify::new(),
            jobs,
            counters: Counters::default(),
            rebuilds: watch::Sender::new(Rebuilds {
                total: rebuilding.len() as u64,
                ..Rebuilds::default()
            }),
            to_rebuild: Mutex::new(Vec::new()),
            catalogue,
            _lock: lock,
        });
        inner.job(Job::Prepare);
        rebuilding.into_iter().for_each(|chunk| inner.job(Job::Rebuild(chunk)));
        if let Err(refused) = inner.low_space(0) {
            inner.writer().low_space = Some(refused);
        }
        let log = Self {
            inner: Arc::clone(&inner),
            place: RwLock::new(()),
            threads: Mutex::new(Vec::new()),
            report,
        };
        log.start("log-flusher", flush::run)?;
        log.start("log-keeper", move |inner| keeper::run(inner, queue))?;
        Ok(log)
    }

    /// A thread that dies takes the log with it: else its callers would wait for ever.
    fn start(
        &self,
        name: &'static str,
        run: impl FnOnce(&Arc<Inner>) + Send + 'static,
    ) -> Result<(), OpenError> {
        let inner = Arc::clone(&self.inner);
        let guarded = move || {
            if panic::catch_unwind(AssertUnwindSafe(|| run(&inner))).is_err() {
                inner.poison(format!("{name} panicked"), Vec::new());
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(guarded);
        let thread = thread.map_err(|error| OpenError::Thread(error.to_string()))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// What was not as a clean stop leaves it when the log was opened.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    pub fn activity(&self) -> Activity {
        Activity {
            syncs: self.inner.counters.syncs.load(Ordering::Relaxed),
            bytes: self.inner.counters.bytes.load(Ordering::Relaxed),
        }
    }

    /// How far the making anew of lost indexes is.
    pub fn rebuilds(&self) -> watch::Receiver<Rebuilds> {
        self.inner.rebuilds.subscribe()
    }

    /// Returns once no index is missing, or one can't be made.
    pub async fn rebuilt(&self) -> Result<(), Refused> {
        // The sender lives as long as this log.
        let _ = self.rebuilds().wait_for(|rebuilds| !rebuilds.under_way()).await;
        self.inner.ready()
    }

    /// Returns once a write or sync failed; the process has to end then.
    pub async fn failed(&self) -> String {
        let mut failure = self.inner.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        failed.ok().and_then(|cause| cause.clone()).unwrap_or_default()
    }

    async fn commit(
        &self,
        expected: Expected,
        units: &[CommandUnit],
        guard: Option<&Guard>,
    ) -> Result<Vec<Answer>, AppendError> {
        limits::check(units)?;
        loop {
            let room = self.inner.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.inner.sequence(expected, units, guard)? {
                Sequenced::Known(answers) => return Ok(answers),
                Sequenced::Gathered(answers, done) => {
                    acknowledged(done).await?;
                    return Ok(answers);
                }
                Sequenced::NoRoom => room.await,
                Sequenced::IndexLost(_) => {}
            }
        }
    }

    /// Writes notes; `decide` sees the writer's state and may refuse.
    async fn note(
        &self,
        decide: impl Fn(&Writer) -> Result<Option<Note>, CursorError> + Send,
    ) -> Result<(), CursorError> {
        loop {
            let room = self.inner.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if let Some(done) = self.inner.note(&decide)? {
                return acknowledged(done).await.map_err(into_cursor_error);
            }
            room.await;
        }
    }

    /// Reads files on a thread that may wait for the disk.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Inner) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let inner = Arc::clone(&self.inner);
        let path = inner.layout.dir.clone();
        let done = tokio::task::spawn_blocking(move || read(&inner)).await;
        done.unwrap_or_else(|error| {
            Err(ReadError::Io { action: "could not read", path, cause: error.to_string() })
        })
    }

    /// Has the threads end once all that was accepted is written.
    fn end_threads(&self) -> Vec<JoinHandle<()>> {
        self.inner.writer().closed = true;
        self.inner.work.notify_all();
        self.inner.job(Job::Stop);
        self.inner.over();
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        let threads = self.end_threads();
        if let Err(error) = self.inner.leave(threads) {
            tracing::warn!(%error, "the mark of a clean stop could not be left");
        }
    }
}

/// The flusher answers everybody before it ends, so a closed channel means that it could not.
async fn acknowledged(done: oneshot::Receiver<Result<(), AppendError>>) -> Result<(), AppendError> {
    done.await.unwrap_or_else(|_| {
        Err(AppendError::OutcomeUnknown(String::from("the log stopped before it answered")))
    })
}

fn into_cursor_error(error: AppendError) -> CursorError {
    match error {
        AppendError::Refused(refused) => CursorError::Refused(refused),
        AppendError::TooLarge(too_large) => CursorError::TooLarge(too_large),
        AppendError::OutcomeUnknown(cause) => CursorError::OutcomeUnknown(cause),
        AppendError::Conflict { .. }
        | AppendError::IdReused { .. }
        | AppendError::Fenced { .. }
        | AppendError::NotContinuous { .. } => CursorError::OutcomeUnknown(error.to_string()),
    }
}

fn into_append_error(error: CursorError) -> AppendError {
    match error {
        CursorError::Refused(refused) => AppendError::Refused(refused),
        CursorError::TooLarge(too_large) => AppendError::TooLarge(too_large),
        CursorError::OutcomeUnknown(cause) => AppendError::OutcomeUnknown(cause),
        CursorError::Fenced { .. } | CursorError::BeyondHead { .. } => {
            AppendError::OutcomeUnknown(error.to_string())
        }
    }
}

impl Inner {
    /// Leaves the mark of a clean stop, once the threads have ended; nothing if they did before.
    fn leave(&self, threads: Vec<JoinHandle<()>>) -> Result<(), ReadError> {
        if threads.is_empty() {
            return Ok(());
        }
        threads.into_iter().for_each(|thread| drop(thread.join()));
        if let Err(error) = self.catalogue.flush() {
            tracing::warn!(error, "the catalogue could not be flushed");
        }
        let writer = self.writer();
        if writer.failed.is_some() {
            return Ok(());
        }
        let stop = CleanStop {
            log_id: writer.log_id,
            number: writer.active.header.number,
            end_offset: writer.active.end,
            link: writer.durable.link,
        };
        stop.leave(&*self.disk, &self.layout)
    }

    fn note(
        &self,
        decide: impl Fn(&Writer) -> Result<Option<Note>, CursorError>,
    ) -> Result<Option<oneshot::Receiver<Result<(), AppendError>>>, CursorError> {
        let mut writer = self.writer();
        writer.usable()?;
        let note = decide(&writer)?;
        let room = writer.make_room(note::NOTE_FRAME_BYTES_MAX as u64);
        if writer.asks_keeper() {
            self.job(Job::Prepare);
        }
        if !room.map_err(into_cursor_error)? {
            return Ok(None);
        }
        if let Some(note) = note {
            writer.note(note);
        }
        let done = writer.wait();
        drop(writer);
        self.work.notify_one();
        Ok(Some(done))
    }
}
