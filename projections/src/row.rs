//! A row: what is written of one thing, and what it is found by.

use carrel_model::record::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::field::At;
use crate::kind::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) id: Uuid,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Number(i64),
    Id(Uuid),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    /// Those of [`columns`], in their order.
    pub(crate) cells: Vec<Cell>,
    /// JSON of a type in [`crate::doc`].
    pub(crate) doc: String,
    /// What it is found by beside its columns: name and value.
    pub(crate) facets: Vec<(String, String)>,
    /// What it is counted by: name and value.
    pub(crate) counted: Vec<(String, String)>,
}

/// Columns that the tables of all kinds have.
pub(crate) const COMMON: [&str; 5] = ["id", "name", "created_at", "doc", "memo"];

/// The further columns of a kind's table: what it is filtered and sorted by.
pub(crate) fn columns(kind: Kind) -> impl Iterator<Item = &'static str> {
    let filters = kind.filters().iter().filter_map(|field| match field.at {
        At::Facet(_) => None,
        At::Column(column) => Some(column),
    });
    let further: &[&str] = match kind {
        Kind::Images => &["number"],
        Kind::Sessions | Kind::Operations => &["left_at"],
        Kind::Hypervisors
        | Kind::Storages
        | Kind::Networks
        | Kind::Media
        | Kind::Templates
        | Kind::Machines
        | Kind::Pools
        | Kind::Clients
        | Kind::Groups
        | Kind::Labs
        | Kind::Terminals
        | Kind::Admins => &[],
    };
    filters.chain(further.iter().copied()).filter(|column| !COMMON.contains(column))
}

impl<T: Into<Uuid>> From<Option<T>> for Cell {
    fn from(id: Option<T>) -> Self {
        id.map_or(Self::Null, |id| Self::Id(id.into()))
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Number(i64::from(flag))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// What is kept beside a row for the next time that it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    pub(crate) memo: super::memo::Memo,
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) facets: Vec<(String, String)>,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) counted: Vec<(String, String)>,
    /// Facets are entered under the name.
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
}
