//! The broker's part of what people do with the older systems, end to end.

use serde_json::json;

use super::site::{Site, machine, of_sessions, person};
use crate::machine::StopCause;
use crate::session::Subject;
use crate::testing::command;

#[test]
fn session_takeover() {
    let mut site = Site::with_pool(json!({}), 3, 2);
    let pool = site.pool_id("pool");
    site.terminal(0, &[pool]);
    site.terminal(1, &[pool]);
    let from = |n: u32, terminal: &str| {
        let client = json!({ "id": person(n) });
        let data = json!({ "client": client, "pool": "pool", "terminal": terminal });
        command("RequestDesktop", data)
    };
    site.story.given(from(0, "t0"));
    let (session, desktop) = (site.session_id(0), site.machine_of(0));
    assert_eq!(site.story.given(from(0, "t1")), [], "the ticket is unspent");
    site.given("DisconnectSession", json!({ "session": session }));
    site.story.wait(299);
    let events = site.story.given(from(0, "t1"));
    assert_eq!(of_sessions(&events), ["session.ticket_issued"], "no reset, no new lease");
    assert_eq!((site.session_id(0), site.machine_of(0)), (session, desktop));
    site.story.given(from(1, "t0"));
    assert_ne!(site.machine_of(1), desktop, "somebody else never gets it");
}

#[test]
fn pool_exhaustion_and_race() {
    let mut site = Site::with_pool(json!({}), 4, 5);
    for n in 0..5 {
        site.ask(n);
    }
    assert_eq!((0..5).filter(|n| site.waits(*n)).count(), 1);
    site.started(2);
    site.stopped(2, StopCause::Guest);
    site.made_clean(2);
    assert_eq!(site.machine_of(4), Some(machine(2)));
}

#[test]
fn login_of_a_blocked_user() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    site.given("BlockClient", json!({ "client": { "id": person(0) } }));
    site.ask_refused(0, "CRL-0501");
}

#[test]
fn login_by_a_directory_group() {
    let mut site = Site::with_pool(json!({}), 1, 0);
    let directory = json!({ "provider": "corp", "group": "CN=Staff" });
    site.given("CreateGroup", json!({ "name": "staff", "settings": { "directory": directory } }));
    site.given("AssignClient", json!({ "pool": "pool", "group": "staff" }));
    let newcomer = json!({ "id": person(0), "provider": "corp", "name": super::site::name(0) });
    let first = json!({ "newcomer": newcomer, "groups": ["CN=Staff", "CN=Other"] });
    site.given("RecordSignIn", first);
    site.ask(0);
    assert_eq!(site.machine_of(0), Some(machine(0)));
}

#[test]
fn node_loss() {
    let mut site = Site::with_pool(json!({}), 3, 2);
    site.ask(0);
    site.ask(1);
    site.started(0);
    let session = site.session_id(0);
    let armed = super::site::fact(super::site::armed());
    site.story.happened(session, crate::event::SessionFact::DisplayArmed(armed));
    assert_eq!(of_sessions(&site.stopped(0, StopCause::HostLost)), ["lease.ended"]);
    let events = site.stopped(1, StopCause::HostLost);
    assert_eq!(of_sessions(&events), ["session.moved"], "nothing of theirs was there yet");
    site.ask(0);
    assert!(site.has(0).is_some());
}

/// A charter gives a desktop for a time: here, as long as the calendar says and the person is
/// there.
#[test]
fn charter() {
    let hours = json!({
        "days": ["thursday"], "from_minute": 600, "until_minute": 660, "time_zone": "UTC",
        "effect": { "closed": true },
    });
    let mut site = Site::with_pool(json!({ "calendars": [hours] }), 1, 1);
    site.ask(0);
    let pool = site.pool_id("pool");
    site.story.wait(600 * 60);
    site.given("TurnCalendar", json!({ "pool": pool }));
    assert_eq!(of_sessions(&site.ask(0)), ["session.ticket_issued"], "who has a desktop keeps it");
    site.given("ExpireLease", json!({ "session": site.session_id(0) }));
    site.made_clean(0);
    site.ask_refused(0, "CRL-0418");
    site.story.wait(60 * 60);
    site.given("TurnCalendar", json!({ "pool": pool }));
    site.ask(0);
}

#[test]
fn nothing_of_one_persons_session_is_seen_by_the_next() {
    let mut site = Site::with_pool(json!({}), 1, 2);
    site.ask(0);
    site.started(0);
    site.leave(0);
    assert_eq!(site.at(0).written, Some(Subject::Client(person(0))));
    site.ask(1);
    assert!(site.waits(1), "it is not clean yet");
    site.made_clean(0);
    assert_eq!(site.at(0).written, Some(Subject::Client(person(1))));
}
