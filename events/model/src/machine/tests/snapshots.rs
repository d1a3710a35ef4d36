//! Snapshots are taken, reverted to and deleted.

use serde_json::json;

use super::scene::{create, fact, machine, on, report, run, site};
use crate::command::Command;
use crate::event::MachineFact as Fact;
use crate::ids::PoolId;
use crate::machine::{Outcome, SnapshotState, StopCause, VirtualSnapshot};
use crate::operation::Failure;
use crate::testing::{Story, command, kinds};
use crate::version::latest::machine::{PoolChanged, VirtualSnapshotChanged};

fn take(name: &str, quiesced: bool) -> Command {
    command("TakeSnapshot", json!({ "machine": "m", "name": name, "quiesced": quiesced }))
}

fn revert(name: &str) -> Command {
    command("RevertSnapshot", json!({ "machine": "m", "snapshot": name }))
}

fn delete(name: &str) -> Command {
    command("DeleteSnapshot", json!({ "machine": "m", "snapshot": name }))
}

fn off() -> Story {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story
}

fn taken(story: &mut Story, name: &str) {
    story.given(take(name, false));
    let snapshot = machine(story, "m").snapshots.last().expect("one").id;
    report(story, "m", Outcome::SnapshotTaken { snapshot });
}

#[test]
fn they_are_a_tree_of_which_one_is_stood_on() {
    let mut story = off();
    taken(&mut story, "a");
    taken(&mut story, "b");
    let a = machine(&story, "m").snapshots[0].id;
    story.given(revert("a"));
    report(&mut story, "m", Outcome::SnapshotReverted { snapshot: a });
    taken(&mut story, "c");
    let m = machine(&story, "m");
    assert_eq!(m.snapshots[2].parent, Some(a));
    assert_eq!(m.snapshot_depth(), 2);
    story.given(delete("a"));
    report(&mut story, "m", Outcome::SnapshotDeleted { snapshot: a });
    let m = machine(&story, "m");
    assert_eq!((m.snapshots[0].parent, m.snapshots[1].parent), (None, None));
    assert_eq!(m.snapshot, Some(m.snapshots[1].id));
    assert!(story.fleet.operations.is_empty());
}

#[test]
fn each_step_ends_once() {
    let mut story = off();
    story.given(take("a", false));
    story.refused(take("b", false), "CRL-0236");
    let snapshot = machine(&story, "m").snapshots[0].id;
    assert!(report(&mut story, "m", Outcome::SnapshotDeleted { snapshot }).is_empty());
    report(&mut story, "m", Outcome::SnapshotTaken { snapshot });
    assert!(report(&mut story, "m", Outcome::SnapshotTaken { snapshot }).is_empty());
    let failure = Failure::new("snapshot", "no space");
    let failed = Outcome::SnapshotFailed { snapshot, failure };
    assert!(report(&mut story, "m", failed.clone()).is_empty(), "nothing is done with it");
    story.given(revert("a"));
    let events = report(&mut story, "m", failed);
    assert_eq!(kinds(&events)[0], "machine.snapshot_failed");
    assert_eq!(machine(&story, "m").snapshots[0].state, SnapshotState::Taken);
}

#[test]
fn one_that_could_not_be_taken_is_gone() {
    let mut story = off();
    story.given(take("a", false));
    let snapshot = machine(&story, "m").snapshots[0].id;
    let failure = Failure::new("snapshot", "no space");
    report(&mut story, "m", Outcome::SnapshotFailed { snapshot, failure });
    assert!(machine(&story, "m").snapshots.is_empty());
}

#[test]
fn a_running_guest_has_to_hold_still() {
    let mut story = off();
    taken(&mut story, "a");
    run(&mut story, "m");
    story.refused(take("b", false), "CRL-0232");
    story.refused(revert("a"), "CRL-0211");
    story.given(take("b", true));
    assert!(machine(&story, "m").snapshots[1].quiesced);
    let snapshot = machine(&story, "m").snapshots[1].id;
    report(&mut story, "m", Outcome::SnapshotTaken { snapshot });
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    story.refused(command("ResizeDisk", json!({ "machine": "m", "size_gib": 99 })), "CRL-0231");
}

#[test]
fn at_most_eight_stand_on_each_other() {
    let mut story = off();
    for number in 1..=8 {
        taken(&mut story, &format!("s{number}"));
    }
    story.refused(take("s9", false), "CRL-0233");
    story.refused(take("s1", false), "CRL-0234");
    story.refused(revert("s9"), "CRL-0235");
    story.refused(delete("s9"), "CRL-0235");
}

#[test]
fn they_are_for_machines_that_keep_what_they_write() {
    let mut story = off();
    let id = machine(&story, "m").id;
    let setting = Some(VirtualSnapshot { on_reboot: Default::default() });
    fact(&mut story, id, Fact::VirtualSnapshotChanged(VirtualSnapshotChanged { setting }));
    story.refused(take("a", false), "CRL-0230");
    let mut story = site(&["node1"]);
    story.given(command("CreateMachine", json!({ "name": "gold", "kind": "source" })));
    let initial = json!({ "name": "m", "kind": "initial", "source": "gold" });
    story.given(command("CreateMachine", initial));
    story.refused(take("a", false), "CRL-0237");
}

#[test]
fn while_something_is_done_with_a_snapshot_nobody_starts_or_gets_the_machine() {
    let mut story = off();
    let pool = PoolId::from_bytes([1; 16]);
    let id = machine(&story, "m").id;
    fact(&mut story, id, Fact::PoolChanged(PoolChanged { pool: Some(pool) }));
    let busy = |story: &mut Story, outcome: Outcome| {
        story.refused(on("StartMachine", "m"), "CRL-0236");
        assert_eq!(story.fleet.tally(pool).busy, 1);
        report(story, "m", outcome);
        assert_eq!(story.fleet.tally(pool).stopped, 1);
    };
    story.given(take("a", false));
    let snapshot = machine(&story, "m").snapshots[0].id;
    busy(&mut story, Outcome::SnapshotTaken { snapshot });
    story.given(revert("a"));
    busy(&mut story, Outcome::SnapshotReverted { snapshot });
    story.given(delete("a"));
    busy(&mut story, Outcome::SnapshotDeleted { snapshot });
    story.given(on("StartMachine", "m"));
}
