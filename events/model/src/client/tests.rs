//! What is given, asked for, and comes of it.

use serde_json::{Value, json};

use super::Client;
use crate::admin::TOKENS_MAX;
use crate::event::Event;
use crate::sealed::BOXES_MAX;
use crate::session::tests::site::{Site, machine, name, name_for, of_sessions, person, sealed};
use crate::testing::kinds;

const DRAWN: &str = include_str!("mod.rs");

fn client(site: &Site, n: u32) -> &Client {
    site.story.fleet.clients.get(person(n)).expect("the person")
}

fn of(n: u32) -> Value {
    json!({ "id": person(n) })
}

#[test]
fn a_person_is_blocked_and_unblocked_and_deleted_as_it_is_drawn() {
    assert!(DRAWN.contains("created --> active <--> blocked"));
    assert!(DRAWN.contains("+-- deleted -+"));
    let mut site = Site::new();
    let word = |site: &Site, n| if client(site, n).blocked { "blocked" } else { "active" };
    for n in [0, 1] {
        site.person(n);
        assert_eq!(word(&site, n), "active");
    }
    let block = json!({ "client": of(0) });
    let blocked = ["operation.accepted", "client.blocked"];
    assert_eq!(kinds(&site.given("BlockClient", block.clone())), blocked);
    assert_eq!(kinds(&site.given("BlockClient", block.clone())), ["operation.accepted"]);
    assert_eq!(word(&site, 0), "blocked");
    let unblocked = ["operation.accepted", "client.unblocked"];
    assert_eq!(kinds(&site.given("UnblockClient", block.clone())), unblocked);
    assert_eq!(kinds(&site.given("UnblockClient", block.clone())), ["operation.accepted"]);
    assert_eq!(word(&site, 0), "active");
    site.given("BlockClient", block);
    for n in [0, 1] {
        site.given("DeleteClient", json!({ "client": of(n) }));
    }
    assert!(site.story.fleet.clients.is_empty());
    site.refused("BlockClient", json!({ "client": of(0) }), "CRL-0001");
}

#[test]
fn two_people_of_one_provider_have_two_names() {
    let mut site = Site::new();
    site.person(0);
    site.refused("CreateClient", json!({ "id": person(1), "name": name(0) }), "CRL-0002");
    site.refused("CreateClient", json!({ "id": person(0), "name": name(1) }), "CRL-0007");
    let elsewhere = json!({ "id": person(1), "provider": "corp", "name": name(0) });
    site.given("CreateClient", elsewhere);
}

#[test]
fn a_change_of_a_person_is_a_merge_patch_and_may_rename_them() {
    let mut site = Site::new();
    site.person(0);
    site.person(1);
    let change = |settings: Value| json!({ "client": of(0), "settings": settings });
    site.given("UpdateClient", change(json!({ "sessions_max": 2 })));
    assert_eq!(client(&site, 0).sessions_max, Some(2));
    let again = site.given("UpdateClient", change(json!({ "sessions_max": 2 })));
    assert_eq!(kinds(&again), ["operation.accepted"]);
    site.given("UpdateClient", change(json!({ "sessions_max": null })));
    assert_eq!(client(&site, 0).sessions_max, None);
    site.refused("UpdateClient", change(json!({ "seats": 2 })), "CRL-0004");
    site.refused("UpdateClient", json!({ "client": of(0), "name": name_for(1, 0) }), "CRL-0002");
    site.refused("UpdateClient", json!({ "client": of(0), "if_version": 1 }), "CRL-0003");
    let elsewhere = json!({ "client": of(0), "provider": "corp", "name": name_for(5, 0) });
    site.refused("UpdateClient", elsewhere, "CRL-0502");
    let renamed = json!({ "client": of(0), "name": name_for(5, 0), "details": sealed(0) });
    site.given("UpdateClient", renamed.clone());
    assert_eq!(kinds(&site.given("UpdateClient", renamed)), ["operation.accepted"]);
    assert!(client(&site, 0).details.is_some());
}

#[test]
fn what_is_noted_about_a_person_is_in_boxes_of_theirs() {
    let mut site = Site::new();
    let noted = json!({ "mail": sealed(0) });
    let create = |whose: u32| {
        let notes = json!({ "mail": sealed(whose) });
        json!({ "id": person(0), "name": name(0), "labels": notes, "properties": noted })
    };
    site.refused("CreateClient", create(1), "CRL-0010");
    site.given("CreateClient", create(0));
    let change = |more: Value| json!({ "client": of(0), "properties": more });
    site.given("UpdateClient", change(json!({ "room": sealed(0), "mail": null })));
    let names = |site: &Site| {
        let client = client(site, 0);
        let names = client.labels.keys().chain(client.properties.keys());
        names.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(&site), ["mail", "room"]);
    let again = site.given("UpdateClient", change(json!({ "mail": null })));
    assert_eq!(kinds(&again), ["operation.accepted"]);
    let many: serde_json::Map<_, _> =
        (1..BOXES_MAX).map(|n| (format!("p{n}"), sealed(0))).collect();
    site.given("UpdateClient", change(many.into()));
    site.refused("UpdateClient", change(json!({ "mail": sealed(0) })), "CRL-0005");
}

#[test]
fn passwords_are_those_of_local_people() {
    let mut site = Site::new();
    site.person(0);
    let set = |n| json!({ "client": of(n), "password": sealed(n) });
    let events = site.given("SetClientPassword", set(0));
    assert_eq!(kinds(&events), ["operation.accepted", "client.password_set"]);
    let elsewhere = json!({ "id": person(1), "provider": "corp", "name": name(1) });
    site.given("CreateClient", elsewhere);
    site.refused("SetClientPassword", set(1), "CRL-0503");
    let both =
        json!({ "id": person(2), "provider": "corp", "name": name(2), "password": sealed(2) });
    site.refused("CreateClient", both, "CRL-0503");
}

#[test]
fn what_was_sealed_for_a_person_who_is_gone_is_not_kept_with_another_of_that_name() {
    let mut site = Site::with_pool(json!({}), 1, 1);
    let by_name = json!({ "name": { "provider": "local", "hash": name(0)["hash"] } });
    let sent = |whose| {
        let of_it = |more: Value| {
            let mut data = json!({ "client": by_name });
            data.as_object_mut()
                .expect("it is one")
                .extend(more.as_object().cloned().expect("it is one"));
            data
        };
        [
            ("SetClientPassword", of_it(json!({ "password": sealed(whose) }))),
            ("UpdateClient", of_it(json!({ "details": sealed(whose) }))),
            ("UpdateClient", of_it(json!({ "labels": { "school": sealed(whose) } }))),
            ("UpdateClient", of_it(json!({ "properties": { "mail": sealed(whose) } }))),
            ("UpdateClient", of_it(json!({ "name": name_for(0, whose) }))),
            ("RequestDesktop", of_it(json!({ "pool": "pool", "source": sealed(whose) }))),
        ]
    };
    site.given("DeleteClient", json!({ "client": by_name }));
    site.given("CreateClient", json!({ "id": person(1), "name": name_for(0, 1) }));
    site.entitle(1, "pool");
    for (command, data) in sent(0) {
        site.refused(command, data, "CRL-0010");
    }
    for (command, data) in sent(1) {
        site.given(command, data);
    }
}

#[test]
fn whoever_is_deleted_leaves_everything() {
    let mut site = Site::with_pool(json!({ "mode": "dedicated" }), 1, 1);
    site.assign(0, 0);
    site.given("CreateGroup", json!({ "name": "class" }));
    site.given("UpdateGroup", json!({ "group": "class", "add": [of(0)] }));
    site.ask(0);
    let events = site.given("DeleteClient", json!({ "client": of(0) }));
    assert_eq!(of_sessions(&events), ["lease.ended"]);
    for expected in ["machine.unassigned", "group.member_removed", "pool.revoked", "client.deleted"]
    {
        assert!(kinds(&events).contains(&expected), "{expected}");
    }
    assert!(site.at(0).owners.is_empty() && site.at(0).written.is_some());
}

#[test]
fn whoever_has_too_much_is_not_deleted_at_once() {
    let mut site = Site::new();
    site.person(0);
    for n in 0..49 {
        site.vdi(n);
        site.assign(0, n);
    }
    let refused = site.refused("DeleteClient", json!({ "client": of(0) }), "CRL-0504");
    assert!(refused.to_string().contains("49"));
    let one = json!({ "client": of(0), "machine": machine(3) });
    site.given("UnassignClient", one);
    site.given("DeleteClient", json!({ "client": of(0) }));
}

fn newcomer(n: u32) -> Value {
    json!({ "id": person(n), "provider": "corp", "name": name(n) })
}

#[test]
fn a_person_of_a_directory_is_known_from_their_first_sign_in() {
    let mut site = Site::new();
    let first = json!({ "newcomer": newcomer(0) });
    assert_eq!(kinds(&site.given("RecordSignIn", first.clone())), ["client.created"]);
    assert_eq!(site.given("RecordSignIn", first), [], "a second first sign-in");
    let twin = json!({ "id": person(9), "provider": "corp", "name": name(0) });
    assert_eq!(site.given("RecordSignIn", json!({ "newcomer": twin })), []);
    assert_eq!(site.given("RecordSignIn", json!({ "client": of(7) })), [], "a stranger");
    assert_eq!(site.given("RecordSignIn", json!({})), []);
}

#[test]
fn what_a_directory_says_about_groups_is_noted_when_it_changes() {
    let mut site = Site::new();
    let directory = json!({ "directory": { "provider": "corp", "group": "CN=Staff" } });
    site.given("CreateGroup", json!({ "name": "staff", "settings": directory }));
    site.given("RecordSignIn", json!({ "newcomer": newcomer(0) }));
    let sign_in = |groups: Value| json!({ "client": of(0), "groups": groups });
    let events = site.given("RecordSignIn", sign_in(json!(["CN=Staff", "CN=Unknown"])));
    assert_eq!(kinds(&events), ["client.groups_changed"]);
    let none: Vec<Event> = Vec::new();
    assert_eq!(site.given("RecordSignIn", sign_in(json!(["CN=Staff"]))), none);
    assert_eq!(client(&site, 0).groups.len(), 1);
    site.given("RecordSignIn", sign_in(json!([])));
    assert!(client(&site, 0).groups.is_empty());
}

/// Somebody with as many tokens as anybody can have.
fn signed_in(site: &mut Site, n: u32) {
    for token in 0..TOKENS_MAX {
        let token = json!({ "token": format!("{token:064x}"), "of": { "client": of(n) } });
        site.given("IssueToken", token);
    }
    assert_eq!(site.story.fleet.tokens.len(), TOKENS_MAX);
}

#[test]
fn whoever_is_deleted_or_blocked_or_has_another_password_is_signed_out() {
    for what in ["DeleteClient", "BlockClient", "SetClientPassword"] {
        let mut site = Site::new();
        site.person(0);
        signed_in(&mut site, 0);
        let mut data = json!({ "client": of(0) });
        if what == "SetClientPassword" {
            data["password"] = sealed(0);
        }
        let events = site.given(what, data);
        assert!(site.story.fleet.tokens.is_empty(), "{what}");
        let ended = kinds(&events).into_iter().filter(|kind| *kind == "token.ended");
        assert_eq!(ended.count(), TOKENS_MAX, "{what}");
    }
}

/// The worst that a person can have: desktops that are made clean when they leave and go to others
/// who wait, and tokens.
#[test]
fn whoever_has_much_is_deleted_or_blocked_in_one_decision() {
    for (what, desktops) in [("DeleteClient", 12), ("BlockClient", 16)] {
        let mut site = Site::new();
        site.person(0);
        for n in 0..desktops {
            let pool = format!("p{n}");
            site.pool(&pool, json!({ "spares": { "keep_started": 1 } }));
            site.vdi(2 * n);
            site.vdi(2 * n + 1);
            site.join(2 * n, &pool);
            site.entitle(0, &pool);
            let ask = json!({ "client": of(0), "pool": pool });
            site.given("RequestDesktop", ask);
            site.join(2 * n + 1, &pool);
        }
        signed_in(&mut site, 0);
        if what == "DeleteClient" {
            // What a person holds counts, too: the pools are taken away first.
            for n in 0..desktops {
                let data = json!({ "group": "all", "pool": format!("p{n}") });
                if n == 0 {
                    site.given("CreateGroup", json!({ "name": "all" }));
                    site.given("UpdateGroup", json!({ "group": "all", "add": [of(0)] }));
                }
                site.given("EntitlePool", data);
                let revoke = json!({ "client": of(0), "pool": format!("p{n}") });
                site.given("RevokePool", revoke);
            }
            site.given("EndSession", json!({ "session": site.has_any(0).expect("one").id }));
        }
        let events = site.given(what, json!({ "client": of(0) }));
        assert!(events.len() <= crate::decide::EVENTS_MAX);
        assert!(of_sessions(&events).len() >= 11, "{what}");
    }
}
