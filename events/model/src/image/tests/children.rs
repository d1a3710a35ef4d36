//! New children: their names, their identity, and how many at once.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Site, ended, name_of};
use crate::clockwork::due;
use crate::command::Command;
use crate::decide::{EVENTS_MAX, decide};
use crate::event::{Event, MachineFact, StorageFact};
use crate::fleet::Fleet;
use crate::ids::MachineId;
use crate::image::name_reserved;
use crate::machine::Outcome::Applied;
use crate::machine::commands::ReportOutcome;
use crate::machine::{Reported, Settings};
use crate::name::Hostname;
use crate::operation::{Outcome, PARTS_RUNNING_MAX, SLICE, Targets};
use crate::version::latest::Switch;
use crate::version::latest::machine::Updated;
use crate::version::latest::storage::SpaceLowChanged;
use crate::work::{Thing, Work, work};

fn hostnames(site: &Site) -> Vec<String> {
    let children = site.story.fleet.children_after(site.initial, None);
    children.map(|id| site.get(id).identity.hostname.to_string()).collect()
}

#[test]
fn new_children_are_numbered_and_stand_on_the_version() {
    let (mut site, children) = Site::with_children(2);
    assert_eq!(hostnames(&site), ["win11-001", "win11-002"]);
    let one = site.get(children[0]);
    assert_eq!(one.name.as_str(), "win11-001");
    assert_eq!(one.image(), Some(site.version(1).id));
    assert_eq!(one.identity.serial.as_str(), one.identity.uuid.simple().to_string());
    assert_eq!(one.system_disk().map(|disk| disk.size_gib), Some(40));
    site.given("Populate", json!({ "initial": "win11", "count": 1 }));
    assert_eq!(site.get(site.named("win11-003")).name.as_str(), "win11-003");
}

#[test]
fn identities_are_all_different() {
    let (site, children) = Site::with_children(60);
    let macs: BTreeSet<_> = children.iter().map(|id| site.get(*id).identity.mac).collect();
    let uuids: BTreeSet<_> = children.iter().map(|id| site.get(*id).identity.uuid).collect();
    assert_eq!((macs.len(), uuids.len()), (60, 60));
}

#[test]
fn children_are_made_slice_by_slice() {
    let mut site = Site::sealed();
    let count = 3 * SLICE - 1;
    site.given("Populate", json!({ "initial": "win11", "count": count }));
    assert_eq!(hostnames(&site).len(), SLICE);
    assert!(name_reserved(&site.story.fleet, "win11-013"));
    assert!(!name_reserved(&site.story.fleet, "win11-012"), "this one is there");
    assert!(!name_reserved(&site.story.fleet, "win11-036"));
    assert!(!name_reserved(&site.story.fleet, "win11-13"), "no child is called so");
    site.advance();
    let children: Vec<_> = site.story.fleet.children_after(site.initial, None).collect();
    assert_eq!(children.len(), count);
    let ends: Vec<_> = children.iter().map(|child| ended(&site.applied(*child))).collect();
    assert_eq!(ends.last(), Some(&Some(Outcome::Succeeded)));
    assert!(site.story.fleet.operations.is_empty());
}

#[test]
fn names_of_children_to_come_are_taken() {
    let mut site = Site::sealed();
    site.given("Populate", json!({ "initial": "win11", "count": 30 }));
    // A second command takes the numbers after those.
    site.given("Populate", json!({ "initial": "win11", "count": 30 }));
    let Targets::New(new) = &site.operation().task.targets else { panic!("new machines") };
    assert_eq!((new.first, new.count), (31, 30));
    let free = |site: &Site, name: &str| {
        let context = site.story.clone().context();
        let by = crate::command::By::System;
        let deciding = crate::deciding::Deciding::new(&site.story.fleet, "Test", by, &context);
        deciding.name_is_free::<MachineId>(name, None).is_ok()
    };
    assert!(!free(&site, "win11-025"));
    assert!(!free(&site, "win11-060"));
    assert!(free(&site, "win11-061"));
}

#[test]
fn a_name_that_was_taken_past_the_reservation_fails_that_child_only() {
    let mut site = Site::sealed();
    site.given("Populate", json!({ "initial": "win11", "count": 14 }));
    // What the log says is so, whatever the reservation was.
    let renamed = Updated { name: name_of("win11-014"), settings: Settings::default() };
    let source = site.source;
    site.happens(source, MachineFact::Updated(renamed));
    site.advance();
    let operation = site.operation();
    let codes: Vec<_> = operation.failed.values().map(|why| why.code.to_string()).collect();
    assert_eq!(codes, ["CRL-0002"]);
    assert_eq!(hostnames(&site).len(), 13);
}

#[test]
fn a_long_name_of_the_initial_is_cut() {
    let mut site = Site::sealed();
    let long = Updated { name: name_of("windows11.enterprise"), settings: Settings::default() };
    let initial = site.initial;
    site.happens(initial, MachineFact::Updated(long));
    site.given("Populate", json!({ "initial": "windows11.enterprise", "count": 1 }));
    assert_eq!(hostnames(&site), ["windows11-e-001"]);
    site.named("windows11-e-001");
    assert!(hostnames(&site)[0].len() <= Hostname::LENGTH_MAX);
}

#[test]
fn a_pattern_says_otherwise() {
    let mut site = Site::sealed();
    let rooms = json!({ "initial": "win11", "count": 2, "name_pattern": "room{n}-pc" });
    site.given("Populate", rooms);
    assert_eq!(hostnames(&site), ["room001-pc", "room002-pc"]);
}

#[test]
fn more_children_have_longer_numbers() {
    let mut site = Site::sealed();
    site.given("Populate", json!({ "initial": "win11", "count": 20_000 }));
    assert_eq!(hostnames(&site)[0], "win11-00001");
    assert!(name_reserved(&site.story.fleet, "win11-20000"));
}

/// Without looking whether the indexes are as they would be anew, which takes as long as the fleet
/// is large.
fn tell(site: &mut Site, command: &Command) -> Vec<Event> {
    let context = site.story.context();
    let decision = decide(&site.story.fleet, command, &context).expect("the system is not refused");
    assert!(decision.events.len() <= EVENTS_MAX, "{}", command.name());
    site.story.fleet = decision.after;
    decision.events
}

fn applied(fleet: &Fleet, id: MachineId) -> Option<Command> {
    let Work { hypervisor, generation, .. } = work(fleet, Thing::Machine(id))?;
    let thing = Reported::Machine { id, outcome: Applied };
    Some(ReportOutcome { hypervisor, generation, thing }.into())
}

#[test]
fn twenty_thousand_children_are_made_in_slices_as_hosts_keep_up() {
    let mut site = Site::sealed();
    site.given("Populate", json!({ "initial": "win11", "count": 20_000 }));
    let mut outcome = None;
    while outcome.is_none() {
        let mut commands = due(&site.story.fleet, site.story.now);
        let children = site.story.fleet.children_after(site.initial, None);
        let asked = children.filter(|id| site.get(*id).applied < site.get(*id).generation);
        let reports: Vec<_> = asked.filter_map(|id| applied(&site.story.fleet, id)).collect();
        assert!(reports.len() <= PARTS_RUNNING_MAX + SLICE, "{} at once", reports.len());
        commands.extend(reports);
        assert!(!commands.is_empty(), "nobody has anything to do: {:?}", site.operation());
        for command in commands {
            outcome = outcome.or(ended(&tell(&mut site, &command)));
        }
    }
    assert_eq!(outcome, Some(Outcome::Succeeded));
    let hostnames: BTreeSet<_> = hostnames(&site).into_iter().collect();
    assert_eq!(hostnames.len(), 20_000);
    assert!(hostnames.contains("win11-20000"));
}

#[test]
fn a_pattern_that_gives_no_host_names_is_refused() {
    let mut site = Site::sealed();
    for pattern in ["a-name-that-is-long-{n}", "-{n}", "{n}", "{n}-", "a.{n}"] {
        let data = json!({ "initial": "win11", "count": 1, "name_pattern": pattern });
        let refused = site.refused("Populate", data, "CRL-0314");
        assert!(refused.to_string().starts_with(pattern), "{refused}");
    }
}

#[test]
fn without_room_for_disks_no_child_is_made() {
    let mut site = Site::sealed();
    let storage = site.storage;
    let low = |switch| StorageFact::SpaceLowChanged(SpaceLowChanged { switch, free_mib: 1 });
    let populate = json!({ "initial": "win11", "count": 2 * SLICE });
    site.happens(storage, low(Switch::On));
    site.refused("Populate", populate.clone(), "CRL-0218");

    site.happens(storage, low(Switch::Off));
    site.given("Populate", populate);
    site.happens(storage, low(Switch::On));
    site.advance();
    assert_eq!(hostnames(&site).len(), SLICE);
    let failed = &site.operation().failed;
    assert_eq!(failed.len(), SLICE);
    assert!(failed.values().all(|failure| failure.code.as_str() == "CRL-0218"));
}
