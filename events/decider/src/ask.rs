//! What is asked of the decider, and what it answers.

use carrel_log::{AppendError, ReadError};
use carrel_model::command::Command;
use carrel_model::ids::{CausationId, CommandId, CorrelationId};
use carrel_model::name::Org;
use carrel_model::record::{Actor, Fingerprint, Position};
use carrel_model::rejection::Rejection;
use carrel_model::trace::TraceParent;

/// A command, and who asks for it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub command_id: CommandId,
    /// Of the command as it was sent.
    pub fingerprint: Fingerprint,
    pub command: Command,
    pub org: Org,
    pub actor: Actor,
    pub causation_id: CausationId,
    pub correlation_id: CorrelationId,
    pub trace_parent: Option<TraceParent>,
}

/// What became of a command. It is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted(Accepted),
    /// It was accepted before, and nothing was done again.
    Known(Accepted),
    /// There was nothing to do, so that nothing was written. The fleet is as it was here.
    Unchanged {
        at: Position,
    },
}

/// Where the facts of a command are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub command_id: CommandId,
    pub first: Position,
    pub last: Position,
}

impl Answer {
    /// Whoever reads what is at least as new as this sees what became of the command.
    pub const fn position(self) -> Position {
        match self {
            Self::Accepted(accepted) | Self::Known(accepted) => accepted.last,
            Self::Unchanged { at } => at,
        }
    }
}

/// Why a command is not in the log, or may not be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Rejected(Rejection),
    #[error("the command's id was used before for another command, at position {first}")]
    IdReused { first: Position },
    /// Nothing was written.
    #[error("{waiting} commands wait to be decided already; ask again in a second")]
    Busy { waiting: usize },
    /// Nothing was written.
    #[error("nothing can be written now: {0}")]
    Unavailable(String),
    /// It was accepted or not. Whoever asks again with the same id learns which.
    #[error("it is not known whether the command was accepted; ask again with the same id")]
    OutcomeUnknown,
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::OutcomeUnknown(_) => Self::OutcomeUnknown,
            AppendError::IdReused { first, .. } => Self::IdReused { first },
            AppendError::Conflict { .. }
            | AppendError::Fenced { .. }
            | AppendError::TooLarge(_)
            | AppendError::Refused(_)
            | AppendError::NotContinuous { .. } => Self::Unavailable(error.to_string()),
        }
    }
}
