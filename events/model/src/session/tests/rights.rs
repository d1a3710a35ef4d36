//! Nobody whose right has ended keeps a desktop, however many they are.

use serde_json::{Value, json};

use super::site::{LAB, Site, of_sessions, person, terminal};
use crate::clockwork;
use crate::decide::EVENTS_MAX;
use crate::session::{ENDED_AT_ONCE_MAX, Subject};

const PEOPLE: u32 = 40;

/// So many people of a group, each with a desktop of a pool.
fn crowd() -> Site {
    let mut site = Site::with_pool(json!({}), PEOPLE, 0);
    site.given("CreateGroup", json!({ "name": "class" }));
    for n in 0..PEOPLE {
        site.person(n);
    }
    let add: Vec<_> = (0..PEOPLE).map(|n| json!({ "id": person(n) })).collect();
    site.given("UpdateGroup", json!({ "group": "class", "add": add }));
    site.given("EntitlePool", json!({ "pool": "pool", "group": "class" }));
    for n in 0..PEOPLE {
        site.ask(n);
        assert!(!site.waits(n));
    }
    site
}

/// What is due happens, and changes something each time.
fn what_is_due(site: &mut Site) {
    while let Some(command) = clockwork::due(&site.story.fleet, site.story.now).first() {
        let events = site.story.given(command.clone());
        assert!(!events.is_empty() && events.len() <= EVENTS_MAX / 2, "{command:?}");
    }
}

#[track_caller]
fn nobody_keeps_anything_after(command: &str, data: Value) {
    let mut site = crowd();
    let events = site.given(command, data);
    assert_eq!(of_sessions(&events).len(), ENDED_AT_ONCE_MAX, "as many as a decision can end");
    what_is_due(&mut site);
    assert_eq!(site.story.fleet.sessions.len(), 0);
    assert!((0..PEOPLE).all(|n| site.at(n).leases.is_empty()));
}

#[test]
fn a_pool_that_is_revoked_is_lost_by_all() {
    nobody_keeps_anything_after("RevokePool", json!({ "pool": "pool", "group": "class" }));
}

#[test]
fn a_group_that_is_deleted_takes_the_desktops_of_all() {
    nobody_keeps_anything_after("DeleteGroup", json!({ "group": "class" }));
}

#[test]
fn whoever_is_removed_from_a_group_loses_their_desktop() {
    let remove: Vec<_> = (0..PEOPLE).map(|n| json!({ "id": person(n) })).collect();
    nobody_keeps_anything_after("UpdateGroup", json!({ "group": "class", "remove": remove }));
}

#[test]
fn whoever_has_another_right_keeps_their_desktop() {
    let mut site = crowd();
    for n in (0..PEOPLE).step_by(2) {
        site.entitle(n, "pool");
    }
    site.given("RevokePool", json!({ "pool": "pool", "group": "class" }));
    what_is_due(&mut site);
    assert!((0..PEOPLE).all(|n| site.has(n).is_some() == n.is_multiple_of(2)));
}

#[test]
fn a_right_that_is_lost_meanwhile_is_noticed_too() {
    let mut site = crowd();
    for n in 0..PEOPLE {
        site.entitle(n, "pool");
    }
    site.given("RevokePool", json!({ "pool": "pool", "group": "class" }));
    for n in 0..PEOPLE {
        let client = json!({ "id": person(n) });
        site.given("RevokePool", json!({ "pool": "pool", "client": client }));
    }
    what_is_due(&mut site);
    assert_eq!(site.story.fleet.sessions.len(), 0);
}

#[test]
fn a_pool_that_nobody_uses_needs_no_second_look() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    let client = json!({ "id": person(0) });
    site.given("RevokePool", json!({ "pool": "pool", "client": client }));
    assert_eq!(clockwork::due(&site.story.fleet, site.story.now), []);
    let pool = site.pool_id("pool");
    assert_eq!(site.given("ReviewRights", json!({ "pool": pool })), []);
}

#[test]
fn one_person_has_no_more_than_can_be_taken_at_once() {
    let most = u32::try_from(ENDED_AT_ONCE_MAX).expect("few");
    let mut site = Site::new();
    site.person(0);
    for n in 0..=most {
        let pool = format!("p{n}");
        site.pool(&pool, json!({}));
        site.vdi(n);
        site.join(n, &pool);
        site.entitle(0, &pool);
        if n < most {
            site.story.given(Site::request(0, &pool));
        }
    }
    site.story.refused(Site::request(0, &format!("p{most}")), "CRL-0426");
    let client = json!({ "client": { "id": person(0) } });
    assert_eq!(of_sessions(&site.given("BlockClient", client)), ["lease.ended"; ENDED_AT_ONCE_MAX]);
    assert_eq!(site.story.fleet.sessions_of(Subject::Client(person(0))).next(), None);
}

#[test]
fn whoever_leaves_a_directory_group_loses_their_desktop_when_they_sign_in() {
    let mut site = Site::with_pool(json!({}), 1, 0);
    let directory = json!({ "provider": "corp", "group": "CN=Staff" });
    site.given("CreateGroup", json!({ "name": "staff", "settings": { "directory": directory } }));
    site.given("EntitlePool", json!({ "pool": "pool", "group": "staff" }));
    let newcomer = json!({ "id": person(0), "provider": "corp", "name": super::site::name(0) });
    site.given("RecordSignIn", json!({ "newcomer": newcomer, "groups": ["CN=Staff"] }));
    site.ask(0);
    let again = json!({ "client": { "id": person(0) }, "groups": [] });
    assert_eq!(of_sessions(&site.given("RecordSignIn", again)), ["lease.ended"]);
}

#[test]
fn a_terminal_has_only_what_its_lab_offers() {
    let mut site = Site::with_pool(json!({}), 2, 0);
    let pool = site.pool_id("pool");
    site.given(
        "CreateLab",
        json!({ "name": "other", "settings": { "classes": { "thin": { "template": "run" } } } }),
    );
    for n in 0..2 {
        site.terminal(n, &[pool]);
        site.given("RequestDesktop", json!({ "terminal": terminal(n), "pool": "pool" }));
    }
    let moved = json!({ "terminal": terminal(0), "settings": { "lab": "other" } });
    assert_eq!(of_sessions(&site.given("UpdateTerminal", moved)), ["lease.ended"]);
    let none = json!({ "lab": LAB, "settings": { "pools": [] } });
    assert_eq!(of_sessions(&site.given("UpdateLab", none)), ["lease.ended"]);
    assert!(site.at(0).leases.is_empty());
}
