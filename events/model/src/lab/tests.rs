//! What is given, asked for, and comes of it.

use serde_json::{Value, json};

use super::STARTS_MAX;
use crate::command::Command;
use crate::event::{Event, MachineFact, PoolFact};
use crate::ids::{MachineId, PoolId};
use crate::machine::{DiskSource, Kind};
use crate::name::Name;
use crate::testing::{Story, command, disk, kinds, machine_made};
use crate::version::latest::machine::{PoolChanged, StartRequested, Started};
use crate::version::latest::{Nothing, pool};

const POOL: PoolId = PoolId::from_bytes([4; 16]);

fn with_pool(story: &mut Story) {
    let name = Name::new("office").expect("a name");
    let created = pool::Created { name, settings: pool::Settings::default() };
    story.was(POOL, PoolFact::Created(created));
}

fn create(settings: &Value) -> Command {
    command("CreateLab", json!({ "name": "b12", "settings": settings }))
}

fn update(settings: &Value) -> Command {
    command("UpdateLab", json!({ "lab": "b12", "settings": settings }))
}

fn classes() -> Value {
    json!({ "pc": { "template": "remote-viewer %HOST%" } })
}

/// A lab that keeps machines running, and these machines, all off.
pub(crate) fn with_machines(settings: &Value, count: usize) -> (Story, Vec<MachineId>) {
    let mut story = Story::new();
    let capacity = json!({ "memory_mib": 655_360, "vcpus": 64 });
    let host = json!({ "name": "node1", "settings": { "capacity": capacity } });
    story.given(command("RegisterHypervisor", host));
    let seen = json!({ "name": "ssd", "settings": { "hosts": { "node1": "/srv" } } });
    story.given(command("CreateStorage", seen));
    let storage = story.fleet.storages.last().expect("the storage");
    with_pool(&mut story);
    let machines: Vec<_> = (0..count)
        .map(|at| {
            let disks = vec![disk(storage, DiskSource::Blank)];
            let machine = machine_made(&mut story, &format!("pc-{at}"), Kind::Simple, disks);
            let joined = PoolChanged { pool: Some(POOL) };
            story.was(machine, MachineFact::PoolChanged(joined));
            machine
        })
        .collect();
    story.given(create(settings));
    (story, machines)
}

pub(crate) fn runs(story: &mut Story, machine: MachineId) {
    let deadline = story.now.plus_seconds(120);
    let start = StartRequested { boot_epoch: 1, deadline: Some(deadline), persistent_once: false };
    story.was(machine, MachineFact::StartRequested(start));
    let started = Started { boot_epoch: 1, at: story.now, ready_by: deadline };
    story.was(machine, MachineFact::Started(started));
}

fn keep(story: &Story) -> Command {
    let lab = story.fleet.labs.last().expect("the lab");
    command("KeepLab", json!({ "lab": lab }))
}

fn restart(machine: MachineId) -> Command {
    command("RestartAged", json!({ "machine": machine }))
}

fn starts(events: &[Event]) -> usize {
    kinds(events).iter().filter(|kind| **kind == "machine.start_requested").count()
}

#[test]
fn every_state_that_is_drawn_is_reached() {
    let drawn = crate::testing::drawn(include_str!("mod.rs"));
    assert_eq!(drawn, ["created --> (updated)* --> deleted"]);
    let mut story = Story::new();
    let events = story.given(command("CreateLab", json!({ "name": "b12" })));
    assert_eq!(kinds(&events), ["operation.accepted", "lab.created"]);
    story.refused(create(&json!({})), "CRL-0002");
    let labels = json!({ "labels": { "floor": "1" } });
    assert_eq!(kinds(&story.given(update(&labels)))[1..], ["lab.updated"]);
    assert_eq!(kinds(&story.given(update(&labels))), ["operation.accepted"]);
    let delete = command("DeleteLab", json!({ "lab": "b12" }));
    assert_eq!(kinds(&story.given(delete.clone()))[1..], ["lab.deleted"]);
    story.refused(delete, "CRL-0001");
}

#[test]
fn a_lab_offers_pools_in_their_order_each_once() {
    let mut story = Story::new();
    with_pool(&mut story);
    story.refused(create(&json!({ "pools": ["office", POOL] })), "CRL-0004");
    story.refused(create(&json!({ "pools": ["school"] })), "CRL-0001");
    story.refused(create(&json!({ "pools": vec!["office"; 65] })), "CRL-0005");
    story.given(create(&json!({ "pools": ["office"] })));
    story.was(POOL, PoolFact::Deleted(Nothing {}));
    story.given(update(&json!({ "start_instances": 1 })));
    let (_, lab) = story.fleet.labs.iter().next().expect("the lab");
    assert!(lab.settings.pools.is_empty());
}

#[test]
fn a_lab_makes_sense() {
    let mut story = Story::new();
    story.refused(create(&json!({ "start_instances": 3, "max_instances": 2 })), "CRL-0604");
    story.refused(create(&json!({ "restart_after_hours": 0 })), "CRL-0004");
    for template in ["", "run %HOST", "run %A B%", "run\nrm"] {
        let classes = json!({ "classes": { "pc": { "template": template } } });
        story.refused(create(&classes), "CRL-0605");
    }
    story.given(create(&json!({ "classes": { "pc": { "template": "show 100%% %HOST%" } } })));
}

#[test]
fn a_lab_with_terminals_stays_and_keeps_their_classes() {
    let mut story = Story::new();
    story.given(create(&json!({ "classes": classes() })));
    let settings = json!({ "lab": "b12", "class": "pc" });
    let register = json!({ "termid": "desk-1", "settings": settings });
    story.given(command("RegisterTerminal", register));
    story.refused(command("DeleteLab", json!({ "lab": "b12" })), "CRL-0601");
    let refused = story.refused(update(&json!({ "classes": { "pc": null } })), "CRL-0603");
    assert_eq!(refused.to_string(), "the terminal desk-1 is of the class pc");
    story.given(update(&json!({ "classes": { "kiosk": { "template": "firefox" } } })));
}

#[test]
fn a_lab_starts_machines_until_as_many_run_as_shall() {
    let settings = json!({ "pools": ["office"], "start_instances": 10, "max_instances": 10 });
    let (mut story, machines) = with_machines(&settings, 12);
    runs(&mut story, machines[0]);
    let most = usize::try_from(STARTS_MAX).expect("a small number");
    assert_eq!(starts(&story.given(keep(&story))), most);
    assert_eq!(starts(&story.given(keep(&story))), 1);
    assert!(story.given(keep(&story)).is_empty());
}

#[test]
fn a_lab_starts_no_more_than_may_run() {
    let settings = json!({ "pools": ["office"], "start_instances": 2, "max_instances": 3 });
    let (mut story, machines) = with_machines(&settings, 5);
    machines[..3].iter().for_each(|machine| runs(&mut story, *machine));
    assert!(story.given(keep(&story)).is_empty());
    let nowhere = command("KeepLab", json!({ "lab": crate::ids::LabId::from_bytes([1; 16]) }));
    assert!(story.given(nowhere).is_empty());
}

#[test]
fn whatever_runs_counts_for_what_may_run() {
    let settings = json!({ "pools": ["office"], "start_instances": 3, "max_instances": 3 });
    let (mut story, machines) = with_machines(&settings, 6);
    let name = |story: &Story, at: usize| {
        story.fleet.machines.get(machines[at]).expect("the machine").name.clone()
    };
    // One is in maintenance, one is somebody's own, one is on its way off.
    machines[..3].iter().for_each(|machine| runs(&mut story, *machine));
    let on = json!({ "machines": [name(&story, 0)], "on": true });
    story.given(command("SetMaintenance", on));
    let terminal = crate::ids::TerminalId::from_bytes([3; 16]);
    let subject = crate::session::Subject::Terminal(terminal);
    let assigned = crate::version::latest::machine::Assigned { subject };
    story.was(machines[1], MachineFact::Assigned(assigned));
    let slept = MachineFact::PmSuspended(Nothing {});
    story.was(machines[2], slept);
    assert!(story.given(keep(&story)).is_empty(), "three run");
    let start = json!({ "machines": [name(&story, 3)] });
    story.refused(command("StartMachine", start), "CRL-0609");
    let more = json!({ "max_instances": 4 });
    story.given(update(&more));
    assert_eq!(starts(&story.given(keep(&story))), 1);
}

#[test]
fn a_person_waits_while_as_many_machines_run_as_may() {
    use crate::session::tests::site::{Site, terminal};
    let mut site = Site::with_pool(json!({}), 3, 2);
    let pool = site.pool_id("pool");
    site.terminal(0, &[pool]);
    assert!(site.story.fleet.terminals.contains(terminal(0)));
    site.given("UpdateLab", json!({ "lab": "lab", "settings": { "max_instances": 1 } }));
    site.ask(0);
    site.ask(1);
    assert!(!site.waits(0) && site.waits(1));
    site.given("UpdateLab", json!({ "lab": "lab", "settings": { "max_instances": 2 } }));
    site.given("ServePool", json!({ "pool": pool }));
    assert!(!site.waits(1));
}

#[test]
fn a_lab_without_a_host_that_has_room_waits() {
    let (mut story, _) = with_machines(&json!({ "pools": ["office"], "start_instances": 2 }), 2);
    let on = json!({ "hypervisor": "node1", "on": true });
    story.given(command("SetHypervisorMaintenance", on));
    assert!(story.given(keep(&story)).is_empty());
}

#[test]
fn a_machine_that_nobody_uses_restarts_when_it_has_run_for_long() {
    let settings = json!({ "pools": ["office"], "start_instances": 1, "restart_after_hours": 2 });
    let (mut story, machines) = with_machines(&settings, 1);
    let machine = machines[0];
    assert!(story.given(restart(machine)).is_empty());
    runs(&mut story, machine);
    story.wait(2 * 3600 - 1);
    assert!(story.given(restart(machine)).is_empty());
    story.wait(1);
    assert!(kinds(&story.given(restart(machine))).contains(&"machine.stop_requested"));
    assert!(story.given(restart(machine)).is_empty());
    assert!(story.given(restart(MachineId::from_bytes([1; 16]))).is_empty());
}

#[test]
fn a_machine_that_is_held_does_not_restart() {
    let settings = json!({ "pools": ["office"], "restart_after_hours": 1 });
    let (mut story, machines) = with_machines(&settings, 1);
    runs(&mut story, machines[0]);
    story.was(machines[0], MachineFact::Locked(Nothing {}));
    story.wait(4000);
    assert!(story.given(restart(machines[0])).is_empty());
}

#[test]
fn a_guest_that_does_not_listen_is_asked_to_restart_once() {
    let settings = json!({ "pools": ["office"], "restart_after_hours": 1 });
    let (mut story, machines) = with_machines(&settings, 1);
    runs(&mut story, machines[0]);
    story.wait(4000);
    assert!(!story.given(restart(machines[0])).is_empty());
    story.wait(600);
    let expire = json!({ "machine": machines[0] });
    let events = story.given(command("ExpirePower", expire));
    assert!(kinds(&events).contains(&"machine.shutdown_ignored"));
    assert!(story.given(restart(machines[0])).is_empty());
}

#[test]
fn first_boots_count_for_what_may_run() {
    use crate::session::tests::site::{IMAGE, Site, fact, machine};
    let mut site = Site::with_pool(json!({}), 3, 0);
    let lab = json!({ "name": "b12", "settings": { "pools": ["pool"], "max_instances": 1 } });
    site.given("CreateLab", lab);
    let first_boot = json!({ "done": "agent", "timeout_seconds": 60 });
    let renewal = json!({ "why": "reset", "image": IMAGE, "recipe": { "first_boot": first_boot },
        "when": "on_release", "discard_data": true });
    for n in 0..3 {
        let requested = fact(json!({ "renewal": renewal }));
        site.story.happened(machine(n), MachineFact::RenewalRequested(requested));
    }
    site.overlays_are_made();
    assert_eq!((0..3).filter(|n| site.at(*n).uses_host()).count(), 1);
}

#[test]
fn a_machine_that_is_kept_up_does_not_restart() {
    use crate::session::tests::site::{Site, machine};
    let mut site = Site::with_pool(json!({}), 1, 0);
    let lab = json!({ "pools": ["pool"], "restart_after_hours": 1 });
    site.given("CreateLab", json!({ "name": "b12", "settings": lab }));
    let it = json!({ "machines": [machine(0)] });
    site.given("EnableVirtualSnapshot", it.clone());
    let upkeep = json!({ "machines": [machine(0)], "persistent_once": true });
    site.given("StartMachine", upkeep);
    site.started(0);
    site.story.wait(4000);
    let restart = json!({ "machine": machine(0) });
    assert!(site.given("RestartAged", restart.clone()).is_empty(), "its upkeep is not cut short");
    site.stopped(0, crate::machine::StopCause::Guest);
    site.given("StartMachine", it);
    site.started(0);
    site.story.wait(4000);
    assert!(!site.given("RestartAged", restart).is_empty());
}
