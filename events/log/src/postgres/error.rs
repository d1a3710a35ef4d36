//! What the database says, in the port's words.
//!
//! Until COMMIT is sent, nothing can have been written, whatever goes wrong. After that, an answer
//! that is not the one hoped for leaves open what happened: the connection may have broken before
//! or after the commit was done.

use std::borrow::Cow;

use sqlx::Error;

use crate::error::{AppendError, CursorError, ReadError, Refused};

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn read(error: Error) -> ReadError {
    let makes_no_sense = matches!(
        error,
        Error::Decode(_)
            | Error::ColumnDecode { .. }
            | Error::ColumnNotFound(_)
            | Error::ColumnIndexOutOfBounds { .. }
            | Error::RowNotFound
    );
    let breaks_a_rule = class(&error).is_some_and(|class| DAMAGE.contains(&class.as_str()));
    if makes_no_sense || breaks_a_rule {
        ReadError::Corrupt(error.to_string())
    } else {
        ReadError::Unreachable(error.to_string())
    }
}

/// Nothing was written.
pub(super) fn refused(error: Error) -> Refused {
    if matches!(error, Error::PoolClosed) {
        Refused::Closed
    } else if code(&error).as_deref() == Some(READ_ONLY) {
        Refused::ReadOnly
    } else {
        of_reading(read(error))
    }
}

/// What can't be read stands in the way of a write.
pub(super) fn of_reading(error: ReadError) -> Refused {
    match error {
        ReadError::Unreachable(cause) => Refused::Unreachable(cause),
        ReadError::Over => Refused::Closed,
        ReadError::Damaged(_) | ReadError::Io { .. } | ReadError::Corrupt(_) => {
            Refused::Damaged(error.to_string())
        }
    }
}

pub(super) fn before_commit(error: Error) -> AppendError {
    AppendError::Refused(refused(error))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn at_commit(error: Error) -> AppendError {
    AppendError::OutcomeUnknown(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(super) fn when_committed(error: Error) -> CursorError {
    CursorError::OutcomeUnknown(error.to_string())
}

/// For what is sent and committed in one.
pub(super) fn when_sent(error: Error) -> CursorError {
    // A refusal is an answer, unless it is the server's last word.
    match class(&error) {
        Some(class) if class != LAST_WORDS => CursorError::Refused(refused(error)),
        Some(_) | None => CursorError::OutcomeUnknown(error.to_string()),
    }
}

pub(super) fn before_sent(error: Error) -> CursorError {
    CursorError::Refused(refused(error))
}

/// A task ended without an answer, as it does with its runtime.
#[derive(Clone, Copy, Debug)]
pub(super) struct CutOff;

const ENDING: &str = "the process is ending";

impl From<CutOff> for AppendError {
    fn from(CutOff: CutOff) -> Self {
        Self::OutcomeUnknown(ENDING.into())
    }
}

impl From<CutOff> for CursorError {
    fn from(CutOff: CutOff) -> Self {
        Self::OutcomeUnknown(ENDING.into())
    }
}

/// Classes of SQLSTATE (PostgreSQL, appendix A): what is stored breaks a rule, or can't be read.
const DAMAGE: [&str; 3] = ["22", "23", "XX"];
/// Operator intervention: the server ends the connection, at whatever point it is.
const LAST_WORDS: &str = "57";
const READ_ONLY: &str = "25006";

fn code(error: &Error) -> Option<String> {
    error.as_database_error()?.code().map(Cow::into_owned)
}

fn class(error: &Error) -> Option<String> {
    code(error).map(|code| code.chars().take(2).collect())
}
