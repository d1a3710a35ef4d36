//! A machine that somebody used is made clean.

use serde_json::json;

use super::{populate, step};
use crate::event::{Event, ImageFact, MachineFact, SessionFact};
use crate::ids::MachineId;
use crate::image::tests::Site;
use crate::machine::{Placement, Reason, RenewalStep, Reservation, StopCause, StopManner, Wish};
use crate::name::PlatformName;
use crate::renewal::reset;
use crate::testing::kinds;
use crate::text::Text;
use crate::version::latest::Nothing;
use crate::version::latest::machine::{Placed, Volatile};
use crate::version::latest::session::{EndCause, Ended};

fn resets(site: &mut Site, id: MachineId) -> Vec<Event> {
    site.decides(|deciding| reset(deciding, id))
}

/// It runs with a throwaway overlay, and somebody has used it.
fn on_throwaway() -> (Site, MachineId) {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    site.given("EnableVirtualSnapshot", json!({ "children_of": "win11" }));
    site.on(child);
    let volatile = Some(Volatile { storage: site.storage, size_mib: 1024 });
    let placed = Placed {
        hypervisor: site.host,
        reserved: Reservation { volatile, ..Reservation::default() },
        placement: Placement {
            policy: PlatformName::new("headroom").expect("a name"),
            chosen_for: Text::default(),
            considered: 1,
            refused: Default::default(),
        },
    };
    site.happens(child, MachineFact::Placed(placed));
    let session = site.lease(child);
    site.lease_ends(session);
    (site, child)
}

/// Somebody has written to its own disk.
fn used(site: &mut Site, child: MachineId) {
    site.on(child);
    let session = site.lease(child);
    site.happens(session, SessionFact::LeaseEnded(Ended { cause: EndCause::Request }));
    site.off(child, StopCause::Command);
    assert!(site.get(child).kept.is_some());
}

#[test]
fn a_throwaway_overlay_goes_with_the_power() {
    let (mut site, child) = on_throwaway();
    assert_eq!(kinds(&resets(&mut site, child)), ["machine.stop_requested"]);
    assert_eq!(site.get(child).power.wish, Wish::Off(StopManner::Hard));
    let events = site.off(child, StopCause::Command);
    assert_eq!(kinds(&events), ["machine.stopped", "machine.cleaned"]);
    assert_eq!(site.get(child).written, None);
    assert!(site.get(child).virtual_snapshot.is_some());
}

#[test]
fn what_went_off_by_itself_is_clean() {
    let (mut site, child) = on_throwaway();
    let events = site.off(child, StopCause::Guest);
    assert_eq!(kinds(&events), ["machine.stopped", "machine.cleaned"]);
}

#[test]
fn what_is_off_when_its_person_leaves_is_clean_at_once() {
    let (mut site, child) = on_throwaway();
    let session = site.lease(child);
    site.off(child, StopCause::Guest);
    assert!(site.get(child).written.is_some(), "somebody has it");
    site.lease_ends(session);
    assert_eq!(kinds(&resets(&mut site, child)), ["machine.cleaned"]);
}

#[test]
fn what_was_written_for_good_takes_a_new_overlay() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    let first_boot = json!({ "done": "guest_poweroff" });
    let then = json!({ "maintenance": true });
    populate(&mut site, json!({ "first_boot": first_boot, "then": then }));
    site.applied(child);
    site.started(child);
    site.off(child, StopCause::Guest);
    let generation = site.get(child).system_disk().map(|disk| disk.overlay_generation);
    used(&mut site, child);

    let events = resets(&mut site, child);
    assert_eq!(
        kinds(&events),
        ["machine.renewal_requested", "machine.renewal_begun", "machine.overlay_requested"]
    );
    site.applied(child);
    assert_eq!(step(&site, child), Some(RenewalStep::FirstBoot), "made as it was the last time");
    site.started(child);
    let events = site.off(child, StopCause::Guest);
    assert_eq!(kinds(&events)[2], "machine.cleaned");
    let machine = site.get(child);
    let now = machine.system_disk().map(|disk| disk.overlay_generation);
    assert_eq!(now, generation.map(|generation| generation + 1));
    assert_eq!(machine.written, None);
    // The maintenance that Populate left is there once, and not for this.
    assert!(machine.maintenance.contains(&Reason::Admin));
    let recipe = machine.recipe.clone().expect("a recipe");
    assert!(recipe.first_boot.is_some());
}

#[test]
fn a_virtual_snapshot_that_was_not_there_yet_is_there_afterwards() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    site.on(child);
    site.given("EnableVirtualSnapshot", json!({ "children_of": "win11" }));
    used(&mut site, child);
    resets(&mut site, child);
    site.off(child, StopCause::Command);
    assert_eq!(step(&site, child), Some(RenewalStep::Overlaying));
    site.applied(child);
    assert!(site.get(child).virtual_snapshot.is_some());
    assert_eq!(site.get(child).written, None);
}

#[test]
fn a_pending_populate_replaces_the_reset() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    site.pool("desk", json!({}), &children);
    let session = site.lease(child);
    let at = site.story.now.plus_seconds(3600);
    populate(&mut site, json!({ "when": { "at": at } }));
    assert!(resets(&mut site, child).is_empty(), "somebody has it");
    let events = site.lease_ends(session);
    assert_eq!(
        kinds(&events),
        ["lease.ended", "machine.renewal_begun", "machine.overlay_requested"]
    );
    assert!(resets(&mut site, child).is_empty(), "it is being made clean");
    assert!(kinds(&site.applied(child)).contains(&"machine.populated"));
}

#[test]
fn what_cant_be_made_clean_is_given_to_nobody() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    used(&mut site, child);
    let image = site.version(1).id;
    site.happens(image, ImageFact::Retired(Nothing {}));
    assert_eq!(kinds(&resets(&mut site, child)), ["machine.renewal_failed"]);
    assert!(site.get(child).maintenance.contains(&Reason::Quarantine));
}

#[test]
fn what_is_no_desktop_of_the_chain_is_left_alone() {
    let mut site = Site::new();
    let source = site.source;
    assert!(resets(&mut site, source).is_empty());
    assert!(resets(&mut site, MachineId::from_bytes([99; 16])).is_empty());
}

#[test]
fn a_reset_that_is_asked_for_does_a_pending_populate() {
    let (mut site, children) = Site::with_children(1);
    let child = children[0];
    site.owner(child);
    let at = site.story.now.plus_seconds(3600);
    populate(&mut site, json!({ "when": { "at": at }, "discard_data": true }));
    used(&mut site, child);
    let events = resets(&mut site, child);
    assert_eq!(kinds(&events), ["machine.renewal_begun", "machine.overlay_requested"]);
}
