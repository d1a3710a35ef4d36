//! Disks grow, media come and go, machines move.

use serde_json::json;

use super::scene::{
    add_medium, add_storage, create, fact, host, machine, on, report, report_from, run, site,
};
use crate::command::Command;
use crate::event::MachineFact as Fact;
use crate::machine::{Outcome, StopCause, VirtualSnapshot};
use crate::media::Kind as MediumKind;
use crate::operation::Failure;
use crate::testing::{Story, command, kinds};
use crate::version::latest::machine::VirtualSnapshotChanged;

fn resize(size_gib: u32) -> Command {
    command("ResizeDisk", json!({ "machine": "m", "size_gib": size_gib }))
}

fn with_throwaway(story: &mut Story) {
    let setting = Some(VirtualSnapshot { on_reboot: Default::default() });
    let id = machine(story, "m").id;
    fact(story, id, Fact::VirtualSnapshotChanged(VirtualSnapshotChanged { setting }));
}

#[test]
fn a_disk_grows_and_never_shrinks() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story.given(resize(30));
    assert_eq!(machine(&story, "m").disks[0].size_gib, 30);
    assert!(story.fleet.operations.is_empty(), "there is no file yet");
    run(&mut story, "m");
    story.given(resize(40));
    report(&mut story, "m", Outcome::Applied);
    assert!(story.fleet.operations.is_empty());
    story.given(resize(40));
    story.refused(resize(39), "CRL-0229");
    story.refused(resize(16_385), "CRL-0811");
    let other = json!({ "machine": "m", "disk": uuid::Uuid::nil(), "size_gib": 50 });
    story.refused(command("ResizeDisk", other), "CRL-0228");
    with_throwaway(&mut story);
    story.refused(resize(50), "CRL-0230");
}

#[test]
fn a_medium_is_put_in_and_taken_out() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    let medium = |what, medium| command(what, json!({ "machine": "m", "media": medium }));
    add_medium(&mut story, "win", MediumKind::Iso);
    add_medium(&mut story, "disk", MediumKind::Disk);
    story.given(medium("AttachMedia", "win"));
    assert!(story.fleet.operations.is_empty(), "at the next start");
    run(&mut story, "m");
    story.given(medium("DetachMedia", "win"));
    assert_eq!(story.fleet.operations.len(), 1, "its host has to take it out");
    report(&mut story, "m", Outcome::Applied);
    let again = story.given(medium("DetachMedia", "win"));
    assert!(!kinds(&again).contains(&"machine.media_detached"));
    story.refused(medium("AttachMedia", "disk"), "CRL-0238");
    for number in 1..=4 {
        let name = format!("cd{number}");
        add_medium(&mut story, &name, MediumKind::Iso);
        story.given(command("AttachMedia", json!({ "machine": "m", "media": name })));
    }
    story.refused(medium("AttachMedia", "win"), "CRL-0239");
}

#[test]
fn a_running_machine_moves_and_its_old_host_lets_go() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    story.refused(on("MigrateMachine", "m"), "CRL-0210");
    run(&mut story, "m");
    let (from, to) = (host(&story, "node1"), host(&story, "node2"));
    assert_eq!(machine(&story, "m").place, Some(from));
    story.given(on("MigrateMachine", "m"));
    assert_eq!(story.fleet.index.usage.len(), 2, "both hosts keep what it needs");
    story.refused(on("MigrateMachine", "m"), "CRL-0205");
    let generation = machine(&story, "m").generation;
    report_from(&mut story, to, "m", generation, Outcome::Migrated);
    assert!(story.fleet.operations.is_empty());
    let m = machine(&story, "m");
    assert_eq!((m.place, m.leaving), (Some(to), Some(from)));
    story.refused(on("MigrateMachine", "m"), "CRL-0214");
    report_from(&mut story, from, "m", m.generation, Outcome::Released);
    assert_eq!(machine(&story, "m").leaving, None);
    let there = command("MigrateMachine", json!({ "machines": ["m"], "to": "node2" }));
    assert!(!kinds(&story.given(there)).contains(&"machine.migration_requested"));
}

#[test]
fn an_old_host_can_not_tell_an_end_from_a_departure() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    story.given(on("MigrateMachine", "m"));
    let gone = Outcome::Stopped { boot_epoch: 1, cause: StopCause::Crash };
    assert!(report(&mut story, "m", gone).is_empty());
    report(&mut story, "m", Outcome::Migrated);
    assert_eq!(machine(&story, "m").observed.state, crate::machine::State::Running);
}

#[test]
fn a_migration_that_fails_leaves_it_where_it_is() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    story.given(on("MigrateMachine", "m"));
    let late = machine(&story, "m").task_since - 1;
    let failure = Failure::new("migrate", "the CPU differs");
    let from = host(&story, "node1");
    let failed = Outcome::MigrationFailed { failure };
    assert!(report_from(&mut story, from, "m", late, failed.clone()).is_empty());
    report(&mut story, "m", failed);
    let m = machine(&story, "m");
    assert_eq!((m.place, m.task), (Some(from), None));
    assert_eq!(story.fleet.index.usage.len(), 1);
}

#[test]
fn a_throwaway_overlay_moves_along_or_the_machine_stays() {
    for (medium, hosts, moves) in [
        ("disk", &["node1", "node2"][..], true),
        ("disk", &["node1"][..], false),
        ("memory", &["node1", "node2"][..], false),
    ] {
        let mut story = site(&["node1", "node2"]);
        add_storage(&mut story, "scratch", hosts, &json!(["volatile"]), medium);
        create(&mut story, "m");
        with_throwaway(&mut story);
        run(&mut story, "m");
        let to = command("MigrateMachine", json!({ "machines": ["m"], "to": "node2" }));
        match moves {
            true => drop(story.given(to)),
            false => drop(story.refused(to, "CRL-0240")),
        }
    }
}

#[test]
fn what_only_one_host_sees_stays_there() {
    let mut story = site(&["node1", "node2"]);
    add_storage(&mut story, "local", &["node1"], &json!(["disks"]), "disk");
    create(&mut story, "m");
    run(&mut story, "m");
    let refused = story.refused(on("MigrateMachine", "m"), "CRL-0201");
    assert!(refused.to_string().contains("1 don't see the storage local"), "{refused}");
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
}
