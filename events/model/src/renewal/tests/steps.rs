//! From step to step, and what goes wrong at each.

use serde_json::json;

use super::{in_first_boot, populate, populating, step};
use crate::event::{Event, MachineFact, StorageFact};
use crate::ids::{MachineId, StorageId};
use crate::image::tests::{Site, ended, failure};
use crate::machine::{Reason, RenewalStep, Rest, StopCause, StopManner, Wish};
use crate::operation::Outcome;
use crate::renewal::{OVERLAY_SECONDS, ROOM_SECONDS, TRIES_MAX};
use crate::testing::kinds;
use crate::version::latest::machine::{
    Released, ReleasedBy, StartFailed, StartRequested, WorkFailed,
};
use crate::version::latest::storage::SpaceLowChanged;
use crate::version::latest::{Nothing, Switch};

/// The machine's part failed, and nobody gets the machine.
fn has_failed(site: &Site, id: MachineId, events: &[Event]) {
    assert!(kinds(events).contains(&"machine.renewal_failed"), "{:?}", kinds(events));
    assert_eq!(ended(events), Some(Outcome::Failed));
    let reasons: Vec<Reason> = site.get(id).maintenance.iter().copied().collect();
    assert_eq!(reasons, [Reason::Quarantine]);
    assert_eq!(step(site, id), None);
    assert!(site.get(id).trouble.is_some());
}

#[test]
fn a_guest_that_powers_itself_off_has_done_its_first_boot() {
    let (mut site, child) = in_first_boot("guest_poweroff");
    let events = site.off(child, StopCause::Guest);
    assert_eq!(
        kinds(&events),
        [
            "machine.stopped",
            "machine.first_boot_ended",
            "machine.populated",
            "operation.part_ended",
            "operation.finished",
        ]
    );
    assert!(site.get(child).at_rest() && site.get(child).maintenance.is_empty());
    assert!(!site.get(child).half_made);
}

#[test]
fn a_guest_whose_agent_has_answered_is_shut_down() {
    let (mut site, child) = in_first_boot("agent");
    let events = site.happens(child, MachineFact::FirstBootEnded(Nothing {}));
    assert_eq!(kinds(&events), ["machine.first_boot_ended", "machine.stop_requested"]);
    assert_eq!(site.get(child).power.wish, Wish::Off(StopManner::Acpi));
    let events = site.off(child, StopCause::Command);
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
}

#[test]
fn what_follows_follows_by_itself() {
    let then = json!({ "virtual_snapshot": true });
    let (mut site, child) = populating(json!({
        "first_boot": { "done": { "tcp": { "port": 3389 } } },
        "then": then,
    }));
    assert!(site.get(child).virtual_snapshot.is_none(), "writes of the first boot stay");
    site.applied(child);
    assert!(site.get(child).power.persistent_once);
    site.started(child);
    site.happens(child, MachineFact::FirstBootEnded(Nothing {}));
    site.off(child, StopCause::Guest);
    assert!(site.get(child).virtual_snapshot.is_some());
    let recipe = site.get(child).recipe.clone().expect("how it was populated");
    assert!(recipe.first_boot.is_some() && recipe.then.virtual_snapshot);
}

#[test]
fn a_first_boot_that_ends_in_any_other_way_has_failed() {
    for (done, cause) in [
        ("guest_poweroff", StopCause::Crash),
        ("guest_poweroff", StopCause::Command),
        ("guest_poweroff", StopCause::HostLost),
        ("agent", StopCause::Guest),
    ] {
        let (mut site, child) = in_first_boot(done);
        let events = site.off(child, cause);
        has_failed(&site, child, &events);
        assert!(site.get(child).half_made);
    }
}

#[test]
fn a_first_boot_that_does_not_start_has_failed() {
    let (mut site, child) = populating(json!({ "first_boot": { "done": "agent" } }));
    site.applied(child);
    let (boot_epoch, at) = (site.get(child).power.boot_epoch, site.story.now);
    let failed = StartFailed { boot_epoch, at, failure: failure(), rest: Rest::Confirmed };
    let events = site.happens(child, MachineFact::StartFailed(failed));
    has_failed(&site, child, &events);
}

#[test]
fn what_was_started_past_its_renewal_has_failed() {
    let (mut site, child) = populating(json!({ "first_boot": { "done": "agent" } }));
    let boot_epoch = site.get(child).power.boot_epoch + 1;
    let deadline = site.story.now.plus_seconds(120);
    let start = StartRequested { boot_epoch, deadline: Some(deadline), persistent_once: false };
    site.happens(child, MachineFact::StartRequested(start));
    let events = site.applied(child);
    has_failed(&site, child, &events);
}

#[test]
fn a_first_boot_that_takes_too_long_has_failed_and_can_be_looked_at() {
    let (mut site, child) = in_first_boot("agent");
    assert!(site.story.wait(1799).fleet.machines.contains(child));
    assert!(site.advance().is_empty());
    site.story.wait(1);
    let events = site.advance();
    has_failed(&site, child, &events);
    assert!(!site.get(child).at_rest());
}

#[test]
fn an_overlay_that_cant_be_made_has_failed() {
    let (mut site, child) = populating(json!({}));
    let generation = site.get(child).generation;
    let failed = WorkFailed { generation, failure: failure() };
    let events = site.happens(child, MachineFact::WorkFailed(failed));
    has_failed(&site, child, &events);

    let (mut site, child) = populating(json!({}));
    site.story.wait(OVERLAY_SECONDS);
    let events = site.advance();
    has_failed(&site, child, &events);
}

#[test]
fn the_next_populate_ends_the_quarantine_of_a_failed_one() {
    let (mut site, child) = in_first_boot("agent");
    site.off(child, StopCause::Crash);
    populate(&mut site, json!({}));
    assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
    assert!(site.get(child).maintenance.is_empty());
    assert!(!site.get(child).half_made);
}

#[test]
fn a_host_without_room_for_a_first_boot_is_asked_again() {
    let (mut site, child) = populating(json!({ "first_boot": { "done": "agent" } }));
    let maintenance = |on: bool| json!({ "hypervisor": "node1", "on": on });
    site.given("SetHypervisorMaintenance", maintenance(true));
    assert_eq!(kinds(&site.applied(child)), ["machine.applied", "machine.renewal_delayed"]);
    site.story.wait(ROOM_SECONDS);
    assert_eq!(kinds(&site.advance()), ["machine.renewal_delayed"]);
    site.given("SetHypervisorMaintenance", maintenance(false));
    assert!(site.advance().is_empty(), "its time is not there yet");
    site.story.wait(ROOM_SECONDS);
    assert_eq!(kinds(&site.advance()), ["machine.placed", "machine.first_boot_begun"]);
    assert_eq!(step(&site, child), Some(RenewalStep::FirstBoot));
}

#[test]
fn a_host_is_not_asked_for_ever() {
    let (mut site, child) = populating(json!({ "first_boot": { "done": "agent" } }));
    let on = json!({ "hypervisor": "node1", "on": true });
    site.given("SetHypervisorMaintenance", on);
    site.applied(child);
    let mut events = Vec::new();
    for _ in 0..TRIES_MAX {
        site.story.wait(ROOM_SECONDS);
        events = site.advance();
    }
    has_failed(&site, child, &events);
}

#[test]
fn another_host_makes_the_overlay_when_the_first_is_gone() {
    let (mut site, child) = populating(json!({}));
    let hypervisor = site.host;
    let released = Released { hypervisor, cause: ReleasedBy::HostLost };
    let events = site.happens(child, MachineFact::Released(released));
    assert_eq!(kinds(&events), ["machine.released", "machine.placed", "machine.overlay_requested"]);
    assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
}

#[test]
fn without_a_host_there_is_no_overlay() {
    let (mut site, children) = Site::with_children(1);
    site.given("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true }));
    let events = populate(&mut site, json!({}));
    has_failed(&site, children[0], &events);
}

#[test]
fn a_host_that_sees_no_file_of_the_version_makes_no_overlay() {
    let mut site = Site::sealed();
    let (fast, host) = (site.storage, site.host);
    site.storage(StorageId::from_bytes([2; 16]), "slow", &json!({ host.to_string(): "/slow" }));
    let low = SpaceLowChanged { switch: Switch::On, free_mib: 1 };
    site.happens(fast, StorageFact::SpaceLowChanged(low));
    site.given("Populate", json!({ "initial": "win11", "count": 1 }));
    let child = site.named("win11-001");
    site.applied(child);

    let mut unseen = site.story.fleet.storages.get(fast).expect("the storage").settings.clone();
    unseen.hosts.clear();
    let updated = crate::version::latest::storage::Updated {
        name: crate::image::tests::name_of("fast"),
        settings: unseen,
    };
    site.happens(fast, StorageFact::Updated(updated));
    let events = populate(&mut site, json!({}));
    has_failed(&site, child, &events);
}

#[test]
fn a_machine_that_keeps_other_disks_is_shut_down_in_order() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    let mut fleet = site.story.fleet.clone();
    fleet.change::<crate::machine::Machine>(child, |machine| {
        let mut disk = machine.disks[0].clone();
        disk.id = crate::ids::DiskId::from_bytes([77; 16]);
        disk.role = crate::machine::DiskRole::User;
        machine.disks.push(disk);
    });
    site.story.fleet = fleet;
    site.on(child);
    populate(&mut site, json!({}));
    assert_eq!(site.get(child).power.wish, Wish::Off(StopManner::Acpi));
    let kept = site.get(child).disks[1].clone();

    // It ignores that, so its power is cut.
    site.story.wait(180);
    let events = site.advance();
    assert_eq!(kinds(&events), ["machine.stop_requested", "machine.renewal_delayed"]);
    assert_eq!(site.get(child).power.wish, Wish::Off(StopManner::Hard));
    let mut stuck = site.story.clone();
    site.off(child, StopCause::Command);
    assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
    assert_eq!(site.get(child).disks[1], kept);

    // Or its host can't even do that.
    std::mem::swap(&mut site.story, &mut stuck);
    site.story.wait(60);
    let events = site.advance();
    has_failed(&site, child, &events);
}

#[test]
fn a_first_boot_that_is_done_and_does_not_go_off_is_cut() {
    let (mut site, child) = in_first_boot("agent");
    site.happens(child, MachineFact::FirstBootEnded(Nothing {}));
    site.story.wait(1800);
    assert_eq!(kinds(&site.advance()), ["machine.stop_requested", "machine.renewal_delayed"]);
    assert_eq!(ended(&site.off(child, StopCause::Command)), Some(Outcome::Succeeded));
}
