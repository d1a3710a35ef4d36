//! What a renewal means for the person who has the machine.

use serde_json::{Value, json};

use super::site::{IMAGE, INITIAL, STORAGE, Site, fact, machine, of_sessions, person};
use crate::event::{Event, MachineFact};
use crate::ids::DiskId;
use crate::machine::{Kind, StopCause};
use crate::testing::kinds;

fn renewal(site: &mut Site, n: u32, when: &Value) -> Vec<Event> {
    let why = json!({ "populate": { "operation": uuid::Uuid::nil() } });
    let renewal = json!({ "why": why, "image": IMAGE, "when": when, "discard_data": true });
    let requested = fact(json!({ "renewal": renewal }));
    site.story.happened(machine(n), MachineFact::RenewalRequested(requested))
}

#[test]
fn an_own_machine_can_be_had_until_its_renewal_begins() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    let tomorrow = site.story.now.plus_seconds(86_400);
    renewal(&mut site, 0, &json!({ "at": tomorrow }));
    assert!(site.at(0).renewal.is_some());
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(0)));
    site.story.wait(86_400);
    let events = site.given("AdvanceRenewal", json!({ "machine": machine(0) }));
    assert_eq!(of_sessions(&events), ["lease.ended"]);
    site.ask_refused(0, "CRL-0416");
}

#[test]
fn whoever_comes_after_the_warning_is_told_when_they_come() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    let at = site.story.now.plus_seconds(3600);
    let why = json!({ "populate": { "operation": uuid::Uuid::nil() } });
    let when = json!({ "at": at });
    let renewal = json!({ "why": why, "image": IMAGE, "when": when, "warn_seconds": 600, "discard_data": true });
    let requested = fact(json!({ "renewal": renewal }));
    site.story.happened(machine(0), MachineFact::RenewalRequested(requested));
    let words = |site: &mut Site, seconds: u32| {
        site.story.wait(seconds);
        site.given("AdvanceRenewal", json!({ "machine": machine(0) }));
        site.ask(0);
        let message = site.at(0).message.as_ref().map(|message| message.text.to_string());
        site.given("EndSession", json!({ "session": site.session_id(0) }));
        message
    };
    assert_eq!(words(&mut site, 60), None, "there is time enough");
    let told = words(&mut site, 3600 - 60 - 540).expect("it is told");
    assert!(told.contains("in 9 min"), "{told}");
}

#[test]
fn a_renewal_ends_a_lease_with_all_that_belongs_to_it_but_a_reset() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.pool("second", json!({}));
    site.vdi(1);
    site.join(1, "second");
    site.entitle(0, "second");
    site.ask(0);
    let limit = json!({ "client": { "id": person(0) }, "settings": { "sessions_max": 1 } });
    site.given("UpdateClient", limit);
    site.story.given(Site::request(0, "second"));
    let events = renewal(&mut site, 0, &json!("now"));
    assert_eq!(of_sessions(&events), ["lease.ended", "lease.granted"], "within the limit again");
    let asked = kinds(&events).into_iter().filter(|kind| *kind == "machine.renewal_requested");
    assert_eq!(asked.count(), 1, "the renewal is the reset");
    assert_eq!(site.machine_of(0), Some(machine(1)));
}

#[test]
fn what_a_failed_reset_has_left_is_made_clean_when_its_quarantine_is_lifted() {
    let mut site = Site::with_pool(json!({}), 2, 2);
    site.locked(1);
    site.ask(0);
    site.ask(1);
    let session = site.session_id(0);
    site.given("EndSession", json!({ "session": session }));
    let failure = json!({ "code": "libvirt", "detail": "no room" });
    let failed = fact(json!({ "why": "reset", "failure": failure }));
    site.story.happened(machine(0), MachineFact::RenewalFailed(failed));
    assert!(site.at(0).written.is_some() && site.waits(1));
    site.maintenance(0, "quarantine", "off");
    site.made_clean(0);
    assert_eq!(site.machine_of(1), Some(machine(0)));
}

#[test]
fn a_machine_that_cannot_be_made_clean_is_seen_by_an_administrator() {
    let mut site = Site::with_pool(json!({}), 0, 1);
    let kind = Kind::Simple;
    site.machine(0, &kind);
    let joined = fact(json!({ "pool": site.pool_id("pool") }));
    site.story.was(machine(0), MachineFact::PoolChanged(joined));
    let by = json!({ "client": person(0) });
    let events = site
        .story
        .happened(machine(0), MachineFact::HandedOn(fact(json!({ "from": by, "to": by }))));
    assert_eq!(kinds(&events), ["machine.handed_on", "machine.renewal_failed"]);
    assert!(site.at(0).maintenance.contains(&crate::machine::Reason::Quarantine));
}

#[test]
fn what_somebody_has_written_does_not_join_a_floating_pool() {
    let mut site = Site::with_pool(json!({}), 0, 1);
    site.pool("owned", json!({ "mode": "dedicated" }));
    site.vdi(0);
    let by = json!({ "client": person(0) });
    site.story.was(machine(0), MachineFact::HandedOn(fact(json!({ "from": by, "to": by }))));
    let add = |pool: &str| json!({ "pool": pool, "machines": [machine(0)] });
    site.refused("AddToPool", add("pool"), "CRL-0425");
    site.given("AddToPool", add("owned"));
    assert!(site.at(0).written.is_some(), "it stays as it is");
}

fn with_user_disk(site: &mut Site, n: u32) {
    let disk = |role: &str, source: Value, id: u8| {
        json!({ "id": DiskId::from_bytes([id; 16]), "role": role, "storage": STORAGE,
            "source": source, "size_gib": 20, "overlay_generation": 1, "format": "qcow2" })
    };
    let identity = json!({ "uuid": machine(n).uuid(), "mac": format!("52:54:00:00:00:{n:02x}"),
        "serial": "s", "hostname": format!("m{n}"), "machine_type": "q35",
        "cpu_model": "host-model" });
    let disks = [
        disk("system", json!({ "overlay": { "image": IMAGE, "file": 0 } }), 1),
        disk("user", json!("blank"), 2),
    ];
    let kind = json!({ "vdi": { "initial": INITIAL } });
    let created = json!({ "name": format!("m{n}"), "kind": kind, "identity": identity,
        "settings": {}, "disks": disks });
    site.story.happened(machine(n), MachineFact::Created(fact(created)));
}

#[test]
fn what_somebody_wrote_to_a_further_disk_is_theirs_after_a_renewal_too() {
    for virtual_snapshot in [false, true] {
        let mut site = Site::with_pool(json!({ "mode": "sticky" }), 0, 2);
        with_user_disk(&mut site, 0);
        if virtual_snapshot {
            let setting = fact(json!({ "setting": {} }));
            site.story.happened(machine(0), MachineFact::VirtualSnapshotChanged(setting));
        }
        site.join(0, "pool");
        site.ask(0);
        site.started(0);
        site.leave(0);
        site.stopped(0, StopCause::Guest);
        let client = json!({ "id": person(0) });
        site.given("UnassignClient", json!({ "client": client, "machine": machine(0) }));
        renewal(&mut site, 0, &json!("now"));
        site.overlays_are_made();
        assert_eq!(site.at(0).renewal, None);
        site.ask(1);
        assert!(site.waits(1), "the user disk is the first person's");
        let client = json!({ "id": person(1) });
        let on = json!({ "client": client, "machine": machine(0), "keep_data": true });
        site.given("AssignClient", on);
        assert_eq!(site.machine_of(1), Some(machine(0)));
    }
}

#[test]
fn a_machine_that_nothing_makes_clean_any_more_is_put_aside_for_an_administrator() {
    let mut site = Site::with_pool(json!({ "mode": "sticky", "reset": "on_assign" }), 0, 1);
    site.machine(0, &Kind::Simple);
    let set = |site: &mut Site, setting: Value| {
        let setting = fact(json!({ "setting": setting }));
        site.story.happened(machine(0), MachineFact::VirtualSnapshotChanged(setting));
    };
    set(&mut site, json!({}));
    site.join(0, "pool");
    set(&mut site, Value::Null);
    site.ask(0);
    site.started(0);
    site.given("EndSession", json!({ "session": site.session_id(0) }));
    site.stopped(0, StopCause::Command);
    site.ask(0);
    assert!(!site.at(0).maintenance.is_empty());
    assert!(site.has(0).is_none(), "nobody waits for what will not come");
    site.ask_refused(0, "CRL-0416");
}

/// So many people wait beside machines that are free again, and whose renewal is due.
fn waiting_beside_due_machines(people: u32) -> Site {
    let mut site = Site::with_pool(json!({ "mode": "floating" }), people, people);
    let at = site.story.now.plus_seconds(60);
    for n in 0..people {
        renewal(&mut site, n, &json!({ "at": at }));
        site.locked(n);
    }
    for n in 0..people {
        site.ask(n);
    }
    for n in 0..people {
        site.story.was(machine(n), MachineFact::Unlocked(crate::version::latest::Nothing {}));
    }
    site.story.wait(60);
    site
}

#[test]
fn machines_whose_renewal_is_due_are_given_to_nobody_however_many_wait() {
    let mut site = waiting_beside_due_machines(60);
    let pool = site.pool_id("pool");
    assert_eq!(site.given("ServePool", json!({ "pool": pool })), []);
    for n in 0..60 {
        site.given("AdvanceRenewal", json!({ "machine": machine(n) }));
    }
    site.overlays_are_made();
    site.given("ServePool", json!({ "pool": pool }));
    assert!((0..60).all(|n| !site.waits(n)), "and they are given as soon as they are renewed");
}

#[test]
fn nobody_gets_their_own_machine_to_lose_it_at_once() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    let at = site.story.now.plus_seconds(60);
    renewal(&mut site, 0, &json!({ "at": at }));
    site.story.wait(60);
    assert_eq!(of_sessions(&site.ask(0)), ["session.queued"]);
    site.given("AdvanceRenewal", json!({ "machine": machine(0) }));
    site.overlays_are_made();
    assert_eq!(site.machine_of(0), Some(machine(0)));
}
