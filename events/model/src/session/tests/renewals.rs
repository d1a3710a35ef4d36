//! What a renewal means for the person who has the machine.

use serde_json::{Value, json};

use super::site::{IMAGE, Site, fact, machine, of_sessions, person};
use crate::event::{Event, MachineFact};
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
    let mut site = Site::with_pool(json!({}), 1, 2);
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
    let kind = crate::machine::Kind::Simple;
    site.machine(0, &kind);
    let joined = fact(json!({ "pool": site.pool_id("pool") }));
    site.story.was(machine(0), MachineFact::PoolChanged(joined));
    let by = json!({ "client": person(0) });
    let events = site.story.happened(machine(0), MachineFact::Written(fact(json!({ "by": by }))));
    assert_eq!(kinds(&events), ["machine.written", "machine.renewal_failed"]);
    assert!(site.at(0).maintenance.contains(&crate::machine::Reason::Quarantine));
}

#[test]
fn what_somebody_has_written_does_not_join_a_floating_pool() {
    let mut site = Site::with_pool(json!({}), 0, 1);
    site.pool("owned", json!({ "mode": "dedicated" }));
    site.vdi(0);
    let by = json!({ "client": person(0) });
    site.story.was(machine(0), MachineFact::Written(fact(json!({ "by": by }))));
    let add = |pool: &str| json!({ "pool": pool, "machines": [machine(0)] });
    site.refused("AddToPool", add("pool"), "CRL-0425");
    site.given("AddToPool", add("owned"));
    assert!(site.at(0).written.is_some(), "it stays as it is");
}
