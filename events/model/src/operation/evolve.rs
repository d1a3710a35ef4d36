//! What facts make of an operation.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::{Cursor, Operation, PartEnd, State, Targets, size};
use crate::event::OperationFact as Fact;
use crate::fleet::Fleet;
use crate::ids::CommandId;
use crate::record::Version;
use crate::version::latest::operation::{Advanced, Finished, WaitsFor};

pub(crate) fn evolve(fleet: &mut Fleet, id: CommandId, fact: &Fact) {
    match fact {
        Fact::Accepted(accepted) => {
            let Some(task) = accepted.task.clone() else { return };
            let state = if task.after_seal.is_some() { State::Sealing } else { State::Running };
            let operation = Operation {
                id,
                version: Version(1),
                name: accepted.name.clone(),
                task: Arc::new(task),
                state,
                total: accepted.task.as_ref().map_or(0, |task| task.total),
                cursor: None,
                parts: OrdMap::new(),
                waiting: OrdSet::new(),
                done: 0,
                failed: OrdMap::new(),
                unmade: OrdMap::new(),
                cancelled: 0,
                superseded: 0,
            };
            fleet.put(id, operation);
        }
        Fact::Finished(finished) => match finished.retry_until {
            Some(_) => fleet.step::<Operation>(id, |it| end(it, finished)),
            None => drop(fleet.take::<Operation>(id)),
        },
        Fact::Forgotten(_) => drop(fleet.take::<Operation>(id)),
        Fact::Prepared(_)
        | Fact::Advanced(_)
        | Fact::CancelAdvanced(_)
        | Fact::PartBegun(_)
        | Fact::PartEnded(_)
        | Fact::CancelRequested(_)
        | Fact::Retried(_) => fleet.step::<Operation>(id, |operation| change(operation, fact)),
    }
}

fn end(operation: &mut Operation, finished: &Finished) {
    if let Some(retry_until) = finished.retry_until {
        operation.state = State::Ended { outcome: finished.outcome, retry_until };
    }
}

fn advance(operation: &mut Operation, advanced: &Advanced) {
    operation.cursor = Some(advanced.upto);
    operation.done = operation.done.saturating_add(size(advanced.done.len()));
    for part in &advanced.failed {
        operation.failed.insert(part.machine, part.failure.clone());
        if let Some(name) = &part.name {
            operation.unmade.insert(part.machine, name.clone());
        }
    }
    let makes = matches!(operation.task.targets, Targets::New(_));
    let known = operation.ended().saturating_add(size(operation.parts.len()));
    if advanced.upto == Cursor::End && !makes {
        operation.total = known;
    }
    operation.total = operation.total.max(known);
}

fn change(operation: &mut Operation, fact: &Fact) {
    match fact {
        Fact::Accepted(_) | Fact::Finished(_) | Fact::Forgotten(_) => {}
        Fact::Prepared(_) => operation.state = State::Running,
        Fact::Advanced(advanced) => advance(operation, advanced),
        Fact::CancelAdvanced(advanced) => {
            operation.state = State::Cancelling { told: Some(advanced.upto) };
        }
        Fact::PartBegun(begun) => {
            operation.parts.insert(begun.machine, begun.goal.clone());
            match begun.waits_for {
                WaitsFor::Nobody => operation.waiting.remove(&begun.machine),
                WaitsFor::People => operation.waiting.insert(begun.machine),
            };
            operation.unmade.remove(&begun.machine);
        }
        Fact::PartEnded(ended) => {
            operation.parts.remove(&ended.machine);
            operation.waiting.remove(&ended.machine);
            match &ended.end {
                PartEnd::Done => operation.done = operation.done.saturating_add(1),
                PartEnd::Failed(failure) => {
                    operation.failed.insert(ended.machine, failure.clone());
                }
                PartEnd::Superseded => {
                    operation.superseded = operation.superseded.saturating_add(1);
                }
                PartEnd::Cancelled => operation.cancelled = operation.cancelled.saturating_add(1),
            }
        }
        Fact::CancelRequested(_) => operation.state = State::Cancelling { told: None },
        Fact::Retried(_) => {
            let failed = operation.failed.keys().copied().collect();
            let task = Arc::make_mut(&mut operation.task);
            task.targets = Targets::Listed(failed);
            task.last_machine = None;
            operation.failed = OrdMap::new();
            operation.cursor = None;
            operation.state = State::Running;
        }
    }
}
