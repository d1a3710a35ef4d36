//! What lies on a storage that is not mounted is not gone.

use carrel_driver::{Hypervisor, STORAGE_NOT_MOUNTED, Seen, Step, StepKind};
use carrel_model::contract::Order;
use carrel_model::ids::ImageId;
use carrel_model::record::Incarnation;
use carrel_model::work::{Lane, Shall, Thing, Work};
use serde_json::json;
use uuid::Uuid;

use super::{
    Fixed, HOST, Host, Next, STORAGE, THING, disk, look, next, off, on, order, place, present,
    root, steps,
};
use crate::entry::{Change, apply};

/// What is to be done next when the storage is away.
fn next_without(host: &Host) -> Next {
    let entry = host.entry.clone().expect("an entry");
    let order = entry.order.clone().expect("an order");
    let seen = host.sim.observe(&look(THING, Some(&order), &entry)).expect("seen");
    let seen = Seen { files: Vec::new(), unmounted: vec![root()], ..seen };
    next(THING, &order, (&seen, &entry), &Fixed)
}

fn fails(next: &Next) -> bool {
    matches!(next, Next::Fail(failure) if failure.code.as_str() == STORAGE_NOT_MOUNTED)
}

#[test]
fn a_machine_is_not_deleted_without_its_files() {
    let mut host = Host::new();
    host.told(order(1, present(&off(0, "hard"), &disk(0), &json!({}))));
    let disks = vec![serde_json::from_value(disk(0)).expect("a disk")];
    host.hears(order(2, Shall::Absent { disks }));
    // Its domain has gone already.
    host.does(&Step::Undefine { deleted: true });
    let next = next_without(&host);
    assert!(fails(&next), "{next:?}");
}

#[test]
fn a_disk_that_is_not_mounted_is_not_missing_and_nothing_is_made_for_it() {
    let mut host = Host::new();
    host.hears(order(1, present(&on(1), &disk(0), &json!({}))));
    let next = next_without(&host);
    assert!(fails(&next), "{next:?}");
}

#[test]
fn whoever_is_at_it_is_cut_off_all_the_same() {
    let mut host = Host::new();
    let tickets = json!({ "tickets": [{
        "session": Uuid::from_u128(8), "number": 1, "protocol": "spice", "arm": true,
    }] });
    assert!(!steps(&mut host, order(1, present(&on(1), &disk(0), &tickets))).is_empty());
    host.hears(order(2, present(&on(1), &disk(0), &json!({}))));
    let Next::Do(doable) = next_without(&host) else { panic!("there is something to do") };
    assert_eq!(doable.step.kind(), StepKind::CutViewers);
}

#[test]
fn a_retired_file_is_not_said_to_be_removed() {
    let (image, initial) = (ImageId::new(Uuid::from_u128(6)), Uuid::from_u128(5));
    let old = json!({ "file": {
        "image": image, "initial": initial, "version": 1, "file": 0, "depth": 1,
        "storage": STORAGE, "path": "/srv", "format": "qcow2",
    } });
    let thing = Thing::Image(image);
    let shall = Shall::Files(serde_json::from_value(json!({ "remove": [old] })).expect("work"));
    let work = Work { hypervisor: HOST, thing, generation: 1, lane: Lane::Fast, shall };
    let order =
        Order { incarnation: Incarnation(1), work, personal: Default::default(), operation: None };
    let entry = apply(None, Change::Heard(Box::new(order.clone()))).expect("an entry");
    let seen = Seen { unmounted: vec![root()], ..Seen::default() };
    let Next::Do(doable) = next(thing, &order, (&seen, &entry), &Fixed) else { panic!("said") };
    let file = place(&format!("images/{initial}/1-0.qcow2"));
    assert_eq!(doable.step, Step::RemoveFiles { files: vec![file] });
}
