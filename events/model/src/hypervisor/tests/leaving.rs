//! Hosts that are emptied, silent, lost, and short of space.

use serde_json::json;

use crate::command::Command;
use crate::event::MachineFact as Fact;
use crate::hypervisor::Reason;
use crate::hypervisor::commands::{ReportHostHeard, ReportHostSilent, ReportStorageSpace};
use crate::ids::PoolId;
use crate::machine::tests::scene::{
    add_storage, create, fact, host, lease, machine, on, report, report_from, run, site,
};
use crate::machine::{Outcome, State, StopCause, StopManner, Wish};
use crate::operation::commands::AdvanceOperation;
use crate::testing::{Story, command, kinds};
use crate::version::latest::machine::PoolChanged;

fn drain(host: &str, on: bool) -> Command {
    command("DrainHypervisor", json!({ "hypervisor": host, "on": on }))
}

fn lost(host: &str) -> Command {
    command("ConfirmHypervisorLost", json!({ "hypervisor": host }))
}

/// The name of the host that a machine is on.
fn place(story: &Story, name: &str) -> String {
    let host = machine(story, name).place.expect("a host");
    story.fleet.hypervisors.get(host).expect("the host").name.to_string()
}

fn stop(story: &mut Story, name: &str) {
    let boot_epoch = machine(story, name).power.boot_epoch;
    report(story, name, Outcome::Stopped { boot_epoch, cause: StopCause::Guest });
}

#[test]
fn what_is_off_is_let_go() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    stop(&mut story, "m");
    let (first, name) = (machine(&story, "m").place.expect("a host"), place(&story, "m"));
    story.given(drain(&name, true));
    let m = machine(&story, "m");
    assert_eq!((m.place, m.leaving), (None, Some(first)));
    assert_eq!(story.fleet.operations.len(), 1, "it waits for the host");
    report_from(&mut story, first, "m", m.generation, Outcome::Released);
    assert!(story.fleet.operations.is_empty());
    assert_eq!(story.fleet.machines_on(first).count(), 0);
    story.given(drain(&name, false));
    assert!(story.fleet.hypervisors.get(first).expect("it").enabled());
    assert_eq!(kinds(&story.given(drain(&name, false))), ["operation.accepted"]);
}

#[test]
fn what_runs_moves() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let (first, name) = (machine(&story, "m").place.expect("a host"), place(&story, "m"));
    story.given(drain(&name, true));
    report(&mut story, "m", Outcome::Migrated);
    assert_ne!(place(&story, "m"), name);
    let generation = machine(&story, "m").generation;
    report_from(&mut story, first, "m", generation, Outcome::Released);
    assert!(story.fleet.operations.is_empty());
}

#[test]
fn what_can_not_move_is_waited_for() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    story.given(drain("node1", true));
    assert_eq!(machine(&story, "m").power.wish, Wish::On, "nobody is disturbed");
    let reasons = |story: &Story| story.fleet.maintenance_of(&machine(story, "m"));
    assert!(reasons(&story).contains(&crate::machine::Reason::Drain));
    let events = {
        let boot_epoch = 1;
        report(&mut story, "m", Outcome::Stopped { boot_epoch, cause: StopCause::Guest })
    };
    assert_eq!(kinds(&events), ["machine.stopped", "machine.release_requested"]);
    report_released(&mut story);
    assert!(reasons(&story).is_empty(), "it is over when the machine has left");
    assert!(story.fleet.operations.is_empty());
    story.refused(on("StartMachine", "m"), "CRL-0201");
}

fn report_released(story: &mut Story) {
    let m = machine(story, "m");
    let leaving = m.leaving.expect("it leaves");
    report_from(story, leaving, "m", m.generation, Outcome::Released);
}

#[test]
fn whoever_waits_is_told_when_a_drain_is_called_off() {
    for back in [
        drain("node1", false),
        command("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": false })),
    ] {
        let mut story = site(&["node1"]);
        create(&mut story, "m");
        run(&mut story, "m");
        story.given(drain("node1", true));
        assert_eq!(story.fleet.operations.len(), 1);
        story.given(back);
        assert!(story.fleet.operations.is_empty());
        stop(&mut story, "m");
        assert!(machine(&story, "m").place.is_some(), "it stays");
    }
}

/// However many parts a drain waits for.
#[test]
fn a_drain_that_is_called_off_or_cancelled_ends() {
    for cancels in [true, false] {
        let mut story = site(&["node1"]);
        let settings = json!({ "capacity": { "memory_mib": 1_000_000, "vcpus": 1_000 } });
        let larger = json!({ "hypervisor": "node1", "settings": settings });
        story.given(command("UpdateHypervisor", larger));
        for n in 0..30 {
            create(&mut story, &format!("m{n:02}"));
            run(&mut story, &format!("m{n:02}"));
        }
        story.given(drain("node1", true));
        let operation = story.fleet.operations.iter().next().expect("it waits").0;
        for _ in 0..3 {
            story.given(AdvanceOperation { operation });
        }
        let cancel = command("CancelOperation", json!({ "operation": operation }));
        story.given(if cancels { cancel } else { drain("node1", false) });
        for _ in 0..3 {
            story.given(AdvanceOperation { operation });
        }
        assert!(story.fleet.operations.is_empty(), "nobody waits any longer");
    }
}

#[test]
fn many_machines_leave_in_slices() {
    for what in ["drain", "lose"] {
        let mut story = site(&["node1", "node2"]);
        let host_id = host(&story, "node1");
        let off =
            |on| command("SetHypervisorMaintenance", json!({ "hypervisor": "node2", "on": on }));
        story.given(off(true));
        let fields = json!({ "name": "m", "kind": "simple", "count": 30 });
        story.given(command("CreateMachine", fields));
        for number in 1..=30 {
            let name = format!("m-{number:02}");
            run(&mut story, &name);
            stop(&mut story, &name);
        }
        story.given(off(false));
        if what == "lose" {
            story.given(ReportHostSilent { hypervisor: host_id });
            story.given(lost("node1"));
        } else {
            story.given(drain("node1", true));
        }
        let operation = story.fleet.operations.iter().next().expect("it goes on").0;
        for _ in 0..3 {
            story.given(AdvanceOperation { operation });
        }
        for number in 1..=30 {
            let name = format!("m-{number:02}");
            if machine(&story, &name).leaving.is_some() {
                let generation = machine(&story, &name).generation;
                report_from(&mut story, host_id, &name, generation, Outcome::Released);
            }
        }
        assert!(story.fleet.operations.is_empty(), "{what}");
        assert_eq!(story.fleet.machines_on(host_id).count(), 0, "{what}");
    }
}

#[test]
fn a_spare_that_can_not_move_is_shut_down_and_one_in_use_is_not() {
    for used in [false, true] {
        let mut story = site(&["node1"]);
        create(&mut story, "m");
        run(&mut story, "m");
        let id = machine(&story, "m").id;
        let pool = Some(PoolId::from_bytes([1; 16]));
        fact(&mut story, id, Fact::PoolChanged(PoolChanged { pool }));
        if used {
            lease(&mut story, id);
        }
        story.given(drain("node1", true));
        let wish = if used { Wish::On } else { Wish::Off(StopManner::Acpi) };
        assert_eq!(machine(&story, "m").power.wish, wish);
    }
}

#[test]
fn a_spare_that_is_kept_up_is_waited_for() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story.given(on("EnableVirtualSnapshot", "m"));
    let upkeep = json!({ "machines": ["m"], "persistent_once": true });
    story.given(command("StartMachine", upkeep));
    report(&mut story, "m", Outcome::Started { boot_epoch: 1 });
    let id = machine(&story, "m").id;
    let pool = Some(PoolId::from_bytes([1; 16]));
    fact(&mut story, id, Fact::PoolChanged(PoolChanged { pool }));
    assert!(machine(&story, "m").is_kept_up());
    story.given(drain("node1", true));
    assert_eq!(machine(&story, "m").power.wish, Wish::On);
}

#[test]
fn silence_is_one_fact_however_many_machines_there_are() {
    let mut story = site(&["node1"]);
    let fields = json!({ "name": "m", "kind": "simple", "count": 12 });
    story.given(command("CreateMachine", fields));
    run(&mut story, "m-01");
    let hypervisor = host(&story, "node1");
    let events = story.given(ReportHostSilent { hypervisor });
    assert_eq!(kinds(&events), ["hypervisor.maintenance_changed"]);
    assert!(story.given(ReportHostSilent { hypervisor }).is_empty());
    assert_eq!(story.fleet.state_of(&machine(&story, "m-01")), State::Unknown);
    assert_eq!(story.fleet.state_of(&machine(&story, "m-02")), State::Off);
    story.given(ReportHostHeard { hypervisor });
    assert!(story.given(ReportHostHeard { hypervisor }).is_empty());
    assert_eq!(story.fleet.state_of(&machine(&story, "m-01")), State::Running);
}

#[test]
fn what_ran_on_a_lost_host_starts_elsewhere() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let (first, name) = (machine(&story, "m").place.expect("a host"), place(&story, "m"));
    story.refused(lost(&name), "CRL-0103");
    story.given(ReportHostSilent { hypervisor: first });
    let events = story.given(lost(&name));
    assert_eq!(
        kinds(&events)[..4],
        [
            "operation.accepted",
            "hypervisor.maintenance_changed",
            "machine.stopped",
            "machine.released",
        ]
    );
    assert!(story.fleet.operations.is_empty());
    story.given(on("StartMachine", "m"));
    assert_ne!(place(&story, "m"), name);
    let late = machine(&story, "m").generation;
    let foreign = Outcome::Stopped { boot_epoch: 2, cause: StopCause::Crash };
    assert!(report_from(&mut story, first, "m", late, foreign).is_empty());
    story.given(ReportHostHeard { hypervisor: first });
    let reasons = &story.fleet.hypervisors.get(first).expect("it").maintenance;
    assert!(reasons.contains(&Reason::Lost), "until somebody takes it in again");
}

#[test]
fn a_deletion_on_a_lost_host_is_finished_by_another() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    stop(&mut story, "m");
    let (first, name) = (machine(&story, "m").place.expect("a host"), place(&story, "m"));
    story.given(on("DeleteMachine", "m"));
    story.given(ReportHostSilent { hypervisor: first });
    story.given(lost(&name));
    assert_ne!(place(&story, "m"), name);
    report(&mut story, "m", Outcome::Absent);
    assert!(story.fleet.machines.is_empty());
}

#[test]
fn a_migration_from_or_to_a_lost_host_is_over() {
    for from in [true, false] {
        let mut story = site(&["node1", "node2"]);
        create(&mut story, "m");
        run(&mut story, "m");
        let (first, name) = (machine(&story, "m").place, place(&story, "m"));
        story.given(on("MigrateMachine", "m"));
        let other = if name == "node1" { "node2" } else { "node1" };
        let gone = if from { name.as_str() } else { other };
        let hypervisor = host(&story, gone);
        story.given(ReportHostSilent { hypervisor });
        story.given(lost(gone));
        let m = machine(&story, "m");
        assert_eq!(m.task, None);
        let arrived = Some(host(&story, other));
        assert_eq!(m.place, if from { arrived } else { first }, "it may have arrived");
        assert_eq!(m.at_rest(), from);
    }
}

#[test]
fn a_storage_is_low_on_space_until_there_is_room_again() {
    let mut story = site(&["node1"]);
    let storage = add_storage(&mut story, "small", &["node1"], &json!(["disks"]), "disk");
    let mut space = |free_mib| {
        let events = story.given(ReportStorageSpace { storage, free_mib });
        (kinds(&events).len(), story.fleet.storages.get(storage).expect("it").low_on_space)
    };
    let low = 20 * 1024;
    assert_eq!(space(low), (0, false));
    assert_eq!(space(low - 1), (1, true));
    assert_eq!(space(1), (0, true));
    assert_eq!(space(low + 1), (0, true), "not to and fro with every file");
    assert_eq!(space(low * 2), (1, false));
    let fields = json!({ "name": "m", "kind": "simple", "storage": "small" });
    story.given(ReportStorageSpace { storage, free_mib: 0 });
    story.refused(command("CreateMachine", fields), "CRL-0219");
}
