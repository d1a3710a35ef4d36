//! The one who writes: rows, what they are found and counted by, and how far each projection has
//! come, all in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use carrel_failpoint::{Point, reached};
use carrel_model::ids::LogId;
use carrel_model::record::Timestamp;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, QueryBuilder, Row as _, Transaction};
use uuid::Uuid;

use super::StoreError;
use super::file::{INDEXES, connect};
use super::found::{Counts, insert_facets, refacet};
use crate::kind::Kind;
use crate::limits::{PRUNED_AT_ONCE, SCHEMA, STATEMENT_ROWS};
use crate::memo::Memo;
use crate::projection::Progress;
use crate::row::{COMMON, Cell, Kept, Key, Row, columns};

/// What becomes of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Put(Row, Memo),
    Gone,
}

/// The connection of the one who writes.
///
/// `SQLite` ends a transaction by itself when the disk is full, and whoever counts transactions
/// does not hear of it: from then on a commit may end a savepoint within one that nobody ends, and
/// nothing is written. So after a write that is not known to have come to its end, whatever was in
/// the way, nothing of the connection is believed and a new one is made.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    connection: Option<SqliteConnection>,
    /// A write has begun and is not known to have come to its end.
    is_doubtful: bool,
}

impl Writer {
    pub(super) const fn new(path: PathBuf, connection: SqliteConnection) -> Self {
        Self { path, connection: Some(connection), is_doubtful: false }
    }

    /// One that can be believed.
    pub(crate) async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        if self.is_doubtful
            && let Some(before) = self.connection.take()
        {
            close(before).await;
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.path).await?,
        };
        self.is_doubtful = false;
        Ok(self.connection.insert(connection))
    }

    /// Whoever commits says so by [`Self::ends`].
    async fn begins(&mut self) -> Result<Transaction<'_, Sqlite>, StoreError> {
        self.connection().await?;
        self.is_doubtful = true;
        let connection = self.connection.as_mut().ok_or_else(|| unconnected(&self.path))?;
        Ok(connection.begin().await?)
    }

    const fn ends(&mut self) {
        self.is_doubtful = false;
    }

    /// What is kept beside rows, of those that are there.
    pub(crate) async fn kept(
        &mut self,
        keys: impl Iterator<Item = Key>,
    ) -> Result<BTreeMap<Key, Kept>, StoreError> {
        let mut kept = BTreeMap::new();
        for (kind, ids) in by_kind(keys) {
            for ids in ids.chunks(STATEMENT_ROWS) {
                let mut query = QueryBuilder::<Sqlite>::new("SELECT id, memo FROM ");
                query.push(kind.name()).push(" WHERE id IN (");
                let mut list = query.separated(", ");
                for id in ids {
                    list.push_bind(*id);
                }
                query.push(")");
                for row in query.build().fetch_all(self.connection().await?).await? {
                    let (id, memo): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
                    let memo = serde_json::from_str(&memo);
                    let memo = memo.map_err(|error| StoreError::Sql(error.to_string()))?;
                    kept.insert(Key { kind, id }, memo);
                }
            }
        }
        Ok(kept)
    }

    /// Rows that name something in a column.
    pub(crate) async fn naming(
        &mut self,
        kind: Kind,
        column: &'static str,
        id: Uuid,
    ) -> Result<Vec<Key>, StoreError> {
        let sql = format!("SELECT id FROM {kind} WHERE {column} = ?");
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(id);
        let found = query.fetch_all(self.connection().await?).await?;
        Ok(found.into_iter().map(|id| Key { kind, id }).collect())
    }

    /// Writes a batch whole or not at all.
    pub(crate) async fn write(
        &mut self,
        changes: BTreeMap<Key, Change>,
        kept: &BTreeMap<Key, Kept>,
        progress: &Progress,
        log_id: LogId,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begins().await?;
        let mut counts = Counts::default();
        let mut gone = Vec::new();
        let mut put: BTreeMap<Kind, Vec<(Row, Kept)>> = BTreeMap::new();
        for (key, change) in changes {
            let before = kept.get(&key);
            let after = match change {
                Change::Put(row, memo) => Some(beside(row, memo)),
                Change::Gone => None,
            };
            counts.change(key.kind, before, after.as_ref().map(|(_, kept)| kept));
            refacet(&mut transaction, key, before, after.as_ref().map(|(_, kept)| kept)).await?;
            match after {
                Some(after) => put.entry(key.kind).or_default().push(after),
                None if before.is_some() => gone.push(key),
                None => {}
            }
        }
        for (kind, rows) in &put {
            insert(&mut transaction, *kind, rows, OnConflict::Replace).await?;
        }
        delete(&mut transaction, gone).await?;
        counts.add(&mut transaction).await?;
        reached(Point::RowsWritten);
        save_places(&mut transaction, progress, log_id).await?;
        reached(Point::PlaceWritten);
        transaction.commit().await?;
        self.ends();
        Ok(())
    }

    /// Rows of a file that is being built: none of them is there yet.
    pub(crate) async fn build(
        &mut self,
        kind: Kind,
        rows: Vec<(Row, Memo)>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begins().await?;
        let rows: Vec<(Row, Kept)> =
            rows.into_iter().map(|(row, memo)| beside(row, memo)).collect();
        let mut counts = Counts::default();
        let mut facets = Vec::new();
        for (row, kept) in &rows {
            counts.change(kind, None, Some(kept));
            facets.extend(kept.facets.iter().map(|facet| (facet, kept.name.as_str(), row.id)));
        }
        insert(&mut transaction, kind, &rows, OnConflict::Fail).await?;
        insert_facets(&mut transaction, kind, &facets).await?;
        counts.add(&mut transaction).await?;
        transaction.commit().await?;
        self.ends();
        Ok(())
    }

    /// The last step of building: from here on it can be read.
    pub(crate) async fn built(
        &mut self,
        progress: &Progress,
        log_id: LogId,
    ) -> Result<(), StoreError> {
        sqlx::raw_sql(INDEXES).execute(self.connection().await?).await?;
        let mut transaction = self.begins().await?;
        save_places(&mut transaction, progress, log_id).await?;
        transaction.commit().await?;
        self.ends();
        let shape = format!("PRAGMA user_version = {SCHEMA}");
        sqlx::raw_sql(AssertSqlSafe(shape)).execute(self.connection().await?).await?;
        sqlx::raw_sql("PRAGMA optimize=0x10002").execute(self.connection().await?).await?;
        Ok(())
    }

    /// Brings everything into the file and empties the WAL, so that what was overwritten is in
    /// neither. Says whether no reader was in the way.
    pub(crate) async fn erase(&mut self) -> Result<bool, StoreError> {
        let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
        let row = emptied.fetch_one(self.connection().await?).await?;
        let busy: i64 = row.try_get(0)?;
        Ok(busy == 0)
    }

    /// The oldest rows of what ended before a moment, or of which there are too many.
    pub(crate) async fn ended(
        &mut self,
        kind: Kind,
        before: Timestamp,
        most: u64,
    ) -> Result<Vec<Key>, StoreError> {
        let all = format!("SELECT count(*) FROM {kind} WHERE left_at IS NOT NULL");
        let all = sqlx::query_scalar(AssertSqlSafe(all));
        let all: i64 = all.fetch_one(self.connection().await?).await?;
        let too_many = u64::try_from(all).unwrap_or_default().saturating_sub(most);
        let sql = format!(
            "SELECT id FROM (SELECT id, left_at, row_number() OVER (ORDER BY left_at, id) AS nr \
             FROM {kind} WHERE left_at IS NOT NULL ORDER BY left_at, id LIMIT {PRUNED_AT_ONCE}) \
             WHERE left_at < ? OR nr <= ?"
        );
        let found = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(before.0)
            .bind(i64::try_from(too_many).unwrap_or(i64::MAX))
            .fetch_all(self.connection().await?)
            .await?;
        Ok(found.into_iter().map(|id| Key { kind, id }).collect())
    }

    pub(crate) async fn close(self) {
        if let Some(connection) = self.connection {
            close(connection).await;
        }
    }
}

async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a file of read models was not closed cleanly");
    }
}

fn unconnected(path: &Path) -> StoreError {
    StoreError::Sql(format!("{} has no connection", path.display()))
}

fn by_kind(keys: impl Iterator<Item = Key>) -> BTreeMap<Kind, Vec<Uuid>> {
    let mut kinds: BTreeMap<Kind, Vec<Uuid>> = BTreeMap::new();
    for key in keys.collect::<BTreeSet<_>>() {
        kinds.entry(key.kind).or_default().push(key.id);
    }
    kinds
}

fn beside(mut row: Row, memo: Memo) -> (Row, Kept) {
    row.facets.sort_unstable();
    row.facets.dedup();
    let facets = std::mem::take(&mut row.facets);
    let name = if facets.is_empty() { String::new() } else { row.name.clone() };
    let counted = std::mem::take(&mut row.counted);
    (row, Kept { memo, facets, counted, name })
}

async fn save_places(
    connection: &mut SqliteConnection,
    progress: &Progress,
    log_id: LogId,
) -> Result<(), StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO projections (name, version, log_id, incarnation, position) ",
    );
    query.push_values(&progress.0, |mut values, state| {
        values.push_bind(state.name).push_bind(i64::from(state.version));
        values.push_bind(log_id.uuid()).push_bind(i64::from(state.incarnation.0));
        values.push_bind(i64::try_from(state.position.0).unwrap_or(i64::MAX));
    });
    query.push(
        " ON CONFLICT DO UPDATE SET version = excluded.version, log_id = excluded.log_id,
             incarnation = excluded.incarnation, position = excluded.position",
    );
    query.build().execute(connection).await?;
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnConflict {
    Replace,
    Fail,
}

async fn insert(
    connection: &mut SqliteConnection,
    kind: Kind,
    rows: &[(Row, Kept)],
    on_conflict: OnConflict,
) -> Result<(), StoreError> {
    let names: Vec<&str> = COMMON.into_iter().chain(columns(kind)).collect();
    for rows in rows.chunks(STATEMENT_ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO ");
        query.push(kind.name()).push(" (").push(names.join(", ")).push(") ");
        let mut unwritable = None;
        query.push_values(rows, |mut values, (row, kept)| {
            values.push_bind(row.id).push_bind(&row.name).push_bind(row.created_at.0);
            values.push_bind(&row.doc);
            match serde_json::to_string(kept) {
                Ok(memo) => {
                    values.push_bind(memo);
                }
                Err(error) => unwritable = Some(error.to_string()),
            }
            for cell in &row.cells {
                match cell {
                    Cell::Null => values.push("NULL"),
                    Cell::Text(text) => values.push_bind(text),
                    Cell::Number(number) => values.push_bind(*number),
                    Cell::Id(id) => values.push_bind(*id),
                };
            }
        });
        if let Some(cause) = unwritable {
            return Err(StoreError::Sql(cause));
        }
        if on_conflict == OnConflict::Replace {
            query.push(" ON CONFLICT (id) DO UPDATE SET ");
            let mut list = query.separated(", ");
            for name in names.iter().filter(|name| **name != "id") {
                list.push(format_args!("{name} = excluded.{name}"));
            }
        }
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn delete(connection: &mut SqliteConnection, gone: Vec<Key>) -> Result<(), StoreError> {
    for (kind, ids) in by_kind(gone.into_iter()) {
        for ids in ids.chunks(STATEMENT_ROWS) {
            let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM ");
            query.push(kind.name()).push(" WHERE id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            query.push(")").build().execute(&mut *connection).await?;
        }
    }
    Ok(())
}
