//! Cursors and leases: a name and a few numbers each.
//!
//! A name that is there already is changed by one statement, which looks and writes in one. Only a
//! new name takes a transaction, since it must not be one too many.

use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{Epoch, Position};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::rows::{self, get, to_i64, to_u64};
use super::{error, read};
use crate::error::{CursorError, ReadError, TooLarge};
use crate::limits::NAMES_MAX;
use crate::port::Cursor;

const SAVE: &str = "
    UPDATE carrel_log.cursors
    SET position = $2, epoch = $3, incarnation = (SELECT incarnation FROM carrel_log.log)
    WHERE name = $1 AND epoch <= $3
        AND $2 <= coalesce((SELECT last FROM carrel_log.units ORDER BY first DESC LIMIT 1), 0)";

const SAVE_NEW: &str = "
    INSERT INTO carrel_log.cursors (name, position, epoch, incarnation)
    SELECT $1, $2, $3, incarnation FROM carrel_log.log
    ON CONFLICT (name) DO NOTHING";

const CURSOR: &str = "
    SELECT name, position, epoch, incarnation FROM carrel_log.cursors WHERE name = $1";

const CURSORS: &str = "
    SELECT name, position, epoch, incarnation FROM carrel_log.cursors ORDER BY name";

const RAISE: &str = "
    UPDATE carrel_log.leases SET epoch = epoch + 1 WHERE name = $1 RETURNING epoch";

const RAISE_NEW: &str = "
    INSERT INTO carrel_log.leases AS lease (name, epoch) VALUES ($1, 1)
    ON CONFLICT (name) DO UPDATE SET epoch = lease.epoch + 1 RETURNING epoch";

/// One new name at a time. The number is `carrelnm` in ASCII.
const BEGIN_NEW: &str = "BEGIN; SELECT pg_advisory_xact_lock(7161130718149242477)";

const COUNT: &str = "
    SELECT (SELECT count(*) FROM carrel_log.cursors) + (SELECT count(*) FROM carrel_log.leases)";

/// What a consumer hands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) position: Position,
    pub(super) epoch: Epoch,
}

pub(super) async fn save_cursor(
    pool: &PgPool,
    name: &ConsumerName,
    mark: Mark,
) -> Result<(), CursorError> {
    let mut connection = pool.acquire().await.map_err(error::before_sent)?;
    let saved = save_known(&mut connection, name, mark).await.map_err(error::when_sent)?;
    drop(connection);
    if saved { Ok(()) } else { save_new(pool, name, mark).await }
}

/// False when there is no such cursor, or none that may be changed so.
async fn save_known(
    connection: &mut PgConnection,
    name: &ConsumerName,
    mark: Mark,
) -> sqlx::Result<bool> {
    let query = sqlx::query(SAVE)
        .bind(name.as_str())
        .bind(to_i64(mark.position.0))
        .bind(to_i64(mark.epoch.0));
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// Saves a cursor for the first time, or finds out what is against saving it.
async fn save_new(pool: &PgPool, name: &ConsumerName, mark: Mark) -> Result<(), CursorError> {
    let mut transaction = pool.begin_with(BEGIN_NEW).await.map_err(error::before_sent)?;
    let head = read::head(&mut transaction).await.map_err(refused)?.position;
    if mark.position > head {
        return Err(CursorError::BeyondHead { given: mark.position, head });
    }
    match cursor(&mut transaction, name).await.map_err(refused)? {
        Some(Cursor { epoch: current, .. }) if mark.epoch < current => {
            return Err(CursorError::Fenced { given: mark.epoch, current });
        }
        // Somebody else made it meanwhile, or the log has grown.
        Some(_) => {
            let saved = save_known(&mut transaction, name, mark).await;
            saved.map_err(error::before_sent)?;
        }
        None => {
            check_room(&mut transaction).await?;
            let query = sqlx::query(SAVE_NEW)
                .bind(name.as_str())
                .bind(to_i64(mark.position.0))
                .bind(to_i64(mark.epoch.0));
            query.execute(&mut *transaction).await.map_err(error::before_sent)?;
        }
    }
    commit(transaction).await
}

pub(super) async fn cursor(
    connection: &mut PgConnection,
    name: &ConsumerName,
) -> Result<Option<Cursor>, ReadError> {
    let query = sqlx::query(CURSOR).bind(name.as_str());
    let row = query.fetch_optional(connection).await.map_err(error::read)?;
    row.as_ref().map(|row| Ok(named(row)?.1)).transpose()
}

pub(super) async fn cursors(
    connection: &mut PgConnection,
) -> Result<Vec<(ConsumerName, Cursor)>, ReadError> {
    let rows = sqlx::query(CURSORS).fetch_all(connection).await.map_err(error::read)?;
    rows.iter().map(named).collect()
}

fn named(row: &PgRow) -> Result<(ConsumerName, Cursor), ReadError> {
    let cursor = Cursor {
        position: Position(to_u64(get(row, "position")?)?),
        epoch: Epoch(to_u64(get(row, "epoch")?)?),
        incarnation: rows::incarnation(get(row, "incarnation")?)?,
    };
    Ok((rows::name(get(row, "name")?)?, cursor))
}

pub(super) async fn raise_epoch(pool: &PgPool, lease: &LeaseName) -> Result<Epoch, CursorError> {
    let mut connection = pool.acquire().await.map_err(error::before_sent)?;
    let query = sqlx::query_scalar(RAISE).bind(lease.as_str());
    let raised: Option<i64> =
        query.fetch_optional(&mut *connection).await.map_err(error::when_sent)?;
    drop(connection);
    match raised {
        Some(epoch) => to_u64(epoch).map(Epoch).map_err(refused),
        None => raise_new(pool, lease).await,
    }
}

async fn raise_new(pool: &PgPool, lease: &LeaseName) -> Result<Epoch, CursorError> {
    let mut transaction = pool.begin_with(BEGIN_NEW).await.map_err(error::before_sent)?;
    let known = sqlx::query_scalar("SELECT true FROM carrel_log.leases WHERE name = $1");
    let known: Option<bool> = known
        .bind(lease.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(error::before_sent)?;
    if known.is_none() {
        check_room(&mut transaction).await?;
    }
    let query = sqlx::query_scalar(RAISE_NEW).bind(lease.as_str());
    let epoch: i64 = query.fetch_one(&mut *transaction).await.map_err(error::before_sent)?;
    commit(transaction).await?;
    to_u64(epoch).map(Epoch).map_err(refused)
}

async fn check_room(connection: &mut PgConnection) -> Result<(), CursorError> {
    let count: i64 =
        sqlx::query_scalar(COUNT).fetch_one(connection).await.map_err(error::before_sent)?;
    if to_u64(count).map_err(refused)? >= NAMES_MAX as u64 {
        return Err(TooLarge::Names { max: NAMES_MAX }.into());
    }
    Ok(())
}

async fn commit(transaction: Transaction<'_, Postgres>) -> Result<(), CursorError> {
    let committed = transaction.commit().await;
    committed.map_err(|error| CursorError::OutcomeUnknown(error.to_string()))
}

pub(super) fn refused(error: ReadError) -> CursorError {
    CursorError::Refused(error::of_reading(error))
}
