//! How an operation goes on: slice by slice, part by part, until all of it has ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cancel::tell_parts;
use super::hear::is_gone;
use super::plan::{Begun, turn};
use super::rejection::Rejection as Refused;
use super::selection::{Selection, count, next_slice};
use super::{Goal, Operation, Outcome, Plan, State, Targets, Task, size};
use crate::deciding::{Decide, Deciding};
use crate::event::OperationFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{CommandId, ImageId, MachineId};
use crate::image::facts_of_going_versions;
use crate::machine::{self, RenewalStep};
use crate::name::Name;
use crate::rejection::Rejection;
use crate::session::{ENDED_AT_ONCE_MAX, Target};
use crate::version::latest::Nothing;
use crate::version::latest::operation::{
    Advanced, Cursor, Failure, Finished, PartBegun, PartEnd, PartEnded, PartFailed, WaitsFor,
};
use crate::version::latest::renewal::When;

/// Facts of one machine's turn: the most that a plan decides, and that its part has begun.
const TURN_FACTS_MAX: usize = 7;
/// Facts that follow from one machine's turn: its disk may be put onto another file, and it may be
/// given to somebody, and started for them.
const FOLLOWING_FACTS_MAX: usize = 12;
/// So many turns fit into a decision, with what follows and what an operation says of itself.
pub const SLICE: usize = 12;

/// So many parts of an operation are under way at once: enough to keep every host of a site busy,
/// few enough that a cancel still finds most of them not begun. Forty hosts that boot eight
/// machines each have 320 in their first boot; as many again get their overlays before, or go off
/// after it. Those that wait until their people leave take nothing of a host, and are not counted.
pub const PARTS_RUNNING_MAX: usize = 640;

/// Operations that wait for the same machine: more than people and programs need at once.
pub const WAITING_MAX: usize = 8;
/// Operations that wait for the same version: each takes two facts of the decision that ends it.
pub const SEAL_WAITING_MAX: usize = 32;

/// What failed can be tried again for a day, so that somebody who comes in the morning still can.
pub const RETRY_SECONDS: u32 = 86_400;

/// Begins an operation on what a command selects, and does its first slice. If one single machine
/// is named, what is in its way is in the command's way.
pub(crate) fn start(
    deciding: &mut Deciding<'_>,
    plan: Plan,
    selection: &Selection<'_>,
) -> Result<(), Rejection> {
    let targets = selection.targets(deciding)?;
    start_on(deciding, plan, targets)
}

pub(crate) fn start_on(
    deciding: &mut Deciding<'_>,
    plan: Plan,
    targets: Targets,
) -> Result<(), Rejection> {
    if let Targets::Listed(all) = &targets
        && let [machine] = all[..]
    {
        return start_on_one(deciding, plan.clone(), machine, |deciding, operation| {
            turn(deciding, operation, &plan, machine)
        });
    }
    start_with(deciding, (plan, targets), None, |_, _| Ok(()))
}

/// Begins an operation on one machine, which may come to be with its turn.
pub(crate) fn start_on_one(
    deciding: &mut Deciding<'_>,
    plan: Plan,
    machine: MachineId,
    turn: impl FnOnce(&mut Deciding<'_>, CommandId) -> Result<Begun, Rejection>,
) -> Result<(), Rejection> {
    let targets = Targets::Listed(vec![machine]);
    let task = Task { plan, targets, total: 1, last_machine: None, after_seal: None };
    let operation = deciding.begin(task);
    let begun = turn(deciding, operation)?;
    let mut advanced = Advanced::upto(Cursor::End);
    had_turn(deciding, operation, (machine, None), Ok(begun), &mut advanced);
    deciding.fact(operation, Fact::Advanced(advanced));
    Ok(())
}

/// Begins an operation that first decides something itself, or has to wait for a version.
pub(crate) fn start_with(
    deciding: &mut Deciding<'_>,
    (plan, targets): (Plan, Targets),
    after_seal: Option<ImageId>,
    first: impl FnOnce(&mut Deciding<'_>, CommandId) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    if let Some(image) = after_seal {
        can_wait_for(deciding, image)?;
    }
    let total = count(&deciding.fleet, &targets);
    let last_machine = deciding.fleet.machines.last();
    let operation = deciding.begin(Task { plan, targets, total, last_machine, after_seal });
    first(deciding, operation)?;
    advance(deciding, operation);
    Ok(())
}

/// A machine has had its turn. What could not even be made failed with the name it was to have.
pub(crate) fn had_turn(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    (machine, name): (MachineId, Option<Name>),
    begun: Result<Begun, Rejection>,
    advanced: &mut Advanced,
) {
    match begun {
        // Nothing more can come of a machine that is gone with its turn, but for its versions.
        Ok(Begun::Part(goal))
            if is_gone(&deciding.fleet, machine)
                || goal != Goal::Deleted && !deciding.fleet.machines.contains(machine) =>
        {
            advanced.done.push(machine);
        }
        Ok(Begun::Part(goal)) => {
            make_way(deciding, machine);
            let waits_for = waits_for(&deciding.fleet, machine, &goal);
            deciding.fact(operation, Fact::PartBegun(PartBegun { machine, goal, waits_for }));
        }
        Ok(Begun::Done) => advanced.done.push(machine),
        Err(rejection) => {
            let failure = failure(&rejection);
            advanced.failed.push(PartFailed { machine, failure, name });
        }
    }
}

/// Who has a machine keeps it until they leave, if that was asked for, and when its host is
/// drained. What comes then comes with their leaving, as a reset would.
fn waits_for(fleet: &Fleet, machine: MachineId, goal: &Goal) -> WaitsFor {
    let Some(machine) = fleet.machines.get(machine) else { return WaitsFor::Nobody };
    let waits = match goal {
        Goal::Renewed => machine.renewal.as_ref().is_some_and(|renewing| {
            renewing.step == RenewalStep::Pending && renewing.renewal.when == When::OnRelease
        }),
        Goal::Off { .. } => true,
        Goal::Started { .. }
        | Goal::Stopped
        | Goal::Applied { .. }
        | Goal::Copied
        | Goal::Sealed { .. }
        | Goal::Imported { .. }
        | Goal::Deleted
        | Goal::SnapshotTaken { .. }
        | Goal::SnapshotReverted { .. }
        | Goal::SnapshotDeleted { .. }
        | Goal::Migrated { .. }
        | Goal::FilesRemoved { .. } => false,
    };
    if waits && !machine.leases.is_empty() { WaitsFor::People } else { WaitsFor::Nobody }
}

/// Gives the next targets their turn.
pub(super) fn advance(deciding: &mut Deciding<'_>, id: CommandId) {
    let Some(operation) = deciding.fleet.operations.shared(id) else { return };
    let free = PARTS_RUNNING_MAX.saturating_sub(operation.under_way());
    if operation.state != State::Running || operation.all_begun() || free == 0 {
        return;
    }
    if let Targets::New(_) = operation.task.targets {
        crate::image::make_children(deciding, &operation);
        return;
    }
    let slice = next_slice(&deciding.fleet, &operation, SLICE.min(free));
    let mut advanced = Advanced::upto(slice.upto);
    let mut last = None;
    let mut following = 0;
    for machine in slice.machines {
        following += following_facts(&deciding.fleet, machine);
        if last.is_some() && deciding.room() <= TURN_FACTS_MAX + following {
            advanced.upto = last.map_or(advanced.upto, Cursor::Machine);
            break;
        }
        let begun = turn(deciding, id, &operation.task.plan, machine);
        let name = operation.unmade.get(&machine).cloned();
        had_turn(deciding, id, (machine, name), begun, &mut advanced);
        last = Some(machine);
    }
    deciding.fact(id, Fact::Advanced(advanced));
}

/// Facts that may follow from a machine's turn. Every operation that waits for it, or for what it
/// becomes, may be over with that, and so may every session on it or waiting for it.
fn following_facts(fleet: &Fleet, id: MachineId) -> usize {
    let Some(machine) = fleet.machines.get(id) else { return FOLLOWING_FACTS_MAX };
    let sealing = match machine.task {
        Some(machine::Task::Sealing { image }) => fleet.waiting_for_seal(image).count(),
        Some(machine::Task::Copying { .. } | machine::Task::Migrating { .. }) | None => 0,
    };
    let waiting = fleet.sessions_in(Target::Machine(id)).take(ENDED_AT_ONCE_MAX).count();
    let sessions = machine.leases.len().min(ENDED_AT_ONCE_MAX) + waiting;
    let versions = facts_of_going_versions(fleet, id);
    FOLLOWING_FACTS_MAX + 2 * (fleet.parts_on(id).count() + sealing) + sessions + versions
}

/// Operations that wait for one machine are over with one fact about it, so only so many can. The
/// one that was asked for first no longer waits when there are more.
fn make_way(deciding: &mut Deciding<'_>, machine: MachineId) {
    let waiting: Vec<CommandId> = deciding.fleet.parts_on(machine).collect();
    if waiting.len() >= WAITING_MAX
        && let Some(first) = waiting.first()
    {
        let ended = PartEnded { machine, end: PartEnd::Superseded };
        deciding.fact(*first, Fact::PartEnded(ended));
    }
}

/// Not more operations wait for a version than can go on, or be over, with one fact about it.
pub(super) fn can_wait_for(deciding: &Deciding<'_>, image: ImageId) -> Result<(), Rejection> {
    let (given, most) = (deciding.fleet.waiting_for_seal(image).count(), SEAL_WAITING_MAX);
    if given < most { Ok(()) } else { Err(Refused::TooManyWait { most }.into()) }
}

/// What stands in the way of one machine, as a part's failure.
pub(crate) fn failure(rejection: &Rejection) -> Failure {
    let failure = Failure::new(rejection.code(), &rejection.to_string());
    Failure { would_lose: crate::image::would_lose(rejection), ..failure }
}

/// Ends an operation of which nothing is under way or left to begin.
pub(crate) fn follow(deciding: &mut Deciding<'_>, id: CommandId) {
    let Some(operation) = deciding.fleet.operations.get(id) else { return };
    let ended = matches!(operation.state, State::Ended { .. });
    if !ended && operation.all_begun() && operation.parts.is_empty() {
        let finished = finished(deciding, operation);
        deciding.fact(id, Fact::Finished(finished));
    }
}

fn finished(deciding: &Deciding<'_>, operation: &Operation) -> Finished {
    let failed = size(operation.failed.len());
    let is_cancelled = matches!(operation.state, State::Cancelling { .. });
    // What was never begun is known to be left only because it was cancelled.
    let left = operation.total.saturating_sub(operation.ended());
    let not_begun = if is_cancelled { left } else { 0 };
    let cancelled = operation.cancelled.saturating_add(not_begun);
    let cut_short = is_cancelled && operation.cursor != Some(Cursor::End) || cancelled > 0;
    let outcome = match (failed, operation.done) {
        _ if cut_short => Outcome::Cancelled,
        (0, _) => Outcome::Succeeded,
        (_, 0) => Outcome::Failed,
        (_, _) => Outcome::PartiallyFailed,
    };
    let retry = failed > 0 && outcome != Outcome::Cancelled;
    Finished {
        outcome,
        done: operation.done,
        failed,
        cancelled,
        superseded: operation.superseded,
        retry_until: retry.then(|| deciding.now().plus_seconds(RETRY_SECONDS)),
    }
}

/// Of the system: an operation takes its next step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvanceOperation {
    pub operation: CommandId,
}

impl Decide for AdvanceOperation {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let id = self.operation;
        match deciding.fleet.operations.get(id).map(|operation| operation.state) {
            Some(State::Running) => advance(deciding, id),
            Some(State::Cancelling { .. }) => tell_parts(deciding, id),
            Some(State::Ended { retry_until, .. }) if retry_until <= deciding.now() => {
                deciding.fact(id, Fact::Forgotten(Nothing {}));
            }
            Some(State::Sealing | State::Ended { .. }) | None => {}
        }
        follow(deciding, id);
        Ok(())
    }
}
