//! What a row knows that the fleet does not: when a thing came to be and changed, and what became
//! of what has left the fleet.
//!
//! A note is what one fact adds to a memo. Notes are taken while the log is folded, and applied to
//! the memo that stands beside the row.

use std::collections::BTreeMap;

use carrel_model::ids::{ActorId, CorrelationId, MachineId};
use carrel_model::name::{Method, Name, PlatformName};
use carrel_model::record::{Timestamp, Version};
use carrel_model::session::{Subject, Target};
use carrel_model::version::latest::display::Protocol;
use carrel_model::version::latest::operation::Outcome;
use serde::{Deserialize, Serialize};

use crate::doc::OperationFailure;
use crate::limits::FAILURES_SHOWN_MAX;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memo {
    #[serde(rename = "at")]
    pub(crate) created: Option<Timestamp>,
    #[serde(rename = "to")]
    pub(crate) changed: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Box<SessionMemo>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<Box<OperationMemo>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionMemo {
    pub(crate) granted: Option<Timestamp>,
    pub(crate) ended: Option<EndedSession>,
}

/// A session as it was when it ended. Whose it was is an id: what they are called is asked of those
/// who are still there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndedSession {
    pub(crate) at: Timestamp,
    pub(crate) cause: String,
    pub(crate) version: Version,
    pub(crate) subject: Subject,
    pub(crate) target: Target,
    pub(crate) pool_name: Option<Name>,
    pub(crate) machine: Option<MachineId>,
    pub(crate) machine_name: Option<Name>,
    pub(crate) protocol: Protocol,
    pub(crate) ticket: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OperationMemo {
    pub(crate) name: PlatformName,
    pub(crate) actor: ActorId,
    pub(crate) method: Method,
    pub(crate) correlation: CorrelationId,
    pub(crate) position: u64,
    pub(crate) finished: Option<FinishedOperation>,
    /// The first of those that failed, by their ids.
    pub(crate) failures: BTreeMap<MachineId, OperationFailure>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FinishedOperation {
    pub(crate) at: Timestamp,
    pub(crate) outcome: Outcome,
    pub(crate) version: Version,
    pub(crate) total: u32,
    pub(crate) done: u32,
    pub(crate) failed: u32,
    pub(crate) cancelled: u32,
    pub(crate) superseded: u32,
}

/// What one fact adds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Note {
    /// A fact of the thing's own.
    Told(Timestamp),
    Granted(Timestamp),
    Ended(EndedSession),
    Accepted(OperationMemo),
    Failed(OperationFailure),
    /// It begins again with what failed.
    Retried,
    Finished(FinishedOperation),
}

impl Memo {
    pub(crate) fn note(&mut self, note: Note) {
        match note {
            Note::Told(at) => {
                self.created.get_or_insert(at);
                self.changed = Some(at);
            }
            Note::Granted(at) => {
                let session = self.session.get_or_insert_default();
                session.granted.get_or_insert(at);
            }
            Note::Ended(ended) => self.session.get_or_insert_default().ended = Some(ended),
            Note::Accepted(accepted) => self.operation = Some(Box::new(accepted)),
            Note::Failed(failure) => self.of_operation(|it| it.failed(failure)),
            Note::Retried => self.of_operation(|it| {
                it.failures.clear();
                it.finished = None;
            }),
            Note::Finished(finished) => self.of_operation(|it| it.finished = Some(finished)),
        }
    }

    fn of_operation(&mut self, change: impl FnOnce(&mut OperationMemo)) {
        if let Some(operation) = &mut self.operation {
            change(operation);
        }
    }
}

impl OperationMemo {
    /// Which ones are kept is a matter of their ids alone, not of who failed first.
    fn failed(&mut self, failure: OperationFailure) {
        self.failures.insert(failure.machine, failure);
        if self.failures.len() > FAILURES_SHOWN_MAX {
            self.failures.pop_last();
        }
    }
}
