//! Whoever waits for what only an administrator could bring about is told.

use serde_json::{Value, json};

use super::site::{IMAGE, INITIAL, Site, fact, machine, of_sessions, person};
use crate::event::{Event, MachineFact, SessionFact};
use crate::machine::{Kind, StopCause};
use crate::session::{LeaveCause, wants_service};

/// Somebody uses each machine, and one more waits.
fn one_waits(settings: impl Into<Value>, machines: u32) -> Site {
    let mut site = Site::with_pool(settings, machines, machines + 1);
    for n in 0..machines {
        site.ask(n);
        site.started(n);
    }
    site.ask(machines);
    assert!(site.waits(machines));
    site
}

fn left(events: &[Event]) -> Vec<LeaveCause> {
    let cause = |event: &Event| {
        let Event::Session(_, SessionFact::Left(left)) = event else { return None };
        Some(left.cause)
    };
    events.iter().filter_map(cause).collect()
}

type Happens = fn(&mut Site);

fn populate(site: &mut Site, n: u32) {
    let why = json!({ "populate": { "operation": uuid::Uuid::nil() } });
    let renewal = json!({ "why": why, "image": IMAGE, "when": "now", "discard_data": true });
    let requested = fact(json!({ "renewal": renewal }));
    site.story.happened(machine(n), MachineFact::RenewalRequested(requested));
}

#[test]
fn with_the_last_machine_that_is_out_those_who_wait_are_told() {
    for reason in ["admin", "quarantine"] {
        let mut site = one_waits(json!({}), 3);
        assert_eq!(left(&site.maintenance(0, reason, "on")), []);
        assert_eq!(left(&site.maintenance(1, "admin", "on")), [], "one is left");
        let events = site.maintenance(2, reason, "on");
        assert_eq!(left(&events), [LeaveCause::Maintenance], "{reason}");
        assert!(site.has(3).is_none());
        site.ask_refused(3, "CRL-0416");
        assert!(site.machine_of(0).is_some(), "who has one keeps it");
    }
}

#[test]
fn nobody_is_told_while_a_machine_may_come_back_by_itself() {
    let busy: [(&str, Happens); 5] = [
        ("in use", |_| {}),
        ("about to start", |site| {
            site.start_failed(1);
        }),
        ("made clean", |site| {
            site.given("EndSession", json!({ "session": site.session_id(1) }));
            assert!(site.at(1).renewal.is_some());
        }),
        ("populated", |site| {
            populate(site, 1);
            assert!(!site.at(1).maintenance.is_empty());
        }),
        ("populated, which ends its quarantine", |site| {
            populate(site, 1);
            site.maintenance(1, "quarantine", "on");
        }),
    ];
    for (what, happens) in busy {
        let mut site = one_waits(json!({}), 2);
        happens(&mut site);
        assert_eq!(left(&site.maintenance(0, "admin", "on")), [], "{what}");
        assert!(site.waits(2), "{what}");
        let events = site.maintenance(1, "admin", "on");
        assert_eq!(left(&events), [LeaveCause::Maintenance], "{what}");
    }
}

#[test]
fn a_populate_that_fails_is_the_end_of_waiting() {
    let mut site = one_waits(json!({}), 1);
    populate(&mut site, 0);
    assert!(site.waits(1));
    let why = json!({ "populate": { "operation": uuid::Uuid::nil() } });
    let failure = json!({ "code": "late", "detail": "no overlay" });
    let failed = fact(json!({ "why": why, "failure": failure }));
    let events = site.story.happened(machine(0), MachineFact::RenewalFailed(failed));
    assert_eq!(left(&events), [LeaveCause::Maintenance]);
}

#[test]
fn somebody_whose_only_machine_will_not_start_does_not_wait_for_another() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.ask(0);
    site.maintenance(0, "quarantine", "on");
    let events = site.stopped(0, StopCause::Crash);
    assert_eq!(of_sessions(&events), ["lease.ended", "session.queued", "session.left"]);
    site.ask_refused(0, "CRL-0416");
}

#[test]
fn an_owner_is_told_when_their_own_is_out_and_others_wait_on() {
    for named in ["pool", "machine"] {
        let mut site = Site::with_pool(json!({ "mode": "sticky" }), 2, 3);
        site.assign(0, 0);
        site.ask(1);
        site.ask(2);
        assert!(site.waits(2), "the other one is not theirs");
        site.locked(0);
        let mut request = json!({ "client": { "id": person(0) } });
        request[named] = if named == "pool" { json!("pool") } else { json!(machine(0)) };
        site.given("RequestDesktop", request.clone());
        assert!(site.waits(0), "it is locked");
        let events = site.maintenance(0, "admin", "on");
        assert_eq!(left(&events), [LeaveCause::Maintenance], "{named}");
        assert!(site.has(0).is_none() && site.waits(2));
        site.refused("RequestDesktop", request, "CRL-0416");
    }
}

#[test]
fn however_many_wait_all_are_told() {
    const PEOPLE: u32 = 300;
    let mut site = Site::with_pool(json!({}), 1, PEOPLE);
    site.locked(0);
    (0..PEOPLE).for_each(|n| drop(site.ask(n)));
    let pool = site.pool_id("pool");
    let mut told = left(&site.maintenance(0, "admin", "on")).len();
    assert!(told < PEOPLE as usize, "one decision takes only so many");
    site.ask_refused(PEOPLE - 1, "CRL-0416");
    while wants_service(&site.story.fleet, pool) {
        let more = left(&site.given("ServePool", json!({ "pool": pool }))).len();
        assert!(more > 0, "each tells some more");
        told += more;
    }
    assert_eq!(told, PEOPLE as usize);
}

#[test]
fn a_machine_that_comes_to_a_pool_is_waited_for() {
    let mut site = one_waits(json!({}), 1);
    site.machine(1, &Kind::Vdi { initial: INITIAL });
    site.locked(1);
    site.join(1, "pool");
    assert_eq!(left(&site.maintenance(0, "admin", "on")), []);
    assert!(site.waits(1), "an administrator unlocks it, or says that it is out");
}
