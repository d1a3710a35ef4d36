//! Of what runs, people come before files.

use carrel_driver::StepKind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Host, disk, off, on, order, present, steps, throwaway};

fn larger(size_gib: u32) -> Value {
    let mut disk = disk(0);
    disk["size_gib"] = size_gib.into();
    disk
}

fn ticket(number: u32) -> Value {
    json!({ "tickets": [{
        "session": Uuid::from_u128(8), "number": number, "protocol": "spice", "arm": true,
    }] })
}

#[test]
fn tickets_are_armed_and_taken_back_before_its_disk_grows() {
    let mut host = Host::new();
    host.told(order(1, present(&on(1), &disk(0), &ticket(1))));
    let shall = present(&on(1), &larger(30), &ticket(2));
    let did = steps(&mut host, order(2, shall));
    assert_eq!(did, [StepKind::CutViewers, StepKind::ArmDisplay, StepKind::Resize]);
}

/// Its overlay is thrown away, and stands on the disk.
#[test]
fn what_runs_on_something_else_grows_when_it_is_off() {
    let mut host = Host::new();
    host.told(order(1, present(&on(1), &disk(0), &json!({ "throwaway": throwaway() }))));
    let mut with = ticket(1);
    with["throwaway"] = throwaway();
    let did = steps(&mut host, order(2, present(&on(1), &larger(30), &with)));
    assert_eq!(did, [StepKind::ArmDisplay], "whoever comes gets in meanwhile");
    let shall = present(&off(1, "hard"), &larger(30), &json!({}));
    let did = steps(&mut host, order(3, shall));
    assert_eq!(did, [StepKind::Destroy, StepKind::RemoveFiles, StepKind::Resize]);
}
