//! When machines that somebody uses have their turn, and which of two requests counts.

use serde_json::json;

use super::{in_first_boot, populate, step};
use crate::event::{Event, MachineFact};
use crate::ids::{ClientId, MachineId};
use crate::image::tests::{Site, ended};
use crate::machine::{Reason, RenewalStep, StopCause, Subject};
use crate::operation::Outcome;
use crate::renewal::commands::AdvanceRenewal;
use crate::testing::kinds;
use crate::version::latest::Nothing;
use crate::version::latest::machine::HandedOn;

/// One child, and somebody sits in front of it.
fn used() -> (Site, MachineId, crate::ids::SessionId) {
    let (mut site, children) = Site::with_children(1);
    site.pool("desk", json!({}), &children);
    site.on(children[0]);
    let session = site.lease(children[0]);
    (site, children[0], session)
}

fn text(site: &Site, id: MachineId) -> String {
    site.get(id).message.as_ref().map(|message| message.text.to_string()).unwrap_or_default()
}

#[test]
fn a_person_is_not_disturbed_unless_asked() {
    let (mut site, child, session) = used();
    populate(&mut site, json!({}));
    assert_eq!(step(&site, child), Some(RenewalStep::Pending));
    assert_eq!(site.get(child).leases, [session]);
    assert!(site.get(child).maintenance.is_empty());
    let events = site.lease_ends(session);
    assert_eq!(
        kinds(&events),
        ["lease.ended", "machine.renewal_begun", "machine.stop_requested"],
        "nobody gets it in between"
    );
    assert!(site.get(child).maintenance.contains(&Reason::Populate));
    site.off(child, StopCause::Command);
    assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
    assert_eq!(site.get(child).written, None);
}

#[test]
fn now_takes_the_desktop_away_and_says_so() {
    let (mut site, child, _) = used();
    let events = populate(&mut site, json!({ "when": "now" }));
    assert_eq!(
        kinds(&events),
        [
            "operation.accepted",
            "machine.message_sent",
            "machine.renewal_requested",
            "operation.part_begun",
            "operation.advanced",
            "machine.renewal_begun",
            "machine.stop_requested",
            "lease.ended",
        ]
    );
    assert_eq!(text(&site, child), "This desktop is being renewed and closes now.");
    assert!(site.story.fleet.sessions.is_empty());
}

#[test]
fn now_with_a_warning_leaves_so_much_time() {
    let (mut site, child, session) = used();
    populate(&mut site, json!({ "when": "now", "warn_seconds": 300 }));
    assert!(text(&site, child).contains("in 5 min"), "{}", text(&site, child));
    assert_eq!(site.get(child).leases, [session]);
    site.story.wait(299);
    assert!(site.advance().is_empty());
    site.story.wait(1);
    assert_eq!(
        kinds(&site.advance()),
        ["machine.renewal_begun", "machine.stop_requested", "lease.ended"]
    );
}

#[test]
fn at_a_time_people_are_told_before() {
    let (mut site, child, session) = used();
    let at = site.story.now.plus_seconds(3600);
    populate(&mut site, json!({ "when": { "at": at }, "warn_seconds": 90 }));
    site.story.wait(3600 - 90);
    let events = site.advance();
    assert_eq!(kinds(&events), ["machine.message_sent", "machine.renewal_announced"]);
    assert!(text(&site, child).contains("in 90 s"));
    assert_eq!(site.get(child).leases, [session]);
    site.story.wait(90);
    assert_eq!(kinds(&site.advance())[0], "machine.renewal_begun");
}

#[test]
fn a_time_that_is_too_near_or_was_missed_moves_until_people_were_told() {
    for waited in [0, 3600] {
        let (mut site, child, session) = used();
        let at = site.story.now.plus_seconds(30);
        populate(&mut site, json!({ "when": { "at": at }, "warn_seconds": 90 }));
        site.story.wait(waited);
        // Something else happens to it meanwhile.
        site.lock(child);
        site.happens(child, MachineFact::Unlocked(Nothing {}));
        assert_eq!(site.get(child).leases, [session]);
        site.advance();
        assert!(text(&site, child).contains("in 90 s"));
        site.story.wait(89);
        assert!(site.advance().is_empty());
        site.story.wait(1);
        assert_eq!(kinds(&site.advance())[0], "machine.renewal_begun");
    }
}

#[test]
fn a_renewal_that_was_held_up_beyond_its_time_is_announced_again() {
    let (mut site, child, session) = used();
    populate(&mut site, json!({ "when": "now", "warn_seconds": 90 }));
    site.lock(child);
    site.story.wait(90);
    assert_eq!(kinds(&site.advance()), ["machine.renewal_delayed"]);
    site.story.wait(3600);
    let events = site.happens(child, MachineFact::Unlocked(Nothing {}));
    assert_eq!(site.get(child).leases, [session], "nobody expects it any more");
    assert!(kinds(&events).contains(&"machine.message_sent"));
    site.story.wait(90);
    assert_eq!(kinds(&site.advance())[0], "machine.renewal_begun");
}

#[test]
fn until_its_time_a_machine_can_be_used() {
    let (mut site, children) = Site::with_children(1);
    site.pool("desk", json!({}), &children);
    let at = site.story.now.plus_seconds(3600);
    populate(&mut site, json!({ "when": { "at": at }, "warn_seconds": 90 }));
    assert_eq!(site.story.fleet.index.free.iter().count(), 1);
    site.story.wait(3600 - 90);
    assert_eq!(kinds(&site.advance()), ["machine.renewal_announced"], "nobody has to be told");
    site.story.wait(90);
    site.advance();
    assert_eq!(site.story.fleet.index.free.iter().count(), 0);
}

#[test]
fn a_newer_populate_supersedes_a_pending_one() {
    let (mut site, child, session) = used();
    populate(&mut site, json!({}));
    let first = site.operation().id;
    let events = populate(&mut site, json!({}));
    assert_eq!(
        kinds(&events),
        [
            "operation.accepted",
            "machine.renewal_dropped",
            "machine.renewal_requested",
            "operation.part_begun",
            "operation.advanced",
            "operation.part_ended",
            "operation.finished",
        ]
    );
    let finished = events.last().cloned();
    let Some(Event::Operation(id, crate::event::OperationFact::Finished(it))) = finished else {
        panic!("an operation that finished");
    };
    assert_eq!((id, it.superseded, it.outcome), (first, 1, Outcome::Succeeded));
    assert_eq!(site.operation().parts.len(), 1, "the newer one goes on");
    site.lease_ends(session);
    site.off(child, StopCause::Command);
    assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
}

#[test]
fn a_newer_populate_takes_the_place_of_one_that_hangs() {
    let (mut site, child) = in_first_boot("agent");
    let events = populate(&mut site, json!({}));
    assert!(kinds(&events).contains(&"machine.renewal_dropped"));
    assert_eq!(step(&site, child), Some(RenewalStep::Stopping));
    site.off(child, StopCause::Command);
    assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
}

#[test]
fn a_half_made_disk_waits_for_no_later_time() {
    let (mut site, child) = in_first_boot("agent");
    let at = site.story.now.plus_seconds(3600);
    populate(&mut site, json!({ "when": { "at": at } }));
    assert_eq!(step(&site, child), Some(RenewalStep::Stopping));
}

#[test]
fn a_machine_that_was_locked_meanwhile_waits() {
    let (mut site, child, session) = used();
    let at = site.story.now.plus_seconds(60);
    populate(&mut site, json!({ "when": { "at": at } }));
    site.lock(child);
    site.story.wait(60);
    assert_eq!(kinds(&site.advance()), ["machine.renewal_delayed"]);
    assert_eq!(site.get(child).leases, [session]);
    let events = site.happens(child, MachineFact::Unlocked(Nothing {}));
    assert_eq!(kinds(&events)[1], "machine.renewal_begun");
}

#[test]
fn what_is_not_due_changes_nothing() {
    let (mut site, child, _) = used();
    let nobody = MachineId::from_bytes([99; 16]);
    for machine in [nobody, child] {
        assert!(site.story.given(AdvanceRenewal { machine }).is_empty());
    }
    let at = site.story.now.plus_seconds(60);
    populate(&mut site, json!({ "when": { "at": at } }));
    assert!(site.story.given(AdvanceRenewal { machine: child }).is_empty());
}

#[test]
fn what_is_being_deleted_needs_no_fresh_disk() {
    let (mut site, child, session) = used();
    populate(&mut site, json!({}));
    let operation = crate::ids::CommandId::from_bytes([3; 16]);
    let deleting = crate::version::latest::machine::DeleteRequested { operation };
    site.happens(child, MachineFact::DeleteRequested(deleting));
    site.lease_ends(session);
    assert_eq!(step(&site, child), Some(RenewalStep::Pending));
    site.story.wait(86_400);
    assert!(site.advance().is_empty());
    let events = site.happens(child, MachineFact::Deleted(Default::default()));
    assert_eq!(ended(&events), Some(Outcome::Failed));
}

/// A child that is populated in an hour, and what happens to it before.
fn kept_before_its_time(fields: &serde_json::Value, keep: impl Fn(&mut Site, MachineId)) -> Site {
    let (mut site, children) = Site::with_children(1);
    let session = site.lease(children[0]);
    let mut all = json!({ "when": { "at": site.story.now.plus_seconds(3600) } });
    for (name, value) in fields.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    populate(&mut site, all);
    keep(&mut site, children[0]);
    site.lease_ends(session);
    site.story.wait(3600);
    site
}

#[test]
fn what_somebody_began_to_keep_before_its_time_is_not_lost() {
    let owner = |site: &mut Site, child: MachineId| site.owner(child);
    let written = |site: &mut Site, child: MachineId| {
        let by = Subject::Client(ClientId::from_bytes([5; 16]));
        site.happens(child, MachineFact::HandedOn(HandedOn { from: by, to: by }));
    };
    type Keep<'a> = &'a dyn Fn(&mut Site, MachineId);
    let keeps: [Keep<'_>; 2] = [&owner, &written];
    for keep in keeps {
        let mut site = kept_before_its_time(&json!({}), keep);
        let child = site.named("win11-001");
        let disks = site.get(child).disks.clone();
        let events = site.advance();
        assert_eq!(
            kinds(&events),
            ["machine.renewal_dropped", "operation.part_ended", "operation.finished"]
        );
        assert_eq!(ended(&events), Some(Outcome::Failed));
        assert_eq!(site.operation().failed[&child].code.as_str(), "CRL-0313");
        let machine = site.get(child);
        assert_eq!((&machine.disks, &machine.renewal), (&disks, &None));
        assert!(machine.maintenance.is_empty(), "it is left alone");
        let mut site = kept_before_its_time(&json!({ "discard_data": true }), keep);
        assert_eq!(kinds(&site.advance())[0], "machine.renewal_begun");
    }
}

#[test]
fn a_machine_that_is_held_says_so_less_and_less_often_and_is_renewed_as_soon_as_it_is_free() {
    let (mut site, child, _) = used();
    let at = site.story.now.plus_seconds(600);
    populate(&mut site, json!({ "when": { "at": at }, "warn_seconds": 300 }));
    let name = site.get(child).name.clone();
    let locked = json!({ "machine": name });
    site.given("LockMachine", locked.clone());
    let before = site.story.log.len();
    for _ in 0..30 * 1440 {
        site.story.wait(60);
        for due in crate::clockwork::due(&site.story.fleet, site.story.now) {
            site.story.given(due);
        }
    }
    let facts = site.story.log.len() - before;
    assert!((30..50).contains(&facts), "{facts} facts in a month");
    site.given("UnlockMachine", locked);
    assert!(text(&site, child).contains("in 5 min"), "{}", text(&site, child));
    site.story.wait(300);
    site.given("AdvanceRenewal", json!({ "machine": child }));
    assert_ne!(step(&site, child), Some(RenewalStep::Pending));
}
