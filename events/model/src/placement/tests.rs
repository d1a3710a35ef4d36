//! Which host is chosen, which fall out, and what people read about it.

use serde_json::{Value, json};

use super::headroom::Headroom;
use super::pack::Pack;
use super::policy::{Policy, Room};
use crate::event::{Event, MachineFact};
use crate::hypervisor::commands::ReportStorageSpace;
use crate::machine::Outcome;
use crate::machine::tests::scene::{
    add_storage, add_version, create, fact, host, machine, on, report, run, site,
};
use crate::machine::{StopCause, VirtualSnapshot};
use crate::testing::{Story, command, kinds};
use crate::version::latest::machine::VirtualSnapshotChanged;

fn create_with(story: &mut Story, name: &str, settings: &Value) {
    let fields = json!({ "name": name, "kind": "simple", "settings": settings });
    story.given(command("CreateMachine", fields));
}

fn change_host(story: &mut Story, name: &str, settings: &Value) {
    story.given(command("UpdateHypervisor", json!({ "hypervisor": name, "settings": settings })));
}

fn with_throwaway(story: &mut Story, name: &str) {
    let setting = Some(VirtualSnapshot { on_reboot: Default::default() });
    let id = machine(story, name).id;
    let changed = VirtualSnapshotChanged { setting };
    fact(story, id, MachineFact::VirtualSnapshotChanged(changed));
}

#[test]
fn starts_in_flight_count() {
    let mut story = site(&["node1", "node2"]);
    for name in ["a", "b"] {
        create_with(&mut story, name, &json!({ "hardware": { "memory_mib": 40960 } }));
        story.given(on("StartMachine", name));
    }
    assert_ne!(machine(&story, "a").place, machine(&story, "b").place);
    create_with(&mut story, "c", &json!({ "hardware": { "memory_mib": 40960 } }));
    let refused = story.refused(on("StartMachine", "c"), "CRL-0201");
    assert_eq!(refused.to_string(), "no host can take c: of 2 hosts 2 with too little memory left");
}

#[test]
fn a_choice_says_why_and_who_fell_out() {
    let mut story = site(&["node1", "node2", "node3", "node4"]);
    let off = json!({ "hypervisor": "node1", "on": true });
    story.given(command("SetHypervisorMaintenance", off));
    change_host(&mut story, "node2", &json!({ "labels": { "room": "b" } }));
    change_host(&mut story, "node3", &json!({ "labels": { "room": "b" } }));
    add_storage(&mut story, "local", &["node1", "node2", "node4"], &json!(["disks"]), "disk");
    create_with(&mut story, "m", &json!({ "host_labels": { "room": "b" } }));
    story.given(on("StartMachine", "m"));
    let placed = story.log.iter().find_map(|event| {
        let Event::Machine(_, MachineFact::Placed(placed)) = event else { return None };
        Some(placed)
    });
    let placed = placed.expect("it was placed");
    assert_eq!(placed.hypervisor, host(&story, "node2"));
    let placement = serde_json::to_value(&placed.placement).expect("JSON");
    let expected = json!({
        "policy": "headroom",
        "chosen_for": "most room: 62 of 64 GiB and 62 of 64 vCPUs free after this start",
        "considered": 3,
        "refused": { "labels": 1, "storage.local": 1 },
    });
    assert_eq!(placement, expected);
}

#[test]
fn vcpus_and_counters_run_out() {
    let mut story = site(&["node1"]);
    create_with(&mut story, "m", &json!({ "hardware": { "cpu": { "cores": 65 } } }));
    let refused = story.refused(on("StartMachine", "m"), "CRL-0201");
    assert!(refused.to_string().ends_with("1 with too few vCPUs left"), "{refused}");
    change_host(&mut story, "node1", &json!({ "capacity": { "counters": { "gpu/a16": 1 } } }));
    for name in ["a", "b"] {
        create_with(&mut story, name, &json!({ "hardware": { "counters": { "gpu/a16": 1 } } }));
    }
    story.given(on("StartMachine", "a"));
    let refused = story.refused(on("StartMachine", "b"), "CRL-0201");
    assert!(refused.to_string().ends_with("1 with too little of gpu/a16 left"), "{refused}");
    report(&mut story, "a", Outcome::Started { boot_epoch: 1 });
    report(&mut story, "a", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    story.given(on("StartMachine", "b"));
}

#[test]
fn a_throwaway_overlay_needs_room_and_in_memory_it_is_memory() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    with_throwaway(&mut story, "m");
    let refused = story.refused(on("StartMachine", "m"), "CRL-0201");
    assert!(refused.to_string().contains("room for throwaway overlays"), "{refused}");
    let shm = add_storage(&mut story, "shm", &["node1"], &json!(["volatile"]), "memory");
    run(&mut story, "m");
    let reserved = machine(&story, "m").reserved;
    // A quarter of the disk's 20 GiB, beside the machine's own 2 GiB.
    assert_eq!(reserved.memory_mib, 2048 + 5120);
    assert_eq!(reserved.volatile.as_ref().map(|it| (it.storage, it.size_mib)), Some((shm, 5120)));
    assert_eq!(story.fleet.index.volatile.get(&shm), Some(&5120));
}

#[test]
fn no_more_throwaway_overlays_are_promised_than_there_is_room_for() {
    let mut story = site(&["node1", "node2"]);
    let scratch = add_storage(&mut story, "scratch", &["node1"], &json!(["volatile"]), "disk");
    let report_free = |story: &mut Story, free_gib: u64| {
        let free_mib = free_gib << 10;
        story.given(ReportStorageSpace { storage: scratch, free_mib })
    };
    assert_eq!(kinds(&report_free(&mut story, 24)), ["storage.space_changed"]);
    assert!(report_free(&mut story, 22).is_empty(), "that is nearly as much");
    // A quarter of 20 GiB each: four fit into 24 GiB.
    for name in ["a", "b", "c", "d", "e"] {
        create(&mut story, name);
        with_throwaway(&mut story, name);
    }
    for name in ["a", "b", "c", "d"] {
        story.given(on("StartMachine", name));
    }
    let refused = story.refused(on("StartMachine", "e"), "CRL-0201");
    assert!(refused.to_string().contains("room for throwaway overlays"), "{refused}");
    report(&mut story, "a", Outcome::Started { boot_epoch: 1 });
    report(&mut story, "a", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    story.given(on("StartMachine", "e"));
    report_free(&mut story, 100);
    story.given(on("StartMachine", "a"));
}

#[test]
fn a_host_has_to_see_the_files_of_the_image() {
    let mut story = site(&["node1", "node2"]);
    let fields = json!({ "name": "gold", "kind": "source" });
    story.given(command("CreateMachine", fields));
    let fields = json!({ "name": "i", "kind": "initial", "source": "gold" });
    story.given(command("CreateMachine", fields));
    add_version(&mut story, "i", 1);
    add_storage(&mut story, "local", &["node2"], &json!(["disks"]), "disk");
    let fields = json!({ "name": "c", "kind": "vdi", "initial": "i", "storage": "local" });
    story.given(command("CreateMachine", fields));
    story.given(on("StartMachine", "c"));
    assert_eq!(machine(&story, "c").place, Some(host(&story, "node2")));
}

#[test]
fn a_machine_stays_where_it_was_if_that_is_nearly_as_good() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let first = machine(&story, "m").place;
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    create(&mut story, "n");
    story.given(on("StartMachine", "n"));
    assert_eq!(machine(&story, "n").place, first, "of equal hosts the first");
    story.given(on("StartMachine", "m"));
    assert_eq!(machine(&story, "m").place, first, "although the other has a little more room");
}

#[test]
fn work_on_files_stays_with_the_host_that_has_them() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let first = machine(&story, "m").place;
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    create_with(&mut story, "n", &json!({ "hardware": { "memory_mib": 40960 } }));
    story.given(on("StartMachine", "n"));
    assert_eq!(machine(&story, "n").place, first, "so the other has much more room");
    let m = machine(&story, "m");
    let placed = super::for_files(&story.fleet, &m).expect("a host");
    assert_eq!(Some(placed.hypervisor), first);
    assert_eq!(placed.placement.chosen_for.as_str(), "it has the files already");
    let elsewhere = super::for_start(&story.fleet, &m, false).expect("a host");
    assert_ne!(Some(elsewhere.hypervisor), first);
}

#[test]
fn policies_weigh_the_same_hosts_differently() {
    let story = site(&["node1", "node2"]);
    let mut rooms = story.fleet.hypervisors.iter().map(|(_, host)| Room {
        host,
        here: false,
        volatile: None,
        memory_mib: 65536,
        memory_left_mib: 32768,
        vcpus: 64,
        vcpus_left: 60,
    });
    let (half, mut full) = (rooms.next().expect("one"), rooms.next().expect("two"));
    full.memory_left_mib = 1024;
    assert!(Headroom.weigh(&half) > Headroom.weigh(&full));
    assert!(Pack.weigh(&half) < Pack.weigh(&full));
    assert_eq!(half.scarcest_left(), 500_000);
    assert_ne!(Headroom.name(), Pack.name());
    assert!(Pack.because(&full).starts_with("fullest that can take it: 1 of 64 GiB"));
}

#[test]
fn without_hosts_nothing_is_counted() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    let m = machine(&story, "m");
    let fleet = crate::fleet::Fleet::default();
    let refused = super::for_start(&fleet, &m, false).expect_err("no host");
    assert!(refused.to_string().ends_with("there is no host that comes into question"));
}
