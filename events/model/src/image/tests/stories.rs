//! Stories of the older systems, as people who come from there tell them.

use serde_json::json;

use super::{Site, ended, failure};
use crate::image::outcome;
use crate::machine::{Reason, StopCause};
use crate::operation::Outcome;
use crate::testing::kinds;

/// Build a source, copy it to an initial, sysprep there, populate with a first boot that sticks,
/// virtual snapshots on and maintenance off: a user's writes vanish at power-off.
///
/// Unlike there, children go on working until they are populated: a copy can't harm them.
#[test]
fn image_roll_out_kvm_vdi() {
    let (mut site, children) = Site::with_children(3);
    let source = site.source;
    site.on(source);
    site.off(source, StopCause::Guest);

    site.given("CopyFromSource", json!({ "initial": "win11" }));
    for child in &children {
        assert!(site.get(*child).maintenance.is_empty(), "children are untouched by the copy");
    }
    let initial = site.initial;
    site.decides(|deciding| outcome::copied(deciding, initial));
    // Sysprep in the initial, while people work on its children.
    site.on(children[0]);
    site.prepare();
    assert!(!site.get(children[0]).at_rest());
    site.off(children[0], StopCause::Guest);

    let first_boot = json!({ "done": "guest_poweroff" });
    let then = json!({ "virtual_snapshot": true });
    let data = json!({ "initial": "win11", "first_boot": first_boot, "then": then });
    let events = site.given("Populate", data);
    assert!(kinds(&events).contains(&"image.seal_requested"));
    site.is_sealed();
    site.advance();
    for child in &children {
        site.applied(*child);
        assert!(site.get(*child).power.persistent_once, "renaming and the domain stick");
        site.started(*child);
    }
    let mut events = Vec::new();
    for child in &children {
        assert!(site.get(*child).maintenance.contains(&Reason::Populate));
        events = site.off(*child, StopCause::Guest);
    }
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    for child in &children {
        let machine = site.get(*child);
        assert!(machine.maintenance.is_empty() && machine.virtual_snapshot.is_some());
        assert_eq!(machine.image(), Some(site.version(2).id));
    }
}

/// Upload an image, publish it, move the tag: machines on the old one change when their users are
/// gone, or at a given time with a warning before. A failed file is a failure with its message, and
/// retiring the default hands its tags on.
#[test]
fn image_roll_out_qvd() {
    let (mut site, children) = Site::with_children(2);
    let follow = json!({ "image": { "initial": site.initial, "tag": "default" } });
    site.pool("desk", follow, &children);
    site.on(children[0]);
    let session = site.lease(children[0]);

    // A file that can't be made.
    site.prepare();
    site.given("SealImage", json!({ "initial": "win11" }));
    let initial = site.initial;
    let events = site.decides(|deciding| outcome::task_failed(deciding, initial, &failure()));
    assert_eq!(ended(&events), Some(Outcome::Failed));
    let failed = site.operation().failed.values().next().map(|it| it.detail.to_string());
    assert_eq!(failed.as_deref(), Some("the disk is full"));

    // The next one; nothing happens to anybody before the tag moves.
    site.seal();
    assert!(children.iter().all(|child| site.get(*child).renewal.is_none()));
    site.given("TagImage", json!({ "image": "win11:head", "tag": "default" }));
    assert_eq!(site.get(children[0]).leases, [session], "soft: when its user is gone");
    site.applied(children[1]);

    // Hard: with a warning, at a time.
    let at = site.story.now.plus_seconds(600);
    let when = json!({ "initial": "win11", "when": { "at": at }, "warn_seconds": 60 });
    site.given("Populate", when);
    site.story.wait(540);
    assert!(kinds(&site.advance()).contains(&"machine.message_sent"));
    site.story.wait(60);
    assert!(kinds(&site.advance()).contains(&"lease.ended"));
    site.off(children[0], StopCause::Command);
    for child in &children {
        site.applied(*child);
        assert_eq!(site.get(*child).image(), Some(site.version(3).id));
    }

    // The old one goes; the default goes on.
    site.given("TagImage", json!({ "image": "win11@1", "tag": "spring" }));
    site.copy();
    site.seal();
    site.given("RetireImage", json!({ "image": "win11@1" }));
    assert_eq!((site.tagged("default"), site.tagged("spring")), (Some(3), None));
}

/// Nothing that is used can be taken away, and each refusal says by what it is used.
#[test]
fn soft_delete_safety() {
    let (mut site, children) = Site::with_children(2);
    site.owner(children[0]);
    // An image that a persistent machine stands on.
    site.prepare();
    site.seal();
    let refused = site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0311");
    assert!(refused.to_string().contains("win11-001 stands on it"), "{refused}");
    // Populating it away would lose its data, so that machine is left out.
    site.given("Populate", json!({ "initial": "win11" }));
    let events = site.applied(children[1]);
    assert_eq!(ended(&events), Some(Outcome::PartiallyFailed));
    site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0311");
    // With its owner's consent it goes, and only then the version can.
    site.given("Populate", json!({ "initial": "win11", "discard_data": true }));
    site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0311");
    children.iter().for_each(|child| drop(site.applied(*child)));
    site.given("RetireImage", json!({ "image": "win11@1" }));
    // The one that the initial and its children stand on is in use.
    site.refused("RetireImage", json!({ "image": "win11:head" }), "CRL-0311");
}
