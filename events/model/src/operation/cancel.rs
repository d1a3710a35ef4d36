//! What has not begun does not begin any more.

use std::ops::Bound::{Excluded, Unbounded};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Cursor, Goal, Operation, PartEnd, SLICE, State};
use crate::deciding::{Decide, Deciding};
use crate::event::OperationFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{CommandId, MachineId};
use crate::rejection::Rejection;
use crate::renewal;
use crate::version::latest::Nothing;
use crate::version::latest::operation::{CancelAdvanced, PartEnded};

/// Stops what an operation has not begun. What is under way ends by itself, except for machines
/// that wait for their people to leave, or that a drain waits for: they are left as they are. The
/// files of a version that was retired, or whose initial was deleted, go as soon as a host removes
/// them; nobody waits for that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelOperation {
    pub operation: CommandId,
}

impl Decide for CancelOperation {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let operation = self.operation;
        let found = deciding.fleet.operations.get(operation);
        let found = found.ok_or(Refused::NotThere { operation })?;
        match found.state {
            State::Ended { .. } => Err(Refused::Ended { operation }.into()),
            State::Cancelling { .. } => Ok(()),
            State::Sealing | State::Running => {
                deciding.fact(operation, Fact::CancelRequested(Nothing {}));
                tell_parts(deciding, operation);
                Ok(())
            }
        }
    }
}

/// Nobody waits any longer for the next parts that may take for ever, a slice at a time.
pub(crate) fn tell_parts(deciding: &mut Deciding<'_>, id: CommandId) {
    let Some(operation) = deciding.fleet.operations.shared(id) else { return };
    let State::Cancelling { told } = operation.state else { return };
    if told == Some(Cursor::End) || operation.parts.is_empty() {
        return;
    }
    let waiting = waiting_after(&deciding.fleet, &operation, told);
    for (machine, goal) in &waiting {
        if let Goal::Off { .. } | Goal::FilesRemoved { .. } | Goal::Deleted = goal {
            let (machine, end) = (*machine, PartEnd::Cancelled);
            deciding.fact(id, Fact::PartEnded(PartEnded { machine, end }));
        } else {
            renewal::drop_pending(deciding, *machine, id);
        }
    }
    let upto = match waiting.last() {
        Some((last, _)) if waiting.len() == SLICE => Cursor::Machine(*last),
        Some(_) | None => Cursor::End,
    };
    deciding.fact(id, Fact::CancelAdvanced(CancelAdvanced { upto }));
}

/// Looks at no more parts than may be under way at once.
fn waiting_after(
    fleet: &Fleet,
    operation: &Operation,
    told: Option<Cursor>,
) -> Vec<(MachineId, Goal)> {
    let after = match told {
        Some(Cursor::Machine(machine)) => Excluded(machine),
        Some(Cursor::Made(_) | Cursor::End) | None => Unbounded,
    };
    operation
        .parts
        .range((after, Unbounded))
        .filter(|(machine, goal)| {
            // Of an initial that is gone, only versions are left to go.
            let of_gone = **goal == Goal::Deleted && !fleet.machines.contains(**machine);
            let is_long =
                matches!(goal, Goal::Renewed | Goal::Off { .. } | Goal::FilesRemoved { .. });
            of_gone || is_long
        })
        .map(|(machine, goal)| (*machine, goal.clone()))
        .take(SLICE)
        .collect()
}
