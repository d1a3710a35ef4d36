//! Writing: one transaction, alone.
//!
//! A writer holds a lock of the database from before it looks at the end of the log until after its
//! commit. So positions are given out in the order of commits and without gaps, whatever the number
//! of processes, and nobody ever sees a position before the one below it. Within one process
//! writers wait for each other first, so that those who wait hold no connections.

use std::collections::HashMap;
use std::sync::Arc;

use carrel_model::ids::CommandId;
use carrel_model::record::{CommandUnit, Epoch, Incarnation, Position, Record, StreamId, Version};
use tokio::sync::OwnedMutexGuard;

use super::draft::Draft;
use super::rows::{self, get, to_i64, to_u64};
use super::transaction::{Transaction, begin_in_turn, in_time};
use super::{Shared, error, insert, read, room};
use crate::error::{AppendError, ReadError, Refused};
use crate::port::{Answer, Expected, Guard, Head, PageLimit};

/// The lock is asked for in a statement of its own: the next one sees what was committed while
/// this one waited. The number is `carrellg` in ASCII.
const BEGIN: &str = begin_in_turn!(7161130718149241959);

const KNOWN: &str = "
    SELECT command_id, fingerprint, first, last FROM carrel_log.units WHERE command_id = ANY($1)";

const VERSIONS: &str = "
    SELECT category, stream_id, version FROM carrel_log.streams
    WHERE (category, stream_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))";

/// The row stays as it is until the commit, so a lease is not raised between look and write.
const GUARD: &str = "SELECT epoch FROM carrel_log.leases WHERE name = $1 FOR SHARE";

const SET_INCARNATION: &str = "UPDATE carrel_log.log SET incarnation = $1";

/// The writer's place, and the end of the log, which stays there meanwhile.
#[derive(Debug)]
pub(super) struct Writing {
    transaction: Transaction,
    head: Head,
    shared: Arc<Shared>,
    _place: OwnedMutexGuard<()>,
}

impl Writing {
    pub(super) async fn begin(
        shared: Arc<Shared>,
        place: OwnedMutexGuard<()>,
    ) -> Result<Self, AppendError> {
        shared.open()?;
        let connection = shared.pool.acquire().await.map_err(error::before_commit)?;
        let begun = Transaction::begin(connection, BEGIN).await;
        let mut transaction = begun.map_err(error::before_commit)?;
        let head = read::head(&mut transaction).await?;
        Ok(Self { transaction, head, shared, _place: place })
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    pub(super) fn expects(&self, expected: Expected) -> Result<(), AppendError> {
        let actual = self.head.position;
        match expected {
            Expected::At(expected) if expected != actual => {
                Err(AppendError::Conflict { expected, actual })
            }
            Expected::At(_) | Expected::Any => Ok(()),
        }
    }

    /// What was appended after `have`.
    pub(super) async fn since(&mut self, have: Position) -> Result<Vec<Record>, AppendError> {
        self.head.within_reach_of(have)?;
        let mut records: Vec<Record> = Vec::new();
        let mut at = have;
        while at < self.head.position {
            let page = read::page(&mut self.transaction, at, PageLimit::MAX).await?;
            at = page.records.last().map_or(self.head.position, |record| record.position);
            records.extend(page.records);
        }
        Ok(records)
    }

    pub(super) async fn check(&mut self, guard: Guard) -> Result<(), AppendError> {
        let query = sqlx::query_scalar(GUARD).bind(guard.lease.as_str());
        let current = query.fetch_optional(&mut *self.transaction);
        let current: Option<i64> = current.await.map_err(error::before_commit)?;
        let current = Epoch(current.map_or(Ok(0), to_u64)?);
        if guard.epoch < current {
            let Guard { lease, epoch: given } = guard;
            return Err(AppendError::Fenced { lease, given, current });
        }
        Ok(())
    }

    /// A draft that these commands can be appended to.
    pub(super) async fn draft<'a>(
        &mut self,
        units: impl Iterator<Item = &'a CommandUnit> + Clone + Send,
    ) -> Result<Draft, AppendError> {
        let ids = units.clone().map(|unit| unit.command_id.uuid()).collect();
        let mut streams: Vec<_> =
            units.flat_map(|unit| unit.records.iter().map(|record| &record.stream)).collect();
        streams.sort_unstable();
        streams.dedup();
        let known = self.known(ids).await.map_err(error::before_commit)?;
        let known = known.iter().map(|row| Ok((rows::answer(row)?.command_id, rows::answer(row)?)));
        let known = known.collect::<Result<HashMap<CommandId, Answer>, ReadError>>()?;
        let versions = self.versions(&streams).await?;
        Ok(Draft::new(self.head, known, versions))
    }

    async fn known(&mut self, ids: Vec<uuid::Uuid>) -> sqlx::Result<Vec<sqlx::postgres::PgRow>> {
        let query = sqlx::query(KNOWN).bind(ids);
        in_time(query.fetch_all(&mut *self.transaction)).await
    }

    async fn versions(
        &mut self,
        streams: &[&StreamId],
    ) -> Result<HashMap<StreamId, Version>, AppendError> {
        let query = sqlx::query(VERSIONS)
            .bind(streams.iter().map(|stream| stream.category.as_str()).collect::<Vec<_>>())
            .bind(streams.iter().map(|stream| stream.id).collect::<Vec<_>>());
        let found = in_time(query.fetch_all(&mut *self.transaction)).await;
        let version = |row: &sqlx::postgres::PgRow| {
            let category = rows::name(get(row, "category")?)?;
            let stream = StreamId { category, id: get(row, "stream_id")? };
            Ok((stream, Version(to_u64(get(row, "version")?)?)))
        };
        let found = found.map_err(error::before_commit)?;
        Ok(found.iter().map(version).collect::<Result<_, ReadError>>()?)
    }

    /// Writes the draft, and gives the writer's place back. A draft with nothing in it needs no
    /// commit.
    pub(super) async fn commit(mut self, draft: &Draft) -> Result<(), AppendError> {
        if draft.units().is_empty() {
            self.roll_back().await;
            return Ok(());
        }
        let end = draft.head();
        let mut room = self.shared.room();
        if to_i64(end.position.0) >= room {
            room = self.make_room(end.position).await?;
        }
        if end.incarnation != self.head.incarnation {
            self.set_incarnation(end.incarnation).await?;
        }
        let insert = insert::insert(&mut self.transaction, draft);
        in_time(insert).await.map_err(error::before_commit)?;
        self.transaction.commit().await.map_err(error::at_commit)?;
        // Only now: a rollback takes new partitions along.
        self.shared.has_room(room);
        self.shared.announce(end.position);
        self.shared.look_ahead();
        Ok(())
    }

    /// Gives the writer's place back, and nothing was written.
    pub(super) async fn roll_back(self) {
        self.transaction.roll_back().await;
    }

    /// Raises the incarnation and nothing else.
    pub(super) async fn raise_incarnation(mut self) -> Result<Head, AppendError> {
        let incarnation = Incarnation(self.head.incarnation.0 + 1);
        self.set_incarnation(incarnation).await?;
        self.transaction.commit().await.map_err(error::at_commit)?;
        Ok(Head { incarnation, ..self.head })
    }

    async fn set_incarnation(&mut self, incarnation: Incarnation) -> Result<(), AppendError> {
        let query = sqlx::query(SET_INCARNATION).bind(i64::from(incarnation.0));
        let done = query.execute(&mut *self.transaction).await;
        done.map(drop).map_err(error::before_commit)
    }

    /// Partitions are made ahead; this is for when that did not succeed, and for the first append.
    async fn make_room(&mut self, last: Position) -> Result<i64, AppendError> {
        let size = self.shared.settings.partition_records;
        let made = room::find_or_make(&mut self.transaction, to_i64(last.0), size).await;
        Ok(made.map_err(|error| Refused::NoChunk(error.to_string()))?)
    }
}
