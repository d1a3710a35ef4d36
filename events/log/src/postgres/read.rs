//! Reading: each page is one statement, so it sees the log as it was at one moment.

use carrel_model::ids::{CommandId, LogId};
use carrel_model::record::{Position, Record, StreamId, Version};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::error;
use super::rows::{self, corrupt, get, to_i64, to_u64};
use crate::chain::{self, Link};
use crate::error::ReadError;
use crate::limits::{PAGE_RECORDS_MAX, UNIT_RECORDS_MAX};
use crate::port::{Answer, Head, Page, PageLimit};

/// The end of the log is the last unit: units are never updated, so finding it costs the same
/// however long some other transaction keeps the database from tidying up.
const HEAD: &str = "
    SELECT log.log_id, log.incarnation, ends.last, ends.link
    FROM carrel_log.log
    LEFT JOIN LATERAL (
        SELECT last, link FROM carrel_log.units ORDER BY first DESC LIMIT 1
    ) AS ends ON true";

const LOOKUP: &str = "
    SELECT command_id, fingerprint, first, last FROM carrel_log.units WHERE command_id = $1";

/// Positions have no gaps, so a range of them is a number of records. The running sum ends the
/// page at its bytes without sending what is beyond. There is always a row, for `ends_at`.
///
/// The bounds on units follow from those on records. Without them the planner, which can't know,
/// may read all units for a large page.
const PAGE: &str = "
    SELECT ends.ends_at, page.*
    FROM (
        SELECT (SELECT last FROM carrel_log.units ORDER BY first DESC LIMIT 1) AS ends_at
    ) AS ends
    LEFT JOIN (
        SELECT records.*, units.command_id, units.fingerprint, units.incarnation, units.org,
            units.actor_id, units.actor_method, units.causation_id, units.correlation_id,
            units.trace_parent, units.at_us
        FROM (
            SELECT *, sum(octet_length(data)) OVER (
                ORDER BY position ROWS UNBOUNDED PRECEDING) AS bytes
            FROM carrel_log.records WHERE position > $1 AND position <= $2
        ) AS records
        LEFT JOIN carrel_log.units
            ON units.first = records.unit AND units.first > $4 AND units.first <= $2
        WHERE records.bytes <= $3 OR records.position = $1 + 1
    ) AS page ON true
    ORDER BY page.position";

/// The same for the versions of a stream.
const STREAM_PAGE: &str = "
    SELECT ends.ends_at, page.*
    FROM (SELECT max(version) AS ends_at FROM carrel_log.streams
        WHERE category = $4 AND stream_id = $5) AS ends
    LEFT JOIN (
        SELECT records.*, units.command_id, units.fingerprint, units.incarnation, units.org,
            units.actor_id, units.actor_method, units.causation_id, units.correlation_id,
            units.trace_parent, units.at_us
        FROM (
            SELECT *, sum(octet_length(data)) OVER (
                ORDER BY version ROWS UNBOUNDED PRECEDING) AS bytes
            FROM carrel_log.records
            WHERE category = $4 AND stream_id = $5 AND version > $1 AND version <= $2
        ) AS records
        LEFT JOIN carrel_log.units ON units.first = records.unit
        WHERE records.bytes <= $3 OR records.version = $1 + 1
    ) AS page ON true
    ORDER BY page.version";

pub(super) async fn head(connection: &mut PgConnection) -> Result<Head, ReadError> {
    let row = sqlx::query(HEAD).fetch_one(connection).await.map_err(error::read)?;
    let last: Option<i64> = get(&row, "last")?;
    let link: Option<&[u8]> = get(&row, "link")?;
    Ok(Head {
        position: Position(to_u64(last.unwrap_or_default())?),
        link: link.map_or(Ok(Link::START), rows::link)?,
        incarnation: rows::incarnation(get(&row, "incarnation")?)?,
        log_id: LogId::new(get::<Uuid>(&row, "log_id")?),
    })
}

pub(super) async fn lookup(
    connection: &mut PgConnection,
    command_id: CommandId,
) -> Result<Option<Answer>, ReadError> {
    let query = sqlx::query(LOOKUP).bind(command_id.uuid());
    let row = query.fetch_optional(connection).await.map_err(error::read)?;
    row.as_ref().map(rows::answer).transpose()
}

pub(super) async fn page(
    connection: &mut PgConnection,
    after: Position,
    limit: PageLimit,
) -> Result<Page, ReadError> {
    let limit = limit.capped();
    let after = bound(after.0);
    let query = sqlx::query(PAGE)
        .bind(after)
        .bind(after + to_i64(limit.records as u64))
        .bind(to_i64(limit.bytes as u64))
        .bind(after - to_i64(UNIT_RECORDS_MAX as u64));
    let found = query.fetch_all(connection).await.map_err(error::read)?;
    assembled(&found, after, |record| record.position.0)
}

pub(super) async fn stream_page(
    connection: &mut PgConnection,
    stream: &StreamId,
    after: Version,
    limit: PageLimit,
) -> Result<Page, ReadError> {
    let limit = limit.capped();
    let after = bound(after.0);
    let query = sqlx::query(STREAM_PAGE)
        .bind(after)
        .bind(after + to_i64(limit.records as u64))
        .bind(to_i64(limit.bytes as u64))
        .bind(stream.category.as_str())
        .bind(stream.id);
    let found = query.fetch_all(connection).await.map_err(error::read)?;
    assembled(&found, after, |record| record.version.0)
}

/// The chain's link after the record at `position`, or None when the log ends before it. The
/// database keeps one for each unit; between them it is made again.
pub(super) async fn link_at(
    connection: &mut PgConnection,
    position: Position,
) -> Result<Option<Link>, ReadError> {
    const BEFORE: &str = "
        SELECT last, link FROM carrel_log.units WHERE first <= $1 AND last <= $1
        ORDER BY first DESC LIMIT 1";
    let query = sqlx::query(BEFORE).bind(to_i64(position.0));
    let row = query.fetch_optional(&mut *connection).await.map_err(error::read)?;
    let (mut at, mut link) = match row {
        None => (Position::START, Link::START),
        Some(row) => (Position(to_u64(get(&row, "last")?)?), rows::link(get(&row, "link")?)?),
    };
    let mut scratch = Vec::new();
    while at < position {
        let missing = usize::try_from(position.0 - at.0).unwrap_or(usize::MAX);
        let limit = PageLimit::records(missing.min(UNIT_RECORDS_MAX));
        let page = page(connection, at, limit).await?;
        let Some(last) = page.records.last() else { return Ok(None) };
        at = last.position;
        link = page.records.iter().fold(link, |link, it| chain::next(link, it, &mut scratch));
    }
    Ok(Some(link))
}

/// Leaves room above for a page, so that the end of a range can be said.
fn bound(after: u64) -> i64 {
    to_i64(after).min(i64::MAX - to_i64(PAGE_RECORDS_MAX as u64))
}

/// A page of the rows found, whose numbers must go on where `after` ends, without a gap.
fn assembled(
    found: &[PgRow],
    after: i64,
    number: impl Fn(&Record) -> u64,
) -> Result<Page, ReadError> {
    let mut records: Vec<Record> = Vec::with_capacity(found.len());
    let mut last = to_u64(after)?;
    let mut ends_at = 0;
    for row in found {
        ends_at = to_u64(get::<Option<i64>>(row, "ends_at")?.unwrap_or_default())?;
        let Some(record) = rows::record(row, records.last())? else { break };
        if number(&record) != last + 1 {
            return Err(corrupt(format!("after {last} comes {}", number(&record))));
        }
        last += 1;
        records.push(record);
    }
    if records.is_empty() && last < ends_at {
        return Err(corrupt(format!("after {last} there is nothing, but the end is {ends_at}")));
    }
    Ok(Page { records, at_end: last >= ends_at })
}
