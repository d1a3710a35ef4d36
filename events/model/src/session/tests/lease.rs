//! Leases, tickets, places and limits.

use serde_json::json;

use super::site::{Site, machine, of_sessions, person};
use crate::context::Context;
use crate::decide::decide;
use crate::deciding::Deciding;
use crate::event::{Event, SessionFact};
use crate::ids::{ActorId, SessionId};
use crate::session::follow::{display_armed, ticket_spent};
use crate::session::{EndCause, SpentBy, TicketState};
use crate::testing::{command, kinds};
use crate::version::latest::session::Ports;

/// What a worker's word about a ticket comes to.
fn said(site: &mut Site, say: impl Fn(&mut Deciding<'_>)) -> Vec<Event> {
    let context = site.story.context();
    let by = crate::command::By::System;
    let mut deciding = Deciding::new(&site.story.fleet, "ReportOutcome", by, &context);
    say(&mut deciding);
    let decision = deciding.end();
    site.story.fleet = decision.after;
    decision.events
}

#[test]
fn a_ticket_is_issued_armed_and_spent_and_late_words_change_nothing() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.ask(0);
    let session = site.session_id(0);
    let state = |site: &Site| site.session(0).ticket.state;
    assert_eq!(state(&site), TicketState::Issued);
    assert_eq!(said(&mut site, |it| display_armed(it, session, (7, Ports::default()))), []);
    said(&mut site, |it| display_armed(it, session, (1, Ports::default())));
    assert_eq!(state(&site), TicketState::Armed);
    assert_eq!(said(&mut site, |it| display_armed(it, session, (1, Ports::default()))), []);
    said(&mut site, |it| ticket_spent(it, session, 1, SpentBy::Expired));
    assert_eq!(state(&site), TicketState::Spent);
    assert_eq!(said(&mut site, |it| ticket_spent(it, session, 1, SpentBy::Used)), []);
    let nobody = SessionId::from_bytes([1; 16]);
    assert_eq!(said(&mut site, |it| ticket_spent(it, nobody, 1, SpentBy::Used)), []);
}

#[test]
fn a_lease_that_is_waited_for_has_no_ticket_before_its_person_comes() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(0);
    site.ask(1);
    site.leave(0);
    site.made_clean(0);
    assert_eq!(site.session(1).ticket.state, TicketState::None);
    assert_eq!(of_sessions(&site.ask(1)), ["session.ticket_issued"]);
}

#[test]
fn who_is_cut_off_can_come_back_to_the_same_machine() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.ask(0);
    let (session, generation) = (site.session_id(0), site.at(0).generation);
    let disconnect = json!({ "session": session });
    let events = site.given("DisconnectSession", disconnect.clone());
    assert_eq!(of_sessions(&events), ["session.disconnected"]);
    let cut_off = site.at(0).generation;
    assert!(cut_off > generation, "its viewers are cut off");
    assert_eq!(of_sessions(&site.given("DisconnectSession", disconnect)), [""; 0]);
    assert_eq!(site.at(0).generation, cut_off, "there is nothing to cut any more");
    assert_eq!(of_sessions(&site.ask(0)), ["session.ticket_issued"]);
    assert_eq!((site.session_id(0), site.machine_of(0)), (session, Some(machine(0))));
}

#[test]
fn nobody_ends_a_session_that_is_not_there() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    let session = json!({ "session": SessionId::from_bytes([1; 16]) });
    site.refused("DisconnectSession", session.clone(), "CRL-0001");
    site.refused("EndSession", session.clone(), "CRL-0001");
    assert_eq!(site.given("ExpireLease", session.clone()), []);
    assert_eq!(site.given("ExpirePlace", session), []);
}

#[test]
fn a_silent_lease_ends_and_a_silent_place_is_left() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(0);
    site.ask(1);
    let [first, second] = [0, 1].map(|n| json!({ "session": site.session_id(n) }));
    assert_eq!(site.given("ExpirePlace", first.clone()), [], "it is a lease");
    assert_eq!(site.given("ExpireLease", second.clone()), [], "it is a place");
    assert_eq!(of_sessions(&site.given("ExpirePlace", second)), ["session.left"]);
    assert_eq!(of_sessions(&site.given("ExpireLease", first)), ["lease.ended"]);
}

#[test]
fn it_is_told_apart_who_ended_a_session() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.ask(0);
    let end = command("EndSession", json!({ "session": site.session_id(0) }));
    let context = site.story.context();
    let cause = |context: &Context| {
        let events = decide(&site.story.fleet, &end, context).expect("it ends").events;
        events.into_iter().find_map(|event| {
            let Event::Session(_, SessionFact::LeaseEnded(ended)) = event else { return None };
            Some(ended.cause)
        })
    };
    assert_eq!(cause(&context), Some(EndCause::Revoked));
    let actor = ActorId::new(person(0).uuid());
    assert_eq!(cause(&Context { actor, ..context }), Some(EndCause::Request));
}

#[test]
fn the_pools_limits_let_people_wait() {
    let mut site = Site::with_pool(json!({ "limits": { "sessions_max": 1 } }), 2, 2);
    site.ask(0);
    site.ask(1);
    assert!(site.waits(1));
    assert_eq!(of_sessions(&site.leave(0)), ["lease.ended", "lease.granted"]);
}

#[test]
fn a_persons_limits_hold_over_all_pools_and_stop_nobody_else() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.pool("other", json!({}));
    site.vdi(5);
    site.join(5, "other");
    site.entitle(0, "other");
    let client = json!({ "id": person(0) });
    site.given("UpdateClient", json!({ "client": client, "settings": { "sessions_max": 1 } }));
    site.ask(0);
    let lease = site.session_id(0);
    let events = site.story.given(Site::request(0, "other"));
    assert_eq!(of_sessions(&events), ["session.queued"]);
    site.person(1);
    site.entitle(1, "other");
    let events = site.story.given(Site::request(1, "other"));
    assert!(of_sessions(&events).contains(&"lease.granted"), "the one who waits can't have it");
    site.leave(1);
    site.made_clean(5);
    let events = site.given("EndSession", json!({ "session": lease }));
    assert_eq!(of_sessions(&events), ["lease.ended", "lease.granted"], "within the limit again");
}

#[test]
fn a_groups_limit_counts_all_of_its_people() {
    let mut site = Site::with_pool(json!({}), 3, 3);
    site.given("CreateGroup", json!({ "name": "class", "settings": { "sessions_max": 1 } }));
    let people = [0, 1].map(|n| json!({ "id": person(n) }));
    site.given("UpdateGroup", json!({ "group": "class", "add": people }));
    for n in 0..3 {
        site.ask(n);
    }
    assert_eq!([0, 1, 2].map(|n| site.waits(n)), [false, true, false]);
    site.leave(0);
    site.given("ServePool", json!({ "pool": site.pool_id("pool") }));
    assert!(!site.waits(1));
}

#[test]
fn sessions_max_per_client_counts_the_pool_alone() {
    let settings = json!({ "limits": { "sessions_max_per_client": 1 } });
    let mut site = Site::with_pool(settings, 2, 1);
    site.ask(0);
    assert_eq!(site.ask(0), [], "the second desktop of a pool is the first one");
}

#[test]
fn spares_are_refilled_by_the_event_that_used_one() {
    let mut site = Site::with_pool(json!({ "spares": { "keep_started": 2 } }), 5, 2);
    let on = |site: &Site| (0..5).filter(|n| !site.at(*n).at_rest()).count();
    assert_eq!(on(&site), 2);
    let events = site.ask(0);
    assert!(kinds(&events).contains(&"machine.start_requested"));
    assert_eq!(on(&site), 3);
    site.ask(1);
    assert_eq!(on(&site), 4);
}

#[test]
fn many_spares_are_started_a_few_at_a_time() {
    let mut site = Site::with_pool(json!({}), 60, 0);
    let change = json!({ "pool": "pool", "settings": { "spares": { "keep_ready": 60 } } });
    let events = site.given("UpdatePool", change);
    assert!(events.len() < 80, "{} facts", events.len());
    let pool = site.pool_id("pool");
    while crate::session::wants_service(&site.story.fleet, pool) {
        assert_ne!(site.given("ServePool", json!({ "pool": pool })), []);
    }
    assert!((0..60).all(|n| !site.at(n).at_rest()));
}

#[test]
fn a_failed_ticket_of_an_old_machine_is_not_of_the_new_one() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    site.ask(0);
    site.start_failed(0);
    let session = site.session_id(0);
    assert_eq!(said(&mut site, |it| display_armed(it, session, (1, Ports::default()))), []);
    let events = site.ask(0);
    let issued = events.iter().find_map(|event| {
        let Event::Session(_, SessionFact::TicketIssued(issued)) = event else { return None };
        Some(issued.ticket)
    });
    assert_eq!(issued, Some(2));
}

#[test]
fn a_ticket_that_nothing_is_heard_of_locks_nobody_out() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.ask(0);
    let session = site.session_id(0);
    let expire = |ticket: u32| json!({ "session": session, "ticket": ticket });
    said(&mut site, |it| display_armed(it, session, (1, Ports::default())));
    let expires_at = site.story.now.plus_seconds(60);
    assert_eq!(site.session(0).ticket.expires_at, expires_at);
    let due = |site: &Site| {
        let due = crate::clockwork::due(&site.story.fleet, site.story.now);
        due.into_iter().filter(|command| command.name() == "ExpireTicket").collect::<Vec<_>>()
    };
    assert_eq!(site.given("ExpireTicket", expire(1)), [], "it is not time yet");
    assert_eq!((due(&site), site.ask(0)), (vec![], vec![]));
    site.story.wait(60);
    let sent = due(&site);
    assert_eq!(sent, [command("ExpireTicket", expire(1))]);
    for late in sent {
        assert_eq!(kinds(&site.story.given(late)), ["session.ticket_spent"]);
    }
    assert_eq!(of_sessions(&site.ask(0)), ["session.ticket_issued"]);
    assert_eq!(site.given("ExpireTicket", expire(1)), [], "it is of an earlier one");
    let nobody = json!({ "session": SessionId::from_bytes([1; 16]), "ticket": 1 });
    assert_eq!(site.given("ExpireTicket", nobody), []);
    site.story.wait(300);
    assert_eq!(of_sessions(&site.ask(0)), ["session.ticket_issued"], "also if no clock was there");
}
