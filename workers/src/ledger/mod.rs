//! What a worker does not forget: each thing's newest order, the step that is under way, and what
//! was said and not yet heard.
//!
//! ```text
//!   enter(host, thing, changes) --> writer --> Store::append, durable --> shown, answered
//!                                     |
//!                                     +--> Store::replace, when it has grown too long, or says
//!                                          of people what no entry says any more
//! ```
//!
//! Many hosts may share one ledger, and with it one sync for all that is entered at the same time.
//! Nobody sees what is not durable, but for notes: they go to the disk with the next entry that
//! somebody waits for. An append that failed is never tried again: the ledger takes
//! nothing more, its worker ends, and the next one believes only what it can read.

use std::collections::BTreeMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrel_model::ids::HypervisorId;
use carrel_model::work::Thing;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep};

use crate::entry::{Change, Entry, apply};
use crate::limits::{
    LEDGER_COMPACT_BYTES, LEDGER_COMPACT_TIMES, LEDGER_ERASED_WITHIN, LEDGER_GROUP_MAX,
    LEDGER_HELD_BYTES, LEDGER_WAITING_MAX,
};

mod file;
mod frame;
mod memory;
#[cfg(test)]
mod tests;

pub use file::FileStore;
pub use memory::MemoryStore;

/// Where the bytes lie.
pub trait Store: Send + std::fmt::Debug {
    /// Everything that is there.
    fn read(&mut self) -> std::io::Result<Vec<u8>>;

    /// Cuts off what follows: a write that never ended.
    fn cut(&mut self, bytes: u64) -> std::io::Result<()>;

    /// Returns when it is durable.
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()>;

    /// In the place of everything that is there; all of it or nothing.
    fn replace(&mut self, bytes: &[u8]) -> std::io::Result<()>;

    /// Whether its calls may wait for a disk. What doesn't is called where it is needed.
    fn waits(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("another worker has the ledger {path} open: {holder}; end that one first")]
    Held { path: String, holder: String },
    #[error("the ledger can't be opened: {0}")]
    Unreadable(String),
    #[error("the ledger takes nothing more; its process has to end and start again: {0}")]
    Broken(String),
}

type Entries = BTreeMap<HypervisorId, BTreeMap<Thing, Entry>>;

/// A handle. Clones are the same ledger, which ends when the last is gone.
#[derive(Clone, Debug)]
pub struct Ledger {
    entries: Arc<Mutex<Entries>>,
    writing: mpsc::Sender<Write>,
}

#[derive(Debug)]
struct Write {
    host: HypervisorId,
    thing: Thing,
    changes: Vec<Change>,
    /// Nobody waits for a note.
    entered: Option<oneshot::Sender<Result<(), LedgerError>>>,
}

/// Reads what is there. Whoever opens it drives [`LedgerWriter::run`].
pub fn open(mut store: Box<dyn Store>) -> Result<(Ledger, LedgerWriter), LedgerError> {
    let unreadable = |error: std::io::Error| LedgerError::Unreadable(error.to_string());
    let bytes = store.read().map_err(unreadable)?;
    let mut entries = Entries::new();
    let mut reader = frame::Reader::new(&bytes);
    let mut is_stale = false;
    for (host, thing, change) in &mut reader {
        is_stale |= put(&mut entries, (host, thing), change);
    }
    let whole = reader.whole();
    let torn = bytes.len() as u64 - whole;
    if torn > 0 {
        tracing::warn!(torn_bytes = torn, "the ledger's last write never ended, and is cut off");
        store.cut(whole).map_err(unreadable)?;
    }
    let (writing, waiting) = mpsc::channel(LEDGER_WAITING_MAX);
    let entries = Arc::new(Mutex::new(entries));
    let ledger = Ledger { entries: Arc::clone(&entries), writing };
    let waits = store.waits();
    let store = Arc::new(Mutex::new(store));
    let writer = LedgerWriter {
        entries,
        waiting,
        store,
        waits,
        held: Vec::new(),
        written: whole,
        compacted: 0,
        is_stale,
        erases: None,
        broken: None,
    };
    Ok((ledger, writer))
}

/// Whether the bytes now say something of people that no entry says any more.
fn put(entries: &mut Entries, (host, thing): (HypervisorId, Thing), change: Change) -> bool {
    let of_host = entries.entry(host).or_default();
    let before = of_host.remove(&thing);
    let personal = before.as_ref().and_then(Entry::personal).cloned();
    let entry = apply(before, change);
    let is_stale =
        personal.is_some() && entry.as_ref().and_then(Entry::personal) != personal.as_ref();
    if let Some(entry) = entry {
        of_host.insert(thing, entry);
    }
    is_stale
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    pub fn entry(&self, host: HypervisorId, thing: Thing) -> Option<Entry> {
        locked(&self.entries).get(&host)?.get(&thing).cloned()
    }

    /// Looks at an entry without taking it along.
    pub fn look<T>(
        &self,
        host: HypervisorId,
        thing: Thing,
        look: impl FnOnce(Option<&Entry>) -> T,
    ) -> T {
        let entries = locked(&self.entries);
        look(entries.get(&host).and_then(|of_host| of_host.get(&thing)))
    }

    /// Goes through all things of a host.
    pub fn each(&self, host: HypervisorId, mut look: impl FnMut(Thing, &Entry)) {
        let entries = locked(&self.entries);
        for (thing, entry) in entries.get(&host).into_iter().flatten() {
            look(*thing, entry);
        }
    }

    /// The same, without waiting until it is durable: for what is no loss if it is lost.
    pub async fn note(
        &self,
        host: HypervisorId,
        thing: Thing,
        changes: Vec<Change>,
    ) -> Result<(), LedgerError> {
        let write = Write { host, thing, changes, entered: None };
        let ended = |_| LedgerError::Broken("its writer has ended".to_owned());
        self.writing.send(write).await.map_err(ended)
    }

    /// Returns when it is durable. Dropping the future gives up waiting, not the entry.
    pub async fn enter(
        &self,
        host: HypervisorId,
        thing: Thing,
        changes: Vec<Change>,
    ) -> Result<(), LedgerError> {
        let ended = || LedgerError::Broken("its writer has ended".to_owned());
        let (entered, answer) = oneshot::channel();
        let write = Write { host, thing, changes, entered: Some(entered) };
        self.writing.send(write).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// The one task that writes.
pub struct LedgerWriter {
    entries: Arc<Mutex<Entries>>,
    waiting: mpsc::Receiver<Write>,
    store: Arc<Mutex<Box<dyn Store>>>,
    waits: bool,
    /// Notes that go to the disk with the next entry.
    held: Vec<u8>,
    written: u64,
    /// How long it was when it was last written anew.
    compacted: u64,
    /// It says something of people that no entry says any more.
    is_stale: bool,
    /// When it is written anew for their sake. Not at once: many people leave at the same time, and
    /// one new ledger does for all of them.
    erases: Option<Pin<Box<Sleep>>>,
    broken: Option<LedgerError>,
}

impl std::fmt::Debug for LedgerWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerWriter").field("written", &self.written).finish_non_exhaustive()
    }
}

impl LedgerWriter {
    /// Writes until all handles are gone. An error is that of the write that failed.
    pub async fn run(mut self) -> Result<(), LedgerError> {
        while self.write_group().await {
            if self.broken.is_none()
                && let Err(error) = self.compact_if_due().await
            {
                self.broken = Some(error);
            }
        }
        if self.broken.is_none() {
            // Whoever opens it next reads what it says, and not how that came to be.
            if self.is_stale || self.written > LEDGER_COMPACT_BYTES {
                self.compact().await?;
            } else if !self.held.is_empty() {
                self.append().await?;
            }
        }
        self.broken.map_or(Ok(()), Err)
    }

    /// Writes what waits, as soon as something does, unless something has to be erased first.
    /// False: nobody writes any more.
    async fn write_group(&mut self) -> bool {
        let mut group = Vec::new();
        let erases = match self.is_stale && self.broken.is_none() {
            true => Some(self.erases.get_or_insert_with(|| Box::pin(sleep(LEDGER_ERASED_WITHIN)))),
            false => None,
        };
        let due = async {
            match erases {
                Some(erases) => erases.as_mut().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = due => return true,
            taken = self.waiting.recv_many(&mut group, LEDGER_GROUP_MAX) => {
                if taken == 0 {
                    return false;
                }
            }
        }
        let result = match self.broken.clone() {
            Some(error) => Err(error),
            None => self.write(&group).await,
        };
        for write in group {
            if result.is_ok() {
                let mut entries = locked(&self.entries);
                for change in write.changes {
                    self.is_stale |= put(&mut entries, (write.host, write.thing), change);
                }
            }
            if let Some(entered) = write.entered {
                // Whoever has stopped waiting finds it in the ledger.
                let _ = entered.send(result.clone());
            }
        }
        if let Err(error) = result {
            self.broken.get_or_insert(error);
        }
        true
    }

    async fn write(&mut self, group: &[Write]) -> Result<(), LedgerError> {
        for write in group {
            for change in &write.changes {
                frame::write(&mut self.held, write.host, write.thing, change)?;
            }
        }
        let is_waited_for = group.iter().any(|write| write.entered.is_some());
        if is_waited_for || self.held.len() > LEDGER_HELD_BYTES {
            self.append().await?;
        }
        Ok(())
    }

    async fn append(&mut self) -> Result<(), LedgerError> {
        let bytes = std::mem::take(&mut self.held);
        self.written += bytes.len() as u64;
        self.blocking(move |store| store.append(&bytes)).await
    }

    async fn blocking(
        &self,
        call: impl FnOnce(&mut dyn Store) -> std::io::Result<()> + Send + 'static,
    ) -> Result<(), LedgerError> {
        let broken = |error: String| LedgerError::Broken(error);
        if !self.waits {
            return call(&mut **locked(&self.store)).map_err(|error| broken(error.to_string()));
        }
        let store = Arc::clone(&self.store);
        let called = tokio::task::spawn_blocking(move || call(&mut **locked(&store)));
        called.await.map_err(|error| broken(error.to_string()))?.map_err(|e| broken(e.to_string()))
    }

    async fn compact_if_due(&mut self) -> Result<(), LedgerError> {
        let most = LEDGER_COMPACT_BYTES.max(self.compacted.saturating_mul(LEDGER_COMPACT_TIMES));
        let erases = self.erases.as_ref().is_some_and(|erases| erases.is_elapsed());
        if self.written > most || erases { self.compact().await } else { Ok(()) }
    }

    async fn compact(&mut self) -> Result<(), LedgerError> {
        (self.is_stale, self.erases) = (false, None);
        self.held.clear();
        let mut bytes = Vec::new();
        for (host, things) in locked(&self.entries).iter() {
            for (thing, entry) in things {
                let whole = Change::Whole(Box::new(entry.clone()));
                frame::write(&mut bytes, *host, *thing, &whole)?;
            }
        }
        self.written = bytes.len() as u64;
        self.compacted = self.written;
        self.blocking(move |store| store.replace(&bytes)).await
    }
}
