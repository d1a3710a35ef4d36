//! Machines go.

use serde_json::json;

use super::scene::{add_version, create, fact, machine, on, report, run, site};
use crate::event::{MachineFact as Fact, SessionFact};
use crate::ids::{ClientId, PoolId, SessionId};
use crate::machine::{Outcome, StopCause, Subject};
use crate::operation::Failure;
use crate::session::Target;
use crate::testing::{Story, command, kinds};
use crate::version::latest::display::Protocol;
use crate::version::latest::machine::{CopyRequested, PoolChanged};
use crate::version::latest::session::Granted;

fn forced() -> crate::command::Command {
    command("DeleteMachine", json!({ "machines": ["m"], "force": true }))
}

fn stopped() -> Story {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    story
}

#[test]
fn a_machine_that_no_host_ever_had_goes_at_once() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    let events = story.given(on("DeleteMachine", "m"));
    assert!(kinds(&events).contains(&"machine.deleted"));
    assert!(story.fleet.machines.is_empty() && story.fleet.operations.is_empty());
}

#[test]
fn a_machine_with_files_goes_when_its_host_has_removed_them() {
    let mut story = stopped();
    let pool = Some(PoolId::from_bytes([1; 16]));
    let id = machine(&story, "m").id;
    fact(&mut story, id, Fact::PoolChanged(PoolChanged { pool }));
    let events = story.given(on("DeleteMachine", "m"));
    assert_eq!(kinds(&events)[1..3], ["machine.pool_changed", "machine.delete_requested"]);
    story.refused(command("LockMachine", json!({ "machine": "m" })), "CRL-0206");
    let events = report(&mut story, "m", Outcome::Absent);
    assert_eq!(kinds(&events), ["machine.deleted", "operation.part_ended", "operation.finished"]);
    assert!(story.fleet.machines.is_empty());
}

#[test]
fn what_could_not_be_deleted_is_tried_again() {
    let mut story = stopped();
    story.given(on("DeleteMachine", "m"));
    let events = story.given(on("DeleteMachine", "m"));
    assert!(!kinds(&events).contains(&"machine.delete_requested"), "that is under way");
    let failure = Failure::new("remove", "the storage is read-only");
    report(&mut story, "m", Outcome::Failed { failure });
    let generation = machine(&story, "m").generation;
    story.given(on("DeleteMachine", "m"));
    assert!(machine(&story, "m").generation > generation);
}

#[test]
fn a_machine_that_runs_goes_only_by_force() {
    let mut story = stopped();
    run(&mut story, "m");
    story.refused(on("DeleteMachine", "m"), "CRL-0211");
    story.given(forced());
    report(&mut story, "m", Outcome::Absent);
    assert!(story.fleet.machines.is_empty());
}

#[test]
fn a_machine_in_use_stays_whatever_is_said() {
    let mut story = stopped();
    let subject = Subject::Client(ClientId::from_bytes([1; 16]));
    let machine = machine(&story, "m").id;
    let granted = Granted {
        subject,
        target: Target::Machine(machine),
        protocol: Protocol::Spice,
        machine,
        return_after_seconds: 300,
        counts_for: Vec::new(),
    };
    fact(&mut story, SessionId::from_bytes([1; 16]), SessionFact::LeaseGranted(granted));
    story.refused(forced(), "CRL-0215");
}

#[test]
fn what_others_stand_on_stays() {
    let mut story = site(&["node1"]);
    for fields in [
        json!({ "name": "gold", "kind": "source" }),
        json!({ "name": "i", "kind": "initial", "source": "gold" }),
    ] {
        story.given(command("CreateMachine", fields));
    }
    add_version(&mut story, "i", 1);
    story.given(command("CreateMachine", json!({ "name": "c", "kind": "vdi", "initial": "i" })));
    story.refused(on("DeleteMachine", "i"), "CRL-0216");
    let (source, initial) = (machine(&story, "gold").id, machine(&story, "i").id);
    fact(
        &mut story,
        initial,
        Fact::CopyRequested(CopyRequested { source, disks: Vec::new(), traces: None }),
    );
    story.refused(on("DeleteMachine", "gold"), "CRL-0213");
}
