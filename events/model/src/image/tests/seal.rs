//! SealImage: versions, their numbers and their files.

use serde_json::json;

use super::{Site, ended, failure, made};
use crate::event::ImageFact;
use crate::hash::Digest;
use crate::image::{FILES_DEEP_MAX, FileState, State, outcome};
use crate::machine::{Base, DiskSource, StopCause};
use crate::operation::Outcome;
use crate::testing::kinds;

#[test]
fn a_seal_makes_the_disk_a_version_and_puts_the_initial_on_it() {
    let mut site = Site::new();
    site.copy();
    let events = site.given("SealImage", json!({ "initial": "win11", "tag": "spring" }));
    assert_eq!(
        kinds(&events),
        [
            "operation.accepted",
            "image.seal_requested",
            "machine.seal_requested",
            "operation.part_begun",
            "operation.advanced",
        ]
    );
    assert_eq!(site.tagged("spring"), None, "a version that isn't there has no tags");
    let events = site.is_sealed();
    assert_eq!(
        kinds(&events),
        [
            "image.sealed",
            "machine.sealed",
            "image.tagged",
            "image.tagged",
            "image.tagged",
            "operation.part_ended",
            "operation.finished",
        ]
    );
    assert_eq!(ended(&events), Some(Outcome::Succeeded));
    for tag in ["head", "default", "spring"] {
        assert_eq!(site.tagged(tag), Some(1), "{tag}");
    }
    let disk = site.get(site.initial).system_disk().cloned().expect("a disk");
    assert_eq!(disk.source, DiskSource::Overlay(Base { image: site.version(1).id, file: 0 }));
    assert!(site.is_sealed().is_empty(), "said twice");
}

#[test]
fn what_was_not_written_to_stays_the_same_version_and_only_gets_the_tag() {
    let mut site = Site::sealed();
    let events = site.given("SealImage", json!({ "initial": "win11" }));
    assert_eq!(kinds(&events), ["operation.accepted"]);
    let events = site.given("SealImage", json!({ "initial": "win11", "tag": "exam" }));
    assert_eq!(kinds(&events), ["operation.accepted", "image.tagged"]);
    assert_eq!(site.tagged("exam"), Some(1));
}

#[test]
fn head_moves_with_each_seal_and_default_does_not() {
    let mut site = Site::sealed();
    site.prepare();
    site.seal();
    assert_eq!((site.tagged("head"), site.tagged("default")), (Some(2), Some(1)));
    assert_eq!(site.version(2).base, Some(Base { image: site.version(1).id, file: 0 }));
}

#[test]
fn a_running_initial_is_not_sealed() {
    let mut site = Site::sealed();
    let initial = site.initial;
    site.on(initial);
    site.refused("SealImage", json!({ "initial": "win11" }), "CRL-0211");
    site.off(initial, StopCause::Guest);
    site.lock(initial);
    site.refused("SealImage", json!({ "initial": "win11" }), "CRL-0202");
}

#[test]
fn nothing_written_is_nothing_to_seal() {
    let mut site = Site::new();
    site.refused("SealImage", json!({ "initial": "win11" }), "CRL-0306");
    site.refused("SealImage", json!({ "initial": "gold" }), "CRL-0301");
}

#[test]
fn an_initial_is_sealed_once_at_a_time() {
    let mut site = Site::new();
    site.copy();
    site.given("SealImage", json!({ "initial": "win11" }));
    let refused = site.refused("SealImage", json!({ "initial": "win11" }), "CRL-0204");
    assert_eq!(
        refused.to_string(),
        "win11 is sealing: its disk is becoming a version of its image"
    );
}

#[test]
fn a_number_is_never_given_twice() {
    let mut site = Site::sealed();
    site.prepare();
    site.given("SealImage", json!({ "initial": "win11" }));
    let initial = site.initial;
    let events = site.decides(|deciding| outcome::task_failed(deciding, initial, &failure()));
    assert_eq!(
        kinds(&events),
        ["machine.seal_failed", "image.failed", "operation.part_ended", "operation.finished"]
    );
    assert_eq!(ended(&events), Some(Outcome::Failed));
    assert_eq!(site.tagged("head"), Some(1));
    site.seal();
    assert_eq!(site.tagged("head"), Some(3));
}

#[test]
fn a_digest_that_is_known_stays() {
    let mut site = Site::sealed();
    let image = site.version(1).id;
    let (one, other) = (Digest([1; 32]), Digest([2; 32]));
    let events = site.decides(|deciding| outcome::verified(deciding, image, one));
    assert_eq!(kinds(&events), ["image.verified"]);
    assert!(site.decides(|deciding| outcome::verified(deciding, image, other)).is_empty());
    assert_eq!(site.version(1).state, State::Verified(one));
}

/// Seals so often that the last version is too deep.
pub(super) fn deep() -> Site {
    let mut site = Site::sealed();
    for _ in 0..FILES_DEEP_MAX {
        site.prepare();
        site.seal();
    }
    site
}

#[test]
fn a_version_that_is_too_deep_gets_a_file_that_stands_alone() {
    let mut site = deep();
    let (host, deepest) = (site.host, site.version(5));
    let image = deepest.id;
    let depths: Vec<u8> = deepest.files.iter().map(|file| file.depth).collect();
    assert_eq!(depths, [5, 1]);
    assert_eq!(deepest.files[1].state, FileState::Making { hypervisor: Some(host) });
    assert_eq!(site.version(4).files.len(), 1, "four files are not too many");

    let digest = Digest([1; 32]);
    let foreign = crate::ids::HypervisorId::from_bytes([8; 16]);
    let done =
        site.decides(|deciding| outcome::file_made(deciding, foreign, image, made(1, digest)));
    assert!(done.is_empty(), "another host knows nothing of it");
    let done = site.decides(|deciding| outcome::file_made(deciding, host, image, made(1, digest)));
    assert_eq!(kinds(&done), ["image.file_made"]);
    let nearest = |site: &Site| {
        let nearest = site.version(5).nearest_file(&site.story.fleet, host);
        nearest.map(|file| file.number)
    };
    assert_eq!(nearest(&site), Some(0), "nobody knows yet whether its content is the version's");
    site.decides(|deciding| outcome::verified(deciding, image, digest));
    assert_eq!(nearest(&site), Some(1), "new overlays use it");
    site.prepare();
    site.seal();
    assert_eq!(site.version(6).files[0].depth, 2);
}

#[test]
fn a_further_file_with_another_content_is_removed() {
    let mut site = deep();
    let (host, image) = (site.host, site.version(5).id);
    site.decides(|deciding| outcome::verified(deciding, image, Digest([1; 32])));
    let other = Digest([2; 32]);
    let done = site.decides(|deciding| outcome::file_made(deciding, host, image, made(1, other)));
    assert_eq!(kinds(&done), ["image.file_made", "image.file_failed", "image.flatten_delayed"]);
    assert_eq!(site.version(5).files[1].state, FileState::Retired, "its host removes it");
    site.decides(|deciding| outcome::file_removed(deciding, host, (image, 1)));
    assert_eq!(site.version(5).files.len(), 1);
}

#[test]
fn a_file_that_was_made_before_its_version_was_verified_is_compared_then() {
    let mut site = deep();
    let (host, image) = (site.host, site.version(5).id);
    let other = Digest([2; 32]);
    site.decides(|deciding| outcome::file_made(deciding, host, image, made(1, other)));
    assert_eq!(site.version(5).files[1].state, FileState::Unverified(other));
    let verified = site.decides(|deciding| outcome::verified(deciding, image, Digest([1; 32])));
    let expected = ["image.verified", "image.file_failed", "image.flatten_delayed"];
    assert_eq!(kinds(&verified), expected);
    assert_eq!(site.version(5).files[1].state, FileState::Retired, "its host removes it");
    site.decides(|deciding| outcome::file_removed(deciding, host, (image, 1)));
    assert_eq!(site.version(5).files.len(), 1);
}

#[test]
fn a_file_that_was_never_compared_goes_with_its_version() {
    let mut site = deep();
    let (host, image) = (site.host, site.version(5).id);
    site.decides(|deciding| outcome::file_made(deciding, host, image, made(1, Digest([1; 32]))));
    site.copy();
    site.seal();
    site.given("RetireImage", json!({ "image": "win11@5" }));
    let retired = |file: &crate::image::File| file.state == FileState::Retired;
    assert!(site.version(5).files.iter().all(retired));
}

#[test]
fn a_further_file_can_fail() {
    let mut site = deep();
    let (host, image) = (site.host, site.version(5).id);
    let fail = |site: &mut Site| {
        site.decides(|deciding| outcome::file_failed(deciding, host, (image, 1), &failure()))
    };
    assert_eq!(kinds(&fail(&mut site)), ["image.file_failed", "image.flatten_delayed"]);
    assert!(fail(&mut site).is_empty());
    let failed = |event: &crate::event::Event| {
        matches!(event, crate::event::Event::Image(_, ImageFact::FileFailed(_)))
    };
    assert!(site.story.log.iter().any(failed));
}
