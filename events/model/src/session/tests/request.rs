//! Somebody asks for a desktop.

use serde_json::{Value, json};

use super::site::{HOST, LAB, Site, fact, machine, of_sessions, person, terminal};
use crate::event::{HypervisorFact, MachineFact};
use crate::machine::{Kind, State};
use crate::session::{Subject, TicketState};
use crate::testing::{BEGINNING, command, kinds};
use crate::version::latest::Nothing;
use crate::version::latest::display::Protocol;

#[test]
fn who_comes_gets_a_free_machine_and_a_ticket_and_the_machine_starts() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    let events = site.ask(0);
    assert_eq!(of_sessions(&events), ["lease.granted", "session.ticket_issued"]);
    assert_eq!(kinds(&events)[0], "operation.accepted");
    assert_eq!(site.machine_of(0), Some(machine(0)));
    assert_eq!(site.at(0).observed.state, State::Starting);
    assert_eq!(site.at(0).written, Some(Subject::Client(person(0))));
}

#[test]
fn whoever_asks_again_appends_nothing() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(0);
    assert_eq!(site.ask(0), [], "leased");
    assert_eq!(of_sessions(&site.ask(1)), ["session.queued"]);
    assert_eq!(site.ask(1), [], "queued");
}

#[test]
fn a_spent_ticket_is_followed_by_the_next_one() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.ask(0);
    let session = site.session_id(0);
    let armed = crate::version::latest::session::DisplayArmed {
        ticket: 1,
        expires_at: site.story.now.plus_seconds(60),
        ports: Default::default(),
    };
    site.story.happened(session, crate::event::SessionFact::DisplayArmed(armed));
    assert_eq!(site.session(0).ticket.state, TicketState::Armed);
    assert_eq!(site.ask(0), [], "armed is unspent");
    let spent = fact(json!({ "ticket": 1, "cause": "used" }));
    site.story.happened(session, crate::event::SessionFact::TicketSpent(spent));
    assert_eq!(of_sessions(&site.ask(0)), ["session.ticket_issued"]);
    assert_eq!(site.session(0).ticket.number, 2);
}

#[test]
fn ready_machines_go_first_then_running_ones_then_those_that_are_off() {
    let mut site = Site::with_pool(json!({}), 3, 3);
    site.runs(1);
    site.runs(2);
    site.ready(2);
    for (n, expected) in [(0, 2), (1, 1), (2, 0)] {
        site.ask(n);
        assert_eq!(site.machine_of(n), Some(machine(expected)));
    }
}

#[test]
fn machines_of_a_host_that_gets_nothing_new_are_passed_over() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.runs(0);
    site.ready(0);
    let off = |switch: &str| -> HypervisorFact {
        HypervisorFact::MaintenanceChanged(fact(json!({ "reason": "admin", "switch": switch })))
    };
    site.story.happened(HOST, off("on"));
    assert_eq!(of_sessions(&site.ask(0)), ["session.queued"], "nor could the other one start");
    site.story.happened(HOST, off("off"));
    let pool = site.pool_id("pool");
    assert!(crate::session::wants_service(&site.story.fleet, pool));
    let events = site.given("ServePool", json!({ "pool": pool }));
    assert_eq!(of_sessions(&events), ["lease.granted"]);
    assert_eq!(kinds(&site.given("ServePool", json!({ "pool": pool }))), [""; 0]);
}

#[test]
fn what_is_locked_going_off_or_in_maintenance_is_not_given() {
    let mut site = Site::with_pool(json!({}), 3, 1);
    site.locked(0);
    site.maintenance(1, "admin", "on");
    site.runs(2);
    let stop = fact(json!({ "manner": "hard", "deadline": BEGINNING }));
    site.story.happened(machine(2), MachineFact::StopRequested(stop));
    site.ask(0);
    assert!(site.waits(0));
    let events = site.stopped(2, crate::machine::StopCause::Command);
    assert_eq!(of_sessions(&events), ["lease.granted"]);
}

#[test]
fn errors_say_that_nothing_is_assigned_or_there_or_all_in_maintenance() {
    let mut site = Site::with_pool(json!({}), 0, 1);
    site.person(7);
    site.ask_refused(7, "CRL-0414");
    site.ask_refused(0, "CRL-0415");
    site.vdi(0);
    site.join(0, "pool");
    site.maintenance(0, "admin", "on");
    site.ask_refused(0, "CRL-0416");
    site.maintenance(0, "admin", "off");
    site.ask(0);
}

#[test]
fn a_blocked_person_gets_nothing_and_loses_what_they_have() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.ask(0);
    let client = json!({ "client": { "id": person(0) } });
    let events = site.given("BlockClient", client.clone());
    assert_eq!(of_sessions(&events), ["lease.ended"]);
    site.ask_refused(0, "CRL-0501");
    site.given("UnblockClient", client);
    site.made_clean(0);
    site.ask(0);
}

fn want(protocol: &Value, via: &str) -> crate::command::Command {
    let client = json!({ "id": person(0) });
    let data = json!({ "client": client, "pool": "pool", "protocol": protocol, "via": via });
    command("RequestDesktop", data)
}

#[test]
fn a_protocol_that_cant_be_had_is_refused_and_vnc_is_for_browsers() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.story.refused(want(&json!("rdp"), "native"), "CRL-0417");
    site.story.refused(want(&json!("vnc"), "native"), "CRL-0417");
    site.story.given(want(&json!("vnc"), "browser"));
    assert_eq!(site.session(0).protocol, Protocol::Vnc);
    site.story.refused(want(&json!("rdp"), "browser"), "CRL-0417");
    let events = site.story.given(want(&json!("spice"), "native"));
    assert_eq!(of_sessions(&events), ["session.ticket_issued"], "another display, another ticket");
    assert_eq!(site.story.given(want(&Value::Null, "native")), []);
}

#[test]
fn who_comes_back_from_a_browser_without_one_gets_another_protocol() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.story.given(want(&json!("vnc"), "browser"));
    site.story.refused(want(&json!("vnc"), "native"), "CRL-0417");
    let events = site.story.given(want(&Value::Null, "native"));
    assert_eq!(of_sessions(&events), ["session.ticket_issued"]);
    assert_eq!(site.session(0).protocol, Protocol::Spice);
}

#[test]
fn whoever_waits_gets_what_they_asked_for_last() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(1);
    site.story.given(want(&json!("vnc"), "browser"));
    assert_eq!(site.session(0).protocol, Protocol::Vnc);
    let events = site.story.given(want(&Value::Null, "native"));
    assert_eq!(of_sessions(&events), ["session.protocol_changed"]);
    assert_eq!(site.story.given(want(&Value::Null, "native")), [], "that is known");
    site.leave(1);
    site.made_clean(0);
    assert_eq!((site.waits(0), site.session(0).protocol), (false, Protocol::Spice));
}

#[test]
fn a_request_says_who_asks_and_for_what() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    let client = json!({ "id": person(0) });
    site.refused("RequestDesktop", json!({ "pool": "pool" }), "CRL-0421");
    site.refused("RequestDesktop", json!({ "client": client }), "CRL-0419");
    let both = json!({ "client": client, "pool": "pool", "machine": "m0" });
    site.refused("RequestDesktop", both, "CRL-0419");
}

#[test]
fn a_dedicated_machine_is_its_persons_and_starts_when_they_come() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 2, 2);
    site.assign(0, 1);
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(1)));
    assert_eq!(site.at(1).observed.state, State::Starting);
    site.ask_refused(1, "CRL-0414");
    let client = json!({ "id": person(0) });
    let same = json!({ "client": client, "machine": "m1" });
    assert_eq!(site.given("RequestDesktop", same), [], "the machine itself is the same desktop");
}

#[test]
fn a_machine_needs_no_pool() {
    let mut site = Site::new();
    site.machine(0, &Kind::Simple);
    site.person(0);
    site.person(1);
    site.assign(0, 0);
    let ask = |n| json!({ "client": { "id": person(n) }, "machine": "m0" });
    site.refused("RequestDesktop", ask(1), "CRL-0414");
    assert!(of_sessions(&site.given("RequestDesktop", ask(0))).contains(&"lease.granted"));
    site.leave(0);
    assert_eq!(site.at(0).written, Some(Subject::Client(person(0))), "it is not made clean");
    site.given("RequestDesktop", ask(0));
}

#[test]
fn somebody_waits_for_their_own_machine_while_it_is_busy() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    site.locked(0);
    site.ask(0);
    assert!(site.waits(0));
    let events = site.story.happened(machine(0), MachineFact::Unlocked(Nothing {}));
    assert_eq!(of_sessions(&events), ["lease.granted"]);
}

#[test]
fn in_a_sticky_pool_the_first_machine_stays_theirs() {
    let mut site = Site::with_pool(json!({ "mode": "sticky" }), 2, 2);
    assert!(kinds(&site.ask(0)).contains(&"machine.assigned"));
    site.leave(0);
    site.ask(1);
    assert_eq!(site.machine_of(1), Some(machine(1)));
    assert!(!kinds(&site.ask(0)).contains(&"machine.assigned"));
    assert_eq!(site.machine_of(0), Some(machine(0)));
}

#[test]
fn a_terminal_gets_what_its_lab_offers_and_what_was_assigned_to_it() {
    let mut site = Site::with_pool(json!({}), 1, 0);
    let pool = site.pool_id("pool");
    site.terminal(0, &[pool]);
    site.given("RequestDesktop", json!({ "terminal": "t0", "pool": "pool" }));
    let subject = Subject::Terminal(terminal(0));
    assert_eq!(site.story.fleet.sessions_of(subject).count(), 1);
    site.vdi(5);
    site.refused("RequestDesktop", json!({ "terminal": "t0", "machine": "m5" }), "CRL-0414");
    site.given("AssignTerminal", json!({ "terminal": "t0", "machine": "m5" }));
    site.given("RequestDesktop", json!({ "terminal": "t0", "machine": "m5" }));
    assert!(site.story.fleet.labs.contains(LAB));
}

#[test]
fn an_external_machine_has_seats() {
    let mut site = Site::with_pool(json!({ "mode": "floating" }), 0, 3);
    site.external(0, 2);
    site.join(0, "pool");
    for n in 0..3 {
        site.ask(n);
    }
    assert_eq!(site.session(0).protocol, Protocol::Rdp);
    assert_eq!(site.at(0).leases.len(), 2);
    assert!(site.waits(2));
    assert_eq!(of_sessions(&site.leave(0)), ["lease.ended", "lease.granted"]);
    assert_eq!(site.at(0).written, None);
}

#[test]
fn those_in_a_group_may_use_its_pools() {
    let mut site = Site::with_pool(json!({}), 1, 0);
    site.person(0);
    site.given("CreateGroup", json!({ "name": "class" }));
    site.given("EntitlePool", json!({ "pool": "pool", "group": "class" }));
    site.ask_refused(0, "CRL-0414");
    let client = json!({ "id": person(0) });
    site.given("UpdateGroup", json!({ "group": "class", "add": [client] }));
    site.ask(0);
    let client = json!({ "id": person(0) });
    let events = site.given("UpdateGroup", json!({ "group": "class", "remove": [client] }));
    assert_eq!(of_sessions(&events), ["lease.ended"]);
    site.ask_refused(0, "CRL-0414");
}

#[test]
fn on_assign_a_used_machine_is_made_clean_for_the_one_who_waits() {
    let mut site = Site::with_pool(json!({ "reset": "on_assign" }), 1, 2);
    site.ask(0);
    site.started(0);
    site.stopped(0, crate::machine::StopCause::Guest);
    assert!(site.at(0).written.is_some(), "it is not made clean before somebody comes");
    let events = site.ask(1);
    assert!(of_sessions(&events).starts_with(&["session.queued"]));
    if site.waits(1) {
        assert_eq!(of_sessions(&site.made_clean(0)), ["lease.granted"]);
    }
    assert_eq!(site.machine_of(1), Some(machine(0)));
}

#[test]
fn nobody_overtakes_those_who_wait() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    let maintenance = |switch: &str| -> HypervisorFact {
        HypervisorFact::MaintenanceChanged(fact(json!({ "reason": "admin", "switch": switch })))
    };
    site.story.happened(HOST, maintenance("on"));
    site.ask(0);
    site.story.happened(HOST, maintenance("off"));
    let events = site.ask(1);
    assert_eq!(of_sessions(&events), ["lease.granted", "session.queued"]);
    assert!(!site.waits(0) && site.waits(1));
}

#[test]
fn what_another_has_written_is_not_given_even_to_its_owner() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    let by = Subject::Client(person(9));
    let written = crate::version::latest::machine::HandedOn { from: by, to: by };
    site.story.happened(machine(0), MachineFact::HandedOn(written));
    site.ask(0);
    assert!(site.waits(0));
    site.made_clean(0);
    assert!(!site.waits(0));
}

#[test]
fn the_owner_of_a_seat_waits_until_it_is_free() {
    let mut site = Site::with_pool(json!({}), 0, 2);
    site.external(0, 1);
    site.join(0, "pool");
    site.ask(0);
    site.assign(1, 0);
    site.given("RequestDesktop", json!({ "client": { "id": person(1) }, "machine": "m0" }));
    assert!(site.waits(1));
    assert_eq!(of_sessions(&site.leave(0)), ["lease.ended", "lease.granted"]);
    assert_eq!(site.machine_of(1), Some(machine(0)));
}

#[test]
fn a_machine_that_sleeps_or_was_paused_is_woken_for_its_owner() {
    let paused = || MachineFact::Paused(fact(json!({ "reason": "command" })));
    for rest in [MachineFact::PmSuspended(Nothing {}), paused()] {
        let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
        site.assign(0, 0);
        site.runs(0);
        site.story.happened(machine(0), rest);
        assert!(kinds(&site.ask(0)).contains(&"machine.resume_requested"));
    }
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    site.runs(0);
    let broken = MachineFact::Paused(fact(json!({ "reason": "io" })));
    site.story.happened(machine(0), broken);
    site.ask(0);
    assert!(site.waits(0), "its disk has an error");
}

#[test]
fn a_closed_pool_keeps_its_own_machines_closed_too() {
    let all_day = json!({
        "days": ["thursday"], "from_minute": 0, "until_minute": 1440, "time_zone": "UTC",
        "effect": { "closed": true },
    });
    let settings = json!({ "mode": "dedicated", "calendars": [all_day] });
    let mut site = Site::with_pool(settings, 1, 1);
    site.assign(0, 0);
    site.ask_refused(0, "CRL-0418");
    let own = json!({ "client": { "id": person(0) }, "machine": "m0" });
    site.refused("RequestDesktop", own, "CRL-0418");
}

#[test]
fn whoever_is_blocked_has_a_right_to_nothing() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    let subject = Subject::Client(person(0));
    let target = crate::session::Target::Pool(site.pool_id("pool"));
    assert!(crate::session::is_entitled(&site.story.fleet, subject, target));
    let client = json!({ "client": { "id": person(0) } });
    site.given("BlockClient", client.clone());
    assert!(!crate::session::is_entitled(&site.story.fleet, subject, target));
    site.given("UnblockClient", client);
    assert!(crate::session::is_entitled(&site.story.fleet, subject, target));
}
