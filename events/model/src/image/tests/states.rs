//! Versions and their files go the ways that are drawn, and no other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Site, failure, made};
use crate::event::{Event, ImageFact};
use crate::evolve::evolve;
use crate::fleet::Fleet;
use crate::hash::Digest;
use crate::ids::ImageId;
use crate::image::outcome;
use crate::testing::{arrows, ways};

const DRAWN: &str = include_str!("../mod.rs");
const CONTENT: Digest = Digest([1; 32]);

type Ways = BTreeSet<(&'static str, &'static str)>;

/// Where versions and files come from and to, by everything that was ever said of them.
fn walked(log: &[Event]) -> (Ways, Ways) {
    let (mut versions, mut files) = (Ways::new(), Ways::new());
    let mut fleet = Fleet::default();
    for event in log {
        let before = fleet.clone();
        fleet = evolve(fleet, event);
        let Event::Image(id, fact) = event else { continue };
        let state = |fleet: &Fleet| fleet.images.get(*id).map(|image| image.state.name());
        let of_files = |fleet: &Fleet| -> BTreeMap<u16, &'static str> {
            let image = fleet.images.get(*id);
            let files = image.into_iter().flat_map(|image| &image.files);
            files.map(|file| (file.number, file.state.name())).collect()
        };
        let (from, to) = (state(&before), state(&fleet));
        versions.extend(from.map(|from| (from, to.unwrap_or_else(|| end(fact)))));
        let to = of_files(&fleet);
        for (file, from) in of_files(&before) {
            files.insert((from, to.get(&file).copied().unwrap_or_else(|| end(fact))));
        }
    }
    versions.retain(|(from, to)| from != to);
    files.retain(|(from, to)| from != to);
    (versions, files)
}

/// What it is that a fact is the end of.
fn end(fact: &ImageFact) -> &'static str {
    let failed = matches!(fact, ImageFact::Failed(_) | ImageFact::FileFailed(_));
    if failed { "failed" } else { "removed" }
}

/// A new version, so deep that a file that stands alone is being made of it.
fn deep(site: &mut Site) -> ImageId {
    site.copy();
    for _ in 0..5 {
        site.seal();
        site.prepare();
    }
    let newest = site.story.fleet.images.iter().max_by_key(|(_, image)| image.number);
    let (id, image) = newest.expect("a version");
    assert_eq!(image.files.len(), 2, "{image:?}");
    id
}

#[test]
fn versions_and_files_go_the_ways_that_are_drawn_and_no_other() {
    let mut site = Site::new();
    let (initial, host) = (site.initial, site.host);
    site.copy();
    site.given("SealImage", json!({ "initial": "win11" }));
    site.decides(|deciding| outcome::task_failed(deciding, initial, &failure()));

    // One is verified after its second file was made, one before, and of one no second file comes.
    let after = deep(&mut site);
    site.decides(|it| outcome::file_made(it, host, after, made(1, CONTENT)));
    site.decides(|it| outcome::verified(it, after, CONTENT));
    let before = deep(&mut site);
    site.decides(|it| outcome::verified(it, before, CONTENT));
    site.decides(|it| outcome::file_made(it, host, before, made(1, CONTENT)));
    let never = deep(&mut site);
    site.decides(|it| outcome::file_failed(it, host, (never, 1), &failure()));
    let other = deep(&mut site);
    site.decides(|it| outcome::file_made(it, host, other, made(1, Digest([2; 32]))));
    site.decides(|it| outcome::verified(it, other, CONTENT));

    site.copy();
    site.seal();
    for image in [after, never] {
        site.given("RetireImage", json!({ "image": image }));
        for file in [0, 1] {
            site.decides(|it| outcome::file_removed(it, host, (image, file)));
        }
    }
    let (versions, files) = walked(&site.story.log);
    assert_eq!(versions, ways(&arrows(DRAWN, "One version of an image")));
    assert_eq!(files, ways(&arrows(DRAWN, "The states of a file")));
}
