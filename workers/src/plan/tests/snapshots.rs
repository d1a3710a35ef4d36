//! What snapshots keep, and whose only file that may be.

use carrel_driver::{Place, Step, StepKind};
use carrel_model::machine::Reported;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Host, MACHINE, Outcome, disk, off, on, order, place, present, steps};

const SNAPSHOT: Uuid = Uuid::from_u128(6);

fn snapshots(shall: &str) -> Value {
    json!({ "snapshots": [{ "id": SNAPSHOT, "shall": shall }] })
}

fn disk_file() -> Place {
    place(&format!("machines/{MACHINE}/{}-0.qcow2", Uuid::from_u128(9)))
}

fn kept_file() -> Place {
    place(&format!("machines/{MACHINE}/{SNAPSHOT}.{}.qcow2", Uuid::from_u128(9)))
}

/// A machine that is off, and whose disk has become what a snapshot keeps: whoever took that was
/// stopped before there was another one.
fn half_taken() -> Host {
    let mut host = Host::new();
    host.told(order(1, present(&off(0, "hard"), &disk(0), &json!({}))));
    host.does(&Step::Seal { from: disk_file(), to: kept_file() });
    host
}

fn has(host: &Host, place: &Place) -> bool {
    host.world.files().contains_key(&(place.root.storage, place.file.clone()))
}

#[test]
fn one_that_was_stopped_in_the_middle_goes_on() {
    let mut host = half_taken();
    let shall = present(&off(0, "hard"), &disk(0), &snapshots("be_there"));
    assert_eq!(steps(&mut host, order(2, shall)), [StepKind::TakeSnapshot]);
    let taken = Outcome::SnapshotTaken { snapshot: carrel_model::ids::SnapshotId::new(SNAPSHOT) };
    assert!(host.said.contains(&Reported::Machine { id: MACHINE, outcome: taken }));
    let stands_on = &host.world.files()[&(disk_file().root.storage, disk_file().file)].0;
    assert_eq!(*stands_on, Some((kept_file().root.storage, kept_file().file)));
}

#[test]
#[should_panic(expected = "is gone; what snapshots have kept of it is in /srv/machines/")]
fn one_that_nobody_wants_any_more_is_told_of() {
    let mut host = half_taken();
    host.told(order(2, present(&off(0, "hard"), &disk(0), &json!({}))));
}

#[test]
fn the_only_file_of_a_disk_stays_for_as_long_as_the_disk_is_kept() {
    let mut host = half_taken();
    let keep = json!({ "keep": [disk(0)] });
    let shall = present(&off(0, "hard"), &disk(1), &keep);
    assert_eq!(steps(&mut host, order(2, shall)), [StepKind::MakeDisk]);
    assert!(has(&host, &kept_file()));
    let shall = present(&off(0, "hard"), &disk(1), &json!({}));
    assert_eq!(steps(&mut host, order(3, shall)), [StepKind::RemoveFiles]);
    assert!(!has(&host, &kept_file()));
}

#[test]
fn one_on_which_a_running_disk_stands_goes_when_that_is_off() {
    let mut host = Host::new();
    host.told(order(1, present(&off(0, "hard"), &disk(0), &snapshots("be_there"))));
    host.told(order(2, present(&on(1), &disk(0), &snapshots("be_there"))));
    let did = steps(&mut host, order(3, present(&on(1), &disk(0), &snapshots("be_gone"))));
    assert_eq!(did, []);
    let shall = present(&off(1, "hard"), &disk(0), &snapshots("be_gone"));
    assert_eq!(steps(&mut host, order(4, shall)), [StepKind::Destroy, StepKind::DeleteSnapshot]);
}

#[test]
fn one_on_which_nothing_stands_goes_while_the_machine_runs() {
    let mut host = Host::new();
    host.told(order(1, present(&off(0, "hard"), &disk(0), &json!({}))));
    host.world.has_file(&kept_file(), 20, None);
    let did = steps(&mut host, order(2, present(&on(1), &disk(0), &snapshots("be_gone"))));
    assert_eq!(did, [StepKind::DeleteSnapshot, StepKind::Define, StepKind::Start]);
    host.world.has_file(&kept_file(), 20, None);
    let did = steps(&mut host, order(3, present(&on(1), &disk(0), &snapshots("be_gone"))));
    assert_eq!(did, [StepKind::DeleteSnapshot]);
}
