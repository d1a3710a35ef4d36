//! DeleteMachine of an initial: its versions go after it.

use serde_json::json;

use super::{Site, ended, last_command};
use crate::contract::Inventory;
use crate::event::{Event, ImageFact, MachineFact};
use crate::ids::{ImageId, MachineId};
use crate::image::{FileState, State, outcome};
use crate::inventory::{Difference, compare};
use crate::machine::{Kind, StopCause};
use crate::operation::Outcome;
use crate::testing::kinds;
use crate::version::latest::machine::{Deleted, FilesGone};
use crate::work::{Shall, Thing, work};

/// So many versions that stand on each other, and the initial on the last one.
fn versions(count: u32) -> Site {
    let mut site = Site::sealed();
    for _ in 1..count {
        site.prepare();
        site.seal();
    }
    site
}

/// So many versions, each a copy that stands alone.
fn copies(count: u32) -> Site {
    let mut site = Site::sealed();
    for _ in 1..count {
        site.copy();
        site.seal();
    }
    site
}

fn delete(site: &mut Site) -> Vec<Event> {
    site.given("DeleteMachine", json!({ "machines": ["win11"] }))
}

/// The host has removed the initial's own files.
fn is_absent(site: &mut Site) -> Vec<Event> {
    let generation = site.get(site.initial).generation;
    let thing = json!({ "machine": { "id": site.initial, "outcome": "absent" } });
    let said = json!({ "hypervisor": site.host, "generation": generation, "thing": thing });
    site.given("ReportOutcome", said)
}

/// What the host is told to remove of a version.
fn removes(site: &Site, image: ImageId) -> Vec<u16> {
    let Some(work) = work(&site.story.fleet, Thing::Image(image)) else { return Vec::new() };
    assert_eq!(work.hypervisor, site.host);
    let Shall::Files(spec) = work.shall else { panic!("a version is its files") };
    spec.remove.iter().map(|old| old.file.file).collect()
}

fn of_version(site: &Site) -> Vec<ImageId> {
    site.story.fleet.versions_of(site.initial).collect()
}

/// The host does what it is told, until it is told nothing more. In which order versions went.
fn all_are_removed(site: &mut Site) -> (Vec<u32>, Vec<Event>) {
    let (mut order, mut last) = (Vec::new(), Vec::new());
    let host = site.host;
    for _ in 0..1_000 {
        let told = of_version(site).into_iter().find_map(|image| {
            let file = *removes(site, image).first()?;
            Some((image, file))
        });
        let Some((image, file)) = told else { return (order, last) };
        let number = site.story.fleet.images.get(image).map(|image| image.number);
        order.extend(number);
        last = site.decides(|it| outcome::file_removed(it, host, (image, file)));
    }
    panic!("it never ends");
}

#[test]
fn versions_go_after_their_initial_the_last_one_first() {
    let mut site = versions(3);
    let events = delete(&mut site);
    assert!(kinds(&events).contains(&"machine.delete_requested"), "{events:?}");
    assert_eq!(ended(&events), None);
    let all = of_version(&site);
    assert!(all.iter().all(|image| removes(&site, *image).is_empty()), "the initial is there");

    let events = is_absent(&mut site);
    assert_eq!(kinds(&events)[0], "machine.deleted");
    assert_eq!(ended(&events), None, "files are left to go");
    assert_eq!(site.version(1).state, State::Retired);
    assert_eq!(site.version(1).files[0].state, FileState::There, "version 2 stands on it");

    let (order, last) = all_are_removed(&mut site);
    assert_eq!(order, [3, 2, 1]);
    assert_eq!(
        kinds(&last),
        ["image.file_removed", "image.removed", "operation.part_ended", "operation.finished"]
    );
    assert_eq!(ended(&last), Some(Outcome::Succeeded));
    assert!(site.story.fleet.images.is_empty() && site.story.fleet.operations.is_empty());
    assert!(site.story.fleet.machines.contains(site.source), "what it was copied from stays");
}

#[test]
fn however_many_versions_there_are_they_all_go() {
    for mut site in [copies(11), versions(4)] {
        let count = of_version(&site).len();
        delete(&mut site);
        is_absent(&mut site);
        let (order, last) = all_are_removed(&mut site);
        assert_eq!(order.len(), count);
        assert_eq!(ended(&last), Some(Outcome::Succeeded));
        assert!(site.story.fleet.images.is_empty());
    }
}

#[test]
fn a_version_that_was_retired_before_goes_with_the_others() {
    let mut site = versions(2);
    site.given("RetireImage", json!({ "image": "win11@1" }));
    delete(&mut site);
    is_absent(&mut site);
    assert_eq!(all_are_removed(&mut site).0, [2, 1]);
    assert!(site.story.fleet.images.is_empty());
}

#[test]
fn whoever_retires_a_version_hears_of_its_end_also_if_the_initial_goes_first() {
    let mut site = copies(2);
    site.given("RetireImage", json!({ "image": "win11@1" }));
    let retired = last_command(&site);
    delete(&mut site);
    is_absent(&mut site);
    assert!(site.story.fleet.operations.contains(retired), "its file is still to go");
    all_are_removed(&mut site);
    assert!(site.story.fleet.operations.is_empty(), "neither has failed");
}

#[test]
fn an_initial_with_children_stays_and_says_how_many() {
    let (mut site, children) = Site::with_children(2);
    let whole = json!({ "machines": ["win11"] });
    let refused = site.refused("DeleteMachine", whole.clone(), "CRL-0216");
    let words = "win11 has 2 children, which stand on its versions";
    assert_eq!(refused.to_string(), words);
    assert!(refused.page().clears.contains("`children_of`"));
    // One that is being populated is a child like any other.
    site.given("Populate", json!({ "image": "win11@1", "machines": ["win11-001"] }));
    site.refused("DeleteMachine", whole, "CRL-0216");
    for child in children {
        site.happens(child, MachineFact::Deleted(Deleted { files: FilesGone::Removed }));
    }
    delete(&mut site);
    is_absent(&mut site);
    all_are_removed(&mut site);
    assert!(site.story.fleet.images.is_empty());
}

#[test]
fn an_initial_whose_files_are_worked_on_stays() {
    let whole = || json!({ "machines": ["win11"] });
    let mut site = versions(1);
    site.prepare();
    site.given("SealImage", json!({ "initial": "win11" }));
    site.refused("DeleteMachine", whole(), "CRL-0204");
    site.is_sealed();
    site.given("CopyFromSource", json!({ "initial": "win11" }));
    site.refused("DeleteMachine", whole(), "CRL-0203");
    site.refused("DeleteMachine", json!({ "machines": ["gold"] }), "CRL-0213");
}

#[test]
fn said_twice_and_by_its_id_it_is_the_same() {
    let mut site = versions(2);
    let by_id = json!({ "machines": [site.initial] });
    delete(&mut site);
    let events = site.given("DeleteMachine", by_id.clone());
    assert!(!kinds(&events).contains(&"machine.delete_requested"), "that is under way");
    is_absent(&mut site);
    site.refused("DeleteMachine", by_id, "CRL-0001");
    let (_, last) = all_are_removed(&mut site);
    let ends = kinds(&last).iter().filter(|kind| **kind == "operation.finished").count();
    assert_eq!(ends, 2, "both operations saw it to its end");
}

#[test]
fn nothing_new_stands_on_what_goes() {
    let mut site = copies(6);
    let image = site.version(1).id;
    delete(&mut site);
    let child = json!({ "name": "c", "kind": "vdi", "initial": "win11" });
    site.refused("CreateMachine", child, "CRL-0206");
    site.refused("Populate", json!({ "image": image, "count": 1 }), "CRL-0206");
    site.refused("SealImage", json!({ "initial": "win11" }), "CRL-0206");
    is_absent(&mut site);
    assert!(site.story.fleet.is_usable(image), "its turn comes with the end of a newer one");
    for (name, data) in [
        ("Populate", json!({ "image": image, "count": 1 })),
        ("TagImage", json!({ "image": image, "tag": "exam" })),
        ("RetireImage", json!({ "image": image })),
    ] {
        site.refused(name, data, "CRL-0001");
    }
    // Another one of the name has nothing to do with it.
    site.machine("win11", Kind::Initial { source: Some(site.source) });
    all_are_removed(&mut site);
    assert!(site.story.fleet.images.is_empty());
}

#[test]
fn children_that_have_yet_to_be_made_are_not_made_when_the_initial_goes() {
    let mut site = versions(1);
    site.given("Populate", json!({ "image": "win11@1", "count": 20 }));
    let made: Vec<MachineId> = site.story.fleet.children_after(site.initial, None).collect();
    assert!(made.len() < 20, "some are left for the next slice");
    for child in made {
        site.happens(child, MachineFact::Deleted(Deleted { files: FilesGone::Removed }));
    }
    delete(&mut site);
    site.advance();
    assert_eq!(site.story.fleet.children_after(site.initial, None).count(), 0);
    is_absent(&mut site);
    all_are_removed(&mut site);
    assert!(site.story.fleet.images.is_empty());
}

#[test]
fn an_initial_that_runs_goes_only_by_force() {
    let mut site = versions(2);
    let initial = site.initial;
    site.on(initial);
    site.refused("DeleteMachine", json!({ "machines": ["win11"] }), "CRL-0211");
    site.given("DeleteMachine", json!({ "machines": ["win11"], "force": true }));
    site.off(initial, StopCause::Command);
    is_absent(&mut site);
    all_are_removed(&mut site);
    assert!(site.story.fleet.images.is_empty());
}

#[test]
fn nobody_waits_for_files_when_that_is_cancelled() {
    let mut site = versions(2);
    delete(&mut site);
    let operation = last_command(&site);
    is_absent(&mut site);
    let events = site.given("CancelOperation", json!({ "operation": operation }));
    assert_eq!(ended(&events), Some(Outcome::Cancelled));
    all_are_removed(&mut site);
    assert!(site.story.fleet.images.is_empty(), "they go all the same");
}

#[test]
fn what_is_under_way_is_not_cancelled_while_the_initial_is_there() {
    let mut site = versions(2);
    delete(&mut site);
    let operation = last_command(&site);
    let events = site.given("CancelOperation", json!({ "operation": operation }));
    assert_eq!(ended(&events), None);
    is_absent(&mut site);
    let (_, last) = all_are_removed(&mut site);
    assert_eq!(ended(&last), Some(Outcome::Succeeded));
}

#[test]
fn files_that_nobody_sees_any_more_are_given_up() {
    let mut site = copies(6);
    site.given("ReportHostSilent", json!({ "hypervisor": site.host }));
    site.given("ConfirmHypervisorLost", json!({ "hypervisor": "node1" }));
    site.advance();
    let events = delete(&mut site);
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    assert!(site.story.fleet.images.is_empty());
}

#[test]
fn a_host_that_has_lost_the_order_is_told_again() {
    let mut site = versions(2);
    delete(&mut site);
    is_absent(&mut site);
    let image = site.version(2).id;
    let inventory = json!({
        "hypervisor": site.host, "incarnation": 0, "things": [], "space": [], "foreign": 0,
    });
    let inventory: Inventory = serde_json::from_value(inventory).expect("an inventory");
    let differences = compare(&site.story.fleet, &inventory);
    assert!(differences.contains(&Difference::Order(Thing::Image(image))), "{differences:?}");
}

#[test]
fn an_initial_says_what_sets_its_version_free() {
    let mut site = versions(1);
    let refused = site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0311");
    let words = "win11@1 is still used: the disk of its own initial stands on it, and nothing \
                 else does";
    assert_eq!(refused.to_string(), words);
    assert!(refused.page().clears.contains("`DeleteMachine`"));
    site.prepare();
    site.seal();
    site.given("RetireImage", json!({ "image": "win11@1" }));
    let retired = |event: &Event| matches!(event, Event::Image(_, ImageFact::Retired(_)));
    assert!(site.story.log.iter().any(retired));
}
