//! Whatever happens in whatever order, an operation ends and every target is told once.

use super::*;
use crate::event::MachineFact;
use crate::machine::{StopCause, StopManner};
use crate::operation::SLICE;
use crate::testing::Dice;
use crate::version::latest::Nothing;
use crate::version::latest::machine::{StartRequested, Started, StopRequested, Stopped};
use crate::version::latest::operation::{Failure, PartFailed};

const STORIES: u64 = 60;
const TARGETS: u32 = 30;
/// Many times more than an operation of this size needs.
const STEPS_MAX: u32 = 2000;

/// All run and are being stopped, so that a part of each can be under way.
fn given(story: &mut Story) -> Vec<MachineId> {
    let all = machines(story, TARGETS.try_into().expect("a small number"));
    for machine in &all {
        let deadline = story.now.plus_seconds(600);
        let start =
            StartRequested { boot_epoch: 1, deadline: Some(deadline), persistent_once: false };
        story.was(*machine, MachineFact::StartRequested(start));
        let started = Started { boot_epoch: 1, at: story.now, ready_by: deadline };
        story.was(*machine, MachineFact::Started(started));
        let stop = StopRequested { manner: StopManner::Hard, deadline };
        story.was(*machine, MachineFact::StopRequested(stop));
    }
    all
}

/// The next turns, as a plan that has to wait would take them; some can't even begin.
fn turns(story: &mut Story, operation: CommandId, all: &[MachineId], dice: &mut Dice) {
    let it = now(story, operation);
    let from = match it.cursor {
        Some(Cursor::Machine(last)) => all.partition_point(|machine| *machine <= last),
        Some(Cursor::Made(_) | Cursor::End) | None => 0,
    };
    let slice: Vec<_> = all[from..].iter().copied().take(1 + dice.throw(SLICE)).collect();
    let upto = match slice.last() {
        Some(last) if from + slice.len() < all.len() => Cursor::Machine(*last),
        Some(_) | None => Cursor::End,
    };
    let choices: Vec<_> = slice.iter().map(|_| dice.throw(5)).collect();
    story.happens(|deciding| {
        let mut advanced = Advanced::upto(upto);
        for (machine, choice) in slice.into_iter().zip(choices) {
            let is_there = deciding.fleet.machines.contains(machine);
            if choice == 0 {
                advanced.done.push(machine);
            } else if choice > 1 && is_there {
                let begun = PartBegun { machine, goal: Goal::Stopped, waits_for: WaitsFor::Nobody };
                deciding.fact(operation, Fact::PartBegun(begun));
            } else {
                let failure = Failure::new("CRL-0201", "no host");
                advanced.failed.push(PartFailed { machine, failure, name: None });
            }
        }
        deciding.fact(operation, Fact::Advanced(advanced));
    });
}

fn something_happens(story: &mut Story, machine: MachineId, dice: &mut Dice) {
    if !story.fleet.machines.contains(machine) {
        return;
    }
    let deadline = story.now.plus_seconds(600);
    let fact = match dice.throw(8) {
        0 => MachineFact::Deleted(Default::default()),
        1 => MachineFact::StartRequested(StartRequested {
            boot_epoch: 2,
            deadline: Some(deadline),
            persistent_once: false,
        }),
        2 => MachineFact::PmSuspended(Nothing {}),
        _ => MachineFact::Stopped(Stopped { boot_epoch: 1, cause: StopCause::Command }),
    };
    story.happens(|deciding| deciding.fact(machine, fact));
}

#[test]
fn every_target_is_told_once_and_no_operation_is_stuck() {
    for seed in 0..STORIES {
        let mut dice = Dice(seed);
        let mut story = Story::new();
        let all = given(&mut story);
        let targets = Targets::Listed(all.clone());
        let plan = maintenance();
        let task = Task { plan, targets, total: TARGETS, last_machine: None, after_seal: None };
        let operation = accepted(&mut story, task);
        let mut steps = 0;
        while ["running", "cancelling"].contains(&stands(&story, operation)) {
            steps += 1;
            assert!(steps < STEPS_MAX, "seed {seed}: the operation is stuck");
            let it = now(&story, operation);
            match dice.throw(40) {
                0 => drop(story.given(cancel(operation))),
                1..8 if !it.all_begun() => turns(&mut story, operation, &all, &mut dice),
                8..12 if it.all_begun() => drop(story.given(advance(operation))),
                _ => {
                    let machine = all[dice.throw(all.len())];
                    something_happens(&mut story, machine, &mut dice);
                }
            }
        }
        let (_, told) = counts(&finished(&story, operation));
        assert_eq!(told.iter().sum::<u32>(), TARGETS, "seed {seed}: {told:?}");
        story.wait(crate::operation::RETRY_SECONDS);
        runs(&mut story, operation);
        assert!(story.fleet.operations.is_empty(), "seed {seed}");
        assert!(story.fleet.index.parts.is_empty(), "seed {seed}");
    }
}
