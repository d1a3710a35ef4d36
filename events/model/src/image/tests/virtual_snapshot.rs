//! EnableVirtualSnapshot and DisableVirtualSnapshot.

use serde_json::json;

use super::{Site, ended};
use crate::event::MachineFact;
use crate::ids::SnapshotId;
use crate::machine::{OnReboot, VirtualSnapshot};
use crate::operation::Outcome;
use crate::testing::kinds;
use crate::version::latest::machine::{DeleteRequested, SnapshotRequested};

#[test]
fn all_children_get_one_and_lose_it() {
    let (mut site, children) = Site::with_children(2);
    let on = json!({ "children_of": "win11", "on_reboot": "renew" });
    let events = site.given("EnableVirtualSnapshot", on.clone());
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    let setting = Some(VirtualSnapshot { on_reboot: OnReboot::Renew });
    assert!(children.iter().all(|child| site.get(*child).virtual_snapshot == setting));
    let again = site.given("EnableVirtualSnapshot", on);
    assert!(!kinds(&again).contains(&"machine.virtual_snapshot_changed"), "it is so already");
    site.given("DisableVirtualSnapshot", json!({ "children_of": "win11" }));
    assert!(children.iter().all(|child| site.get(*child).virtual_snapshot.is_none()));
}

#[test]
fn a_running_machine_gets_it_with_the_next_power_on() {
    let (mut site, children) = Site::with_children(1);
    site.on(children[0]);
    let generation = site.get(children[0]).generation;
    site.given("EnableVirtualSnapshot", json!({ "machines": ["win11-001"] }));
    let machine = site.get(children[0]);
    assert_eq!(machine.generation, generation + 1);
    assert!(!machine.at_rest());
}

#[test]
fn it_has_to_wait_for_a_first_boot() {
    let (mut site, children) = Site::with_children(1);
    let first_boot = json!({ "done": "guest_poweroff", "timeout_seconds": 600 });
    site.given("Populate", json!({ "initial": "win11", "first_boot": first_boot }));
    let on = || json!({ "machines": ["win11-001"] });
    site.refused("EnableVirtualSnapshot", on(), "CRL-0317");
    site.applied(children[0]);
    site.refused("EnableVirtualSnapshot", on(), "CRL-0317");
    site.story.wait(601);
    site.advance();
    assert!(site.get(children[0]).renewal.is_none());
    // It failed, so the disk is half made.
    site.refused("EnableVirtualSnapshot", on(), "CRL-0317");
    site.refused("DisableVirtualSnapshot", json!({}), "CRL-0006");
    site.given("DisableVirtualSnapshot", on());
}

#[test]
fn a_disk_that_is_made_anew_is_left_alone() {
    let (mut site, _) = Site::with_children(1);
    site.given("Populate", json!({ "initial": "win11" }));
    site.refused("EnableVirtualSnapshot", json!({ "machines": ["win11-001"] }), "CRL-0207");
    site.refused("DisableVirtualSnapshot", json!({ "machines": ["win11-001"] }), "CRL-0207");
}

#[test]
fn not_with_snapshots_and_not_on_what_is_no_desktop() {
    let (mut site, children) = Site::with_children(1);
    let snapshot = SnapshotRequested {
        snapshot: SnapshotId::from_bytes([5; 16]),
        name: super::name_of("before"),
        quiesced: false,
    };
    site.happens(children[0], MachineFact::SnapshotRequested(snapshot));
    let refused =
        site.refused("EnableVirtualSnapshot", json!({ "machines": ["win11-001"] }), "CRL-0318");
    assert_eq!(refused.to_string(), "win11-001 has snapshots: 1");
    site.refused("EnableVirtualSnapshot", json!({ "machines": ["win11"] }), "CRL-0301");
    let operation = crate::ids::CommandId::from_bytes([3; 16]);
    site.happens(children[0], MachineFact::DeleteRequested(DeleteRequested { operation }));
    site.refused("EnableVirtualSnapshot", json!({ "machines": ["win11-001"] }), "CRL-0206");
}

#[test]
fn what_a_reboot_does_to_it_outlives_a_renewal() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    let on = json!({ "children_of": "win11", "on_reboot": "renew" });
    site.given("EnableVirtualSnapshot", on.clone());
    let renews = Some(VirtualSnapshot { on_reboot: OnReboot::Renew });
    let then = json!({ "virtual_snapshot": true });
    site.given("Populate", json!({ "initial": "win11", "then": then }));
    assert_eq!(site.get(child).virtual_snapshot, None);
    site.applied(child);
    assert_eq!(site.get(child).virtual_snapshot, renews);

    let other = json!({ "virtual_snapshot": true, "on_reboot": "keep" });
    site.given("Populate", json!({ "initial": "win11", "then": other }));
    site.applied(child);
    let keeps = Some(VirtualSnapshot { on_reboot: OnReboot::Keep });
    assert_eq!(site.get(child).virtual_snapshot, keeps, "as it was asked for");

    // A reset, too, takes what was set last.
    site.given("EnableVirtualSnapshot", on);
    let by = crate::machine::Subject::Client(crate::ids::ClientId::from_bytes([5; 16]));
    site.happens(
        child,
        MachineFact::HandedOn(crate::version::latest::machine::HandedOn { from: by, to: by }),
    );
    site.decides(|deciding| crate::renewal::reset(deciding, child));
    site.applied(child);
    assert_eq!(site.get(child).virtual_snapshot, renews);
}

/// A child in a pool that follows `head`.
fn following() -> (Site, crate::ids::MachineId) {
    let (mut site, children) = Site::with_children(1);
    let head = json!({ "image": { "initial": site.initial, "tag": "head" } });
    site.pool("class", head, &children);
    (site, children[0])
}

fn next_version(site: &mut Site) {
    site.prepare();
    site.seal();
    site.advance();
}

#[test]
fn what_was_set_by_hand_is_so_after_a_tag_has_moved() {
    let (mut site, child) = following();
    let on = json!({ "children_of": "win11", "on_reboot": "renew" });
    site.given("EnableVirtualSnapshot", on);
    next_version(&mut site);
    assert_eq!(site.get(child).virtual_snapshot, None, "while its disk is made");
    site.applied(child);
    assert_eq!(site.get(child).image(), Some(site.version(2).id));
    let renews = Some(VirtualSnapshot { on_reboot: OnReboot::Renew });
    assert_eq!(site.get(child).virtual_snapshot, renews);
    site.given("DisableVirtualSnapshot", json!({ "children_of": "win11" }));
    next_version(&mut site);
    site.applied(child);
    assert_eq!(site.get(child).virtual_snapshot, None);
}

#[test]
fn what_was_set_by_hand_is_so_when_a_roll_out_that_failed_is_tried_again() {
    let (mut site, child) = following();
    site.given("EnableVirtualSnapshot", json!({ "children_of": "win11" }));
    next_version(&mut site);
    let generation = site.get(child).generation;
    let failure = super::failure();
    let failed = crate::version::latest::machine::WorkFailed { generation, failure };
    site.happens(child, MachineFact::WorkFailed(failed));
    assert!(site.get(child).renewal.is_none());
    let operation = super::last_command(&site);
    site.given("RetryOperation", json!({ "operation": operation }));
    site.advance();
    site.applied(child);
    assert!(site.get(child).virtual_snapshot.is_some());
}
