//! No part waits for ever: each goal is reached, missed or overtaken.

use super::*;
use crate::event::{ImageFact, MachineFact as Machine};
use crate::ids::{HypervisorId, SnapshotId, StorageId};
use crate::machine::{Placement, Rest, RestartManner, Settings, StopCause, StopManner};
use crate::name::Name;
use crate::operation::plan::Begun;
use crate::operation::run::can_wait_for;
use crate::operation::start_on_one;
use crate::operation::{PartEnd, SEAL_WAITING_MAX, WAITING_MAX};
use crate::record::Timestamp;
use crate::version::latest::Nothing;
use crate::version::latest::image::{Origin, SealRequested, Sealed};
use crate::version::latest::machine as facts;
use crate::version::latest::operation::Failure;
use crate::version::latest::renewal as renewals;

const HERE: HypervisorId = HypervisorId::from_bytes([1; 16]);
const THERE: HypervisorId = HypervisorId::from_bytes([2; 16]);
const IMAGE: ImageId = ImageId::from_bytes([5; 16]);
const SNAPSHOT: SnapshotId = SnapshotId::from_bytes([6; 16]);
const NEVER: Timestamp = Timestamp::MAX;

fn failure() -> Failure {
    Failure::new("libvirt", "it can't be")
}

/// What ended the part: `done`, `superseded`, `cancelled`, or the code of the failure.
fn word(end: &PartEnd) -> String {
    match end {
        PartEnd::Done => "done".into(),
        PartEnd::Superseded => "superseded".into(),
        PartEnd::Cancelled => "cancelled".into(),
        PartEnd::Failed(failure) => failure.code.to_string(),
    }
}

fn part_ended(events: &[Event], operation: CommandId) -> Option<String> {
    events.iter().find_map(|event| {
        let Event::Operation(id, Fact::PartEnded(ended)) = event else { return None };
        (*id == operation).then(|| word(&ended.end))
    })
}

/// What becomes of a part with this goal, on a machine of which that is so, when this happens.
fn end_of(goal: Goal, given: &[Machine], happens: Machine) -> Option<String> {
    let mut story = Story::new();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    given.iter().for_each(|fact| story.was(machine, fact.clone()));
    let operation = under_way(&mut story, &[(machine, goal)]);
    let events = story.happens(|deciding| deciding.fact(machine, happens));
    part_ended(&events, operation)
}

fn start(boot_epoch: u64) -> Machine {
    let deadline = NEVER;
    Machine::StartRequested(facts::StartRequested {
        boot_epoch,
        deadline: Some(deadline),
        persistent_once: false,
    })
}

fn stop() -> Machine {
    Machine::StopRequested(facts::StopRequested { manner: StopManner::Hard, deadline: NEVER })
}

fn started(boot_epoch: u64) -> Machine {
    let at = crate::testing::BEGINNING;
    Machine::Started(facts::Started { boot_epoch, at, ready_by: NEVER })
}

fn start_failed(boot_epoch: u64) -> Machine {
    let at = crate::testing::BEGINNING;
    Machine::StartFailed(facts::StartFailed {
        boot_epoch,
        at,
        failure: failure(),
        rest: Rest::Confirmed,
    })
}

fn stopped() -> Machine {
    Machine::Stopped(facts::Stopped { boot_epoch: 1, cause: StopCause::Command })
}

fn failed() -> facts::Failed {
    facts::Failed { failure: failure() }
}

fn deleted() -> Machine {
    Machine::Deleted(facts::Deleted::default())
}

fn said(end: &str) -> Option<String> {
    Some(end.to_owned())
}

#[test]
fn a_start_ends_when_it_runs_or_will_not() {
    let goal = Goal::Started { boot_epoch: 2 };
    let given = [start(2)];
    assert_eq!(end_of(goal.clone(), &given, started(2)), said("done"));
    assert_eq!(end_of(goal.clone(), &given, started(1)), None);
    assert_eq!(end_of(goal.clone(), &given, start_failed(2)), said("libvirt"));
    assert_eq!(end_of(goal.clone(), &given, stop()), said("superseded"));
    assert_eq!(end_of(goal.clone(), &given, stopped()), said("went_off"));
    assert_eq!(end_of(goal.clone(), &given, deleted()), said("deleted"));
    // A report of an earlier boot leaves nobody who wants it to run.
    assert_eq!(end_of(goal.clone(), &given, start_failed(1)), said("superseded"));
    let asleep = Machine::PmSuspended(Nothing {});
    assert_eq!(end_of(goal, &given, asleep), None);
}

#[test]
fn a_stop_ends_when_it_is_off_or_shall_run_again() {
    let given = [start(1), started(1), stop()];
    assert_eq!(end_of(Goal::Stopped, &given, stopped()), said("done"));
    assert_eq!(end_of(Goal::Stopped, &given, start_failed(1)), said("done"));
    assert_eq!(end_of(Goal::Stopped, &given, start(2)), said("superseded"));
    let (boot_epoch, deadline, manner) = (2, NEVER, RestartManner::Reset);
    let restart =
        Machine::RestartRequested(facts::RestartRequested { boot_epoch, deadline, manner });
    assert_eq!(end_of(Goal::Stopped, &given, restart), said("superseded"));
    assert_eq!(end_of(Goal::Stopped, &given, Machine::PmSuspended(Nothing {})), None);
}

#[test]
fn a_change_ends_when_its_host_has_made_it_or_says_why_not() {
    let goal = Goal::Applied { generation: 5 };
    let applied = |generation| Machine::Applied(facts::Applied { generation });
    let refused =
        |generation| Machine::WorkFailed(facts::WorkFailed { generation, failure: failure() });
    let there = [placed()];
    assert_eq!(end_of(goal.clone(), &there, applied(5)), said("done"));
    assert_eq!(end_of(goal.clone(), &there, applied(4)), None);
    assert_eq!(end_of(goal.clone(), &there, refused(4)), None);
    assert_eq!(end_of(goal.clone(), &there, refused(5)), said("libvirt"));
    assert_eq!(end_of(goal, &[applied(6)], Machine::Locked(Nothing {})), said("done"));
}

#[test]
fn a_renewal_ends_with_what_became_of_the_one_that_was_asked_for() {
    let ends = |own: bool, happens: fn(renewals::Why) -> Machine| {
        let mut story = Story::new();
        let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
        let operation = under_way(&mut story, &[(machine, Goal::Renewed)]);
        let other = CommandId::from_bytes([0xee; 16]);
        let renewal = renewals::Renewal {
            why: renewals::Why::Populate { operation },
            image: IMAGE,
            recipe: renewals::Recipe::default(),
            when: renewals::When::OnRelease,
            warn_seconds: 0,
            discard_data: false,
        };
        story.was(machine, Machine::RenewalRequested(renewals::Requested { renewal }));
        let by = if own { operation } else { other };
        let fact = happens(renewals::Why::Populate { operation: by });
        let events = story.happens(|deciding| deciding.fact(machine, fact));
        part_ended(&events, operation)
    };
    let done = |_| Machine::Populated(renewals::Done { image: Some(IMAGE) });
    assert_eq!(ends(true, done), said("done"));
    let fails = |why| Machine::RenewalFailed(renewals::Failed { why, failure: failure() });
    assert_eq!(ends(true, fails), said("libvirt"));
    assert_eq!(ends(false, fails), said("gone"));
    let cancelled = |why| {
        let cause = renewals::DropCause::Cancelled;
        Machine::RenewalDropped(renewals::Dropped { why, cause })
    };
    assert_eq!(ends(true, cancelled), said("cancelled"));
    let superseded = |why| {
        let cause = renewals::DropCause::Superseded { by: CommandId::from_bytes([0xdd; 16]) };
        Machine::RenewalDropped(renewals::Dropped { why, cause })
    };
    assert_eq!(ends(true, superseded), said("superseded"));
    let replaced = |why| {
        let renewal = renewals::Renewal {
            why,
            image: IMAGE,
            recipe: renewals::Recipe::default(),
            when: renewals::When::OnRelease,
            warn_seconds: 0,
            discard_data: false,
        };
        Machine::RenewalRequested(renewals::Requested { renewal })
    };
    assert_eq!(ends(false, replaced), said("superseded"));
}

#[test]
fn a_copy_and_a_seal_end_as_their_host_says() {
    let source = MachineId::from_bytes([3; 16]);
    let given =
        [Machine::CopyRequested(facts::CopyRequested { source, disks: Vec::new(), traces: None })];
    assert_eq!(end_of(Goal::Copied, &given, Machine::Copied(Nothing {})), said("done"));
    assert_eq!(end_of(Goal::Copied, &given, Machine::CopyFailed(failed())), said("libvirt"));
    assert_eq!(end_of(Goal::Copied, &[], Machine::Locked(Nothing {})), said("gone"));
    let goal = Goal::Sealed { image: IMAGE };
    let given = [Machine::SealRequested(facts::SealRequested { image: IMAGE, number: 1 })];
    let sealed = |image| Machine::Sealed(facts::Sealed { image });
    assert_eq!(end_of(goal.clone(), &given, sealed(IMAGE)), said("done"));
    let other = ImageId::from_bytes([9; 16]);
    assert_eq!(end_of(goal.clone(), &given, sealed(other)), said("gone"));
    assert_eq!(end_of(goal, &given, Machine::SealFailed(failed())), said("libvirt"));
}

#[test]
fn a_snapshot_ends_as_its_host_says() {
    let snapshot = SNAPSHOT;
    let name = Name::new("clean").expect("a name");
    let requested = facts::SnapshotRequested { snapshot, name, quiesced: false };
    let given = [Machine::SnapshotRequested(requested)];
    let of = facts::OfSnapshot { snapshot };
    let gone = || Machine::SnapshotDeleted(of.clone());
    let fails = || Machine::SnapshotFailed(facts::SnapshotFailed { snapshot, failure: failure() });
    let goal = Goal::SnapshotTaken { snapshot };
    assert_eq!(end_of(goal.clone(), &given, Machine::SnapshotTaken(of.clone())), said("done"));
    assert_eq!(end_of(goal.clone(), &given, fails()), said("libvirt"));
    assert_eq!(end_of(goal, &given, gone()), said("gone"));
    let goal = Goal::SnapshotReverted { snapshot };
    assert_eq!(end_of(goal.clone(), &given, Machine::SnapshotReverted(of.clone())), said("done"));
    assert_eq!(end_of(goal, &given, gone()), said("gone"));
    let goal = Goal::SnapshotDeleted { snapshot };
    assert_eq!(end_of(goal.clone(), &given, gone()), said("done"));
    assert_eq!(end_of(goal, &[], Machine::Locked(Nothing {})), said("done"));
}

fn placed() -> Machine {
    let placement = Placement {
        policy: PlatformName::new("test").expect("a name"),
        chosen_for: Default::default(),
        considered: 1,
        refused: Default::default(),
    };
    Machine::Placed(facts::Placed { hypervisor: HERE, reserved: Default::default(), placement })
}

#[test]
fn a_move_ends_when_it_is_there_or_stays() {
    let goal = Goal::Off { hypervisor: HERE };
    let released =
        Machine::Released(facts::Released { hypervisor: HERE, cause: facts::ReleasedBy::Host });
    assert_eq!(end_of(goal.clone(), &[placed()], released), said("done"));
    let stays = facts::MigrationFailed { to: THERE, failure: failure() };
    let stays = Machine::MigrationFailed(stays);
    assert_eq!(end_of(goal.clone(), &[placed()], stays.clone()), said("libvirt"));
    assert_eq!(end_of(goal, &[], Machine::Locked(Nothing {})), said("done"));
    let goal = Goal::Migrated { to: THERE };
    let Machine::Placed(place) = placed() else { unreachable!() };
    let requested = facts::MigrationRequested { to: THERE, placement: place.placement };
    let given = [placed(), Machine::MigrationRequested(requested)];
    let migrated = |to| Machine::Migrated(facts::Migrated { from: HERE, to });
    assert_eq!(end_of(goal.clone(), &given, migrated(THERE)), said("done"));
    assert_eq!(end_of(goal.clone(), &given, stays), said("libvirt"));
    assert_eq!(end_of(goal, &[], Machine::Locked(Nothing {})), said("gone"));
}

#[test]
fn a_deletion_ends_with_the_machine() {
    let operation = CommandId::from_bytes([4; 16]);
    let given = [Machine::DeleteRequested(facts::DeleteRequested { operation })];
    assert_eq!(end_of(Goal::Deleted, &given, deleted()), said("done"));
    let refused = facts::WorkFailed { generation: 1, failure: failure() };
    assert_eq!(end_of(Goal::Deleted, &given, Machine::WorkFailed(refused)), said("libvirt"));
    assert_eq!(end_of(Goal::Deleted, &[], Machine::Locked(Nothing {})), said("gone"));
}

#[test]
fn what_is_done_to_a_version_ends_with_what_becomes_of_it() {
    let image_fails = || crate::version::latest::image::Failed { failure: failure() };
    let imported = Goal::Imported { image: IMAGE };
    let removed = Goal::FilesRemoved { image: IMAGE };
    for (goal, fact, end) in [
        (
            imported.clone(),
            ImageFact::Sealed(Sealed { file: 0, stat: crate::testing::STAT }),
            "done",
        ),
        (imported.clone(), ImageFact::Failed(image_fails()), "libvirt"),
        (imported, ImageFact::Removed(Nothing {}), "gone"),
        (removed, ImageFact::Removed(Nothing {}), "done"),
    ] {
        let mut story = Story::new();
        let initial = machine_made(&mut story, "win11", Kind::Source, Vec::new());
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
        story.was(IMAGE, ImageFact::SealRequested(requested));
        let operation = under_way(&mut story, &[(initial, goal)]);
        let events = story.happens(|deciding| deciding.fact(IMAGE, fact));
        assert_eq!(part_ended(&events, operation), said(end));
    }
}

#[test]
fn what_a_part_was_begun_with_does_not_end_it() {
    let mut story = Story::new();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    let targets = Targets::Listed(vec![machine]);
    let task = Task { plan: Plan::Resume, targets, total: 1, last_machine: None, after_seal: None };
    let operation = accepted(&mut story, task);
    story.happens(|deciding| {
        deciding.fact(machine, stop());
        deciding.fact(machine, start(1));
        let goal = Goal::Started { boot_epoch: 1 };
        deciding.fact(
            operation,
            Fact::PartBegun(PartBegun { machine, goal, waits_for: WaitsFor::Nobody }),
        );
        deciding.fact(operation, Fact::Advanced(Advanced::upto(Cursor::End)));
    });
    assert_eq!(now(&story, operation).parts.len(), 1);
}

#[test]
fn only_so_many_operations_wait_for_one_machine() {
    let mut story = Story::new();
    let machine = machine_made(&mut story, "pc", Kind::Simple, Vec::new());
    story.was(machine, start(1));
    let goal = Goal::Started { boot_epoch: 1 };
    let waiting: Vec<_> =
        (0..WAITING_MAX).map(|_| under_way(&mut story, &[(machine, goal.clone())])).collect();
    story.happens(|deciding| {
        let begun = start_on_one(deciding, Plan::Resume, machine, |_, _| Ok(Begun::Part(goal)));
        assert_eq!(begun, Ok(()));
    });
    assert_eq!(counts(&finished(&story, waiting[0])), (Outcome::Succeeded, [0, 0, 0, 1]));
    assert_eq!(story.fleet.parts_on(machine).count(), WAITING_MAX);
    story.happens(|deciding| deciding.fact(machine, started(1)));
    assert!(story.fleet.operations.is_empty());
}

#[test]
fn only_so_many_operations_wait_for_one_version() {
    let mut story = Story::new();
    let machine = machine_made(&mut story, "win11", Kind::Source, Vec::new());
    let code = |story: &mut Story| {
        let mut code = None;
        story.happens(|deciding| {
            code = can_wait_for(deciding, IMAGE).err().map(|refused| refused.code());
        });
        code
    };
    for _ in 0..SEAL_WAITING_MAX {
        assert_eq!(code(&mut story), None);
        sealing(&mut story, machine, IMAGE);
    }
    assert_eq!(code(&mut story), Some("CRL-0704"));
    let sealed = Sealed { file: 0, stat: crate::testing::STAT };
    story.happens(|deciding| deciding.fact(IMAGE, ImageFact::Sealed(sealed)));
    assert_eq!(story.fleet.waiting_for_seal(IMAGE).count(), 0);
}
