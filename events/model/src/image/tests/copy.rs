//! CopyFromSource.

use serde_json::json;

use super::{Site, ended, failure};
use crate::event::MachineFact;
use crate::ids::{HypervisorId, StorageId};
use crate::image::{FileWork, file_work_on, outcome};
use crate::machine::{DiskSource, Kind, StopCause, Task};
use crate::operation::Outcome;
use crate::testing::kinds;
use crate::version::latest::Nothing;
use crate::version::latest::machine::{CopyRequested, DeleteRequested};

#[test]
fn a_copy_is_done_by_a_host_that_sees_both_and_the_source_stays_where_it_is() {
    let mut site = Site::new();
    let events = site.given("CopyFromSource", json!({ "initial": "win11" }));
    assert_eq!(
        kinds(&events),
        [
            "operation.accepted",
            "machine.placed",
            "machine.copy_requested",
            "operation.part_begun",
            "operation.advanced",
        ]
    );
    let (source, initial) = (site.get(site.source), site.get(site.initial));
    assert_eq!((source.place, initial.place), (None, Some(site.host)));
    assert_eq!(initial.task, Some(Task::Copying { source: site.source }));
    assert_eq!(file_work_on(&site.story.fleet, site.initial), Some(FileWork::Copying));
    assert_eq!(file_work_on(&site.story.fleet, site.source), Some(FileWork::CopiedFrom));

    let initial = site.initial;
    let events = site.decides(|deciding| outcome::copied(deciding, initial));
    assert_eq!(kinds(&events), ["machine.copied", "operation.part_ended", "operation.finished"]);
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    assert!(site.get(initial).unsealed, "there is something to seal");
    assert_eq!(file_work_on(&site.story.fleet, site.source), None);
    assert!(site.decides(|deciding| outcome::copied(deciding, initial)).is_empty());
}

#[test]
fn the_initial_gets_disks_of_the_sources_sizes() {
    let mut site = Site::sealed();
    let own = site.get(site.initial).system_disk().cloned().expect("a disk");
    site.copy();
    let disk = site.get(site.initial).system_disk().cloned().expect("a disk");
    assert_eq!((disk.source, disk.size_gib), (DiskSource::Blank, 40));
    assert_eq!((disk.id, disk.overlay_generation), (own.id, own.overlay_generation + 1));
}

#[test]
fn a_copy_that_fails_leaves_nothing_to_seal_and_can_be_tried_again() {
    let mut site = Site::new();
    site.given("CopyFromSource", json!({ "initial": "win11" }));
    let initial = site.initial;
    let events = site.decides(|deciding| outcome::task_failed(deciding, initial, &failure()));
    assert_eq!(
        kinds(&events),
        ["machine.copy_failed", "operation.part_ended", "operation.finished"]
    );
    assert_eq!(ended(&events), Some(Outcome::Failed));
    site.refused("SealImage", json!({ "initial": "win11" }), "CRL-0306");
    site.copy();
    site.seal();
}

#[test]
fn an_initial_keeps_its_disk_until_the_copy_is_there() {
    let mut site = Site::sealed();
    let initial = site.initial;
    site.prepare();
    let own = site.get(initial).disks.clone();
    site.given("CopyFromSource", json!({ "initial": "win11" }));
    assert_eq!(site.get(initial).disks, own);
    site.decides(|deciding| outcome::task_failed(deciding, initial, &failure()));
    assert_eq!(site.get(initial).disks, own);
    // What was changed on it before can still be sealed.
    site.seal();
    assert_eq!(site.version(2).base.map(|base| base.image), Some(site.version(1).id));
}

#[test]
fn an_initial_takes_its_next_copies_from_the_source_that_it_was_last_copied_from() {
    let mut site = Site::new();
    let other = site.machine("other", Kind::Source);
    let events = site.given("CopyFromSource", json!({ "initial": "win11", "source": "other" }));
    assert_eq!(kinds(&events)[2], "machine.copy_requested");
    let initial = site.initial;
    site.decides(|deciding| outcome::copied(deciding, initial));
    assert_eq!(site.get(initial).kind, Kind::Initial { source: Some(other) });
}

#[test]
fn what_runs_is_not_copied() {
    let mut site = Site::new();
    let (source, initial) = (site.source, site.initial);
    let copy = || json!({ "initial": "win11" });
    site.on(source);
    let refused = site.refused("CopyFromSource", copy(), "CRL-0211");
    assert_eq!(refused.to_string(), "gold is not off, it is running");
    site.off(source, StopCause::Command);
    site.on(initial);
    let refused = site.refused("CopyFromSource", copy(), "CRL-0211");
    assert_eq!(refused.to_string(), "win11 is not off, it is running");
    site.off(initial, StopCause::Command);
    site.given("CopyFromSource", copy());
}

#[test]
fn one_copy_to_an_initial_at_a_time_and_several_from_a_source() {
    let mut site = Site::new();
    let source = Some(site.source);
    site.machine("win10", Kind::Initial { source });
    site.given("CopyFromSource", json!({ "initial": "win11" }));
    site.refused("CopyFromSource", json!({ "initial": "win11" }), "CRL-0203");
    site.given("CopyFromSource", json!({ "initial": "win10" }));
    let refused = site.refused("StartMachine", json!({ "machines": ["gold"] }), "CRL-0213");
    assert_eq!(refused.to_string(), "2 copies of gold are being made");
    let initial = site.initial;
    site.decides(|deciding| outcome::copied(deciding, initial));
    site.given("SealImage", json!({ "initial": "win11" }));
    site.refused("CopyFromSource", json!({ "initial": "win11" }), "CRL-0204");
}

#[test]
fn what_is_locked_or_being_deleted_is_not_copied() {
    let mut site = Site::new();
    let source = site.source;
    site.lock(source);
    site.refused("CopyFromSource", json!({ "initial": "win11" }), "CRL-0202");
    site.happens(source, MachineFact::Unlocked(Nothing {}));
    let operation = crate::ids::CommandId::from_bytes([3; 16]);
    site.happens(source, MachineFact::DeleteRequested(DeleteRequested { operation }));
    site.refused("CopyFromSource", json!({ "initial": "win11" }), "CRL-0206");
}

#[test]
fn only_sources_are_copied_and_only_to_initials() {
    let mut site = Site::new();
    site.machine("simple", Kind::Simple);
    site.machine("imported", Kind::Initial { source: None });
    let refused = site.refused("CopyFromSource", json!({ "initial": "gold" }), "CRL-0301");
    assert_eq!(refused.to_string(), "gold is not an initial");
    let from = json!({ "initial": "win11", "source": "simple" });
    site.refused("CopyFromSource", from, "CRL-0301");
    site.refused("CopyFromSource", json!({ "initial": "imported" }), "CRL-0303");
    site.refused("CopyFromSource", json!({ "initial": "nobody" }), "CRL-0001");
}

#[test]
fn files_that_no_one_host_sees_cant_be_copied() {
    let mut site = Site::new();
    let elsewhere = StorageId::from_bytes([2; 16]);
    let nobody = HypervisorId::from_bytes([9; 16]);
    site.storage(elsewhere, "slow", &json!({ nobody.to_string(): "/carrel" }));
    let fast = std::mem::replace(&mut site.storage, elsewhere);
    site.machine("far", Kind::Source);
    site.storage = fast;
    let from = json!({ "initial": "win11", "source": "far" });
    let refused = site.refused("CopyFromSource", from, "CRL-0302");
    assert!(refused.to_string().starts_with("no host sees the files of both far and win11"));
}

#[test]
fn a_clone_that_is_copied_stays_what_it_is() {
    let mut site = Site::new();
    let source = site.source;
    let clone = site.machine("clone", Kind::Simple);
    let disks = site.get(source).disks.to_vec();
    let copy = CopyRequested { source, disks: disks.clone(), traces: None };
    site.happens(clone, MachineFact::CopyRequested(copy));
    site.decides(|deciding| outcome::copied(deciding, clone));
    let clone = site.get(clone);
    assert_eq!((&clone.kind, clone.unsealed), (&Kind::Simple, false));
    assert_eq!(clone.disks.to_vec(), disks);
}

/// Each of these would start the machine, or change the files that are read or written.
const DISTURBING: [&str; 3] = ["StartMachine", "DeleteMachine", "PowerOffMachine"];

#[test]
fn nothing_disturbs_a_machine_whose_files_are_worked_on() {
    let mut site = Site::new();
    let refuse = |site: &mut Site, name: &str, code: &str| {
        for command in DISTURBING {
            site.refused(command, json!({ "machines": [name] }), code);
        }
        let media = json!({ "machine": name, "media": "tools" });
        site.refused("AttachMedia", media, code);
        site.refused("ResizeDisk", json!({ "machine": name, "size_gib": 90 }), code);
        site.refused("TakeSnapshot", json!({ "machine": name, "name": "s" }), code);
    };
    crate::machine::tests::scene::add_medium(&mut site.story, "tools", crate::media::Kind::Drivers);
    site.given("CopyFromSource", json!({ "initial": "win11" }));
    refuse(&mut site, "win11", "CRL-0203");
    refuse(&mut site, "gold", "CRL-0213");
    site.given("CloneMachine", json!({ "machine": "gold", "name": "clone" }));
    site.refused("CloneMachine", json!({ "machine": "win11", "name": "c" }), "CRL-0203");
    let initial = site.initial;
    site.decides(|deciding| outcome::copied(deciding, initial));
    site.given("SealImage", json!({ "initial": "win11" }));
    refuse(&mut site, "win11", "CRL-0204");
    site.refused("CloneMachine", json!({ "machine": "win11", "name": "c" }), "CRL-0204");
}

#[test]
fn a_child_that_is_being_copied_is_populated_when_that_has_ended() {
    for succeeds in [true, false] {
        let (mut site, children) = Site::with_children(1);
        let child = children[0];
        site.given("CloneMachine", json!({ "machine": "win11-001", "name": "clone" }));
        let clone = site.named("clone");
        site.given("Populate", json!({ "initial": "win11", "machines": ["win11-001"] }));
        assert!(!site.get(child).being_renewed(), "its disk is being read");
        site.decides(|deciding| match succeeds {
            true => outcome::copied(deciding, clone),
            false => outcome::task_failed(deciding, clone, &failure()),
        });
        assert!(site.get(child).being_renewed());
        // And while its disk is made anew nobody copies it.
        let again = json!({ "machine": "win11-001", "name": "clone2" });
        site.refused("CloneMachine", again, "CRL-0207");
        assert_eq!(ended(&site.applied(child)), Some(Outcome::Succeeded));
    }
}
