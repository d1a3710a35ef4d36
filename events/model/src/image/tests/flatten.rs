//! Files that stand on too many others.

use std::collections::BTreeSet;

use serde_json::json;

use super::seal::deep;
use super::{Site, failure, made};
use crate::clockwork::{due, next_time};
use crate::command::Command;
use crate::event::{Event, MachineFact};
use crate::hash::Digest;
use crate::ids::{HypervisorId, MachineId};
use crate::image::{Flattening, outcome};
use crate::testing::{STAT, arrows, command, kinds, ways};
use crate::work::{Shall, Thing, work};

/// What is due of versions of images.
fn tend(site: &mut Site) -> Vec<Event> {
    let all = due(&site.story.fleet, site.story.now);
    let of_images = all.into_iter().filter(|it| matches!(it, Command::FlattenImage(_)));
    of_images.flat_map(|command| site.story.given(command)).collect()
}

fn fails(site: &mut Site) -> Vec<Event> {
    let (host, image, file) = (site.host, site.version(5).id, site.version(5).files_made - 1);
    site.decides(|deciding| outcome::file_failed(deciding, host, (image, file), &failure()))
}

fn is_made(site: &mut Site) {
    let (host, image, digest) = (site.host, site.version(5).id, Digest([1; 32]));
    site.decides(|deciding| outcome::verified(deciding, image, digest));
    let file = site.version(5).files_made - 1;
    site.decides(|deciding| outcome::file_made(deciding, host, image, made(file, digest)));
}

/// The depth of the file that the overlay is to stand on, and the generation that says so.
fn told(site: &Site, id: MachineId) -> (u8, u64) {
    let work = work(&site.story.fleet, Thing::Machine(id)).expect("work");
    let Shall::Present(spec) = &work.shall else { panic!("{:?}", work.shall) };
    (spec.disks[0].backing[0].depth, work.generation)
}

#[test]
fn it_goes_the_way_that_is_drawn() {
    let mut site = deep();
    let mut last = Flattening::default().name();
    let mut seen = BTreeSet::new();
    let mut see = |site: &Site| {
        let now = site.version(5).flattening.name();
        assert!(seen.insert((last, now)), "{last} --> {now}");
        last = now;
    };
    see(&site);
    fails(&mut site);
    see(&site);
    site.story.wait(600);
    tend(&mut site);
    see(&site);
    is_made(&mut site);
    see(&site);
    tend(&mut site);
    see(&site);
    assert_eq!(ways(&arrows(include_str!("../flatten.rs"), "stands alone")), seen);
}

#[test]
fn what_failed_is_asked_for_again_later_and_later_and_never_given_up() {
    let mut site = deep();
    let kinds_of = ["image.file_failed", "image.flatten_delayed"];
    for seconds in [600, 1_200, 2_400] {
        assert_eq!(kinds(&fails(&mut site)), kinds_of);
        assert_eq!(next_time(&site.story.fleet), Some(site.story.now.plus_seconds(seconds)));
        site.story.wait(seconds - 1);
        assert!(tend(&mut site).is_empty());
        site.story.wait(1);
        assert_eq!(kinds(&tend(&mut site)), ["image.file_requested"]);
    }
    for _ in 0..20 {
        fails(&mut site);
        site.story.wait(86_400);
        assert_eq!(kinds(&tend(&mut site)), ["image.file_requested"], "once a day");
    }
    is_made(&mut site);
    tend(&mut site);
    assert_eq!(site.version(5).flattening, Flattening::Done);
}

#[test]
fn without_a_host_it_waits_for_one() {
    let mut site = deep();
    fails(&mut site);
    site.given("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true }));
    site.story.wait(600);
    assert_eq!(kinds(&tend(&mut site)), ["image.flatten_delayed"]);
    site.given("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": false }));
    site.story.wait(1_200);
    assert_eq!(kinds(&tend(&mut site)), ["image.file_requested"]);
}

#[test]
fn nothing_is_sealed_on_top_of_what_is_too_deep() {
    let mut site = deep();
    site.prepare();
    let refused = site.refused("SealImage", json!({ "initial": "win11" }), "CRL-0331");
    assert!(refused.to_string().contains("stands on 5 files"), "{refused}");
    site.refused("Populate", json!({ "initial": "win11", "count": 1 }), "CRL-0331");
    is_made(&mut site);
    site.seal();
    assert_eq!(site.version(6).files[0].depth, 2);
}

#[test]
fn a_copy_begins_anew_at_the_ground() {
    let mut site = deep();
    site.copy();
    site.seal();
    assert_eq!(site.version(6).files[0].depth, 1);
}

#[test]
fn machines_that_are_off_are_put_onto_the_flat_file_and_others_when_they_are() {
    let mut site = deep();
    let children = site.children(70);
    assert_eq!(children.len(), 70);
    let running = children[0];
    site.on(running);
    let before: Vec<(u8, u64)> = children.iter().map(|child| told(&site, *child)).collect();
    assert!(before.iter().all(|(depth, _)| *depth == 5));
    is_made(&mut site);
    while !tend(&mut site).is_empty() {}
    for (child, (_, generation)) in children.iter().zip(before) {
        let expected = if *child == running { (5, generation) } else { (1, generation + 1) };
        assert_eq!(told(&site, *child), expected, "{child}");
    }
    let generation = told(&site, running).1;
    site.off(running, crate::machine::StopCause::Guest);
    assert_eq!(told(&site, running).0, 1, "it is told when it can be done");
    assert!(told(&site, running).1 > generation);
}

/// How many files the version 5 has, how many stand on each other in each, and what is to go.
fn files(site: &Site) -> Vec<(u8, &'static str)> {
    site.version(5).files.iter().map(|file| (file.depth, file.state.name())).collect()
}

#[test]
fn the_deep_file_goes_with_the_last_disk_that_stood_on_it() {
    let mut site = deep();
    let children = site.children(3);
    let (running, initial) = (children[0], site.initial);
    site.on(running);
    is_made(&mut site);
    while !tend(&mut site).is_empty() {}
    let rebased = ["machine.applied", "machine.rebased"];
    assert_eq!(kinds(&site.applied(initial)), rebased);
    assert_eq!(kinds(&site.applied(children[1])), rebased);
    assert_eq!(kinds(&site.applied(children[2])), rebased);
    assert_eq!(files(&site), [(5, "there"), (1, "there")], "one runs on it");
    let off = site.off(running, crate::machine::StopCause::Guest);
    assert_eq!(kinds(&off), ["machine.stopped", "machine.rebase_requested"]);
    assert_eq!(files(&site), [(5, "there"), (1, "there")], "nobody knows where it stands");
    let applied = site.applied(running);
    assert_eq!(kinds(&applied), ["machine.applied", "machine.rebased", "image.file_retired"]);
    assert_eq!(files(&site), [(5, "retired"), (1, "there")]);

    // Nothing stands on the versions below any more, either.
    site.given("RetireImage", json!({ "image": "win11@4" }));
    assert_eq!(site.version(4).files[0].state.name(), "there", "its deep file is still there");
    let host = site.host;
    let gone = report(&mut site, host, &json!({ "file_removed": { "file": 0 } }));
    assert_eq!(kinds(&gone), ["image.file_removed", "image.file_retired"]);
    assert_eq!(files(&site), [(1, "there")]);
    assert_eq!(site.version(4).files[0].state.name(), "retired");
}

#[test]
fn the_deep_file_stays_for_a_disk_that_somebody_may_go_back_to() {
    let mut site = deep();
    site.given("Populate", json!({ "initial": "win11", "count": 1 }));
    site.advance();
    let child = site.named("win11-001");
    site.applied(child);
    is_made(&mut site);
    let first_boot = json!({ "done": "agent", "timeout_seconds": 600 });
    site.given("Populate", json!({ "image": "win11@5", "first_boot": first_boot }));
    site.advance();
    while !tend(&mut site).is_empty() {}
    let initial = site.initial;
    site.applied(initial);
    site.applied(child);
    assert_eq!(site.get(child).base().map(|base| base.file), Some(1), "the new one is flat");
    site.started(child);
    assert_eq!(files(&site), [(5, "there"), (1, "there")]);
    site.happens(child, MachineFact::FirstBootEnded(crate::version::latest::Nothing {}));
    let off = site.off(child, crate::machine::StopCause::Guest);
    assert!(kinds(&off).contains(&"image.file_retired"), "{off:?}");
}

#[test]
fn a_child_that_no_host_has_made_yet_stands_on_the_flat_file_at_once() {
    let mut site = deep();
    site.given("TagImage", json!({ "image": "win11@5", "tag": "default" }));
    site.given("CreateMachine", json!({ "name": "pc", "kind": "vdi", "initial": "win11" }));
    let pc = site.named("pc");
    assert_eq!(site.get(pc).base().map(|base| base.file), Some(0));
    is_made(&mut site);
    assert!(kinds(&tend(&mut site)).contains(&"machine.rebased"));
    assert_eq!(site.get(pc).base().map(|base| base.file), Some(1));
    let initial = site.initial;
    assert!(kinds(&site.applied(initial)).contains(&"image.file_retired"));
}

#[test]
fn a_disk_is_put_onto_the_flat_file_before_it_becomes_a_version() {
    let mut site = deep();
    site.prepare();
    is_made(&mut site);
    let events = site.given("SealImage", json!({ "initial": "win11" }));
    assert!(kinds(&events).contains(&"machine.rebase_requested"), "{events:?}");
    assert_eq!(site.version(6).base.map(|base| base.file), Some(1));
    assert_eq!(files(&site), [(5, "there"), (1, "there")], "it may fail, and stand where it did");
    let sealed = site.is_sealed();
    assert!(kinds(&sealed).contains(&"image.file_retired"), "{sealed:?}");
}

#[test]
fn what_waits_for_fresh_disks_hears_of_the_flat_file_with_those() {
    let mut site = deep();
    let children = site.children(70);
    let at = site.story.now.plus_seconds(3_600);
    site.given("Populate", json!({ "image": "win11@5", "when": { "at": at } }));
    site.advance();
    assert!(children.iter().all(|child| site.get(*child).renewal.is_some()));
    is_made(&mut site);
    // All could begin at once, and none has a host that may make its overlay.
    site.given("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": true }));
    site.story.wait(3_600);
    while !tend(&mut site).is_empty() {}
    assert_eq!(site.version(5).flattening, Flattening::Done);
    site.given("SetHypervisorMaintenance", json!({ "hypervisor": "node1", "on": false }));
    site.advance();
    assert!(children.iter().all(|child| told(&site, *child).0 == 1));
}

/// Another host that sees the storage.
fn second_host(site: &mut Site) -> HypervisorId {
    let capacity = json!({ "memory_mib": 65536, "vcpus": 16 });
    let host = json!({ "name": "node2", "settings": { "capacity": capacity } });
    site.given("RegisterHypervisor", host);
    let hosts = json!({ "hosts": { "node2": "/carrel" } });
    site.given("UpdateStorage", json!({ "storage": "fast", "settings": hosts }));
    site.story.fleet.hypervisors.last().expect("the second host")
}

/// Who is to compute the digest of the version 5, and how many files that are.
fn asked_to_verify(site: &Site) -> Option<(HypervisorId, usize)> {
    let work = work(&site.story.fleet, Thing::Image(site.version(5).id))?;
    let Shall::Files(spec) = &work.shall else { panic!("{:?}", work.shall) };
    (!spec.verify.is_empty()).then_some((work.hypervisor, spec.verify.len()))
}

fn report(site: &mut Site, host: HypervisorId, outcome: &serde_json::Value) -> Vec<Event> {
    let image = site.version(5);
    let thing = json!({ "image": { "id": image.id, "outcome": outcome } });
    let said = json!({ "hypervisor": host, "generation": image.version, "thing": thing });
    site.given("ReportOutcome", said)
}

#[test]
fn a_host_is_asked_for_a_digest_until_it_is_known_and_only_that_one_is_heard() {
    let mut site = deep();
    let (node1, node2) = (site.host, second_host(&mut site));
    let verified = json!({ "verified": { "digest": "11".repeat(32) } });
    assert_eq!(asked_to_verify(&site), Some((node1, 5)));
    assert!(report(&mut site, node2, &verified).is_empty(), "nobody has asked it");

    // It is lost before it has said so, and with it the file that it was making.
    site.story.given(command("ReportHostSilent", json!({ "hypervisor": node1 })));
    site.given("ConfirmHypervisorLost", json!({ "hypervisor": "node1" }));
    assert_eq!(asked_to_verify(&site), Some((node2, 5)));
    site.story.wait(600);
    assert_eq!(kinds(&tend(&mut site)), ["image.file_requested"]);
    let done = json!({ "file_made": { "file": 2, "digest": "11".repeat(32), "stat": STAT } });
    assert_eq!(kinds(&report(&mut site, node2, &done)), ["image.file_made"]);
    assert_eq!(site.version(5).flattening.name(), "asked", "nobody knows what it is to be like");
    assert_eq!(kinds(&report(&mut site, node2, &verified)), ["image.verified"]);
    assert_eq!(asked_to_verify(&site), None);
    while !tend(&mut site).is_empty() {}
    assert_eq!(site.version(5).flattening, Flattening::Done);
}

#[test]
fn what_is_said_late_of_one_try_is_said_of_no_other() {
    let mut site = deep();
    let host = site.host;
    let failed = json!({ "file_failed": { "file": 1, "failure": { "code": "io", "detail": "" } } });
    assert_eq!(report(&mut site, host, &failed).len(), 2);
    site.story.wait(600);
    assert_eq!(kinds(&tend(&mut site)), ["image.file_requested"]);
    assert!(report(&mut site, host, &failed).is_empty());
    let numbers: Vec<u16> = site.version(5).files.iter().map(|file| file.number).collect();
    assert_eq!(numbers, [0, 2]);
}
