//! Clones: what they are, and copies of them that fail.

use serde_json::json;

use super::scene::{create, machine, on, report, report_from, run, site};
use crate::event::MachineFact;
use crate::ids::{ClientId, CommandId};
use crate::image::tests::Site;
use crate::machine::{Kind, Outcome, StopCause, Subject, VirtualSnapshot};
use crate::operation::{Failure, State};
use crate::testing::{Story, command};
use crate::version::latest::machine::{HandedOn, PoolChanged, VirtualSnapshotChanged};

fn clone(story: &mut Story, name: &str) {
    story.given(command("CloneMachine", json!({ "machine": "a", "name": name })));
}

fn fails(story: &mut Story, name: &str) -> CommandId {
    let failure = Failure::new("qemu_img", "no space");
    report(story, name, Outcome::Failed { failure });
    let operation = story.fleet.operations.last().expect("the operation");
    let state = story.fleet.operations.get(operation).expect("it").state;
    assert!(matches!(state, State::Ended { .. }));
    operation
}

fn again(story: &mut Story, operation: CommandId) -> Option<String> {
    story.given(command("RetryOperation", json!({ "operation": operation })));
    let found = story.fleet.operations.get(operation)?;
    found.failed.values().next().map(|why| why.code.to_string())
}

#[test]
fn a_clone_that_failed_is_copied_again() {
    let mut story = site(&["node1"]);
    create(&mut story, "a");
    clone(&mut story, "b");
    let disk = machine(&story, "b").disks[0].clone();
    let operation = fails(&mut story, "b");
    assert_eq!(again(&mut story, operation), None);
    report(&mut story, "b", Outcome::Copied);
    let made = machine(&story, "b");
    assert_eq!((&made.kind, made.unsealed, made.disks[0].id), (&Kind::Simple, false, disk.id));
    assert!(story.fleet.operations.is_empty());
    story.given(on("StartMachine", "b"));
}

/// Its host has heard of something newer since, and does it with that.
#[test]
fn a_copy_that_failed_for_an_older_order_goes_on() {
    let mut story = site(&["node1"]);
    create(&mut story, "a");
    clone(&mut story, "b");
    let copied = machine(&story, "b");
    let (id, older, host) = (copied.id, copied.generation, copied.place.expect("its host"));
    story.happened(id, MachineFact::PoolChanged(PoolChanged { pool: None }));
    let failed = Outcome::Failed { failure: Failure::new("qemu_img", "no space") };
    assert!(report_from(&mut story, host, "b", older, failed.clone()).is_empty());
    assert!(machine(&story, "b").task.is_some());
    assert_eq!(machine(&story, "b").failed, 0);
    report(&mut story, "b", failed);
    assert_eq!(machine(&story, "b").task, None);
}

#[test]
fn a_clone_is_copied_again_beside_other_copies_and_from_where_the_original_is() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "a");
    run(&mut story, "a");
    report(&mut story, "a", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    let place = machine(&story, "a").place;
    let host = place.and_then(|host| story.fleet.hypervisors.get(host)).expect("its host");
    let aside = json!({ "hypervisor": host.name, "on": true });
    story.given(command("SetHypervisorMaintenance", aside));
    clone(&mut story, "b");
    let operation = fails(&mut story, "b");
    clone(&mut story, "c");
    assert_eq!(again(&mut story, operation), None);
    assert_ne!(machine(&story, "b").place, place);
    assert_eq!((machine(&story, "a").place, machine(&story, "a").leaving), (place, None));
    report(&mut story, "b", Outcome::Copied);
    report(&mut story, "c", Outcome::Copied);
}

#[test]
fn a_clone_is_not_copied_again_from_what_runs() {
    let mut story = site(&["node1"]);
    create(&mut story, "a");
    clone(&mut story, "b");
    let operation = fails(&mut story, "b");
    run(&mut story, "a");
    assert_eq!(again(&mut story, operation).as_deref(), Some("CRL-0211"));
}

#[test]
fn a_clone_of_a_machine_that_was_used_has_the_same_traces() {
    let (mut site, children) = Site::with_children(1);
    let by = Subject::Client(ClientId::from_bytes([5; 16]));
    site.happens(children[0], MachineFact::HandedOn(HandedOn { from: by, to: by }));
    site.given("CloneMachine", json!({ "machine": "win11-001", "name": "twin" }));
    let operation = fails(&mut site.story, "twin");
    let twin = site.get(site.named("twin"));
    assert_eq!((twin.written, twin.kept), (None, None), "nothing has come");
    assert_eq!(again(&mut site.story, operation), None);
    report(&mut site.story, "twin", Outcome::Copied);
    let twin = site.get(site.named("twin"));
    assert_eq!((twin.written, twin.kept), (Some(by), Some(by)));
}

#[test]
fn what_went_with_a_throwaway_overlay_is_not_on_a_clone() {
    let (mut site, children) = Site::with_children(1);
    let setting = Some(VirtualSnapshot { on_reboot: Default::default() });
    let on = MachineFact::VirtualSnapshotChanged(VirtualSnapshotChanged { setting });
    site.happens(children[0], on);
    site.pool("desk", json!({}), &children);
    let session = site.lease(children[0]);
    site.lease_ends(session);
    site.off(children[0], StopCause::Guest);
    site.given("CloneMachine", json!({ "machine": "win11-001", "name": "twin" }));
    report(&mut site.story, "twin", Outcome::Copied);
    let twin = site.get(site.named("twin"));
    assert_eq!((twin.written, twin.kept), (None, None));
}

#[test]
fn a_clone_of_an_initial_is_an_initial_of_the_same_source() {
    let mut site = Site::sealed();
    site.given("CloneMachine", json!({ "machine": "win11", "name": "other" }));
    report(&mut site.story, "other", Outcome::Copied);
    let other = site.get(site.named("other"));
    assert_eq!((&other.kind, other.unsealed), (&Kind::Initial { source: Some(site.source) }, true));
    site.given("CopyFromSource", json!({ "initial": "other" }));
}

#[test]
fn a_clone_of_a_child_is_a_child_that_stands_alone() {
    let (mut site, _) = Site::with_children(1);
    site.given("CloneMachine", json!({ "machine": "win11-001", "name": "twin" }));
    let operation = fails(&mut site.story, "twin");
    assert_eq!(again(&mut site.story, operation), None);
    report(&mut site.story, "twin", Outcome::Copied);
    let twin = site.get(site.named("twin"));
    assert_eq!((twin.initial(), twin.image()), (Some(site.initial), None));
}

/// A clone that is made so that everybody could have it, if it were whole.
fn can_be_given(site: &mut Site, name: &str) -> bool {
    let twin = site.named(name);
    site.given("EnableVirtualSnapshot", json!({ "machines": [twin] }));
    site.pool("desk", json!({}), &[]);
    let added = command("AddToPool", json!({ "pool": "desk", "machines": [twin] }));
    // A floating pool takes what can be made clean.
    let added = site.story.tell(added).is_ok();
    added && site.story.fleet.index.free.iter().any(|(_, free)| free.machine == twin)
}

#[test]
fn a_clone_of_what_is_half_made_is_half_made() {
    let (mut site, children) = Site::with_children(1);
    let first_boot = json!({ "done": "agent", "timeout_seconds": 60 });
    site.given("Populate", json!({ "initial": "win11", "first_boot": first_boot }));
    site.advance();
    site.applied(children[0]);
    site.started(children[0]);
    site.story.wait(61);
    let late = crate::clockwork::due(&site.story.fleet, site.story.now);
    late.into_iter().for_each(|command| drop(site.story.given(command)));
    site.given("PowerOffMachine", json!({ "machines": [children[0]] }));
    site.off_if_on(children[0]);
    assert!(site.get(children[0]).half_made);
    site.given("CloneMachine", json!({ "machine": "win11-001", "name": "twin" }));
    report(&mut site.story, "twin", Outcome::Copied);
    assert!(site.get(site.named("twin")).half_made);
    site.refused("EnableVirtualSnapshot", json!({ "machines": ["twin"] }), "CRL-0317");
}

#[test]
fn nobody_gets_a_clone_that_has_nothing_yet() {
    let (mut site, _) = Site::with_children(1);
    site.given("CloneMachine", json!({ "machine": "win11-001", "name": "twin" }));
    let operation = fails(&mut site.story, "twin");
    assert!(site.get(site.named("twin")).half_made);
    assert_eq!(again(&mut site.story, operation), None);
    report(&mut site.story, "twin", Outcome::Copied);
    assert!(!site.get(site.named("twin")).half_made);
    assert!(can_be_given(&mut site, "twin"));
}
