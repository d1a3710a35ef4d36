//! Cancelled, tried again, and every state that is drawn.

use std::collections::BTreeSet;

use super::*;
use crate::event::{ImageFact, MachineFact};
use crate::evolve::evolve;
use crate::fleet::Fleet;
use crate::ids::StorageId;
use crate::machine::Settings;
use crate::operation::PartEnd;
use crate::operation::RETRY_SECONDS;
use crate::testing::{arrows, ways};
use crate::version::latest::Nothing;
use crate::version::latest::image::{Failed, Origin, SealRequested, Sealed};
use crate::version::latest::operation::PartEnded;
use crate::version::latest::operation::{Failure, PartFailed};
use crate::version::latest::renewal::{DropCause, Dropped, Recipe, Renewal, Requested, When, Why};

fn version(story: &mut Story, initial: MachineId, image: ImageId) {
    let requested = SealRequested {
        base: None,
        initial,
        number: 1,
        origin: Origin::Sealed,
        operation: CommandId::from_bytes([6; 16]),
        storage: StorageId::from_bytes([7; 16]),
        format: crate::version::latest::machine::Format::Qcow2,
        depth: 1,
        size_gib: 20,
        settings: Settings::default(),
        tags: Vec::new(),
    };
    story.was(image, ImageFact::SealRequested(requested));
}

/// One of two machines has vanished.
fn half_failed(story: &mut Story) -> (CommandId, MachineId) {
    let all = machines(story, 2);
    let targets = Targets::Listed(all.clone());
    let task =
        Task { plan: maintenance(), targets, total: 2, last_machine: None, after_seal: None };
    let operation = accepted(story, task);
    story.was(all[1], MachineFact::Deleted(Default::default()));
    runs(story, operation);
    (operation, all[1])
}

#[test]
fn what_has_not_begun_is_cancelled_and_the_rest_ends_by_itself() {
    let mut story = Story::new();
    let all = machines(&mut story, 30);
    let operation = started(&mut story, maintenance(), Targets::Listed(all.clone()));
    let begun = PartBegun { machine: all[20], goal: Goal::Stopped, waits_for: WaitsFor::Nobody };
    story.was(operation, Fact::PartBegun(begun));
    story.given(cancel(operation));
    assert_eq!(stands(&story, operation), "cancelling");
    assert_eq!(crate::testing::kinds(&story.given(cancel(operation))), ["operation.accepted"]);
    assert_eq!(runs(&mut story, operation), 0);
    let stopped = crate::version::latest::machine::Stopped {
        boot_epoch: 0,
        cause: crate::machine::StopCause::Guest,
    };
    story.happens(|deciding| deciding.fact(all[20], MachineFact::Stopped(stopped)));
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Cancelled, [13, 0, 17, 0]));
    story.refused(cancel(operation), "CRL-0701");
}

#[test]
fn machines_that_wait_for_their_people_are_dropped_slice_by_slice() {
    let mut story = Story::new();
    let all = machines(&mut story, 30);
    let image = ImageId::from_bytes([5; 16]);
    let parts: Vec<_> = all.iter().map(|machine| (*machine, Goal::Renewed)).collect();
    let operation = under_way(&mut story, &parts);
    let why = Why::Populate { operation };
    for machine in &all {
        let renewal = Renewal {
            why: why.clone(),
            image,
            recipe: Recipe::default(),
            when: When::OnRelease,
            warn_seconds: 0,
            discard_data: false,
        };
        story.was(*machine, MachineFact::RenewalRequested(Requested { renewal }));
    }
    story.given(cancel(operation));
    runs(&mut story, operation);
    for machine in &all {
        let dropped = Dropped { why: why.clone(), cause: DropCause::Cancelled };
        if story.fleet.machines.get(*machine).is_some_and(|it| it.renewal.is_some()) {
            let fact = MachineFact::RenewalDropped(dropped);
            story.happens(|deciding| deciding.fact(*machine, fact));
        }
    }
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Cancelled, [0, 0, 30, 0]));
}

#[test]
fn nothing_was_cancelled_where_everything_had_ended_well_by_then() {
    let mut story = Story::new();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    let operation = under_way(&mut story, &[(machine, Goal::Stopped)]);
    story.given(cancel(operation));
    let stopped = crate::version::latest::machine::Stopped {
        boot_epoch: 0,
        cause: crate::machine::StopCause::Guest,
    };
    story.happens(|deciding| deciding.fact(machine, MachineFact::Stopped(stopped)));
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Succeeded, [1, 0, 0, 0]));
}

#[test]
fn just_what_failed_is_tried_again() {
    let mut story = Story::new();
    let (operation, gone) = half_failed(&mut story);
    assert_eq!(counts(&finished(&story, operation)), (Outcome::PartiallyFailed, [1, 1, 0, 0]));
    story.refused(cancel(operation), "CRL-0702");
    story.given(retry(operation));
    assert_eq!(counts(&finished(&story, operation)), (Outcome::PartiallyFailed, [1, 1, 0, 0]));
    let again = now(&story, operation);
    assert_eq!(again.task.targets, Targets::Listed(vec![gone]));
    // By then it is there: somebody tries again and it works.
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    let failure = Failure::new("CRL-0201", "no host");
    let failed = vec![PartFailed { machine, failure, name: None }];
    let targets = Targets::Listed(vec![machine]);
    let task =
        Task { plan: maintenance(), targets, total: 1, last_machine: None, after_seal: None };
    let operation = accepted(&mut story, task);
    let advanced = Advanced { upto: Cursor::End, done: Vec::new(), failed };
    story.happens(|deciding| deciding.fact(operation, Fact::Advanced(advanced)));
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Failed, [0, 1, 0, 0]));
    story.given(retry(operation));
    assert_eq!(counts(&finished(&story, operation)), (Outcome::Succeeded, [1, 0, 0, 0]));
    story.refused(retry(operation), "CRL-0701");
}

#[test]
fn what_goes_on_is_not_tried_again() {
    let mut story = Story::new();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    let operation = under_way(&mut story, &[(machine, Goal::Stopped)]);
    story.refused(retry(operation), "CRL-0703");
    let image = ImageId::from_bytes([5; 16]);
    let operation = sealing(&mut story, machine, image);
    story.refused(retry(operation), "CRL-0703");
}

#[test]
fn what_failed_is_forgotten_after_a_day() {
    let mut story = Story::new();
    let (operation, _) = half_failed(&mut story);
    assert!(story.given(advance(operation)).is_empty());
    story.wait(RETRY_SECONDS - 1);
    assert!(!is_due(&story, operation));
    story.wait(1);
    assert_eq!(runs(&mut story, operation), 1);
    assert_eq!(stands(&story, operation), "forgotten");
    story.refused(retry(operation), "CRL-0701");
}

#[test]
fn a_seal_that_fails_or_is_taken_away_ends_what_waits_for_it() {
    for failed in [true, false] {
        let mut story = Story::new();
        let machine = machine_made(&mut story, "win11", Kind::Source, Vec::new());
        let image = ImageId::from_bytes([5; 16]);
        version(&mut story, machine, image);
        let operation = sealing(&mut story, machine, image);
        assert!(story.given(advance(operation)).is_empty());
        let fact = match failed {
            true => ImageFact::Failed(Failed { failure: Failure::new("qemu_img", "no space") }),
            false => ImageFact::Removed(Nothing {}),
        };
        story.happens(|deciding| deciding.fact(image, fact));
        assert_eq!(counts(&finished(&story, operation)), (Outcome::Failed, [0, 1, 0, 0]));
        assert_eq!(stands(&story, operation), "failed");
    }
}

/// Where an operation comes from and to, by everything that was ever said of it.
fn walked(log: &[Event]) -> BTreeSet<(&'static str, &'static str)> {
    let mut ways = BTreeSet::new();
    let mut fleet = Fleet::default();
    for event in log {
        let before = fleet.clone();
        fleet = evolve(fleet, event);
        let Event::Operation(id, fact) = event else { continue };
        let state =
            |fleet: &Fleet| fleet.operations.get(*id).map(|operation| name(operation.state));
        let (from, to) = (state(&before), state(&fleet));
        if from != to {
            let to = to.unwrap_or_else(|| end(Some(fact)));
            ways.insert((from.unwrap_or("accepted"), to));
        }
    }
    ways
}

#[test]
fn operations_go_the_ways_that_are_drawn_and_no_other() {
    let mut story = Story::new();
    let machine = machine_made(&mut story, "win11", Kind::Source, Vec::new());
    let images = [5, 6, 7].map(|byte| ImageId::from_bytes([byte; 16]));
    let [goes_on, _, is_cancelled] = images.map(|image| {
        version(&mut story, machine, image);
        sealing(&mut story, machine, image)
    });
    story.given(cancel(is_cancelled));
    let failure = Failure::new("qemu_img", "no space");
    let failed = ImageFact::Failed(Failed { failure });
    story.happens(|deciding| deciding.fact(images[1], failed));
    let sealed = ImageFact::Sealed(Sealed { file: 0, stat: crate::testing::STAT });
    story.happens(|deciding| deciding.fact(images[0], sealed));
    runs(&mut story, goes_on);

    let (operation, _) = half_failed(&mut story);
    story.given(retry(operation));
    runs(&mut story, operation);
    story.wait(RETRY_SECONDS);
    runs(&mut story, operation);

    let mut other = Story::new();
    let all = machines(&mut other, 30);
    let cut_short = started(&mut other, maintenance(), Targets::Listed(all.clone()));
    other.given(cancel(cut_short));
    runs(&mut other, cut_short);
    for end in [PartEnd::Done, PartEnd::Failed(Failure::new("CRL-0201", "no host"))] {
        let late = under_way(&mut other, &[(all[0], Goal::Stopped)]);
        other.given(cancel(late));
        let ended = PartEnded { machine: all[0], end };
        other.happens(|deciding| deciding.fact(late, Fact::PartEnded(ended)));
    }

    let walked: BTreeSet<_> = walked(&story.log).union(&walked(&other.log)).copied().collect();
    assert_eq!(walked, ways(&arrows(include_str!("../mod.rs"), "What became of one")));
}
