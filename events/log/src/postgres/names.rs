//! Cursors and leases: a name and a few numbers each.
//!
//! A name that is there already is changed by one statement, which looks and writes in one. Only a
//! new name takes a transaction, since it must not be one too many.
//!
//! A server may be set up to answer before a commit is durable; for these it must not. An epoch
//! that was given out and forgotten would be given out twice.

use carrel_model::name::{ConsumerName, LeaseName};
use carrel_model::record::{Epoch, Position};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres};

use super::rows::{self, get, to_i64, to_u64};
use super::transaction::{Transaction, begin_in_turn, in_time};
use super::{error, read};
use crate::error::{CursorError, ReadError, TooLarge};
use crate::limits::NAMES_MAX;
use crate::port::Cursor;

const SAVE: &str = "
    UPDATE carrel_log.cursors
    SET position = $2, epoch = $3, incarnation = (SELECT incarnation FROM carrel_log.log)
    WHERE name = $1 AND epoch <= $3
        AND $2 <= coalesce((SELECT last FROM carrel_log.units ORDER BY first DESC LIMIT 1), 0)
    RETURNING (SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') = 'off')";

const SAVE_NEW: &str = "
    INSERT INTO carrel_log.cursors (name, position, epoch, incarnation)
    SELECT $1, $2, $3, incarnation FROM carrel_log.log";

const CURSOR: &str = "
    SELECT name, position, epoch, incarnation FROM carrel_log.cursors WHERE name = $1";

const CURSORS: &str = "
    SELECT name, position, epoch, incarnation FROM carrel_log.cursors ORDER BY name";

const RAISE: &str = "
    UPDATE carrel_log.leases SET epoch = epoch + 1 WHERE name = $1
    RETURNING epoch, (SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') = 'off')";

const RAISE_NEW: &str = "
    INSERT INTO carrel_log.leases AS lease (name, epoch) VALUES ($1, 1)
    ON CONFLICT (name) DO UPDATE SET epoch = lease.epoch + 1 RETURNING epoch";

/// One new name at a time. The number is `carrelnm` in ASCII.
const BEGIN_NEW: &str = begin_in_turn!(7161130718149242477);

const COUNT: &str = "
    SELECT (SELECT count(*) FROM carrel_log.cursors) + (SELECT count(*) FROM carrel_log.leases)";

/// What a consumer hands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) position: Position,
    pub(super) epoch: Epoch,
}

pub(super) async fn save_cursor(
    mut connection: PoolConnection<Postgres>,
    name: ConsumerName,
    mark: Mark,
) -> Result<(), CursorError> {
    let saved = save_known(&mut connection, &name, mark).await.map_err(error::when_sent)?;
    if saved {
        return Ok(());
    }
    let mut transaction = begin_new(connection).await?;
    let saved = save_alone(&mut transaction, &name, mark).await;
    transaction.end(saved, error::when_committed).await
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
    Ok(in_time(query.execute(connection)).await?.rows_affected() == 1)
}

async fn begin_new(connection: PoolConnection<Postgres>) -> Result<Transaction, CursorError> {
    Transaction::begin(connection, BEGIN_NEW).await.map_err(error::before_sent)
}

/// Saves a cursor for the first time, or finds out what is against saving it.
async fn save_alone(
    connection: &mut PgConnection,
    name: &ConsumerName,
    mark: Mark,
) -> Result<(), CursorError> {
    let head = read::head(connection).await.map_err(refused)?.position;
    if mark.position > head {
        return Err(CursorError::BeyondHead { given: mark.position, head });
    }
    // Somebody else may have made it meanwhile, or the log may have grown.
    if save_known(connection, name, mark).await.map_err(error::before_sent)? {
        return Ok(());
    }
    // Nobody makes it now, and an epoch never falls: what is read here is what was in the way.
    if let Some(Cursor { epoch: current, .. }) = cursor(connection, name).await.map_err(refused)? {
        return Err(CursorError::Fenced { given: mark.epoch, current });
    }
    check_room(connection).await?;
    let query = sqlx::query(SAVE_NEW)
        .bind(name.as_str())
        .bind(to_i64(mark.position.0))
        .bind(to_i64(mark.epoch.0));
    in_time(query.execute(connection)).await.map(drop).map_err(error::before_sent)
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

pub(super) async fn raise_epoch(
    mut connection: PoolConnection<Postgres>,
    lease: LeaseName,
) -> Result<Epoch, CursorError> {
    let query = sqlx::query_scalar(RAISE).bind(lease.as_str());
    let raised = in_time(query.fetch_optional(&mut *connection)).await;
    let raised: Option<i64> = raised.map_err(error::when_sent)?;
    if let Some(epoch) = raised {
        return to_u64(epoch).map(Epoch).map_err(refused);
    }
    let mut transaction = begin_new(connection).await?;
    let raised = raise_alone(&mut transaction, &lease).await;
    transaction.end(raised, error::when_committed).await
}

async fn raise_alone(
    connection: &mut PgConnection,
    lease: &LeaseName,
) -> Result<Epoch, CursorError> {
    let known = sqlx::query_scalar("SELECT true FROM carrel_log.leases WHERE name = $1");
    let known = known.bind(lease.as_str()).fetch_optional(&mut *connection);
    let known: Option<bool> = known.await.map_err(error::before_sent)?;
    if known.is_none() {
        check_room(connection).await?;
    }
    let query = sqlx::query_scalar(RAISE_NEW).bind(lease.as_str());
    let epoch: i64 = in_time(query.fetch_one(connection)).await.map_err(error::before_sent)?;
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

pub(super) fn refused(error: ReadError) -> CursorError {
    CursorError::Refused(error::of_reading(error))
}
