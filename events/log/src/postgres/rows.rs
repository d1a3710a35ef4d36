//! Rows as the port's types, and numbers as the database has them.
//!
//! The database's integers are signed; a number of ours that does not fit is larger than anything
//! that was ever counted, and is taken as the largest that fits.

use std::sync::Arc;

use bytes::Bytes;
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId};
use carrel_model::name::NameError;
use carrel_model::record::{
    Actor, Fingerprint, Incarnation, Origin, Position, Record, StreamId, Timestamp, UnitHeader,
    Version,
};
use carrel_model::trace::TraceParent;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::error;
use crate::chain::Link;
use crate::error::ReadError;
use crate::port::Answer;

pub(super) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn to_u64(number: i64) -> Result<u64, ReadError> {
    u64::try_from(number).map_err(|_| corrupt(format!("the number {number}")))
}

pub(super) fn incarnation(number: i64) -> Result<Incarnation, ReadError> {
    let fits = u32::try_from(number).map(Incarnation);
    fits.map_err(|_| corrupt(format!("the incarnation {number}")))
}

pub(super) fn link(bytes: &[u8]) -> Result<Link, ReadError> {
    array(bytes, "a link").map(Link)
}

pub(super) fn corrupt(what: impl Into<String>) -> ReadError {
    ReadError::Corrupt(what.into())
}

pub(super) fn name<T: std::str::FromStr<Err = NameError>>(text: &str) -> Result<T, ReadError> {
    text.parse().map_err(|error: NameError| corrupt(error.to_string()))
}

/// Columns `command_id`, `fingerprint`, `first` and `last`.
pub(super) fn answer(row: &PgRow) -> Result<Answer, ReadError> {
    Ok(Answer {
        command_id: CommandId::new(get(row, "command_id")?),
        fingerprint: Fingerprint(array(get(row, "fingerprint")?, "a fingerprint")?),
        first: Position(to_u64(get(row, "first")?)?),
        last: Position(to_u64(get(row, "last")?)?),
        duplicate: false,
    })
}

/// All columns of a record and of its unit, or None where there is no record in the row. Records
/// of one unit come one after another, and share what `previous` has.
pub(super) fn record(row: &PgRow, previous: Option<&Record>) -> Result<Option<Record>, ReadError> {
    let Some(position): Option<i64> = get(row, "position")? else { return Ok(None) };
    let command_id: Option<Uuid> = get(row, "command_id")?;
    let Some(command_id) = command_id.map(CommandId::new) else {
        return Err(corrupt(format!("the record at position {position} belongs to no command")));
    };
    let shared = previous.map(|record| &record.unit).filter(|unit| unit.command_id == command_id);
    let unit = match shared {
        Some(unit) => Arc::clone(unit),
        None => Arc::new(header(row, command_id)?),
    };
    let schema: i32 = get(row, "schema")?;
    Ok(Some(Record {
        position: Position(to_u64(position)?),
        stream: StreamId { category: name(get(row, "category")?)?, id: get(row, "stream_id")? },
        version: Version(to_u64(get(row, "version")?)?),
        event_id: EventId::new(get(row, "event_id")?),
        kind: name(get(row, "kind")?)?,
        schema: u16::try_from(schema).map_err(|_| corrupt(format!("the schema {schema}")))?,
        unit,
        data: Bytes::copy_from_slice(get(row, "data")?),
    }))
}

fn header(row: &PgRow, command_id: CommandId) -> Result<UnitHeader, ReadError> {
    Ok(UnitHeader {
        command_id,
        fingerprint: Fingerprint(array(get(row, "fingerprint")?, "a fingerprint")?),
        origin: Origin {
            org: name(get(row, "org")?)?,
            actor: Actor {
                id: ActorId::new(get(row, "actor_id")?),
                method: name(get(row, "actor_method")?)?,
            },
            causation_id: CausationId::new(get(row, "causation_id")?),
            correlation_id: CorrelationId::new(get(row, "correlation_id")?),
            trace_parent: get::<Option<&[u8]>>(row, "trace_parent")?
                .map(trace_parent)
                .transpose()?,
            at: Timestamp(get(row, "at_us")?),
        },
        incarnation: incarnation(get(row, "incarnation")?)?,
    })
}

pub(super) fn trace_bytes(trace: &TraceParent) -> Vec<u8> {
    [&trace.trace_id[..], &trace.parent_id, &[trace.flags]].concat()
}

fn trace_parent(bytes: &[u8]) -> Result<TraceParent, ReadError> {
    let bytes: [u8; 25] = array(bytes, "a trace parent")?;
    let (trace_id, rest) = bytes.split_at(16);
    let (parent_id, flags) = rest.split_at(8);
    Ok(TraceParent {
        trace_id: array(trace_id, "a trace id")?,
        parent_id: array(parent_id, "a parent id")?,
        flags: flags[0],
    })
}

fn array<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], ReadError> {
    bytes.try_into().map_err(|_| corrupt(format!("{what} of {} bytes", bytes.len())))
}

pub(super) fn get<'r, T>(row: &'r PgRow, column: &str) -> Result<T, ReadError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column).map_err(error::read)
}
