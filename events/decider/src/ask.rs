//! What is asked of the decider, and what it answers.

use carrel_keys::{KeysError, SealError, Token};
use carrel_log::{AppendError, ReadError};
use carrel_model::command::Command;
use carrel_model::ids::{CausationId, CommandId, CorrelationId};
use carrel_model::name::Org;
use carrel_model::record::{Actor, Fingerprint, Position};
use carrel_model::rejection::{Rejection, general};
use carrel_model::trace::TraceParent;
use carrel_model::wire;

use crate::fold::FoldError;

/// A command as it was sent, and who sends it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub command_id: CommandId,
    pub command: wire::Command,
    pub org: Org,
    pub actor: Actor,
    pub causation_id: CausationId,
    pub correlation_id: CorrelationId,
    pub trace_parent: Option<TraceParent>,
}

/// What those get who sent a command.
#[derive(Debug)]
pub struct Answered {
    pub answer: Answer,
    /// What the command has made, for whoever sent it and nobody else. It is shown once: whoever
    /// asks again does not get it.
    pub token: Option<Token>,
}

/// A command that can be decided, and who asks for it.
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
    /// Nobody sends what the system tells itself.
    #[error("{name} comes from the system itself and is not sent by anybody")]
    OfTheSystem { name: &'static str },
    /// The same would be refused again.
    #[error("the command can't be sealed: {0}")]
    Unsealable(KeysError),
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

impl From<FoldError> for Refusal {
    fn from(error: FoldError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<KeysError> for Refusal {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Busy { max } => Self::Busy { waiting: max },
            KeysError::Shredded { .. }
            | KeysError::TooLong { .. }
            | KeysError::PasswordLength { .. } => Self::Unsealable(error),
            KeysError::Taken { .. }
            | KeysError::NoKey { .. }
            | KeysError::Damaged { .. }
            | KeysError::NoHost { .. }
            | KeysError::Hashing(_)
            | KeysError::Unwritable(_)
            | KeysError::Certificate(_)
            | KeysError::Store(_)
            | KeysError::Entropy(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<SealError> for Refusal {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoSuch { kind, given } => {
                Self::Rejected(general::Rejection::NoSuch { kind, given }.into())
            }
            SealError::Keys(error) => error.into(),
        }
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
