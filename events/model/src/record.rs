//! What a writer hands to the log, and what a reader gets back.
//!
//! ```text
//!   CommandUnit                              Record (one for each fact)
//!   command_id, fingerprint                  position, stream, version, event_id,
//!   origin: org, actor, at, ...      log     kind, schema, data
//!   records: [NewRecord, ...]     -------->  unit -> command_id, fingerprint, origin, incarnation
//! ```
//!
//! The log assigns position, version and incarnation; everything else comes from the writer.
//! `kind`, `schema` and `data` are carried and not interpreted here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::hash::Fingerprint;
use crate::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId};
use crate::name::{Category, Method, NameError, Org, RecordType};
pub use crate::timestamp::Timestamp;
use crate::trace::TraceParent;

/// A record's place in the whole log: 1, 2, 3 and so on, without gaps. 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    pub const START: Self = Self(0);

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record's place in its stream: 1, 2, 3 and so on, without gaps. 0 is before the first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Raised whenever the log's past may have changed (restore, truncation, import), so that what
/// was said before can be told from what is said now.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Incarnation(pub u32);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Raised whenever a role passes to another process; who holds an older one is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The stream of one thing: `machine/0198c0de-...`. A thing that there is only one of has the nil
/// UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub category: Category,
    pub id: Uuid,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.category, self.id)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamIdError {
    #[error("a stream is <category>/<uuid>, as in machine/0198c0de-0000-7000-8000-000000000000")]
    Shape,
    #[error(transparent)]
    Category(NameError),
}

impl FromStr for StreamId {
    type Err = StreamIdError;

    fn from_str(text: &str) -> Result<Self, StreamIdError> {
        let (category, id) = text.split_once('/').ok_or(StreamIdError::Shape)?;
        let category = Category::new(category).map_err(StreamIdError::Category)?;
        let id = Uuid::try_parse(id).map_err(|_| StreamIdError::Shape)?;
        Ok(Self { category, id })
    }
}

/// Who did something, and how that was known. Names and addresses of people are not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub id: ActorId,
    pub method: Method,
}

/// What all records of one command share beside its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub org: Org,
    pub actor: Actor,
    pub causation_id: CausationId,
    pub correlation_id: CorrelationId,
    pub trace_parent: Option<TraceParent>,
    pub at: Timestamp,
}

/// One accepted command and the facts that it became. It is written whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandUnit {
    pub command_id: CommandId,
    pub fingerprint: Fingerprint,
    pub origin: Origin,
    pub records: Vec<NewRecord>,
}

/// A fact that has no place in the log yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    pub stream: StreamId,
    pub event_id: EventId,
    pub kind: RecordType,
    pub schema: u16,
    /// JSON by convention; the log keeps the bytes as they came.
    pub data: Bytes,
}

/// What the records of one unit share, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitHeader {
    pub command_id: CommandId,
    pub fingerprint: Fingerprint,
    pub origin: Origin,
    pub incarnation: Incarnation,
}

/// A fact in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub position: Position,
    pub stream: StreamId,
    pub version: Version,
    pub event_id: EventId,
    pub kind: RecordType,
    pub schema: u16,
    pub unit: Arc<UnitHeader>,
    pub data: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_id_round_trips_as_text() {
        let text = "machine/0198c0de-0000-7000-8000-000000000001";
        assert_eq!(text.parse::<StreamId>().map(|stream| stream.to_string()), Ok(text.into()));
    }

    #[test]
    fn a_text_that_is_not_a_stream_id_says_what_one_is() {
        assert_eq!("machine".parse::<StreamId>(), Err(StreamIdError::Shape));
        assert_eq!("machine/win11".parse::<StreamId>(), Err(StreamIdError::Shape));
        let error = "Machine/0198c0de-0000-7000-8000-000000000001".parse::<StreamId>();
        assert!(matches!(error, Err(StreamIdError::Category(_))));
    }
}
