//! The disk that a machine can still go back to.

use serde_json::json;

use super::{in_first_boot, populate, populating};
use crate::event::MachineFact;
use crate::ids::MachineId;
use crate::image::tests::Site;
use crate::machine::{Disk, DiskRole, StopCause};
use crate::testing::command;
use crate::version::latest::machine::Ready;
use crate::work::{Shall, Thing, work};

fn generation(disk: Option<&Disk>) -> Option<u32> {
    disk.map(|disk| disk.overlay_generation)
}

/// Which of its system disk's files its host has, and which it keeps beside.
fn files(site: &Site, id: MachineId) -> (Vec<u32>, Vec<u32>) {
    let told = work(&site.story.fleet, Thing::Machine(id)).expect("work");
    let Shall::Present(spec) = told.shall else { panic!("it is there") };
    let of = |disks: &[crate::work::DiskSpec]| {
        let system = disks.iter().filter(|disk| disk.role == DiskRole::System);
        system.map(|disk| disk.overlay_generation).collect()
    };
    (of(&spec.disks), of(&spec.keep))
}

#[test]
fn a_populate_that_is_overtaken_keeps_the_disk_that_last_booted_and_no_other() {
    let (mut site, child) = populating(json!({ "first_boot": { "done": "agent" } }));
    let whole = site.get(child).disk_before.clone().expect("a disk").overlay_generation;
    assert_eq!(files(&site, child), (vec![whole + 1], vec![whole]));
    site.applied(child);
    for later in 2..=4 {
        populate(&mut site, json!({ "first_boot": { "done": "guest_poweroff" } }));
        site.off_if_on(child);
        assert_eq!(files(&site, child), (vec![whole + later], vec![whole]));
        site.applied(child);
    }
    site.started(child);
    site.off(child, StopCause::Guest);
    assert_eq!(files(&site, child), (vec![whole + 4], vec![]), "it has proved itself");
}

#[test]
fn a_disk_is_kept_as_long_as_its_successor_has_not_proved_itself() {
    let (mut site, child) = in_first_boot("agent");
    let whole = generation(site.get(child).disk_before.as_deref()).expect("a disk");
    site.off(child, StopCause::Crash);
    assert_eq!(site.get(child).renewal, None, "it has failed");
    assert_eq!(files(&site, child), (vec![whole + 1], vec![whole]));
    populate(&mut site, json!({}));
    assert_eq!(files(&site, child), (vec![whole + 2], vec![whole]));
    site.applied(child);
    assert_eq!(files(&site, child), (vec![whole + 2], vec![]));
}

#[test]
fn the_version_below_a_disk_that_is_kept_stays() {
    let (mut site, child) = populating(json!({ "first_boot": { "done": "agent" } }));
    site.applied(child);
    site.started(child);
    site.prepare();
    populate(&mut site, json!({}));
    site.is_sealed();
    site.advance();
    site.off(child, StopCause::Command);
    site.copy();
    site.seal();
    let retire = command("RetireImage", json!({ "image": "win11@1" }));
    let refused = site.story.refused(retire, "CRL-0311").to_string();
    assert!(refused.contains("away from it"), "{refused}");
    site.applied(child);
    site.given("RetireImage", json!({ "image": "win11@1" }));
}

#[test]
fn a_desktop_that_can_be_used_needs_no_disk_to_go_back_to() {
    let (mut site, child) = populating(json!({}));
    let generation = site.get(child).generation;
    let failed = crate::version::latest::machine::WorkFailed {
        generation,
        failure: crate::image::tests::failure(),
    };
    site.happens(child, MachineFact::WorkFailed(failed));
    assert!(site.get(child).disk_before.is_some());
    site.given("SetMaintenance", json!({ "machines": ["win11-001"], "on": false }));
    site.on(child);
    let boot_epoch = site.get(child).power.boot_epoch;
    site.happens(child, MachineFact::BecameReady(Ready { boot_epoch }));
    assert_eq!(site.get(child).disk_before, None);
}

#[test]
fn what_is_deleted_leaves_no_disk_behind() {
    let (mut site, child) = in_first_boot("agent");
    site.off(child, StopCause::Crash);
    site.given("DeleteMachine", json!({ "machines": ["win11-001"] }));
    let told = work(&site.story.fleet, Thing::Machine(child)).expect("work");
    let Shall::Absent { disks } = told.shall else { panic!("it goes") };
    assert_eq!(disks.len(), 2);
}
