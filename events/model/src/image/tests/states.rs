//! The diagram of a version is what the code has.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Site, failure};
use crate::hash::Digest;
use crate::image::outcome;

/// What is drawn on lines that begin like this, without arrows.
fn drawn(file: bool) -> BTreeSet<String> {
    let source = include_str!("../mod.rs");
    let diagram = source.split("```").nth(1).expect("the diagram");
    let lines = diagram.lines().map(|line| line.trim_start_matches("//!")).skip(1);
    let (versions, files): (Vec<&str>, Vec<&str>) = {
        let all: Vec<&str> = lines.collect();
        let at = all.iter().position(|line| line.contains("a file:")).expect("a file's states");
        (all[..at].to_vec(), all[at..].to_vec())
    };
    let mut found = BTreeSet::new();
    for line in if file { files } else { versions } {
        let line = line.replace("a file:", "");
        for word in line.split(['-', '>', '|', '+', '^', '(', ')']) {
            let word = word.split(',').next().unwrap_or_default().trim();
            if !word.is_empty() {
                found.insert(word.to_owned());
            }
        }
    }
    found
}

#[derive(Default)]
struct Seen {
    versions: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Seen {
    fn look(&mut self, site: &Site) {
        for (_, image) in site.story.fleet.images.iter() {
            self.versions.insert(image.state.name().to_owned());
            self.files.extend(image.files.iter().map(|file| file.state.name().to_owned()));
        }
    }

    fn log(&mut self, site: &Site) {
        for kind in site.story.log.iter().map(crate::event::Event::kind) {
            let (all, end) = match kind {
                "image.failed" => (&mut self.versions, "failed"),
                "image.removed" => (&mut self.versions, "removed"),
                "image.file_failed" => (&mut self.files, "failed"),
                "image.file_removed" => (&mut self.files, "removed"),
                _ => continue,
            };
            all.insert(end.to_owned());
        }
    }
}

#[test]
fn every_state_of_the_diagram_is_reached_and_no_other() {
    let mut seen = Seen::default();
    let mut site = Site::new();
    let (initial, host) = (site.initial, site.host);
    site.copy();
    site.given("SealImage", json!({ "initial": "win11" }));
    seen.look(&site);
    site.decides(|deciding| outcome::task_failed(deciding, initial, &failure()));
    for _ in 0..5 {
        site.seal();
        seen.look(&site);
        site.prepare();
    }
    let deepest = site.version(6).id;
    site.decides(|it| outcome::file_done(it, host, (deepest, 1), Digest([2; 32])));
    seen.look(&site);
    site.decides(|it| outcome::verified(it, deepest, Digest([1; 32])));
    seen.look(&site);
    site.copy();
    site.seal();
    site.given("RetireImage", json!({ "image": "win11@6" }));
    seen.look(&site);
    for file in [0, 1] {
        site.decides(|it| outcome::file_removed(it, host, (deepest, file)));
    }
    seen.log(&site);
    assert_eq!(drawn(false), seen.versions);
    assert_eq!(drawn(true), seen.files);
}
