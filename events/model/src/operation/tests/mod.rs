//! What is given, asked for, and comes of it.

use serde_json::json;

use super::run::start_on;
use super::{Cursor, Goal, Operation, Outcome, Plan, State, Targets, Task};
use crate::command::Command;
use crate::event::{Event, OperationFact as Fact};
use crate::ids::{CommandId, ImageId, MachineId};
use crate::machine::Kind;
use crate::name::PlatformName;
use crate::record::Fingerprint;
use crate::testing::{Story, command, machine_made};
use crate::version::latest::Switch;
use crate::version::latest::operation::{Accepted, Advanced, Finished, PartBegun, WaitsFor};

mod chance;
mod ends;
mod select;
mod slices;
mod steer;

/// In the order of their ids, as selections have them.
fn machines(story: &mut Story, count: usize) -> Vec<MachineId> {
    let made =
        (0..count).map(|at| machine_made(story, &format!("pc-{at}"), Kind::Simple, Vec::new()));
    let mut made: Vec<_> = made.collect();
    made.sort();
    made
}

fn maintenance() -> Plan {
    Plan::SetMaintenance { switch: Switch::On }
}

fn started(story: &mut Story, plan: Plan, targets: Targets) -> CommandId {
    story.happens(|deciding| start_on(deciding, plan, targets).expect("it is accepted"));
    let accepted = story.log.iter().rev().find_map(|event| {
        let Event::Operation(id, Fact::Accepted(_)) = event else { return None };
        Some(*id)
    });
    accepted.expect("an operation")
}

fn accepted(story: &mut Story, task: Task) -> CommandId {
    let id = story.context().command_id;
    let name = PlatformName::new("Test").expect("a name");
    let accepted = Accepted { name, fingerprint: Fingerprint([7; 32]), task: Some(task) };
    story.was(id, Fact::Accepted(accepted));
    id
}

/// An operation of which all parts are under way.
fn under_way(story: &mut Story, parts: &[(MachineId, Goal)]) -> CommandId {
    let all: Vec<_> = parts.iter().map(|(machine, _)| *machine).collect();
    let total = u32::try_from(all.len()).expect("not that many");
    let targets = Targets::Listed(all);
    let task = Task { plan: Plan::Resume, targets, total, last_machine: None, after_seal: None };
    let id = accepted(story, task);
    for (machine, goal) in parts {
        let begun =
            PartBegun { machine: *machine, goal: goal.clone(), waits_for: WaitsFor::Nobody };
        story.was(id, Fact::PartBegun(begun));
    }
    story.was(id, Fact::Advanced(Advanced::upto(Cursor::End)));
    id
}

/// Waits for a version before its first machine's turn.
fn sealing(story: &mut Story, machine: MachineId, image: ImageId) -> CommandId {
    let targets = Targets::Listed(vec![machine]);
    let after_seal = Some(image);
    accepted(story, Task { plan: maintenance(), targets, total: 1, last_machine: None, after_seal })
}

fn advance(operation: CommandId) -> Command {
    command("AdvanceOperation", json!({ "operation": operation }))
}

fn cancel(operation: CommandId) -> Command {
    command("CancelOperation", json!({ "operation": operation }))
}

fn retry(operation: CommandId) -> Command {
    command("RetryOperation", json!({ "operation": operation }))
}

fn is_due(story: &Story, operation: CommandId) -> bool {
    let due = crate::fleet::Due::Operation(operation);
    story.fleet.index.times.iter().any(|(time, it)| *it == due && *time <= story.now)
}

/// Takes every step that is due, each of which has to change something.
fn runs(story: &mut Story, operation: CommandId) -> usize {
    let mut steps = 0;
    while is_due(story, operation) {
        let events = story.given(advance(operation));
        assert!(!events.is_empty(), "a step that is due changes something");
        steps += 1;
    }
    steps
}

fn now(story: &Story, operation: CommandId) -> Operation {
    story.fleet.operations.get(operation).cloned().expect("it goes on")
}

/// How it ended last, with all its targets told.
fn finished(story: &Story, operation: CommandId) -> Finished {
    let finished = story.log.iter().rev().find_map(|event| {
        let Event::Operation(id, Fact::Finished(finished)) = event else { return None };
        (*id == operation).then(|| finished.clone())
    });
    finished.expect("it has ended")
}

fn counts(finished: &Finished) -> (Outcome, [u32; 4]) {
    let counts = [finished.done, finished.failed, finished.cancelled, finished.superseded];
    (finished.outcome, counts)
}

/// As it is called in the drawing.
fn name(state: State) -> &'static str {
    match state {
        State::Sealing => "sealing",
        State::Running => "running",
        State::Cancelling { .. } => "cancelling",
        State::Ended { .. } => "ended",
    }
}

/// What became of an operation that is no longer in the fleet, by the last fact about it.
fn end(last: Option<&Fact>) -> &'static str {
    match last {
        Some(Fact::Finished(finished)) => match finished.outcome {
            Outcome::Succeeded => "succeeded",
            Outcome::PartiallyFailed | Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
        },
        last => {
            assert!(matches!(last, Some(Fact::Forgotten(_))), "it is over: {last:?}");
            "forgotten"
        }
    }
}

/// Where an operation stands in the drawing.
fn stands(story: &Story, operation: CommandId) -> &'static str {
    if let Some(operation) = story.fleet.operations.get(operation) {
        return name(operation.state);
    }
    let last = story.log.iter().rev().find_map(|event| {
        let Event::Operation(id, fact) = event else { return None };
        (*id == operation).then_some(fact)
    });
    end(last)
}
