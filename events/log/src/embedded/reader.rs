//! A log directory that is only read, while another process may write to it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use carrel_model::ids::CommandId;
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{CommandUnit, Epoch, Position, StreamId, Version};

use super::chunk::Layout;
use super::inventory::{Inventory, RecordPlace};
use super::known::Known;
use super::open::OpenError;
use super::sealed::SealedChunk;
use super::snapshot;
use crate::chain::Link;
use crate::disk::Disk;
use crate::error::{AppendError, CursorError, ReadError, Refused};
use crate::port::{
    Answer, Cursor, EventLog, Expected, Head, Page, PageLimit, PlacedUnit, Snapshot, SnapshotKey,
    Turn,
};

/// How a reader lets time pass until it looks again whether there is more.
#[async_trait]
pub trait Pause: Send + Sync + fmt::Debug {
    async fn pause(&self);
}

/// Reads a log directory without its lock and without its catalogue, and never writes there.
/// Every call looks at the directory as it is then; one call at a time does so.
///
/// It sees a group as soon as it is written, which is a moment before it is durable: if power is
/// lost in that moment, the group may be gone afterwards. Who must not see what may still go away
/// asks the process that has the log open.
///
/// A damaged last chunk can be read up to the damage; then reading says where it is.
#[derive(Debug)]
pub struct EmbeddedReader {
    shared: Arc<Shared>,
    pause: Box<dyn Pause>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    layout: Layout,
    known: Mutex<Option<Known>>,
}

impl EmbeddedReader {
    /// Reads the headers of all chunks and all of the last one.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, pause: Box<dyn Pause>) -> Result<Self, OpenError> {
        let layout = Layout::new(dir);
        let known = Mutex::new(Some(Known::load(&disk, &layout)?));
        Ok(Self { shared: Arc::new(Shared { disk, layout, known }), pause })
    }

    /// Which files there are, and what the log remembers beside its records.
    pub async fn inventory(&self) -> Result<Inventory, ReadError> {
        let shared = Arc::clone(&self.shared);
        self.now(move |known| Inventory::take(known, &*shared.disk, &shared.layout)).await
    }

    /// Where the record at a position stands, and the command that it is part of.
    pub async fn place_of(&self, position: Position) -> Result<Option<RecordPlace>, ReadError> {
        self.now(move |known| RecordPlace::find(known, position)).await
    }

    async fn now<T: Send + 'static>(
        &self,
        read: impl Fn(&Known) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let shared = Arc::clone(&self.shared);
        let path = shared.layout.dir.clone();
        let done = tokio::task::spawn_blocking(move || shared.now(read)).await;
        done.unwrap_or_else(|error| {
            Err(ReadError::Io { action: "could not read", path, cause: error.to_string() })
        })
    }
}

impl Shared {
    fn now<T>(&self, read: impl Fn(&Known) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let load = || Known::load(&self.disk, &self.layout).map_err(|error| self.unreadable(error));
        // It is put back only if it can be believed.
        let mut current = match known.take() {
            Some(mut current) => match current.refresh() {
                Ok(()) => current,
                Err(_) => load()?,
            },
            None => load()?,
        };
        let mut result = read(&current);
        if matches!(result, Err(ReadError::Io { .. })) {
            // A chunk may have moved to an archive meanwhile.
            current = load()?;
            result = read(&current);
        }
        *known = Some(current);
        result
    }

    fn unreadable(&self, error: OpenError) -> ReadError {
        if let OpenError::Read(error) = error {
            return error;
        }
        ReadError::Io {
            action: "could not read the log in",
            path: self.layout.dir.clone(),
            cause: error.to_string(),
        }
    }
}

#[async_trait]
impl EventLog for EmbeddedReader {
    async fn head(&self) -> Result<Head, ReadError> {
        self.now(|known| Ok(known.head())).await
    }

    async fn turn(&self, _: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        Err(Refused::ReadOnly.into())
    }

    async fn append(&self, _: Expected, _: Vec<CommandUnit>) -> Result<Vec<Answer>, AppendError> {
        Err(Refused::ReadOnly.into())
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError> {
        self.now(move |known| {
            if let Some(answer) = known.last.scan.index.answer(command_id) {
                return Ok(Some(answer));
            }
            let view = known.view(Position::START);
            let lost = |chunk: &Arc<SealedChunk>| {
                chunk.give_up_index();
            };
            view.answer(command_id, lost)
        })
        .await
    }

    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        self.now(move |known| known.read(after, limit)).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        let stream = stream.clone();
        self.now(move |known| known.read_stream(&stream, after, limit)).await
    }

    async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        loop {
            let looked = move |known: &Known| {
                let end = known.head().position;
                match known.damage() {
                    Some(damage) if end <= position => Err(damage.clone().into()),
                    Some(_) | None => Ok(end),
                }
            };
            let end = self.now(looked).await?;
            if end > position {
                return Ok(end);
            }
            self.pause.pause().await;
        }
    }

    async fn save_cursor(
        &self,
        _: &ConsumerName,
        _: Position,
        _: Epoch,
    ) -> Result<(), CursorError> {
        Err(Refused::ReadOnly.into())
    }

    async fn cursor(&self, name: &ConsumerName) -> Result<Option<Cursor>, ReadError> {
        let name = name.clone();
        self.now(move |known| Ok(known.last.scan.notes.cursors.get(&name).copied())).await
    }

    async fn cursors(&self) -> Result<Vec<(ConsumerName, Cursor)>, ReadError> {
        self.now(|known| {
            let cursors = &known.last.scan.notes.cursors;
            Ok(cursors.iter().map(|(name, cursor)| (name.clone(), *cursor)).collect())
        })
        .await
    }

    async fn raise_epoch(&self, _: &LeaseName) -> Result<Epoch, CursorError> {
        Err(Refused::ReadOnly.into())
    }

    async fn save_snapshot(&self, _: Snapshot) -> Result<(), CursorError> {
        Err(Refused::ReadOnly.into())
    }

    async fn link_at(&self, position: Position) -> Result<Option<Link>, ReadError> {
        self.now(move |known| known.link_at(position)).await
    }

    async fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, ReadError> {
        let (shared, key) = (Arc::clone(&self.shared), key.clone());
        self.now(move |known| {
            snapshot::newest(&*shared.disk, &shared.layout, &key, |at| known.link_at(at))
        })
        .await
    }

    async fn import(&self, _: Vec<PlacedUnit>) -> Result<Head, AppendError> {
        Err(Refused::ReadOnly.into())
    }

    async fn finish_import(&self) -> Result<Head, AppendError> {
        Err(Refused::ReadOnly.into())
    }

    async fn close(&self) -> Result<(), ReadError> {
        Ok(())
    }
}
