//! Disks beside the system disk.

use serde_json::{Value, json};

use super::scene::{add_storage, create, machine, report, site};
use crate::image::tests::Site;
use crate::machine::{DiskRole, DiskSource, Machine, Outcome};
use crate::testing::command;
use crate::work::{Shall, Thing, work};

fn with_disks(name: &str, kind: &str, disks: &Value) -> Value {
    json!({ "name": name, "kind": kind, "disks": disks })
}

fn roles(machine: &Machine) -> Vec<(DiskRole, u32)> {
    machine.disks.iter().map(|disk| (disk.role, disk.size_gib)).collect()
}

#[test]
fn a_machine_is_made_with_the_disks_that_it_needs() {
    let mut story = site(&["node1", "node2"]);
    let slow = add_storage(&mut story, "slow", &["node2"], &json!(["disks"]), "disk");
    let disks =
        json!([{ "role": "user", "gib": 10 }, { "role": "data", "gib": 500, "storage": "slow" }]);
    story.given(command("CreateMachine", with_disks("m", "simple", &disks)));
    let m = machine(&story, "m");
    let expected = [(DiskRole::System, 20), (DiskRole::User, 10), (DiskRole::Data, 500)];
    assert_eq!(roles(&m), expected);
    assert_eq!(m.disks[0].storage, m.disks[1].storage);
    assert_eq!((m.disks[2].storage, &m.disks[2].source), (slow, &DiskSource::Blank));
    story.given(command("CloneMachine", json!({ "machine": "m", "name": "n" })));
    report(&mut story, "n", Outcome::Copied);
    let n = machine(&story, "n");
    assert_eq!(roles(&n), expected, "a clone gets copies of all");
    assert_ne!(n.disks[1].id, m.disks[1].id);
    story.given(command("DeleteMachine", json!({ "machines": ["n"] })));
    let told = work(&story.fleet, Thing::Machine(n.id)).expect("work");
    assert!(matches!(told.shall, Shall::Absent { disks } if disks.len() == 3), "all of them go");
}

#[test]
fn disks_that_cant_be_are_refused() {
    let mut story = site(&["node1", "node2"]);
    add_storage(&mut story, "left", &["node1"], &json!(["disks"]), "disk");
    add_storage(&mut story, "right", &["node2"], &json!(["disks"]), "disk");
    let apart = json!([
        { "role": "data", "gib": 1, "storage": "left" },
        { "role": "data", "gib": 1, "storage": "right" },
    ]);
    let refused =
        story.refused(command("CreateMachine", with_disks("m", "simple", &apart)), "CRL-0219");
    assert!(refused.to_string().contains("no host sees it together"), "{refused}");
    let huge = json!([{ "role": "data", "gib": 16_385 }]);
    story.refused(command("CreateMachine", with_disks("m", "simple", &huge)), "CRL-0811");
    let many: Vec<Value> = (0..16).map(|_| json!({ "role": "data", "gib": 1 })).collect();
    story.refused(command("CreateMachine", with_disks("m", "simple", &json!(many))), "CRL-0005");
    create(&mut story, "gold");
    let one = json!([{ "role": "data", "gib": 1 }]);
    let mut initial = with_disks("i", "initial", &one);
    initial["source"] = json!("gold");
    story.refused(command("CreateMachine", initial), "CRL-0221");
}

#[test]
fn fresh_disks_leave_the_others_as_they_are() {
    let mut site = Site::sealed();
    let disks = json!([{ "role": "user", "gib": 10 }]);
    let mut child = with_disks("child", "vdi", &disks);
    child["initial"] = json!("win11");
    site.given("CreateMachine", child);
    let id = site.named("child");
    let before = site.get(id).disks.clone();
    site.given("Populate", json!({ "initial": "win11" }));
    site.applied(id);
    let after = &site.get(id).disks;
    assert_eq!(after[1], before[1]);
    assert_ne!(after[0], before[0]);
    // Nothing takes away what somebody wrote there.
    site.given("CreatePool", json!({ "name": "floating" }));
    site.refused("AddToPool", json!({ "machines": ["child"], "pool": "floating" }), "CRL-0411");
}
