//! What is given, asked for, and comes of it.

mod leaving;
mod lost;
mod promised;

use serde_json::json;

use crate::machine::tests::scene::{create, run, site};
use crate::testing::{Story, command, kinds};

fn host(name: &str) -> crate::command::Command {
    let capacity = json!({ "memory_mib": 65536, "vcpus": 16 });
    command("RegisterHypervisor", json!({ "name": name, "settings": { "capacity": capacity } }))
}

#[test]
fn a_host_is_registered_once() {
    let mut story = Story::new();
    let events = story.given(host("node1"));
    assert_eq!(kinds(&events), ["operation.accepted", "hypervisor.registered"]);
    let refused = story.refused(host("node1"), "CRL-0002");
    assert_eq!(refused.to_string(), "there is a host node1 already");
}

#[test]
fn maintenance_that_is_on_is_not_switched_on_again() {
    let mut story = Story::new();
    story.given(host("node1"));
    let on = command("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true }));
    let events = story.given(on.clone());
    assert_eq!(kinds(&events), ["operation.accepted", "hypervisor.maintenance_changed"]);
    assert_eq!(kinds(&story.given(on)), ["operation.accepted"]);
}

#[test]
fn a_change_is_a_merge_patch_on_the_version_that_was_seen() {
    let mut story = Story::new();
    story.given(host("node1"));
    let change = |settings, version| {
        command(
            "UpdateHypervisor",
            json!({ "hypervisor": "node1", "settings": settings, "if_version": version }),
        )
    };
    story.given(change(json!({ "capacity": { "vcpus": 32 } }), 1));
    story.refused(change(json!({ "capacity": { "vcpus": 64 } }), 1), "CRL-0003");
    story.refused(change(json!({ "capacity": { "cores": 64 } }), 2), "CRL-0004");
    let (_, host) = story.fleet.hypervisors.iter().next().expect("the host");
    assert_eq!((host.settings.capacity.memory_mib, host.settings.capacity.vcpus), (65536, 32));
}

#[test]
fn a_host_that_somebody_needs_is_kept() {
    let mut story = site(&["node1"]);
    let remove = command("RemoveHypervisor", json!({ "hypervisor": "node1" }));
    story.refused(remove.clone(), "CRL-0102");
    create(&mut story, "m");
    run(&mut story, "m");
    story.refused(remove, "CRL-0101");
}

#[test]
fn a_host_that_nothing_needs_is_forgotten() {
    let mut story = Story::new();
    story.given(host("node1"));
    let remove = command("RemoveHypervisor", json!({ "hypervisor": "node1" }));
    story.given(remove.clone());
    assert!(story.fleet.hypervisors.is_empty());
    story.refused(remove, "CRL-0001");
}
