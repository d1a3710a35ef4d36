//! The body of a unit's frame: one command and its records. What they share stands once.
//!
//! ```text
//!  size  field                        size  then for each record
//!     1  layout, 1                    1+n   stream category
//!     2  number of records              16  stream id
//!    16  command id                      8  stream version
//!    32  fingerprint                    16  event id
//!    16  causation id                  1+n  record type
//!    16  correlation id                  2  schema
//!    16  actor id                      4+n  data
//!     8  time, microseconds
//!     4  incarnation
//!    32  chain link of the last record
//!   1+n  actor's method
//!   1+n  organisation
//!     1  0, or 1 before a trace parent: 16 trace id, 8 parent id, 1 flags
//! ```

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId};
use carrel_model::name::{Category, Method, NameError, Org, RecordType};
use carrel_model::record::{
    Actor, CommandUnit, Fingerprint, Incarnation, Origin, Position, Record, StreamId, Timestamp,
    UnitHeader, Version,
};
use carrel_model::trace::TraceParent;
use uuid::Uuid;

use super::fields::{Fields, Malformed, put_short_text, put_sized_bytes};
use super::frame::{self, HEADER_BYTES, Kind};
use crate::chain::{self, Link};
use crate::limits::UNIT_RECORDS_MAX;

const LAYOUT: u8 = 1;
const SHARED_BYTES: usize = 1 + 2 + 16 + 32 + 16 + 16 + 16 + 8 + 4 + 32 + 1 + 1 + 1;
const TRACE_BYTES: usize = 16 + 8 + 1;
const RECORD_BYTES: usize = 1 + 16 + 8 + 16 + 1 + 2 + 4;

/// Where the link stands, so that it can be filled in once the records have their places.
const LINK_AT: usize = 1 + 2 + 16 + 32 + 16 + 16 + 16 + 8 + 4;

/// A unit as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub records: Vec<Record>,
    /// The chain link of the last record.
    pub link: Link,
}

/// The length of a unit's whole frame.
pub(crate) fn encoded_len(unit: &CommandUnit) -> usize {
    let origin = &unit.origin;
    let mut length = SHARED_BYTES
        + origin.actor.method.as_str().len()
        + origin.org.as_str().len()
        + origin.trace_parent.map_or(0, |_| TRACE_BYTES);
    for record in &unit.records {
        length += RECORD_BYTES
            + record.stream.category.as_str().len()
            + record.kind.as_str().len()
            + record.data.len();
    }
    HEADER_BYTES + frame::padded(length)
}

/// Appends the part that the unit's records share; the link is filled in by [`put_link`].
#[expect(clippy::cast_possible_truncation, reason = "a unit has at most UNIT_RECORDS_MAX records")]
pub(crate) fn put_shared(out: &mut Vec<u8>, header: &UnitHeader, records: usize) {
    let origin = &header.origin;
    out.push(LAYOUT);
    out.extend_from_slice(&(records as u16).to_le_bytes());
    out.extend_from_slice(header.command_id.as_bytes());
    out.extend_from_slice(&header.fingerprint.0);
    out.extend_from_slice(origin.causation_id.as_bytes());
    out.extend_from_slice(origin.correlation_id.as_bytes());
    out.extend_from_slice(origin.actor.id.as_bytes());
    out.extend_from_slice(&origin.at.0.to_le_bytes());
    out.extend_from_slice(&header.incarnation.0.to_le_bytes());
    out.extend_from_slice(&[0; 32]);
    put_short_text(out, origin.actor.method.as_str());
    put_short_text(out, origin.org.as_str());
    match &origin.trace_parent {
        None => out.push(0),
        Some(trace) => {
            out.push(1);
            out.extend_from_slice(&trace.trace_id);
            out.extend_from_slice(&trace.parent_id);
            out.push(trace.flags);
        }
    }
}

pub(crate) fn put_record(out: &mut Vec<u8>, record: &chain::Fields<'_>) {
    put_short_text(out, record.stream.category.as_str());
    out.extend_from_slice(record.stream.id.as_bytes());
    out.extend_from_slice(&record.version.0.to_le_bytes());
    out.extend_from_slice(record.event_id.as_bytes());
    put_short_text(out, record.kind);
    out.extend_from_slice(&record.schema.to_le_bytes());
    put_sized_bytes(out, record.data);
}

/// Fills in the link of the unit whose body starts at `body_start`.
pub(crate) fn put_link(out: &mut [u8], body_start: usize, link: Link) {
    out[body_start + LINK_AT..body_start + LINK_AT + 32].copy_from_slice(&link.0);
}

/// Appends the frame of a unit that is read back from a log: the same bytes as it has there, but
/// for the group and the batch that it was written in.
pub(crate) fn write_again(out: &mut Vec<u8>, records: &[Record], link: Link) {
    let Some(first) = records.first() else { return };
    let start = out.len();
    frame::write(out, Kind::Unit, 0, first.position.0, |out| {
        let body_start = out.len();
        put_shared(out, &first.unit, records.len());
        records.iter().for_each(|record| put_record(out, &chain::Fields::of(record)));
        put_link(out, body_start, link);
    });
    frame::end_batch(out, start);
}

/// Reads a unit whose frame stands at `position`.
pub fn read(body: &Bytes, position: u64) -> Result<Unit, Malformed> {
    let mut records = Vec::new();
    let link = Decoder::default().read(body, position, &mut records)?;
    Ok(Unit { records, link })
}

/// Reads units one after the other. Names are mostly those of the unit before: then they need no
/// check and no memory of their own.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    category: Option<Category>,
    kind: Option<RecordType>,
    method: Option<Method>,
    org: Option<Org>,
}

impl Decoder {
    /// Appends the records of a unit to `out`, and gives the link after the last one. After an
    /// error some of them may be there.
    pub(crate) fn read(
        &mut self,
        body: &Bytes,
        position: u64,
        out: &mut Vec<Record>,
    ) -> Result<Link, Malformed> {
        let mut fields = Fields::new(body);
        let layout = fields.u8()?;
        if layout != LAYOUT {
            return Err(Malformed(format!("unknown layout {layout} of a unit")));
        }
        let count = usize::from(fields.u16()?);
        if count == 0 || count > UNIT_RECORDS_MAX {
            return Err(Malformed(format!("a unit of {count} records")));
        }
        let (header, link) = self.shared(&mut fields)?;
        let header = Arc::new(header);
        out.reserve(count.min(fields.left() / RECORD_BYTES + 1));
        for nth in 0..count as u64 {
            let position =
                position.checked_add(nth).ok_or_else(|| Malformed::new("no position"))?;
            out.push(self.record(&mut fields, Position(position), &header)?);
        }
        fields.end()?;
        Ok(link)
    }

    fn shared(&mut self, fields: &mut Fields<'_>) -> Result<(UnitHeader, Link), Malformed> {
        let command_id = CommandId::from_bytes(fields.array()?);
        let fingerprint = Fingerprint(fields.array()?);
        let causation_id = CausationId::from_bytes(fields.array()?);
        let correlation_id = CorrelationId::from_bytes(fields.array()?);
        let actor_id = ActorId::from_bytes(fields.array()?);
        let at = Timestamp(fields.i64()?);
        let incarnation = Incarnation(fields.u32()?);
        let link = Link(fields.array()?);
        let method = named(fields, &mut self.method)?;
        let org = named(fields, &mut self.org)?;
        let trace_parent = match fields.u8()? {
            0 => None,
            1 => Some(TraceParent {
                trace_id: fields.array()?,
                parent_id: fields.array()?,
                flags: fields.u8()?,
            }),
            other => return Err(Malformed(format!("{other} where 0 or 1 was expected"))),
        };
        let actor = Actor { id: actor_id, method };
        let origin = Origin { org, actor, causation_id, correlation_id, trace_parent, at };
        Ok((UnitHeader { command_id, fingerprint, origin, incarnation }, link))
    }

    fn record(
        &mut self,
        fields: &mut Fields<'_>,
        position: Position,
        unit: &Arc<UnitHeader>,
    ) -> Result<Record, Malformed> {
        let category = named(fields, &mut self.category)?;
        let stream = StreamId { category, id: Uuid::from_bytes(fields.array()?) };
        let version = Version(fields.u64()?);
        let event_id = EventId::from_bytes(fields.array()?);
        let kind = named(fields, &mut self.kind)?;
        let schema = fields.u16()?;
        let data = fields.sized_bytes()?;
        let unit = Arc::clone(unit);
        Ok(Record { position, stream, version, event_id, kind, schema, unit, data })
    }
}

fn named<N: FromStr<Err = NameError> + AsRef<str> + Clone>(
    fields: &mut Fields<'_>,
    last: &mut Option<N>,
) -> Result<N, Malformed> {
    let bytes = fields.short_bytes()?;
    if let Some(last) = last.as_ref().filter(|last| last.as_ref().as_bytes() == bytes) {
        return Ok(last.clone());
    }
    let text = str::from_utf8(bytes).map_err(|_| Malformed::new("a name is not UTF-8"))?;
    let name: N = text.parse().map_err(|error: NameError| Malformed(error.to_string()))?;
    Ok(last.insert(name).clone())
}
