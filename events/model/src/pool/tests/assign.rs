//! Machines are assigned to people and taken from them.

use serde_json::json;

use crate::machine::Kind;
use crate::session::Subject;
use crate::session::tests::site::{Site, machine, of_sessions, person};
use crate::testing::kinds;

#[test]
fn a_machine_is_assigned_once_and_to_one() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 2);
    assert_eq!(kinds(&site.assign(0, 0)), ["operation.accepted", "machine.assigned"]);
    assert_eq!(kinds(&site.assign(0, 0)), ["operation.accepted"]);
    let other = json!({ "client": { "id": person(1) }, "machine": "m0" });
    site.refused("AssignClient", other, "CRL-0422");
}

#[test]
fn an_external_machine_belongs_to_as_many_as_it_has_seats() {
    let mut site = Site::new();
    site.external(0, 2);
    for n in 0..3 {
        site.person(n);
    }
    site.assign(0, 0);
    site.assign(1, 0);
    let third = json!({ "client": { "id": person(2) }, "machine": "m0" });
    site.refused("AssignClient", third, "CRL-0422");
}

#[test]
fn an_assignment_names_one_of_each() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    let client = json!({ "id": person(0) });
    site.given("CreateGroup", json!({ "name": "class" }));
    site.refused("AssignClient", json!({ "client": client }), "CRL-0419");
    let both = json!({ "client": client, "pool": "pool", "machine": "m0" });
    site.refused("AssignClient", both, "CRL-0419");
    site.refused("AssignClient", json!({ "pool": "pool" }), "CRL-0420");
    site.refused("AssignClient", json!({ "machine": "m0" }), "CRL-0420");
    site.refused("AssignClient", json!({ "group": "class", "machine": "m0" }), "CRL-0424");
    let events = site.given("AssignClient", json!({ "group": "class", "pool": "pool" }));
    assert_eq!(kinds(&events), ["operation.accepted", "pool.entitled"]);
}

#[test]
fn what_images_are_made_from_is_not_assigned() {
    let mut site = Site::with_pool(json!({}), 0, 1);
    site.machine(1, &Kind::Source);
    let source = json!({ "client": { "id": person(0) }, "machine": "m1" });
    site.refused("AssignClient", source, "CRL-0410");
    site.vdi(2);
    let operation = crate::ids::CommandId::from_bytes([5; 16]);
    let delete = crate::session::tests::site::fact(json!({ "operation": operation }));
    site.story.happened(machine(2), crate::event::MachineFact::DeleteRequested(delete));
    let going = json!({ "client": { "id": person(0) }, "machine": "m2" });
    site.refused("AssignClient", going, "CRL-0413");
}

#[test]
fn what_somebody_has_written_is_handed_on_only_when_that_is_said() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 2);
    site.assign(0, 0);
    site.ask(0);
    let next = json!({ "client": { "id": person(1) }, "machine": "m0" });
    let unassign = json!({ "client": { "id": person(0) }, "machine": "m0" });
    let events = site.given("UnassignClient", unassign.clone());
    assert_eq!(of_sessions(&events), ["lease.ended"]);
    assert_eq!(kinds(&site.given("UnassignClient", unassign)), ["operation.accepted"]);
    assert_eq!(site.at(0).written, Some(Subject::Client(person(0))), "it is left as it is");
    site.refused("AssignClient", next, "CRL-0423");
    let kept = json!({ "client": { "id": person(1) }, "machine": "m0", "keep_data": true });
    let events = site.given("AssignClient", kept);
    assert_eq!(kinds(&events), ["operation.accepted", "machine.handed_on", "machine.assigned"]);
    site.ask(1);
    assert_eq!(site.machine_of(1), Some(machine(0)));
}

#[test]
fn a_machine_that_somebody_left_is_not_free_in_a_sticky_pool() {
    let mut site = Site::with_pool(json!({ "mode": "sticky" }), 1, 2);
    site.ask(0);
    site.given("UnassignClient", json!({ "client": { "id": person(0) }, "machine": "m0" }));
    site.ask(1);
    assert!(site.waits(1));
    site.made_clean(0);
    assert_eq!(site.machine_of(1), Some(machine(0)));
}

#[test]
fn a_machine_in_use_is_not_assigned_to_another() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(0);
    let next = json!({ "client": { "id": person(1) }, "machine": "m0", "keep_data": true });
    site.refused("AssignClient", next, "CRL-0412");
}

#[test]
fn whoever_waits_for_a_machine_that_is_taken_from_them_leaves() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    site.locked(0);
    site.given("RequestDesktop", json!({ "client": { "id": person(0) }, "machine": "m0" }));
    let unassign = json!({ "client": { "id": person(0) }, "machine": "m0" });
    assert_eq!(of_sessions(&site.given("UnassignClient", unassign)), ["session.left"]);
}

#[test]
fn a_terminal_is_assigned_a_machine() {
    let mut site = Site::new();
    site.terminal(0, &[]);
    site.vdi(0);
    let assign = json!({ "terminal": "t0", "machine": "m0" });
    let events = site.given("AssignTerminal", assign);
    assert_eq!(kinds(&events), ["operation.accepted", "machine.assigned"]);
}
