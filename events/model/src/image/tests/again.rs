//! Many children, by commands and by what hosts say alone: cancelled in the middle, failed and
//! tried again.

use serde_json::{Value, json};

use super::{Site, ended};
use crate::event::{Event, OperationFact};
use crate::ids::{CommandId, MachineId};
use crate::machine::Outcome;
use crate::machine::tests::scene::report;
use crate::operation::{Failure, Outcome as End, SLICE};

fn populate(site: &mut Site, count: u32) -> CommandId {
    site.given("Populate", json!({ "initial": "win11", "count": count }));
    super::last_command(site)
}

fn steer(site: &mut Site, what: &str, operation: CommandId) -> Vec<Event> {
    site.given(what, json!({ "operation": operation }))
}

fn children(site: &Site) -> Vec<MachineId> {
    site.story.fleet.children_after(site.initial, None).collect()
}

fn says(site: &mut Site, child: MachineId, outcome: Outcome) -> Vec<Event> {
    let name = site.get(child).name.to_string();
    report(&mut site.story, &name, outcome)
}

/// Done, failed, cancelled and superseded, as the last operation said.
fn counts(events: &[Event]) -> Value {
    let finished = events.iter().rev().find_map(|event| {
        let Event::Operation(_, OperationFact::Finished(it)) = event else { return None };
        Some(it)
    });
    let it = finished.expect("it has finished");
    json!([it.done, it.failed, it.cancelled, it.superseded])
}

#[test]
fn what_has_not_been_made_is_not_made_after_a_cancel() {
    let mut site = Site::sealed();
    let operation = populate(&mut site, 60);
    steer(&mut site, "AdvanceOperation", operation);
    assert_eq!(children(&site).len(), 2 * SLICE);
    assert!(crate::image::name_reserved(&site.story.fleet, "win11-060"));
    steer(&mut site, "CancelOperation", operation);
    assert!(!crate::image::name_reserved(&site.story.fleet, "win11-060"));
    site.advance();
    let made = children(&site);
    assert_eq!(made.len(), 2 * SLICE);
    let mut events = Vec::new();
    for child in made {
        events = says(&mut site, child, Outcome::Applied);
    }
    assert_eq!(ended(&events), Some(End::Cancelled));
    assert_eq!(counts(&events), json!([24, 0, 36, 0]));
    assert!(site.story.fleet.operations.is_empty());
}

#[test]
fn children_that_failed_are_tried_again_and_the_others_are_not() {
    let mut site = Site::sealed();
    let operation = populate(&mut site, 60);
    site.advance();
    let made = children(&site);
    assert_eq!(made.len(), 60);
    let mut events = Vec::new();
    for (at, child) in made.iter().enumerate() {
        let failure = Failure::new("qemu_img", "no space");
        let outcome = if at % 7 == 0 { Outcome::Failed { failure } } else { Outcome::Applied };
        events = says(&mut site, *child, outcome);
    }
    assert_eq!(
        (ended(&events), counts(&events)),
        (Some(End::PartiallyFailed), json!([51, 9, 0, 0]))
    );
    steer(&mut site, "RetryOperation", operation);
    site.advance();
    let again: Vec<MachineId> =
        made.iter().copied().filter(|child| site.get(*child).being_renewed()).collect();
    assert_eq!(again.len(), 9);
    for child in again {
        events = says(&mut site, child, Outcome::Applied);
    }
    assert_eq!((ended(&events), counts(&events)), (Some(End::Succeeded), json!([60, 0, 0, 0])));
}

#[test]
fn a_child_that_could_not_be_made_is_made_when_it_is_tried_again() {
    let mut site = Site::sealed();
    let operation = populate(&mut site, 60);
    let storage = site.storage;
    let space = |free_mib: u64| json!({ "storage": storage, "free_mib": free_mib });
    site.given("ReportStorageSpace", space(0));
    steer(&mut site, "AdvanceOperation", operation);
    site.given("ReportStorageSpace", space(1 << 30));
    site.advance();
    let made = children(&site);
    assert_eq!(made.len(), 60 - SLICE);
    let mut events = Vec::new();
    for child in made {
        events = says(&mut site, child, Outcome::Applied);
    }
    assert_eq!(counts(&events), json!([48, 12, 0, 0]));

    // Somebody takes one of the names in the meantime.
    site.machine("win11-013", crate::machine::Kind::Simple);
    steer(&mut site, "RetryOperation", operation);
    site.advance();
    let waiting: Vec<MachineId> =
        children(&site).into_iter().filter(|child| site.get(*child).being_renewed()).collect();
    assert_eq!(waiting.len(), 11);
    for child in waiting {
        events = says(&mut site, child, Outcome::Applied);
    }
    assert_eq!(
        (ended(&events), counts(&events)),
        (Some(End::PartiallyFailed), json!([59, 1, 0, 0]))
    );
    let failed = &site.operation().failed;
    let codes: Vec<&str> = failed.values().map(|why| why.code.as_str()).collect();
    assert_eq!(codes, ["CRL-0002"]);

    // And gives it back.
    site.given("DeleteMachine", json!({ "machines": ["win11-013"] }));
    steer(&mut site, "RetryOperation", operation);
    let last = site.named("win11-013");
    assert_eq!(site.get(last).identity.hostname.as_str(), "win11-013");
    let events = says(&mut site, last, Outcome::Applied);
    assert_eq!((ended(&events), counts(&events)), (Some(End::Succeeded), json!([60, 0, 0, 0])));
    assert_eq!(children(&site).len(), 60);
}
