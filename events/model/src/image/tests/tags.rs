//! TagImage, and how versions are named.

use serde_json::json;

use super::{Site, ended};
use crate::image::ImageRef;
use crate::operation::Outcome;
use crate::testing::kinds;

#[test]
fn a_tag_moves_from_version_to_version() {
    let mut site = Site::sealed();
    site.prepare();
    site.seal();
    let events = site.given("TagImage", json!({ "image": "win11:head", "tag": "default" }));
    assert_eq!(kinds(&events), ["operation.accepted", "image.untagged", "image.tagged"]);
    assert_eq!(site.tagged("default"), Some(2));
    let back = json!({ "initial": "win11", "version": 1, "tag": "default" });
    site.given("TagImage", back.clone());
    assert_eq!(site.tagged("default"), Some(1));
    assert_eq!(kinds(&site.given("TagImage", back)), ["operation.accepted"]);
}

#[test]
fn a_fixed_tag_never_moves() {
    let mut site = Site::sealed();
    let fix = json!({ "image": "win11@1", "tag": "exam", "fixed": true });
    site.given("TagImage", fix.clone());
    assert_eq!(kinds(&site.given("TagImage", fix)), ["operation.accepted"]);
    // It stays fixed when it is set again.
    let again = site.given("TagImage", json!({ "image": "win11@1", "tag": "exam" }));
    assert_eq!(kinds(&again), ["operation.accepted"]);
    site.prepare();
    let refused =
        site.refused("SealImage", json!({ "initial": "win11", "tag": "exam" }), "CRL-0307");
    assert_eq!(refused.to_string(), "win11:exam is fixed on version 1");
    site.seal();
    site.refused("TagImage", json!({ "image": "win11@2", "tag": "exam" }), "CRL-0307");
    site.refused("SealImage", json!({ "initial": "win11", "tag": "exam" }), "CRL-0307");
}

#[test]
fn a_tag_that_is_fixed_while_a_version_is_made_stays_where_it_is() {
    let mut site = Site::sealed();
    site.prepare();
    site.given("SealImage", json!({ "initial": "win11", "tag": "exam" }));
    site.given("TagImage", json!({ "image": "win11@1", "tag": "exam", "fixed": true }));
    site.is_sealed();
    assert_eq!((site.tagged("exam"), site.tagged("head")), (Some(1), Some(2)));
}

#[test]
fn head_is_not_set_by_hand_and_default_not_fixed() {
    let mut site = Site::sealed();
    site.refused("TagImage", json!({ "image": "win11@1", "tag": "head" }), "CRL-0308");
    let fix = json!({ "image": "win11@1", "tag": "default", "fixed": true });
    site.refused("TagImage", fix, "CRL-0308");
}

#[test]
fn a_version_is_named_in_one_way() {
    let mut site = Site::sealed();
    let both = json!({ "image": "win11@1", "initial": "win11", "version": 1, "tag": "a" });
    site.refused("TagImage", both, "CRL-0316");
    site.refused("TagImage", json!({ "tag": "a" }), "CRL-0316");
    for missing in ["win11@2", "win11:nothing"] {
        let refused = site.refused("TagImage", json!({ "image": missing, "tag": "a" }), "CRL-0001");
        assert_eq!(refused.to_string(), format!("there is no version {missing}"));
    }
    site.refused("TagImage", json!({ "image": "nobody@1", "tag": "a" }), "CRL-0001");
    let by_id = site.version(1).id.to_string();
    site.given("TagImage", json!({ "image": by_id, "tag": "a" }));
}

#[test]
fn only_a_version_that_is_there_gets_a_tag() {
    let mut site = Site::new();
    site.copy();
    site.given("SealImage", json!({ "initial": "win11" }));
    let refused = site.refused("TagImage", json!({ "image": "win11@1", "tag": "a" }), "CRL-0309");
    assert_eq!(refused.to_string(), "win11@1 is sealing");
}

#[test]
fn references_that_name_nothing_are_malformed() {
    for good in ["win11@3", "win11:head", "0198c0de-0000-7000-8000-000000000000"] {
        assert_eq!(ImageRef::new(good).expect("a reference").to_string(), good);
    }
    for bad in [
        "", "win11", "win11@", "win11@-1", "win11@x", ":head", "@1", "a b@1", "win11:", "a@1@2",
        "a:b:c",
    ] {
        assert!(ImageRef::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn machines_of_pools_that_follow_a_tag_are_populated_when_it_moves() {
    let (mut site, children) = Site::with_children(3);
    let follow = json!({ "image": { "initial": site.initial, "tag": "default" } });
    site.pool("desk", follow, &children[..2]);
    site.prepare();
    site.seal();
    let session = site.lease(children[1]);

    let events = site.given("TagImage", json!({ "image": "win11@2", "tag": "default" }));
    assert_eq!(&kinds(&events)[..3], ["operation.accepted", "image.untagged", "image.tagged"]);
    assert_eq!(site.operation().task.total, 2);
    let (first, second) = (site.get(children[0]), site.get(children[1]));
    assert!(first.being_renewed());
    assert!(!second.being_renewed() && second.renewal.is_some(), "its person is not disturbed");
    assert!(site.get(children[2]).renewal.is_none(), "it follows nothing");
    site.applied(children[0]);
    site.lease_ends(session);
    let events = site.applied(children[1]);
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    assert_eq!(site.get(children[1]).image(), Some(site.version(2).id));
}

#[test]
fn a_seal_rolls_out_to_pools_that_follow_head() {
    let (mut site, children) = Site::with_children(1);
    let follow = json!({ "image": { "initial": site.initial, "tag": "head" } });
    site.pool("desk", follow, &children);
    site.prepare();
    let events = site.given("SealImage", json!({ "initial": "win11" }));
    assert_eq!(
        kinds(&events),
        ["operation.accepted", "image.seal_requested", "machine.seal_requested"]
    );
    let events = site.is_sealed();
    assert!(kinds(&events).contains(&"operation.prepared"));
    site.advance();
    let events = site.applied(children[0]);
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    assert_eq!(site.get(children[0]).image(), Some(site.version(2).id));
}

#[test]
fn a_populate_whose_seal_moves_head_leaves_nobody_behind_who_follows_it() {
    let (mut site, children) = Site::with_children(2);
    let follow = json!({ "image": { "initial": site.initial, "tag": "head" } });
    site.pool("desk", follow, &children[..1]);
    site.prepare();
    let populate = |beside: serde_json::Value| {
        let mut data = json!({ "initial": "win11" });
        data.as_object_mut().expect("it").extend(beside.as_object().cloned().expect("one"));
        data
    };
    for partial in [json!({ "count": 1 }), json!({ "machines": ["win11-002"] })] {
        let refused = site.refused("Populate", populate(partial), "CRL-0322");
        assert!(refused.to_string().starts_with("the pool of win11-001 follows win11:head"));
    }
    let before = site.story.clone();
    site.given("Populate", populate(json!({ "machines": ["win11-001"] })));
    site.story = before;
    site.given("Populate", populate(json!({})));
    site.is_sealed();
    // With nothing to seal no tag moves.
    site.given("Populate", populate(json!({ "count": 1 })));
}

#[test]
fn what_stands_on_the_version_already_is_left_alone() {
    let (mut site, children) = Site::with_children(1);
    let follow = json!({ "image": { "initial": site.initial, "tag": "mine" } });
    site.pool("desk", follow, &children);
    let events = site.given("TagImage", json!({ "image": "win11@1", "tag": "mine" }));
    assert_eq!(
        kinds(&events),
        ["operation.accepted", "image.tagged", "operation.advanced", "operation.finished"]
    );
}

#[test]
fn a_machine_that_was_locked_or_joins_later_gets_what_its_pool_follows() {
    let (mut site, children) = Site::with_children(3);
    let [locked, later, kept] = children[..] else { panic!("three children") };
    let head = json!({ "image": { "initial": site.initial, "tag": "head" } });
    site.pool("class", head, &[locked]);
    site.lock(locked);
    site.prepare();
    site.seal();
    site.advance();
    assert!(site.get(locked).renewal.is_none());

    let events = site.given("UnlockMachine", json!({ "machine": locked }));
    assert!(kinds(&events).contains(&"machine.renewal_requested"), "{:?}", kinds(&events));
    site.owner(kept);
    site.given("AddToPool", json!({ "pool": "class", "machines": [later, kept] }));
    let number = |site: &Site, id| {
        let image = site.get(id).image().and_then(|image| site.story.fleet.images.get(image));
        image.map(|image| image.number)
    };
    for child in [locked, later] {
        let events = site.applied(child);
        assert_eq!(ended(&events), Some(Outcome::Succeeded));
        assert_eq!(number(&site, child), Some(2));
    }
    assert_eq!(number(&site, kept), Some(1), "somebody's is left alone");
    let events = site.given("AddToPool", json!({ "pool": "class", "machines": [later] }));
    assert!(!kinds(&events).contains(&"machine.renewal_requested"), "it is there already");
    site.lock(later);
    let events = site.given("UnlockMachine", json!({ "machine": later }));
    assert_eq!(kinds(&events), ["operation.accepted", "machine.unlocked"]);
}
