//! What is given, asked for, and comes of it.

use serde_json::{Value, json};

use super::Group;
use crate::session::tests::site::{Site, of_sessions, person};
use crate::testing::kinds;

fn of(people: &[u32]) -> Vec<Value> {
    people.iter().map(|n| json!({ "id": person(*n) })).collect()
}

fn group(site: &Site) -> &Group {
    site.story.fleet.groups.iter().next().expect("the group").1
}

fn site() -> Site {
    let mut site = Site::new();
    site.person(0);
    site.person(1);
    site.given("CreateGroup", json!({ "name": "class" }));
    site
}

#[test]
fn a_group_is_created_updated_and_deleted_as_it_is_drawn() {
    assert!(include_str!("mod.rs").contains("created --> (updated)* --> deleted"));
    let mut site = site();
    site.refused("CreateGroup", json!({ "name": "class" }), "CRL-0002");
    let change = json!({ "group": "class", "name": "office", "settings": { "sessions_max": 5 } });
    assert_eq!(kinds(&site.given("UpdateGroup", change)), ["operation.accepted", "group.updated"]);
    assert_eq!(group(&site).settings.sessions_max, Some(5));
    site.refused("UpdateGroup", json!({ "group": "office", "if_version": 1 }), "CRL-0003");
    site.given("DeleteGroup", json!({ "group": "office" }));
    assert!(site.story.fleet.groups.is_empty());
}

#[test]
fn members_are_added_and_removed_once() {
    let mut site = site();
    let add = json!({ "group": "class", "add": of(&[0, 1, 1]) });
    let events = site.given("UpdateGroup", add.clone());
    let added = ["operation.accepted", "group.member_added", "group.member_added"];
    assert_eq!(kinds(&events), added);
    assert_eq!(kinds(&site.given("UpdateGroup", add)), ["operation.accepted"]);
    let remove = json!({ "group": "class", "remove": of(&[0, 0]) });
    let events = site.given("UpdateGroup", remove);
    assert_eq!(kinds(&events), ["operation.accepted", "group.member_removed"]);
    assert_eq!(group(&site).members.len(), 1);
    let stranger = json!({ "group": "class", "add": of(&[9]) });
    site.refused("UpdateGroup", stranger, "CRL-0001");
    let many = json!({ "group": "class", "add": of(&[0; 65]) });
    site.refused("UpdateGroup", many, "CRL-0005");
}

#[test]
fn the_members_of_a_directorys_group_are_the_directorys() {
    let mut site = site();
    let directory = json!({ "directory": { "provider": "corp", "group": "CN=Staff" } });
    site.given("UpdateGroup", json!({ "group": "class", "settings": directory }));
    site.refused("UpdateGroup", json!({ "group": "class", "add": of(&[0]) }), "CRL-0505");
}

#[test]
fn the_people_of_a_deleted_group_lose_its_pools() {
    let mut site = Site::with_pool(json!({}), 1, 0);
    site.person(0);
    site.given("CreateGroup", json!({ "name": "class" }));
    site.given("UpdateGroup", json!({ "group": "class", "add": of(&[0]) }));
    site.given("EntitlePool", json!({ "group": "class", "pool": "pool" }));
    site.ask(0);
    let events = site.given("DeleteGroup", json!({ "group": "class" }));
    assert_eq!(of_sessions(&events), ["lease.ended"]);
    assert!(kinds(&events).contains(&"pool.revoked"));
    site.ask_refused(0, "CRL-0414");
}

#[test]
fn a_group_that_holds_very_many_pools_is_not_deleted_at_once() {
    let mut site = site();
    for n in 0..49 {
        let pool = format!("pool{n}");
        site.pool(&pool, json!({}));
        site.given("EntitlePool", json!({ "group": "class", "pool": pool }));
    }
    site.refused("DeleteGroup", json!({ "group": "class" }), "CRL-0506");
    site.given("RevokePool", json!({ "group": "class", "pool": "pool0" }));
    site.given("DeleteGroup", json!({ "group": "class" }));
}
