//! The hash chain: each record's link vouches for that record and for all before it.
//!
//! ```text
//!   link(0) = 32 zero bytes
//!   link(n) = SHA-256( link(n-1) || SHA-256( canonical(record n) ) )
//! ```
//!
//! It is the same in every adapter, so a log keeps its chain when it moves from one to another.
//! [`canonical`] is part of the format: it never changes for records that exist.

use std::fmt;

use carrel_model::ids::EventId;
use carrel_model::record::{NewRecord, Position, Record, StreamId, UnitHeader, Version};
use sha2::{Digest, Sha256};

use crate::format::fields::Malformed;

/// SHA-256, FIPS 180-4.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Link(pub [u8; 32]);

impl Link {
    pub const START: Self = Self([0; 32]);

    #[must_use]
    pub fn then(self, canonical: &[u8]) -> Self {
        let inner = Sha256::digest(canonical);
        let mut both = [0; 64];
        both[..32].copy_from_slice(&self.0);
        both[32..].copy_from_slice(&inner);
        Self(Sha256::digest(both).into())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A record's own fields, borrowed from wherever they are.
pub(crate) struct Fields<'a> {
    pub(crate) position: Position,
    pub(crate) stream: &'a StreamId,
    pub(crate) version: Version,
    pub(crate) event_id: EventId,
    pub(crate) kind: &'a str,
    pub(crate) schema: u16,
    pub(crate) data: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(record: &'a Record) -> Self {
        Self {
            position: record.position,
            stream: &record.stream,
            version: record.version,
            event_id: record.event_id,
            kind: record.kind.as_str(),
            schema: record.schema,
            data: &record.data,
        }
    }

    pub(crate) fn of_new(record: &'a NewRecord, position: Position, version: Version) -> Self {
        Self {
            position,
            stream: &record.stream,
            version,
            event_id: record.event_id,
            kind: record.kind.as_str(),
            schema: record.schema,
            data: &record.data,
        }
    }
}

/// Writes every field of the envelope and the data in one fixed order: numbers big-endian, what
/// varies in length behind its length as four bytes.
pub(crate) fn canonical(out: &mut Vec<u8>, unit: &UnitHeader, record: &Fields<'_>) {
    out.clear();
    out.extend_from_slice(b"carrel record 1\0");
    out.extend_from_slice(&record.position.0.to_be_bytes());
    out.extend_from_slice(&unit.incarnation.0.to_be_bytes());
    sized(out, unit.origin.org.as_str().as_bytes());
    sized(out, record.stream.category.as_str().as_bytes());
    out.extend_from_slice(record.stream.id.as_bytes());
    out.extend_from_slice(&record.version.0.to_be_bytes());
    out.extend_from_slice(record.event_id.as_bytes());
    sized(out, record.kind.as_bytes());
    out.extend_from_slice(&record.schema.to_be_bytes());
    out.extend_from_slice(unit.command_id.as_bytes());
    out.extend_from_slice(&unit.fingerprint.0);
    out.extend_from_slice(unit.origin.causation_id.as_bytes());
    out.extend_from_slice(unit.origin.correlation_id.as_bytes());
    out.extend_from_slice(unit.origin.actor.id.as_bytes());
    sized(out, unit.origin.actor.method.as_str().as_bytes());
    match &unit.origin.trace_parent {
        None => out.push(0),
        Some(trace) => {
            out.push(1);
            out.extend_from_slice(&trace.trace_id);
            out.extend_from_slice(&trace.parent_id);
            out.push(trace.flags);
        }
    }
    out.extend_from_slice(&unit.origin.at.0.to_be_bytes());
    sized(out, record.data);
}

/// Lengths are capped far below 4 GiB by `limits`.
#[expect(clippy::cast_possible_truncation, reason = "RECORD_DATA_BYTES_MAX and names fit")]
fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The link after `record`, given the one before it.
#[must_use]
pub fn next(previous: Link, record: &Record, scratch: &mut Vec<u8>) -> Link {
    canonical(scratch, &record.unit, &Fields::of(record));
    previous.then(scratch)
}

/// What the last record so far says about the end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) position: Position,
    pub(crate) link: Link,
}

impl End {
    pub(crate) const START: Self = Self { position: Position::START, link: Link::START };

    /// The end after these records, if they follow on this one and the chain holds.
    pub(crate) fn then(
        self,
        records: &[Record],
        link: Link,
        scratch: &mut Vec<u8>,
    ) -> Result<Self, Malformed> {
        let mut end = self;
        for record in records {
            let expected = end.position.next();
            if record.position != expected {
                let what = format!("position {} where {expected} was expected", record.position);
                return Err(Malformed(what));
            }
            end = Self { position: expected, link: next(end.link, record, scratch) };
        }
        if end.link == link {
            Ok(end)
        } else {
            Err(Malformed::new("the chain link does not fit the records"))
        }
    }
}
