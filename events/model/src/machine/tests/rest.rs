//! A machine is off when its host has said so, not when it took too long to start.

use serde_json::{Value, json};

use super::scene::{create, epoch, host, machine, on, report, report_from, run, site};
use crate::ids::HypervisorId;
use crate::image::tests::Site;
use crate::machine::commands::ExpirePower;
use crate::machine::{Outcome, Rest, StopCause};
use crate::testing::{Story, command};

/// A start of `m` has taken too long, and its host is silent about what became of it.
fn took_too_long() -> Story {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    report(&mut story, "m", Outcome::Applied);
    story.given(on("StartMachine", "m"));
    let id = machine(&story, "m").id;
    story.wait(121).given(ExpirePower { machine: id });
    assert!(machine(&story, "m").at_rest());
    story
}

fn file_work() -> Vec<(&'static str, Value)> {
    vec![
        ("CloneMachine", json!({ "machine": "m", "name": "copy" })),
        ("TakeSnapshot", json!({ "machine": "m", "name": "s" })),
        ("ResizeDisk", json!({ "machine": "m", "size_gib": 100 })),
    ]
}

#[test]
fn the_files_of_a_machine_that_may_still_come_to_run_are_not_touched() {
    for (name, data) in file_work() {
        let mut story = took_too_long();
        let refused = story.refused(command(name, data.clone()), "CRL-0211");
        assert!(refused.to_string().contains("has yet to say"), "{refused}");
        report(&mut story, "m", Outcome::Applied);
        story.given(command(name, data));
    }
}

#[test]
fn what_its_host_says_of_an_earlier_wish_does_not_count() {
    let mut story = took_too_long();
    let (place, since) = (machine(&story, "m").place, machine(&story, "m").power.since);
    let place = place.expect("a host");
    report_from(&mut story, place, "m", since - 1, Outcome::Applied);
    assert_eq!(machine(&story, "m").power.rest, Rest::Presumed);
    report_from(&mut story, place, "m", since, Outcome::Applied);
    assert_eq!(machine(&story, "m").power.rest, Rest::Confirmed);
}

#[test]
fn a_machine_that_took_too_long_can_be_started_again_at_once() {
    let mut story = took_too_long();
    story.given(on("StartMachine", "m"));
    let boot_epoch = epoch(&story, "m");
    report(&mut story, "m", Outcome::Started { boot_epoch });
    report(&mut story, "m", Outcome::Stopped { boot_epoch, cause: StopCause::Guest });
    assert!(machine(&story, "m").is_known_off(), "its host has said so");
}

#[test]
fn a_host_that_has_yet_to_let_go_may_still_run_it() {
    let mut story = took_too_long();
    let first = machine(&story, "m").place.expect("a host");
    let name = if first == host(&story, "node1") { "node1" } else { "node2" };
    story.given(command("SetHypervisorMaintenance", json!({ "hypervisor": name, "on": true })));
    story.given(on("StartMachine", "m"));
    let second: HypervisorId = machine(&story, "m").place.expect("a host");
    assert_ne!(first, second);
    let boot_epoch = epoch(&story, "m");
    let generation = machine(&story, "m").generation;
    report_from(&mut story, first, "m", generation, Outcome::Released);
    report(&mut story, "m", Outcome::Started { boot_epoch });
    report(&mut story, "m", Outcome::Stopped { boot_epoch, cause: StopCause::Guest });
    assert!(machine(&story, "m").is_known_off());
}

#[test]
fn neither_copies_nor_versions_are_made_of_what_may_still_come_to_run() {
    let mut site = Site::sealed();
    for id in [site.initial, site.source] {
        let before = site.story.clone();
        site.decides(|deciding| {
            crate::machine::power::turn_on(deciding, id, false).expect("it can start");
        });
        site.story.wait(121).given(ExpirePower { machine: id });
        if id == site.initial {
            site.refused("SealImage", json!({ "initial": "win11" }), "CRL-0211");
            site.refused("Populate", json!({ "initial": "win11" }), "CRL-0211");
        }
        site.refused("CopyFromSource", json!({ "initial": "win11" }), "CRL-0211");
        site.applied(id);
        site.given("CopyFromSource", json!({ "initial": "win11" }));
        site.story = before;
    }
}
