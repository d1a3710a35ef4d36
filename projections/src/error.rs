//! What can go wrong, told apart by what the caller may conclude.

use std::time::Duration;

use carrel_model::record::Position;

use crate::kind::Kind;

/// A query that makes no sense. Asking again doesn't help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("{kind} can't be filtered by {name:?}; they can by: {known}")]
    UnknownFilter { kind: Kind, name: String, known: String },
    #[error("{kind} can't be sorted by {name:?}; they can by: {known}")]
    UnknownSort { kind: Kind, name: String, known: String },
    #[error("{name} is {wanted}")]
    BadValue { name: &'static str, wanted: String },
    #[error("limit is a number from 1 to {max}")]
    BadLimit { max: u16 },
    #[error("{what} is given more than once; name several values with commas")]
    Twice { what: String },
    #[error("too many {what}: at most {max}")]
    TooMany { what: &'static str, max: usize },
    #[error("this is no cursor of Carrel; ask for the first page without one")]
    NoCursor,
    #[error(
        "this cursor belongs to another query; ask with the filters and the sort that it was given \
         with, or for the first page without one"
    )]
    OtherCursor,
}

/// Why nothing could be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadModelError {
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Asking again soon may help.
    #[error("the read models have come to position {at}, not yet to {wanted}")]
    NotYet { wanted: Position, at: Position, retry_after: Duration },
    /// A projection has met a fact that this version doesn't know.
    #[error("the projection {projection} has stopped before position {position}: {cause}")]
    Stopped { projection: &'static str, position: Position, cause: String },
    #[error("the read models can't be read: {0}")]
    Unavailable(String),
}

/// Why rows can't be written now. What was not written is tried again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Log(#[from] carrel_log::ReadError),
    #[error(transparent)]
    Store(#[from] crate::sqlite::StoreError),
    #[error(transparent)]
    Render(#[from] crate::render::RenderError),
    #[error("the process is coming to its end")]
    Ended,
    #[error("the read models are being built anew already")]
    Building,
}
