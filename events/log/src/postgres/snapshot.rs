//! Snapshots, in pieces: a field of the database holds a gigabyte at most, and is sent whole.

use bytes::{Bytes, BytesMut};
use carrel_model::record::Position;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres};

use super::names::refused;
use super::rows::{self, get, to_i64, to_u64};
use super::transaction::{Transaction, in_time};
use super::{error, read};
use crate::error::{CursorError, ReadError};
use crate::limits::{SNAPSHOT_BYTES_MAX, SNAPSHOTS_KEPT};
use crate::port::{Snapshot, SnapshotKey};

/// Large enough that round trips don't count, small enough to hold a few in memory.
const PIECE_BYTES: usize = 4 * 1024 * 1024;

const SAVE: &str = "
    INSERT INTO carrel_log.snapshots (kind, model, position, link, bytes, crc32c)
    VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";

const SAVE_PIECE: &str = "
    INSERT INTO carrel_log.snapshot_pieces (snapshot, nth, data) VALUES ($1, $2, $3)";

const TIDY: &str = "
    DELETE FROM carrel_log.snapshots WHERE kind = $1 AND id NOT IN (
        SELECT id FROM carrel_log.snapshots WHERE kind = $1
        ORDER BY position DESC, id DESC LIMIT $2)";

const NEWEST: &str = "
    SELECT id, position, link, bytes, crc32c FROM carrel_log.snapshots
    WHERE kind = $1 AND model = $2 ORDER BY position DESC, id DESC LIMIT $3";

const PIECE: &str = "
    SELECT data FROM carrel_log.snapshot_pieces WHERE snapshot = $1 AND nth = $2";

pub(super) async fn save(
    connection: PoolConnection<Postgres>,
    snapshot: Snapshot,
) -> Result<(), CursorError> {
    let begun = Transaction::begin(connection, "BEGIN").await;
    let mut transaction = begun.map_err(error::before_sent)?;
    let saved = keep(&mut transaction, &snapshot).await;
    transaction.end(saved, error::when_committed).await
}

async fn keep(connection: &mut PgConnection, snapshot: &Snapshot) -> Result<(), CursorError> {
    let head = read::head(connection).await.map_err(refused)?.position;
    if snapshot.position > head {
        return Err(CursorError::BeyondHead { given: snapshot.position, head });
    }
    write(connection, snapshot).await.map_err(error::before_sent)
}

async fn write(connection: &mut PgConnection, snapshot: &Snapshot) -> sqlx::Result<()> {
    let kind = snapshot.key.kind.as_str();
    let query = sqlx::query_scalar(SAVE)
        .bind(kind)
        .bind(&snapshot.key.model[..])
        .bind(to_i64(snapshot.position.0))
        .bind(&snapshot.link.0[..])
        .bind(to_i64(snapshot.data.len() as u64))
        .bind(i64::from(crc32c::crc32c(&snapshot.data)));
    let id: i64 = in_time(query.fetch_one(&mut *connection)).await?;
    for (piece, nth) in snapshot.data.chunks(PIECE_BYTES).zip(0_i32..) {
        let query = sqlx::query(SAVE_PIECE).bind(id).bind(nth).bind(piece);
        in_time(query.execute(&mut *connection)).await?;
    }
    let tidy = sqlx::query(TIDY).bind(kind).bind(to_i64(SNAPSHOTS_KEPT as u64));
    in_time(tidy.execute(connection)).await.map(drop)
}

/// The newest that is whole and of this past. One that is neither costs a longer replay, nothing
/// else, so it is passed over.
pub(super) async fn newest(
    connection: &mut PgConnection,
    key: &SnapshotKey,
) -> Result<Option<Snapshot>, ReadError> {
    let query = sqlx::query(NEWEST)
        .bind(key.kind.as_str())
        .bind(&key.model[..])
        .bind(to_i64(SNAPSHOTS_KEPT as u64));
    let found = query.fetch_all(&mut *connection).await.map_err(error::read)?;
    for row in found {
        let position = Position(to_u64(get(&row, "position")?)?);
        let link = rows::link(get(&row, "link")?)?;
        if read::link_at(connection, position).await? != Some(link) {
            tracing::warn!(position = position.0, "a snapshot is of another past");
            continue;
        }
        match data(connection, &row).await? {
            Some(data) => return Ok(Some(Snapshot { key: key.clone(), position, link, data })),
            None => tracing::warn!(position = position.0, "a snapshot is not whole"),
        }
    }
    Ok(None)
}

async fn data(connection: &mut PgConnection, row: &PgRow) -> Result<Option<Bytes>, ReadError> {
    let id: i64 = get(row, "id")?;
    let bytes = to_u64(get(row, "bytes")?)?;
    if bytes > SNAPSHOT_BYTES_MAX {
        return Ok(None);
    }
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut data = BytesMut::with_capacity(bytes);
    for nth in 0_i32.. {
        if data.len() >= bytes {
            break;
        }
        let query = sqlx::query(PIECE).bind(id).bind(nth);
        let piece = query.fetch_optional(&mut *connection).await.map_err(error::read)?;
        // The next save may tidy it away while it is being read.
        let Some(piece) = piece else { return Ok(None) };
        data.extend_from_slice(get(&piece, "data")?);
    }
    let sum = i64::from(crc32c::crc32c(&data));
    let whole = data.len() == bytes && sum == get::<i64>(row, "crc32c")?;
    Ok(whole.then(|| data.freeze()))
}
