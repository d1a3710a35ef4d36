//! Populate: which version, which machines, and what is left alone.

use serde_json::json;

use super::{Site, ended, failure};
use crate::event::{MachineFact, OperationFact};
use crate::ids::MachineId;
use crate::image::keeps::Keeps;
use crate::image::outcome;
use crate::machine::{Base, DiskSource, Kind, Reason};
use crate::operation::{Goal, Outcome, PARTS_RUNNING_MAX, SLICE, State};
use crate::testing::kinds;
use crate::version::latest::Nothing;
use crate::version::latest::machine::{
    DeleteRequested, HandedOn, SnapshotRequested, Updated, WorkFailed,
};
use crate::version::latest::operation::{PartBegun, WaitsFor};

#[test]
fn children_get_an_overlay_on_the_newest_version_and_stay_off() {
    let (mut site, children) = Site::with_children(2);
    site.prepare();
    site.seal();
    let events = site.given("Populate", json!({ "initial": "win11" }));
    assert_eq!(
        kinds(&events)[..4],
        [
            "operation.accepted",
            "machine.renewal_requested",
            "operation.part_begun",
            "machine.renewal_requested",
        ]
    );
    for child in &children {
        let machine = site.get(*child);
        assert!(machine.maintenance.contains(&Reason::Populate));
        assert!(machine.at_rest());
    }
    site.applied(children[0]);
    let events = site.applied(children[1]);
    assert_eq!(
        kinds(&events),
        ["machine.applied", "machine.populated", "operation.part_ended", "operation.finished"]
    );
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    for child in &children {
        let machine = site.get(*child);
        assert!(machine.maintenance.is_empty());
        let disk = machine.system_disk().expect("a disk");
        assert_eq!(disk.source, DiskSource::Overlay(Base { image: site.version(2).id, file: 0 }));
    }
}

#[test]
fn an_initial_that_was_changed_is_sealed_first() {
    let (mut site, children) = Site::with_children(1);
    site.prepare();
    let events = site.given("Populate", json!({ "initial": "win11" }));
    assert_eq!(
        kinds(&events),
        ["operation.accepted", "image.seal_requested", "machine.seal_requested"]
    );
    assert_eq!(site.operation().state, State::Sealing);
    assert!(site.advance().is_empty(), "nothing begins before the version is there");
    let events = site.is_sealed();
    assert_eq!(kinds(&events).last(), Some(&"operation.prepared"));
    site.advance();
    assert_eq!(ended(&site.applied(children[0])), Some(Outcome::Succeeded));
    assert_eq!(site.get(children[0]).image(), Some(site.version(2).id));
    assert_eq!(site.tagged("default"), Some(1), "Populate moves no tag but head");
}

#[test]
fn a_seal_that_fails_undoes_what_was_reserved() {
    let mut site = Site::sealed();
    site.prepare();
    site.given("Populate", json!({ "initial": "win11", "count": 5 }));
    assert!(crate::image::name_reserved(&site.story.fleet, "win11-003"));
    let initial = site.initial;
    let events = site.decides(|deciding| outcome::task_failed(deciding, initial, &failure()));
    assert_eq!(kinds(&events), ["machine.seal_failed", "image.failed", "operation.finished"]);
    assert_eq!(ended(&events), Some(Outcome::Failed));
    assert!(!crate::image::name_reserved(&site.story.fleet, "win11-003"));
    assert!(site.story.fleet.operations.is_empty());
    assert_eq!(site.get(initial).task, None);
}

#[test]
fn a_changed_initial_that_runs_can_be_populated_from_its_last_version_only() {
    let (mut site, _) = Site::with_children(1);
    let initial = site.initial;
    site.on(initial);
    site.refused("Populate", json!({ "initial": "win11" }), "CRL-0211");
    let events = site.given("Populate", json!({ "image": "win11@1" }));
    assert!(!kinds(&events).contains(&"image.seal_requested"));
}

#[test]
fn what_is_named_has_to_fit() {
    let (mut site, children) = Site::with_children(1);
    let child = site.get(children[0]).name.to_string();
    site.machine("stranger", Kind::Simple);
    site.refused("Populate", json!({}), "CRL-0316");
    site.refused("Populate", json!({ "initial": "win11", "image": "win11@1" }), "CRL-0316");
    let both = json!({ "initial": "win11", "machines": [child], "count": 1 });
    site.refused("Populate", both, "CRL-0008");
    let refused = site.refused(
        "Populate",
        json!({ "initial": "win11", "machines": ["stranger"] }),
        "CRL-0319",
    );
    assert_eq!(refused.to_string(), "stranger is not a child of win11");
    let pattern = json!({ "initial": "win11", "name_pattern": "a-{n}" });
    site.refused("Populate", pattern, "CRL-0315");
    site.refused("Populate", json!({ "initial": "gold" }), "CRL-0301");
    let many = json!({ "initial": "win11", "count": 100_001 });
    site.refused("Populate", many, "CRL-0304");
}

#[test]
fn an_initial_without_a_version_populates_nobody() {
    let mut site = Site::new();
    site.refused("Populate", json!({ "initial": "win11" }), "CRL-0306");
    site.given("CopyFromSource", json!({ "initial": "win11" }));
    site.refused("Populate", json!({ "initial": "win11" }), "CRL-0203");
}

#[test]
fn what_somebody_keeps_is_left_alone_unless_it_may_be_lost() {
    let (mut site, children) = Site::with_children(4);
    let [owned, used, snapped, free] = children[..] else { unreachable!("four children") };
    site.owner(owned);
    let by = crate::machine::Subject::Client(crate::ids::ClientId::from_bytes([5; 16]));
    site.happens(used, MachineFact::HandedOn(HandedOn { from: by, to: by }));
    let snapshot = SnapshotRequested {
        snapshot: crate::ids::SnapshotId::from_bytes([5; 16]),
        name: super::name_of("before"),
        quiesced: false,
    };
    site.happens(snapped, MachineFact::SnapshotRequested(snapshot));
    site.given("Populate", json!({ "initial": "win11" }));
    let events = site.applied(free);
    assert_eq!(ended(&events), Some(Outcome::PartiallyFailed));
    let operation = site.operation();
    assert_eq!((operation.done, operation.failed.len()), (1, 3));
    let why = &operation.failed[&owned];
    assert_eq!(why.code.as_str(), "CRL-0313");
    assert!(why.detail.as_str().contains("belongs to somebody"), "{why:?}");
    let lost = |child| operation.failed[&child].would_lose.as_deref().cloned();
    let of_snapped = Keeps { snapshots: vec![super::name_of("before")], ..Keeps::default() };
    assert_eq!(lost(snapped), Some(of_snapped));
    assert_eq!(lost(used).and_then(|keeps| keeps.written_by), Some(by));
    assert_eq!(lost(owned).map(|keeps| keeps.owners.len()), Some(1));

    let name = site.get(owned).name.to_string();
    let one = json!({ "initial": "win11", "machines": [name] });
    site.refused("Populate", one, "CRL-0313");
    site.given("Populate", json!({ "initial": "win11", "discard_data": true }));
    for child in children {
        site.applied(child);
    }
    assert!(site.story.fleet.machines.iter().all(|(_, machine)| machine.renewal.is_none()));
    assert!(site.get(snapped).snapshots.is_empty());
}

#[test]
fn what_a_pool_makes_clean_anyway_is_nobodys_data() {
    let (mut site, children) = Site::with_children(1);
    site.pool("desk", json!({}), &children);
    let session = site.lease(children[0]);
    site.given("Populate", json!({ "initial": "win11" }));
    site.lease_ends(session);
    assert_eq!(ended(&site.applied(children[0])), Some(Outcome::Succeeded));
}

#[test]
fn locked_and_going_machines_are_left_alone() {
    let (mut site, children) = Site::with_children(2);
    site.lock(children[0]);
    let operation = crate::ids::CommandId::from_bytes([3; 16]);
    site.happens(children[1], MachineFact::DeleteRequested(DeleteRequested { operation }));
    let events = site.given("Populate", json!({ "initial": "win11" }));
    assert_eq!(ended(&events), Some(Outcome::Failed));
    let failed = &site.operation().failed;
    let codes: Vec<&str> = failed.values().map(|failure| failure.code.as_str()).collect();
    assert_eq!(codes, ["CRL-0202", "CRL-0206"]);
}

#[test]
fn nothing_is_populated_from_a_locked_initial() {
    let (mut site, _) = Site::with_children(1);
    site.lock(site.initial);
    for from in [json!({ "initial": "win11" }), json!({ "image": "win11@1" })] {
        site.refused("Populate", from, "CRL-0202");
    }
    site.given("UnlockMachine", json!({ "machine": "win11" }));
    site.given("Populate", json!({ "initial": "win11" }));
}

#[test]
fn the_reasons_of_others_stay() {
    let (mut site, children) = Site::with_children(1);
    let change = crate::version::latest::machine::MaintenanceChanged {
        reason: Reason::Drain,
        switch: crate::version::latest::Switch::On,
    };
    site.happens(children[0], MachineFact::MaintenanceChanged(change));
    let then = json!({ "virtual_snapshot": true, "maintenance": true });
    site.given("Populate", json!({ "initial": "win11", "then": then }));
    site.applied(children[0]);
    let machine = site.get(children[0]);
    let reasons: Vec<Reason> = machine.maintenance.iter().copied().collect();
    assert_eq!(reasons, [Reason::Admin, Reason::Drain]);
    assert!(machine.virtual_snapshot.is_some());
}

#[test]
fn an_operation_that_is_cancelled_takes_back_what_has_not_begun() {
    let (mut site, children) = Site::with_children(2);
    site.lease(children[0]);
    site.given("Populate", json!({ "initial": "win11", "discard_data": true }));
    let operation = super::last_command(&site);
    let cancelled = OperationFact::CancelRequested(Nothing {});
    site.happens(operation, cancelled);
    let both = children.clone();
    let events = site.decides(|deciding| {
        for child in both {
            crate::renewal::drop_pending(deciding, child, operation);
        }
    });
    assert_eq!(kinds(&events), ["machine.renewal_dropped", "operation.part_ended"]);
    assert!(site.get(children[0]).renewal.is_none());
    let events = site.applied(children[1]);
    assert_eq!(ended(&events), Some(Outcome::Cancelled));
}

#[test]
fn hardware_comes_with_the_version_and_what_was_set_on_a_child_stays() {
    let (mut site, children) = Site::with_children(2);
    let label = crate::name::Label::new("room").expect("a label");
    let of_child = {
        let mut settings = (*site.get(children[0]).settings).clone();
        let text = crate::text::Text::new("101").expect("a text");
        settings.labels.insert(label.clone(), text);
        settings
    };
    let updated = |name: &str, settings| {
        MachineFact::Updated(Updated { name: super::name_of(name), settings })
    };
    site.happens(children[0], updated("win11-001", of_child));
    let mut of_initial = (*site.get(site.initial).settings).clone();
    of_initial.hardware.memory_mib = 8192;
    let initial = site.initial;
    site.happens(initial, updated("win11", of_initial));
    site.prepare();
    site.seal();
    site.given("Populate", json!({ "initial": "win11" }));
    for child in &children {
        assert_eq!(site.get(*child).settings.hardware.memory_mib, 8192);
    }
    assert!(site.get(children[0]).settings.labels.contains_key(&label));
    let shared = std::sync::Arc::ptr_eq(&site.get(children[1]).settings, &site.version(2).settings);
    assert!(shared, "children take no memory for what they have in common");
}

#[test]
fn a_retry_is_for_those_that_failed() {
    let (mut site, children) = Site::with_children(3);
    site.given("Populate", json!({ "initial": "win11" }));
    let (first, rest) = children.split_first().expect("children");
    for child in rest {
        site.applied(*child);
    }
    let failed = WorkFailed { generation: 1, failure: failure() };
    let events = site.happens(*first, MachineFact::WorkFailed(failed));
    assert_eq!(ended(&events), Some(Outcome::PartiallyFailed));
    let operation = super::last_command(&site);
    site.happens(operation, OperationFact::Retried(Nothing {}));
    let events = site.advance();
    assert!(events.iter().any(|event| event.kind() == "machine.overlay_requested"));
    assert!(rest.iter().all(|child| site.get(*child).renewal.is_none()));
    assert_eq!(ended(&site.applied(*first)), Some(Outcome::Succeeded));
    assert!(site.get(*first).maintenance.is_empty());
}

#[test]
fn parts_that_wait_for_people_hold_up_no_machine_that_nobody_uses() {
    let (mut site, children) = Site::with_children(14);
    site.pool("desk", json!({}), &children);
    let (used, unused) = children.split_at(SLICE);
    let sessions: Vec<_> = used.iter().map(|machine| site.lease(*machine)).collect();
    site.prepare();
    site.seal();
    site.given("Populate", json!({ "initial": "win11" }));
    let operation = site.operation().id;
    // As if there were many more of them.
    for n in 0..u128::try_from(PARTS_RUNNING_MAX).expect("few") {
        let machine = MachineId::from_bytes(n.to_be_bytes());
        let begun = PartBegun { machine, goal: Goal::Renewed, waits_for: WaitsFor::People };
        site.story.was(operation, OperationFact::PartBegun(begun));
    }
    site.advance();
    assert_eq!(site.operation().under_way(), unused.len());
    assert!(unused.iter().all(|machine| site.get(*machine).being_renewed()));
    assert!(used.iter().all(|machine| !site.get(*machine).being_renewed()));
    site.lease_ends(sessions[0]);
    assert!(site.get(used[0]).being_renewed());
}
