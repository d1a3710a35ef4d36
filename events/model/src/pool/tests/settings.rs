//! Pools come, change, get machines and go.

use serde_json::{Value, json};

use crate::machine::{Kind, Reason};
use crate::pool::{Mode, Pool, Reset};
use crate::session::tests::site::{HOST, INITIAL, Site, machine, of_sessions, person};
use crate::testing::kinds;

fn pool(site: &Site) -> &Pool {
    site.story.fleet.pools.get(site.pool_id("pool")).expect("the pool")
}

#[test]
fn a_pool_alone_is_floating_and_cleans_when_people_go() {
    let mut site = Site::new();
    let events = site.given("CreatePool", json!({ "name": "pool" }));
    assert_eq!(kinds(&events), ["operation.accepted", "pool.created"]);
    assert_eq!(
        (pool(&site).settings.mode, pool(&site).reset()),
        (Mode::Floating, Reset::OnRelease)
    );
    assert_eq!(pool(&site).settings.return_after_seconds, 300);
    site.refused("CreatePool", json!({ "name": "pool" }), "CRL-0002");
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let mut site = Site::new();
    let mut refuse = |settings: Value, code: &str| {
        site.refused("CreatePool", json!({ "name": "pool", "settings": settings }), code);
    };
    refuse(json!({ "reset": "never" }), "CRL-0401");
    refuse(json!({ "return_after_seconds": 604_801 }), "CRL-0402");
    refuse(json!({ "return_after_seconds": 0 }), "CRL-0402");
    refuse(json!({ "return_after_seconds": 29 }), "CRL-0402");
    refuse(json!({ "limits": { "sessions_max": 0 } }), "CRL-0402");
    refuse(json!({ "limits": { "sessions_max_per_client": 0 } }), "CRL-0402");
    refuse(json!({ "spares": { "keep_ready": 1_000_001 } }), "CRL-0402");
    refuse(json!({ "spares": { "keep_started": 1_000_001 } }), "CRL-0402");
    refuse(json!({ "display": { "monitors": 0 } }), "CRL-0402");
    refuse(json!({ "image": { "initial": INITIAL, "tag": "default" } }), "CRL-0001");
    for mode in ["dedicated", "sticky"] {
        let settings = json!({ "mode": mode, "reset": "never" });
        site.given("CreatePool", json!({ "name": mode, "settings": settings }));
    }
}

#[test]
fn what_nothing_makes_clean_is_in_no_pool_that_makes_its_machines_clean() {
    let mut site = Site::new();
    site.machine(0, &Kind::Simple);
    for mode in ["dedicated", "sticky"] {
        for reset in ["on_release", "on_assign"] {
            let name = format!("{mode}-{reset}");
            site.pool(&name, json!({ "mode": mode, "reset": reset }));
            let add = json!({ "pool": name, "machines": [machine(0)] });
            site.refused("AddToPool", add, "CRL-0411");
        }
    }
    site.pool("pool", json!({ "mode": "sticky" }));
    site.join(0, "pool");
    let change = json!({ "pool": "pool", "settings": { "reset": "on_assign" } });
    site.refused("UpdatePool", change.clone(), "CRL-0411");
    site.given("RemoveFromPool", json!({ "pool": "pool" }));
    site.given("UpdatePool", change);
}

#[test]
fn a_pool_follows_a_tag_of_an_initial() {
    let mut site = Site::new();
    let initial = site.machine(1, &Kind::Initial { source: Some(INITIAL) });
    site.pool("pool", json!({ "image": { "initial": initial, "tag": "default" } }));
    assert!(pool(&site).settings.image.is_some());
    site.vdi(2);
    let child = json!({ "image": { "initial": "m2", "tag": "default" } });
    site.refused("CreatePool", json!({ "name": "no", "settings": child }), "CRL-0405");
    site.pool("other", json!({ "image": { "initial": "m1", "tag": "default" } }));
    let change = json!({ "image": { "tag": "head" } });
    site.given("UpdatePool", json!({ "pool": "other", "settings": change }));
    let other = site.story.fleet.pools.get(site.pool_id("other")).expect("the pool");
    let followed = other.settings.image.as_ref().expect("what it follows");
    assert_eq!((followed.initial, followed.tag.as_str()), (initial, "head"));
}

#[test]
fn a_change_is_a_merge_patch() {
    let mut site = Site::with_pool(json!({}), 1, 0);
    let change = |settings: Value| json!({ "pool": "pool", "settings": settings });
    let events = site.given("UpdatePool", change(json!({ "display": { "clipboard": true } })));
    assert_eq!(kinds(&events), ["operation.accepted", "pool.updated"]);
    assert!(pool(&site).settings.display.clipboard && pool(&site).settings.display.usb);
    let again = site.given("UpdatePool", change(json!({ "display": { "clipboard": true } })));
    assert_eq!(kinds(&again), ["operation.accepted"]);
    site.refused("UpdatePool", change(json!({ "reset": "never" })), "CRL-0401");
    site.refused("UpdatePool", change(json!({ "mode": "sticky" })), "CRL-0406");
    site.refused("UpdatePool", json!({ "pool": "pool", "if_version": 1 }), "CRL-0003");
    site.given("UpdatePool", json!({ "pool": "pool", "name": "office" }));
    site.refused("UpdatePool", json!({ "pool": "pool" }), "CRL-0001");
}

#[test]
fn a_pool_is_deleted_when_nothing_is_left_in_it() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.refused("DeletePool", json!({ "pool": "pool" }), "CRL-0406");
    site.locked(0);
    site.ask(0);
    site.given("RemoveFromPool", json!({ "pool": "pool" }));
    let offered = site.pool_id("pool");
    let events = site.given("DeletePool", json!({ "pool": "pool" }));
    assert_eq!(of_sessions(&events), ["session.left"]);
    assert!(!site.story.fleet.pools.contains(offered));
}

#[test]
fn a_pool_that_a_lab_offers_or_that_many_wait_for_stays() {
    let mut site = Site::new();
    let pool = site.pool("pool", json!({}));
    site.terminal(0, &[pool]);
    site.refused("DeletePool", json!({ "pool": "pool" }), "CRL-0407");

    let mut site = Site::with_pool(json!({}), 1, 17);
    site.locked(0);
    for n in 0..17 {
        site.ask(n);
    }
    site.given("RemoveFromPool", json!({ "pool": "pool" }));
    site.refused("DeletePool", json!({ "pool": "pool" }), "CRL-0408");
    site.leave(0);
    site.given("DeletePool", json!({ "pool": "pool" }));
}

#[test]
fn machines_join_and_leave() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    assert_eq!(site.at(0).pool, Some(site.pool_id("pool")));
    site.join(0, "pool");
    site.ask(0);
    let remove = json!({ "pool": "pool", "machines": ["m0"] });
    site.refused("RemoveFromPool", remove.clone(), "CRL-0412");
    site.leave(0);
    site.made_clean(0);
    site.given("RemoveFromPool", remove.clone());
    assert_eq!(site.at(0).pool, None);
    site.given("RemoveFromPool", remove);
}

#[test]
fn whatever_can_be_named_together_leaves_together() {
    for which in [
        json!({ "machines": ["m0", "m1"] }),
        json!({ "hypervisor": HOST }),
        json!({ "label": { "key": "floor", "value": "2" } }),
    ] {
        let mut site = Site::with_pool(json!({}), 3, 0);
        for n in 0..2 {
            site.runs(n);
            let labels = json!({ "labels": { "floor": "2" } });
            site.given("UpdateMachine", json!({ "machine": machine(n), "settings": labels }));
        }
        let mut remove = json!({ "pool": "pool" });
        remove.as_object_mut().expect("an object").extend(which.as_object().cloned().expect("one"));
        site.given("RemoveFromPool", remove.clone());
        let left = (0..3).filter(|n| site.at(*n).pool.is_none());
        assert_eq!(left.collect::<Vec<_>>(), [0, 1], "{which}");
        remove["label"] = json!({ "key": "floor", "value": "2" });
        if which.get("label").is_none() {
            site.refused("RemoveFromPool", remove, "CRL-0008");
        }
    }
}

#[test]
fn the_rest_leaves_when_one_is_in_use() {
    let mut site = Site::with_pool(json!({}), 3, 1);
    site.ask(0);
    let events = site.given("RemoveFromPool", json!({ "pool": "pool" }));
    assert_eq!(kinds(&events).last(), Some(&"operation.finished"));
    assert_eq!((0..3).filter(|n| site.at(*n).pool.is_some()).count(), 1);
}

#[test]
fn what_people_cannot_have_does_not_join() {
    let mut site = Site::with_pool(json!({}), 1, 0);
    site.pool("own", json!({ "mode": "dedicated" }));
    let add = |pool: &str, n: u32| json!({ "pool": pool, "machines": [machine(n)] });
    site.refused("AddToPool", add("own", 0), "CRL-0409");
    site.machine(1, &Kind::Source);
    site.machine(2, &Kind::Initial { source: Some(machine(1)) });
    site.refused("AddToPool", add("own", 1), "CRL-0410");
    site.refused("AddToPool", add("own", 2), "CRL-0410");
    site.machine(3, &Kind::Simple);
    site.refused("AddToPool", add("pool", 3), "CRL-0411");
    site.given("AddToPool", add("own", 3));
    site.machine(4, &Kind::Simple);
    let setting = json!({ "setting": { "on_reboot": "keep" } });
    let changed = crate::session::tests::site::fact(setting);
    let fact = crate::event::MachineFact::VirtualSnapshotChanged(changed);
    site.story.happened(machine(4), fact);
    site.given("AddToPool", add("pool", 4));
    site.vdi(5);
    let operation = crate::ids::CommandId::from_bytes([5; 16]);
    let delete = crate::session::tests::site::fact(json!({ "operation": operation }));
    site.story.happened(machine(5), crate::event::MachineFact::DeleteRequested(delete));
    site.refused("AddToPool", add("pool", 5), "CRL-0413");
}

#[test]
fn whoever_waits_gets_a_machine_that_joins_or_comes_out_of_maintenance() {
    let mut site = Site::with_pool(json!({}), 2, 2);
    site.locked(0);
    site.maintenance(1, "admin", "on");
    site.ask(0);
    assert!(site.at(1).maintenance.contains(&Reason::Admin));
    assert_eq!(of_sessions(&site.maintenance(1, "admin", "off")), ["lease.granted"]);
    site.ask(1);
    site.vdi(2);
    let events = site.given("AddToPool", json!({ "pool": "pool", "machines": ["m2"] }));
    assert_eq!(of_sessions(&events), ["lease.granted"]);
}

#[test]
fn a_pool_is_held_until_it_is_revoked() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    let client = json!({ "pool": "pool", "client": { "id": person(0) } });
    assert_eq!(kinds(&site.given("EntitlePool", client.clone())), ["operation.accepted"]);
    site.ask(0);
    site.ask(1);
    let events = site.given("RevokePool", client.clone());
    assert_eq!(of_sessions(&events)[0], "lease.ended");
    assert_eq!(kinds(&site.given("RevokePool", client)), ["operation.accepted"]);
    site.ask_refused(0, "CRL-0414");
    site.refused("EntitlePool", json!({ "pool": "pool" }), "CRL-0420");
    site.given("RevokePool", json!({ "pool": "pool", "client": { "id": person(1) } }));
    assert!(site.has(1).is_none(), "who waits has left");
}

#[test]
fn a_large_group_loses_a_pool_in_one_bounded_decision() {
    let mut site = Site::with_pool(json!({}), 40, 0);
    site.given("CreateGroup", json!({ "name": "class" }));
    site.given("EntitlePool", json!({ "pool": "pool", "group": "class" }));
    let people: Vec<Value> = (0..40).map(|n| json!({ "id": site.person(n) })).collect();
    site.given("UpdateGroup", json!({ "group": "class", "add": people }));
    for n in 0..40 {
        site.ask(n);
    }
    let revoke = json!({ "pool": "pool", "group": "class" });
    let events = site.given("RevokePool", revoke.clone());
    assert_eq!(of_sessions(&events).len(), 16);
    site.given("RevokePool", revoke.clone());
    site.given("RevokePool", revoke);
    assert!((0..40).all(|n| site.has(n).is_none()));
}

#[test]
fn people_who_wait_without_a_right_leave_a_few_at_a_time() {
    let mut site = Site::with_pool(json!({}), 1, 0);
    site.given("CreateGroup", json!({ "name": "class" }));
    site.given("EntitlePool", json!({ "pool": "pool", "group": "class" }));
    site.locked(0);
    for n in 0..300 {
        site.person(n);
    }
    let people: Vec<Value> = (0..300).map(|n| json!({ "id": person(n) })).collect();
    for some in people.chunks(60) {
        site.given("UpdateGroup", json!({ "group": "class", "add": some }));
    }
    for n in 0..300 {
        site.ask(n);
    }
    site.given("RevokePool", json!({ "pool": "pool", "group": "class" }));
    let pool = site.pool_id("pool");
    for _ in 0..3 {
        site.given("ServePool", json!({ "pool": pool }));
    }
    assert!((0..300).all(|n| site.has(n).is_none()));
}

#[test]
fn many_machines_that_come_out_of_one_host_serve_many_people() {
    let mut site = Site::with_pool(json!({}), 60, 60);
    let maintenance = |switch: &str| {
        let changed = json!({ "reason": "admin", "switch": switch });
        let changed = crate::session::tests::site::fact(changed);
        crate::event::HypervisorFact::MaintenanceChanged(changed)
    };
    site.story.happened(HOST, maintenance("on"));
    for n in 0..60 {
        site.ask(n);
    }
    site.story.happened(HOST, maintenance("off"));
    let pool = site.pool_id("pool");
    while crate::session::wants_service(&site.story.fleet, pool) {
        assert_ne!(site.given("ServePool", json!({ "pool": pool })), []);
    }
    assert!((0..60).all(|n| !site.waits(n)));
}
