//! Slice by slice.

use super::*;
use crate::event::MachineFact;
use crate::name::{Label, Name};
use crate::text::Text;
use crate::version::latest::machine::{Settings, Updated};

#[test]
fn many_machines_have_their_turn_in_slices() {
    let mut story = Story::new();
    let all = machines(&mut story, 30);
    let operation = started(&mut story, maintenance(), Targets::Listed(all));
    assert_eq!(now(&story, operation).done, 12);
    assert_eq!(runs(&mut story, operation), 2);
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Succeeded, [30, 0, 0, 0]));
    assert!(story.given(advance(operation)).is_empty());
}

#[test]
fn an_operation_on_nothing_is_over_at_once() {
    let mut story = Story::new();
    let label = Label::new("room").expect("a label");
    let targets = Targets::Label { key: label, value: Text::default() };
    let operation = started(&mut story, maintenance(), targets);
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Succeeded, [0, 0, 0, 0]));
}

#[test]
fn machines_that_come_later_do_not_belong_to_it() {
    let mut story = Story::new();
    let all = machines(&mut story, 14);
    label(&mut story, &all);
    let (key, value) = room();
    let operation = started(&mut story, maintenance(), Targets::Label { key, value });
    story.wait(1);
    let later = machine_made(&mut story, "later", Kind::Simple, Vec::new());
    label(&mut story, &[later]);
    runs(&mut story, operation);
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Succeeded, [14, 0, 0, 0]));
}

#[test]
fn machines_that_leave_meanwhile_are_not_counted() {
    let mut story = Story::new();
    let all = machines(&mut story, 20);
    label(&mut story, &all);
    let (key, value) = room();
    let operation = started(&mut story, maintenance(), Targets::Label { key, value });
    assert_eq!(now(&story, operation).total, 20);
    for machine in &all[15..] {
        story.was(*machine, MachineFact::Deleted(Default::default()));
    }
    runs(&mut story, operation);
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Succeeded, [15, 0, 0, 0]));
}

#[test]
fn a_listed_machine_that_vanishes_fails_unless_it_was_to_vanish() {
    for (plan, outcome) in [
        (maintenance(), (Outcome::PartiallyFailed, [19, 1, 0, 0])),
        (Plan::Delete { force: false }, (Outcome::Succeeded, [20, 0, 0, 0])),
    ] {
        let mut story = Story::new();
        let all = machines(&mut story, 20);
        let deletes = matches!(plan, Plan::Delete { .. });
        let targets = Targets::Listed(all.clone());
        let total = 20;
        let task = Task { plan, targets, total, last_machine: None, after_seal: None };
        let operation = accepted(&mut story, task);
        story.was(all[19], MachineFact::Deleted(Default::default()));
        if deletes {
            all[..19]
                .iter()
                .for_each(|it| story.was(*it, MachineFact::Deleted(Default::default())));
        }
        runs(&mut story, operation);
        assert_eq!(counts(&finished(&story, operation)), outcome);
        if let Some(operation) = story.fleet.operations.get(operation) {
            assert_eq!(operation.failed[&all[19]].code.as_str(), "CRL-0001");
        }
    }
}

#[test]
fn a_single_machine_that_is_not_there_is_refused_with_the_command() {
    let mut story = Story::new();
    let context = story.context();
    let by = crate::command::By::Operator;
    let mut deciding = crate::deciding::Deciding::new(&story.fleet, "Test", by, &context);
    let gone = Targets::Listed(vec![MachineId::from_bytes([8; 16])]);
    let refused = start_on(&mut deciding, maintenance(), gone).expect_err("it is not there");
    assert_eq!(refused.code(), "CRL-0001");
}

#[test]
fn no_more_begins_while_enough_is_under_way() {
    let mut story = Story::new();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    let count = crate::operation::PARTS_RUNNING_MAX;
    let targets = Targets::Listed(vec![machine]);
    let task =
        Task { plan: maintenance(), targets, total: 1, last_machine: None, after_seal: None };
    let operation = accepted(&mut story, task);
    let some = |at: usize| MachineId::new(uuid::Uuid::from_u128(0xffff << 64 | at as u128));
    for at in 0..count {
        let begun =
            PartBegun { machine: some(at), goal: Goal::Stopped, waits_for: WaitsFor::Nobody };
        story.was(operation, Fact::PartBegun(begun));
    }
    assert!(!is_due(&story, operation));
    assert!(story.given(advance(operation)).is_empty());
    let done = crate::operation::PartEnd::Done;
    let ended = crate::version::latest::operation::PartEnded { machine: some(0), end: done };
    story.was(operation, Fact::PartEnded(ended));
    assert!(is_due(&story, operation));
    story.given(advance(operation));
    assert_eq!(now(&story, operation).done, 2);
}

#[test]
fn twenty_thousand_machines_have_their_turn_and_few_are_looked_at_in_a_slice() {
    let mut story = Story::new();
    let first = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    let made = story.fleet.machines.get(first).cloned().expect("it is there");
    for at in 1..20_000_u32 {
        let id = MachineId::new(uuid::Uuid::from_u128(u128::MAX - 20_000 + u128::from(at)));
        let mut machine = made.clone();
        machine.id = id;
        machine.name = Name::new(&format!("pc-{at}")).expect("a name");
        machine.identity.mac = crate::mac::Mac::of_guest(at);
        story.fleet.put(id, machine);
    }
    let (key, value) = room();
    let plan = maintenance();
    let last = story.fleet.machines.last();
    let nobody = Targets::Label { key, value };
    let task = Task {
        plan: plan.clone(),
        targets: nobody,
        total: 0,
        last_machine: last,
        after_seal: None,
    };
    let operation = accepted(&mut story, task);
    // 4096 machines a slice.
    assert_eq!(steps(&mut story, operation), 5);
    let all: Vec<_> = story.fleet.machines.iter().map(|(id, _)| id).collect();
    let targets = Targets::Listed(all);
    let task = Task { plan, targets, total: 20_000, last_machine: None, after_seal: None };
    let operation = accepted(&mut story, task);
    assert_eq!(steps(&mut story, operation), 20_000_usize.div_ceil(12));
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Succeeded, [20_000, 0, 0, 0]));
}

/// As [`runs`], without making the indexes of a large fleet anew for each step.
fn steps(story: &mut Story, operation: CommandId) -> usize {
    let mut steps = 0;
    while is_due(story, operation) {
        let context = story.context();
        let decided = crate::decide::decide(&story.fleet, &advance(operation), &context);
        let decision = decided.expect("the system is not refused");
        assert!(decision.events.len() <= crate::decide::EVENTS_MAX);
        story.fleet = decision.after;
        story.log.extend(decision.events);
        steps += 1;
    }
    steps
}

fn room() -> (Label, Text) {
    (Label::new("room").expect("a label"), Text::new("b12").expect("a text"))
}

fn label(story: &mut Story, machines: &[MachineId]) {
    let settings = Settings { labels: [room()].into(), ..Settings::default() };
    for machine in machines {
        let name = story.fleet.machines.get(*machine).expect("it is there").name.clone();
        let updated = Updated { name, settings: settings.clone() };
        story.was(*machine, MachineFact::Updated(updated));
    }
}
