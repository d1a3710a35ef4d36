//! [`EmbeddedLog`] as the port sees it.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use carrel_model::ids::CommandId;
use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{CommandUnit, Epoch, Incarnation, Position, Record, StreamId, Version};
use tokio::sync::RwLockWriteGuard;

use super::inner::Inner;
use super::note::Note;
use super::view::{self, View};
use super::writer::Writer;
use super::{EmbeddedLog, into_append_error, snapshot};
use crate::chain::Link;
use crate::error::{AppendError, CursorError, ReadError, TooLarge};
use crate::limits::{self, NAMES_MAX};
use crate::port::{
    Answer, Cursor, EventLog, Expected, Guard, Head, Page, PageLimit, PlacedUnit, Snapshot,
    SnapshotKey, Turn,
};

fn name_fits(writer: &Writer, known: bool) -> Result<(), TooLarge> {
    if !known && writer.notes.names() >= NAMES_MAX {
        return Err(TooLarge::Names { max: NAMES_MAX });
    }
    Ok(())
}

#[async_trait]
impl EventLog for EmbeddedLog {
    async fn head(&self) -> Result<Head, ReadError> {
        Ok(self.inner.writer().head())
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        let place = self.place.write().await;
        self.inner.ready()?;
        // Appends whose callers stopped waiting may still be on their way.
        self.note(|_| Ok(None)).await.map_err(into_append_error)?;
        let head = self.inner.writer().head();
        head.within_reach_of(have)?;
        let mut since = Vec::new();
        let mut after = have;
        while after < head.position {
            let page = self.read(after, PageLimit::MAX).await?;
            after = page.records.last().map_or(head.position, |record| record.position);
            since.extend(page.records);
        }
        Ok(Box::new(EmbeddedTurn { log: self, _place: place, head, since }))
    }

    async fn append(
        &self,
        expected: Expected,
        units: Vec<CommandUnit>,
    ) -> Result<Vec<Answer>, AppendError> {
        let _place = self.place.read().await;
        self.commit(expected, &units, None).await
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<Answer>, ReadError> {
        let (fresh, view) = {
            let writer = self.inner.writer();
            (writer.durable_answer(command_id), writer.view(Position::START))
        };
        // Almost always filters in memory say that it is new.
        if fresh.is_some() || !view.may_have(command_id) {
            return Ok(fresh);
        }
        self.reading(move |inner| view.answer(command_id, |chunk| inner.lose_index(chunk))).await
    }

    async fn read(&self, after: Position, limit: PageLimit) -> Result<Page, ReadError> {
        let view = {
            let writer = self.inner.writer();
            if let Some(groups) = writer.recent.after(after, writer.durable.position) {
                drop(writer);
                return Ok(view::page_of(&groups, after, limit));
            }
            writer.view(after)
        };
        self.reading(move |_| view.read(after, limit)).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        let (last, view) = {
            let writer = self.inner.writer();
            (writer.postings(stream, after), writer.view(Position::START))
        };
        let stream = stream.clone();
        self.reading(move |inner| {
            view.read_stream(&stream, after, limit, &last, |chunk| inner.lose_index(chunk))
        })
        .await
    }

    async fn wait_past(&self, position: Position) -> Result<Position, ReadError> {
        self.inner.ends_at.wait_past(position).await
    }

    async fn save_cursor(
        &self,
        name: &ConsumerName,
        position: Position,
        epoch: Epoch,
    ) -> Result<(), CursorError> {
        self.note(|writer| {
            let head = writer.durable.position;
            if position > head {
                return Err(CursorError::BeyondHead { given: position, head });
            }
            let known = writer.notes.cursors.get(name);
            name_fits(writer, known.is_some())?;
            let current = known.map(|cursor| cursor.epoch).unwrap_or_default();
            if epoch < current {
                return Err(CursorError::Fenced { given: epoch, current });
            }
            let cursor = Cursor { position, epoch, incarnation: writer.notes.incarnation };
            let changed = known != Some(&cursor);
            Ok(changed.then(|| Note::Cursor { name: name.clone(), cursor }))
        })
        .await
    }

    async fn cursor(&self, name: &ConsumerName) -> Result<Option<Cursor>, ReadError> {
        Ok(self.inner.writer().durable_notes.cursors.get(name).copied())
    }

    async fn cursors(&self) -> Result<Vec<(ConsumerName, Cursor)>, ReadError> {
        let writer = self.inner.writer();
        let cursors = &writer.durable_notes.cursors;
        Ok(cursors.iter().map(|(name, cursor)| (name.clone(), *cursor)).collect())
    }

    async fn raise_epoch(&self, lease: &LeaseName) -> Result<Epoch, CursorError> {
        let given = Mutex::new(Epoch::default());
        self.note(|writer| {
            let current = writer.notes.leases.get(lease);
            name_fits(writer, current.is_some())?;
            let epoch = Epoch(current.map_or(0, |epoch| epoch.0) + 1);
            *given.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
            Ok(Some(Note::Lease { name: lease.clone(), epoch }))
        })
        .await?;
        Ok(given.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<(), CursorError> {
        snapshot.fits()?;
        {
            let writer = self.inner.writer();
            writer.usable()?;
            let (given, head) = (snapshot.position, writer.durable.position);
            if given > head {
                return Err(CursorError::BeyondHead { given, head });
            }
        }
        self.inner.low_space(snapshot.data.len() as u64)?;
        let saved = self
            .reading(move |inner| {
                Ok(snapshot::save(&*inner.disk, &inner.layout, &inner.catalogue, &snapshot))
            })
            .await;
        saved
            .map_err(|error| CursorError::OutcomeUnknown(error.to_string()))?
            .map_err(CursorError::OutcomeUnknown)
    }

    async fn link_at(&self, position: Position) -> Result<Option<Link>, ReadError> {
        self.reading(move |inner| inner.link_at(position)).await
    }

    async fn snapshot(&self, key: &SnapshotKey) -> Result<Option<Snapshot>, ReadError> {
        let key = key.clone();
        self.reading(move |inner| {
            snapshot::newest(&*inner.disk, &inner.layout, &key, |at| inner.link_at(at))
        })
        .await
    }

    async fn import(&self, units: Vec<PlacedUnit>) -> Result<Head, AppendError> {
        let _place = self.place.write().await;
        limits::check(units.iter().map(|placed| &placed.unit))?;
        let mut rest = units.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().position(|placed| placed.incarnation != first.incarnation);
            let (run, later) = rest.split_at(same.unwrap_or(rest.len()));
            self.import_run(run).await?;
            rest = later;
        }
        Ok(self.inner.writer().head())
    }

    async fn finish_import(&self) -> Result<Head, AppendError> {
        let _place = self.place.write().await;
        let incarnation = self.inner.writer().notes.incarnation;
        self.set_incarnation(Incarnation(incarnation.0 + 1)).await?;
        Ok(self.inner.writer().head())
    }

    async fn close(&self) -> Result<(), ReadError> {
        let _place = self.place.write().await;
        let threads = self.end_threads();
        self.reading(move |inner| inner.leave(threads)).await
    }
}

impl EmbeddedLog {
    /// Writes units of one incarnation up to the first that does not fit.
    async fn import_run(&self, run: &[PlacedUnit]) -> Result<(), AppendError> {
        let head = self.inner.writer().head();
        let (fitting, broken) = self.inner.writer().fitting(run)?;
        if fitting > 0 {
            self.set_incarnation(run[0].incarnation).await?;
            let units: Vec<_> = run[..fitting].iter().map(|placed| placed.unit.clone()).collect();
            self.commit(Expected::At(head.position), &units, None).await?;
        }
        broken.map_or(Ok(()), Err)
    }

    async fn set_incarnation(&self, incarnation: Incarnation) -> Result<(), AppendError> {
        let set = self.note(|writer| {
            let changed = writer.notes.incarnation != incarnation;
            Ok(changed.then_some(Note::Incarnation(incarnation)))
        });
        set.await.map_err(into_append_error)
    }
}

impl Inner {
    /// The chain link after the record at a position.
    fn link_at(&self, position: Position) -> Result<Option<Link>, ReadError> {
        let (head, view) = {
            let writer = self.writer();
            (writer.head(), writer.view(View::before_link_at(position)))
        };
        if position == head.position { Ok(Some(head.link)) } else { view.link_at(position) }
    }
}

struct EmbeddedTurn<'a> {
    log: &'a EmbeddedLog,
    _place: RwLockWriteGuard<'a, ()>,
    head: Head,
    since: Vec<Record>,
}

#[async_trait]
impl Turn for EmbeddedTurn<'_> {
    fn head(&self) -> Head {
        self.head
    }

    fn since(&self) -> &[Record] {
        &self.since
    }

    async fn append(
        self: Box<Self>,
        units: Vec<CommandUnit>,
        guard: Option<Guard>,
    ) -> Result<Vec<Answer>, AppendError> {
        self.log.commit(Expected::At(self.head.position), &units, guard.as_ref()).await
    }
}
