//! What can go wrong, told apart by what the caller may conclude.
//!
//! The line that matters runs between [`AppendError::OutcomeUnknown`] and all others: after it the
//! caller must ask again with the same command id; after any other nothing was written.

use std::io;
use std::path::{Path, PathBuf};

use carrel_model::ids::CommandId;
use carrel_model::name::LeaseName;
use carrel_model::record::{Epoch, Position};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else wrote since the writer last looked. Nothing was written.
    #[error("expected the log to end at position {expected}, but it ends at {actual}")]
    Conflict { expected: Position, actual: Position },
    /// The id was used before, for another command. Nothing was written.
    #[error("command id {command_id} was used before with another body, at position {first}")]
    IdReused { command_id: CommandId, first: Position },
    /// Another process plays this role now. Nothing was written.
    #[error("lease {lease} is at epoch {current}; epoch {given} is over")]
    Fenced { lease: LeaseName, given: Epoch, current: Epoch },
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The log does not take appends now. Nothing was written.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// An import does not continue this log. Nothing after `after` was written.
    #[error("the import does not continue this log after position {after}: {what}")]
    NotContinuous { after: Position, what: String },
    /// It may have been written or not. Ask again with the same command id.
    #[error("outcome unknown, ask again with the same command id: {0}")]
    OutcomeUnknown(String),
}

impl AppendError {
    pub(crate) fn not_continuous(after: Position, what: impl Into<String>) -> Self {
        Self::NotContinuous { after, what: what.into() }
    }
}

/// What was handed in exceeds a stated limit. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    #[error("a batch has 1 to {max} commands; got {given}")]
    Units { given: usize, max: usize },
    #[error("a command has 1 to {max} records; got {given}")]
    Records { given: usize, max: usize },
    #[error("a record's data has at most {max} bytes; got {given}")]
    RecordData { given: usize, max: usize },
    #[error("all data of a command has at most {max} bytes; got {given}")]
    UnitData { given: usize, max: usize },
    #[error("an encoded batch has at most {max} bytes; got {given}")]
    Batch { given: usize, max: usize },
    #[error("a writer may be at most {max} records behind when it takes its turn; it is {given}")]
    CatchUp { given: u64, max: u64 },
    #[error("a snapshot has at most {max} bytes; got {given}")]
    Snapshot { given: u64, max: u64 },
    #[error("at most {max} cursors and leases are kept")]
    Names { max: usize },
}

/// Why the log takes no appends now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "the disk under {path} has {free} bytes free, less than the {watermark} kept in reserve; free some space"
    )]
    LowSpace { path: PathBuf, free: u64, watermark: u64 },
    #[error("the next chunk could not be made: {0}")]
    NoChunk(String),
    #[error("indexes are being rebuilt ({done} of {total} chunks); reading works meanwhile")]
    Rebuilding { done: u64, total: u64 },
    /// An earlier write or sync failed, so nothing that the page cache says can be believed.
    #[error("an earlier write failed ({0}); the process has to end and open the log anew")]
    Poisoned(String),
    #[error("a part of the log that is needed can't be read: {0}")]
    Damaged(String),
    #[error("the log was closed")]
    Closed,
    #[error("the log was opened for reading only")]
    ReadOnly,
    #[error("the database is not reachable: {0}")]
    Unreachable(String),
}

impl From<ReadError> for AppendError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unreachable(cause) => Self::Refused(Refused::Unreachable(cause)),
            ReadError::Over => Self::Refused(Refused::Closed),
            ReadError::Damaged(_) | ReadError::Io { .. } | ReadError::Corrupt(_) => {
                Self::Refused(Refused::Damaged(error.to_string()))
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Damaged(#[from] Damage),
    #[error("{action} {path}: {cause}")]
    Io { action: &'static str, path: PathBuf, cause: String },
    /// A database holds what this adapter never wrote.
    #[error("the log's tables hold something that does not belong there: {0}")]
    Corrupt(String),
    #[error("the database is not reachable: {0}")]
    Unreachable(String),
    /// Nobody will append to it any more by this handle: it was closed, or a write failed.
    #[error("the log was closed")]
    Over,
}

impl ReadError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { action, path: path.to_owned(), cause: error.to_string() }
    }
}

/// Bytes that are not what was written: where, and which records are affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}, offset {offset} (position {position}): {what}")]
pub struct Damage {
    pub path: PathBuf,
    pub offset: u64,
    /// The first position that cannot be trusted.
    pub position: Position,
    pub what: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Somebody with a newer epoch saved this cursor. Nothing was saved.
    #[error("the cursor is held at epoch {current}; epoch {given} is over")]
    Fenced { given: Epoch, current: Epoch },
    #[error("position {given} is beyond the end of the log, {head}")]
    BeyondHead { given: Position, head: Position },
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("outcome unknown, save it again: {0}")]
    OutcomeUnknown(String),
}
