//! What queries answer.

use carrel_model::record::{Incarnation, Position};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::kind::Kind;

/// One thing, as JSON of the type in [`crate::doc`] that belongs to its kind.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Item {
    #[serde(skip)]
    pub id: Uuid,
    pub doc: Box<RawValue>,
}

/// Written as `{"items": [..], "next": <cursor or null>}`.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    pub items: Vec<Item>,
    /// Where the next page begins. None: this was the last one.
    pub next: Option<String>,
}

/// How many things there are, for a dashboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    #[serde(serialize_with = "kind_as_text")]
    pub kind: Kind,
    /// `state`, `kind` and the like; empty for all of a kind.
    pub by: String,
    /// `running`; empty for all of a kind.
    pub value: String,
    pub count: u64,
}

fn kind_as_text<S: serde::Serializer>(kind: &Kind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(kind.name())
}

/// How far one projection has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectionState {
    pub name: &'static str,
    /// Raised whenever the same log gives other rows.
    pub version: u16,
    pub position: Position,
    pub incarnation: Incarnation,
    pub standing: Standing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It follows the log.
    Follows,
    /// The next fact is one that this version does not know. It goes on when a newer version of
    /// Carrel runs; what it has is as of its position.
    Stopped { at: Position, cause: String },
}
