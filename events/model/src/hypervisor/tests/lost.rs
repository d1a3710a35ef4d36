//! Nothing waits for ever for a host that is lost.

use serde_json::json;

use crate::event::{Event, MachineFact};
use crate::hypervisor::commands::{ReportHostHeard, ReportHostSilent};
use crate::image::tests::Site;
use crate::machine::tests::scene::{create, host, machine, on, report, run, site};
use crate::machine::{Outcome, StopCause};
use crate::operation::State;
use crate::operation::commands::AdvanceOperation;
use crate::testing::{Story, command, kinds};
use crate::version::latest::machine::{Deleted, FilesGone};

fn lose(story: &mut Story, name: &str) -> Vec<Event> {
    let hypervisor = host(story, name);
    story.given(ReportHostSilent { hypervisor });
    let events = story.given(command("ConfirmHypervisorLost", json!({ "hypervisor": name })));
    let waiting = |it: &&crate::operation::Operation| !matches!(it.state, State::Ended { .. });
    let mut operations = story.fleet.operations.iter().map(|(_, operation)| operation);
    assert_eq!(operations.find(waiting), None, "nobody waits any longer");
    events
}

#[test]
fn a_copy_ends_with_its_host() {
    let mut site = Site::new();
    site.given("CopyFromSource", json!({ "initial": "win11" }));
    let events = lose(&mut site.story, "node1");
    assert!(kinds(&events).contains(&"machine.copy_failed"));
    assert_eq!(site.get(site.initial).task, None);
}

#[test]
fn a_seal_ends_with_its_host_and_so_does_what_waits_for_the_version() {
    let (mut site, _) = Site::with_children(1);
    site.prepare();
    site.given("Populate", json!({ "initial": "win11" }));
    let events = lose(&mut site.story, "node1");
    for expected in ["machine.seal_failed", "image.failed"] {
        assert!(kinds(&events).contains(&expected), "{expected}");
    }
    assert_eq!(site.story.fleet.images.len(), 1);
}

#[test]
fn files_of_images_that_the_host_was_making_fail() {
    let mut site = Site::sealed();
    for _ in 2..=5 {
        site.prepare();
        site.seal();
    }
    assert_eq!(site.version(5).files.len(), 2);
    let events = lose(&mut site.story, "node1");
    assert!(kinds(&events).contains(&"image.file_failed"));
    assert_eq!(site.version(5).files.len(), 1);
}

#[test]
fn snapshots_that_are_worked_on_fail() {
    for what in ["TakeSnapshot", "RevertSnapshot", "DeleteSnapshot"] {
        let mut story = site(&["node1"]);
        create(&mut story, "m");
        story.given(command("TakeSnapshot", json!({ "machine": "m", "name": "s" })));
        if what != "TakeSnapshot" {
            let snapshot = machine(&story, "m").snapshots[0].id;
            report(&mut story, "m", Outcome::SnapshotTaken { snapshot });
            story.given(command(what, json!({ "machine": "m", "snapshot": "s" })));
        }
        let events = lose(&mut story, "node1");
        assert!(kinds(&events).contains(&"machine.snapshot_failed"), "{what}");
        let left = machine(&story, "m").snapshots.len();
        assert_eq!(left, usize::from(what != "TakeSnapshot"), "{what}");
    }
}

#[test]
fn what_the_host_was_to_bring_about_fails() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let stopped = Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest };
    report(&mut story, "m", stopped);
    story.given(command("ResizeDisk", json!({ "machine": "m", "size_gib": 90 })));
    lose(&mut story, "node1");
    let failed = story.fleet.operations.iter().next().expect("it failed").1;
    let codes: Vec<_> = failed.failed.values().map(|why| why.code.as_str()).collect();
    assert_eq!(codes, ["no_host"]);
}

/// A machine that is off on the first host, while no other one may be used.
fn off_on_node1(others: &[&str]) -> Story {
    let hosts: Vec<&str> = std::iter::once("node1").chain(others.iter().copied()).collect();
    let mut story = site(&hosts);
    for other in others {
        let maintained = json!({ "hypervisor": other, "on": true });
        story.given(command("SetHypervisorMaintenance", maintained));
    }
    create(&mut story, "m");
    run(&mut story, "m");
    let stopped = Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest };
    report(&mut story, "m", stopped);
    story
}

#[test]
fn a_deletion_that_no_host_can_finish_fails_and_can_be_asked_for_again() {
    let mut story = off_on_node1(&["node2"]);
    story.given(on("DeleteMachine", "m"));
    lose(&mut story, "node1");
    let back = json!({ "hypervisor": "node2", "on": false });
    story.given(command("SetHypervisorMaintenance", back));
    story.given(on("DeleteMachine", "m"));
    report(&mut story, "m", Outcome::Absent);
    assert!(story.fleet.machines.is_empty());
}

#[test]
fn files_that_only_the_lost_host_could_see_are_given_up() {
    for asked_before in [true, false] {
        let mut story = off_on_node1(&[]);
        let id = machine(&story, "m").id;
        if asked_before {
            story.given(on("DeleteMachine", "m"));
        }
        let mut events = lose(&mut story, "node1");
        if !asked_before {
            events = story.given(on("DeleteMachine", "m"));
        }
        let given_up = MachineFact::Deleted(Deleted { files: FilesGone::GivenUp });
        assert!(events.contains(&Event::Machine(id, given_up)), "{events:?}");
        assert!(story.fleet.machines.is_empty());
        story.given(command("RemoveStorage", json!({ "storage": "ssd" })));
        story.given(command("RemoveHypervisor", json!({ "hypervisor": "node1" })));
    }
}

#[test]
fn a_snapshot_that_is_worked_on_keeps_its_machine_on_a_host_that_is_drained() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    story.given(command("TakeSnapshot", json!({ "machine": "m", "name": "s" })));
    let place = machine(&story, "m").place.expect("a host");
    let name = story.fleet.hypervisors.get(place).expect("it").name.to_string();
    story.given(command("DrainHypervisor", json!({ "hypervisor": name })));
    assert_eq!(machine(&story, "m").place, Some(place));
    let snapshot = machine(&story, "m").snapshots[0].id;
    report(&mut story, "m", Outcome::SnapshotTaken { snapshot });
    assert_eq!(machine(&story, "m").place, None);
}

#[test]
fn a_host_that_is_taken_in_again_loses_nothing_more() {
    let mut story = site(&["node1"]);
    for n in 0..30 {
        create(&mut story, &format!("m{n:02}"));
        run(&mut story, &format!("m{n:02}"));
    }
    let hypervisor = host(&story, "node1");
    story.given(ReportHostSilent { hypervisor });
    story.given(command("ConfirmHypervisorLost", json!({ "hypervisor": "node1" })));
    story.given(ReportHostHeard { hypervisor });
    let back = json!({ "hypervisor": "node1", "on": false });
    story.given(command("SetHypervisorMaintenance", back));
    let first = |story: &Story| story.fleet.operations.iter().next().map(|(id, _)| id);
    while let Some(operation) = first(&story) {
        let events = story.given(AdvanceOperation { operation });
        assert!(kinds(&events).iter().all(|kind| kind.starts_with("operation.")), "{events:?}");
    }
    assert!(machine(&story, "m29").uses_host());
}

/// Versions of which each stands on the one before, and the last of them is being flattened.
fn chains(count: u32) -> Site {
    let mut site = Site::sealed();
    for chain in 0..count {
        if chain > 0 {
            site.copy();
            site.seal();
        }
        for _ in 2..=5 {
            site.prepare();
            site.seal();
        }
    }
    site.copy();
    site.seal();
    for number in 1..=5 * count {
        site.given("RetireImage", json!({ "image": format!("win11@{number}") }));
    }
    site
}

#[test]
fn versions_that_stood_on_each_other_go_as_far_as_a_decision_can_and_the_others_after_it() {
    let mut site = chains(20);
    let hypervisor = host(&site.story, "node1");
    site.story.given(ReportHostSilent { hypervisor });
    for _ in 0..40 {
        site.given("ConfirmHypervisorLost", json!({ "hypervisor": "node1" }));
    }
    assert_eq!(site.story.fleet.images.len(), 1, "only the last one is used");
}
