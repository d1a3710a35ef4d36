//! RetireImage: nothing that is used can be taken away.

use serde_json::json;

use super::{Site, ended, last_command};
use crate::event::{Event, ImageFact};
use crate::hypervisor::commands::ReportHostSilent;
use crate::image::{FileState, State, outcome};
use crate::operation::Outcome;
use crate::testing::kinds;
use crate::version::latest::image::FileRemoved;
use crate::version::latest::machine::FilesGone;

fn retire(site: &mut Site, image: &str) -> Vec<Event> {
    site.given("RetireImage", json!({ "image": image }))
}

/// Versions 1 and 2; nothing but the initial stands on them.
fn two_versions() -> Site {
    let mut site = Site::sealed();
    site.prepare();
    site.seal();
    site
}

/// Version 2 stands alone, and nobody uses version 1.
fn two_copies() -> Site {
    let mut site = Site::sealed();
    site.copy();
    site.seal();
    site
}

#[test]
fn a_version_that_nothing_stands_on_goes_with_its_files() {
    let mut site = two_copies();
    let image = site.version(1).id;
    let events = retire(&mut site, "win11@1");
    assert_eq!(
        kinds(&events),
        [
            "operation.accepted",
            "image.untagged",
            "image.tagged",
            "image.retired",
            "image.file_retired",
            "operation.part_begun",
            "operation.advanced",
        ]
    );
    assert_eq!(site.tagged("default"), Some(2), "the newest other version has it now");
    site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0309");
    let host = site.host;
    let stranger = crate::ids::HypervisorId::from_bytes([8; 16]);
    assert!(site.decides(|it| outcome::file_removed(it, stranger, (image, 0))).is_empty());
    let events = site.decides(|it| outcome::file_removed(it, host, (image, 0)));
    assert_eq!(
        kinds(&events),
        ["image.file_removed", "image.removed", "operation.part_ended", "operation.finished"]
    );
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    assert_eq!(site.story.fleet.images.len(), 1);
    assert!(site.decides(|it| outcome::file_removed(it, host, (image, 0))).is_empty());
}

#[test]
fn files_that_later_versions_stand_on_stay_until_those_are_gone() {
    let mut site = two_versions();
    let (first, second) = (site.version(1).id, site.version(2).id);
    let events = retire(&mut site, "win11@1");
    assert_eq!(ended(&events), Some(Outcome::Succeeded), "nobody has to wait for that");
    assert_eq!(site.version(1).state, State::Retired);
    assert_eq!(site.version(1).files[0].state, FileState::There);

    site.copy();
    site.seal();
    retire(&mut site, "win11@2");
    let host = site.host;
    let events = site.decides(|it| outcome::file_removed(it, host, (second, 0)));
    let kinds = kinds(&events);
    assert_eq!(kinds[..2], ["image.file_removed", "image.removed"]);
    assert!(kinds.contains(&"image.file_retired"), "that of the version below: {kinds:?}");
    let events = site.decides(|it| outcome::file_removed(it, host, (first, 0)));
    assert!(crate::testing::kinds(&events).contains(&"image.removed"));
    assert_eq!(site.story.fleet.images.len(), 1);
}

#[test]
fn the_only_version_has_no_successor() {
    let mut site = Site::sealed();
    site.copy();
    let refused = site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0310");
    assert!(refused.to_string().starts_with("win11@1 is tagged default"), "{refused}");
}

#[test]
fn a_version_that_an_initial_or_a_child_stands_on_stays() {
    let (mut site, _) = Site::with_children(2);
    let refused = site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0311");
    assert!(refused.to_string().ends_with("of 3 machines in all"), "{refused}");
    let mut site = two_versions();
    site.refused("RetireImage", json!({ "image": "win11@2" }), "CRL-0311");
}

#[test]
fn a_version_that_machines_wait_for_stays() {
    let (mut site, children) = Site::with_children(1);
    site.prepare();
    site.seal();
    site.lease(children[0]);
    let data = json!({ "image": "win11@2", "discard_data": true });
    site.given("Populate", data);
    site.copy();
    let refused = site.refused("RetireImage", json!({ "image": "win11@2" }), "CRL-0311");
    assert!(refused.to_string().contains("win11-001 is on its way to it"), "{refused}");
}

#[test]
fn a_version_that_an_operation_populates_from_stays() {
    let mut site = two_copies();
    site.given("Populate", json!({ "image": "win11@1", "count": 20 }));
    let mut later = site.story.fleet.clone();
    let children: Vec<_> = later.children_after(site.initial, None).collect();
    for child in children {
        let gone = crate::event::MachineFact::Deleted(Default::default());
        later.apply(&Event::Machine(child, gone));
    }
    site.story.fleet = later;
    let refused = site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0311");
    assert!(refused.to_string().contains("populates machines from it"), "{refused}");
}

#[test]
fn a_version_whose_tag_a_pool_follows_stays() {
    let mut site = two_copies();
    site.given("TagImage", json!({ "image": "win11@1", "tag": "exam" }));
    let follow = json!({ "image": { "initial": site.initial, "tag": "exam" } });
    site.pool("hall", follow, &[]);
    let refused = site.refused("RetireImage", json!({ "image": "win11@1" }), "CRL-0312");
    assert_eq!(refused.to_string(), "the pool hall follows the tag exam of win11@1");
    site.given("TagImage", json!({ "image": "win11@2", "tag": "exam" }));
    retire(&mut site, "win11@1");
}

#[test]
fn a_number_stays_taken_when_its_version_is_gone() {
    let mut site = two_versions();
    site.copy();
    let host = site.host;
    let second = site.version(2).id;
    retire(&mut site, "win11@2");
    site.decides(|it| outcome::file_removed(it, host, (second, 0)));
    site.seal();
    assert_eq!((site.tagged("head"), site.tagged("default")), (Some(3), Some(1)));
}

#[test]
fn files_that_nobody_sees_any_more_are_given_up() {
    for lost_before in [true, false] {
        let mut site = two_copies();
        let image = site.version(1).id;
        let lose = |site: &mut Site| {
            site.story.given(ReportHostSilent { hypervisor: site.host });
            let mut events = site.given("ConfirmHypervisorLost", json!({ "hypervisor": "node1" }));
            events.extend(site.advance());
            events
        };
        let mut events = Vec::new();
        if lost_before {
            lose(&mut site);
        }
        events.extend(retire(&mut site, "win11@1"));
        if !lost_before {
            events.extend(lose(&mut site));
        }
        let given_up = FileRemoved { file: 0, files: FilesGone::GivenUp };
        assert!(events.contains(&Event::Image(image, ImageFact::FileRemoved(given_up))));
        assert!(!site.story.fleet.images.contains(image));
        let left = site.story.fleet.operations.iter().map(|(_, operation)| operation.parts.len());
        assert_eq!(left.sum::<usize>(), 0, "nobody waits any longer");
    }
}

#[test]
fn nobody_waits_for_files_when_that_is_cancelled() {
    let mut site = two_copies();
    retire(&mut site, "win11@1");
    let operation = last_command(&site);
    let events = site.given("CancelOperation", json!({ "operation": operation }));
    assert_eq!(ended(&events), Some(Outcome::Cancelled));
    assert_eq!(site.version(1).files[0].state, FileState::Retired, "they go all the same");
}
