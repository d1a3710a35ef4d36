//! What differs between what is there and what should be. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use carrel_images::{Found, Kind};
use carrel_model::machine::Format;
use carrel_model::record::Timestamp;
use serde::Serialize;

use super::known::{Known, Named, Stands};

/// Nobody works so long on a file without writing to it.
const HALF_MADE_MICROS: i64 = 24 * 3_600 * 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// Somebody knows of it, and it is not there.
    Missing,
    /// Its header is not that of a disk, or it was cut off.
    Damaged,
    /// It stands on another file than it should.
    OtherBacking,
    /// It was sealed, and can be written to.
    Writable,
    /// What a call that was killed has left.
    HalfMade,
    /// Nobody knows of it.
    Orphan,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) what: What,
    /// Below the storage's path.
    pub(super) path: String,
    pub(super) detail: String,
    /// Nothing of one that is missing.
    pub(super) found: Option<Found>,
    pub(super) mended: Mended,
}

/// What `--fix` has made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mended {
    /// Nothing was asked for, or there is nothing that could be done by itself.
    No,
    PutAside,
    Sealed,
    Removed,
    Failed(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// The worst first.
    pub(super) findings: Vec<Finding>,
    /// So many files are of machines that are running or being worked on.
    pub(super) spared: usize,
}

pub(super) fn judge(
    (first, second): (&[Found], Vec<Found>),
    known: &Known,
    root: &Path,
    now: Timestamp,
) -> Judged {
    let below = |found: &Found| {
        let path = found.path.strip_prefix(root).unwrap_or(&found.path);
        path.to_string_lossy().into_owned()
    };
    let before: BTreeMap<String, &Found> = first.iter().map(|it| (below(it), it)).collect();
    let now_there: BTreeMap<String, Found> =
        second.into_iter().map(|it| (below(&it), it)).collect();
    let case = Case { before, there: now_there, known, root, now };
    let stood_on = case.stood_on();
    let mut judged = Judged { findings: case.missing(), spared: 0 };
    for (path, found) in &case.there {
        match case.file(path, found, &stood_on) {
            Verdict::Fine => {}
            Verdict::Spared => judged.spared += 1,
            Verdict::Found(findings) => judged.findings.extend(findings),
        }
    }
    judged.findings.sort_by(|one, other| (one.what, &one.path).cmp(&(other.what, &other.path)));
    judged
}

enum Verdict {
    Fine,
    Spared,
    Found(Vec<Finding>),
}

struct Case<'a> {
    before: BTreeMap<String, &'a Found>,
    there: BTreeMap<String, Found>,
    known: &'a Known,
    root: &'a Path,
    now: Timestamp,
}

impl Case<'_> {
    /// What went away between the two looks may have been removed as it should.
    fn missing(&self) -> Vec<Finding> {
        let named = self.known.named.iter().filter(|(path, named)| {
            let is_there = self.there.contains_key(*path) || self.before.contains_key(*path);
            named.must_be_there && !is_there
        });
        let missing = named.map(|(path, named)| Finding {
            what: What::Missing,
            path: path.clone(),
            detail: format!("of {}", named.of),
            found: None,
            mended: Mended::No,
        });
        missing.collect()
    }

    /// Whatever a file that somebody knows stands on is of use, however it is called.
    fn stood_on(&self) -> BTreeSet<PathBuf> {
        let mut stood_on = BTreeSet::new();
        let is_known = |path: &str| self.known.named.contains_key(path) || self.is_spared(path);
        let known = self.there.iter().filter(|(path, _)| is_known(path));
        let mut ahead: Vec<&Found> = known.map(|(_, found)| found).collect();
        while let Some(found) = ahead.pop() {
            let Some(below) = &found.backing else { continue };
            if stood_on.insert(below.path.clone()) {
                ahead.extend(self.at(&below.path));
            }
        }
        stood_on
    }

    fn at(&self, path: &Path) -> Option<&Found> {
        self.there.get(path.strip_prefix(self.root).ok()?.to_str()?)
    }

    fn is_spared(&self, path: &str) -> bool {
        let end = if path.starts_with("consoles/") { '.' } else { '/' };
        let folder = path.find('/').and_then(|at| Some(at + 1 + path[at + 1..].find(end)?));
        folder.is_some_and(|last| self.known.spared.contains(&path[..=last]))
    }

    fn file(&self, path: &str, found: &Found, stood_on: &BTreeSet<PathBuf>) -> Verdict {
        // What was made or written meanwhile is somebody's, whose fact may not have been heard.
        let is_old = self.before.get(path).is_some_and(|before| before.stat == found.stat);
        let finding = |what, detail: String| Finding {
            what,
            path: path.to_owned(),
            detail,
            found: Some(found.clone()),
            mended: Mended::No,
        };
        let one = |what, detail: &str| Verdict::Found(vec![finding(what, detail.to_owned())]);
        if found.kind == Kind::Leftover {
            let is_left = self.now.0.saturating_sub(found.stat.modified_micros) > HALF_MADE_MICROS;
            let detail = "older than a day";
            return if is_left && is_old { one(What::HalfMade, detail) } else { Verdict::Fine };
        }
        if let Some(named) = self.known.named.get(path) {
            let wrong = self.wrong(found, named);
            return Verdict::Found(wrong.into_iter().map(|(it, why)| finding(it, why)).collect());
        }
        if self.is_spared(path) {
            return Verdict::Spared;
        }
        if stood_on.contains(&found.path) || !is_old {
            return Verdict::Fine;
        }
        one(What::Orphan, if found.kind == Kind::Other { "no file" } else { "" })
    }

    fn wrong(&self, found: &Found, named: &Named) -> Vec<(What, String)> {
        let mut wrong = Vec::new();
        if let Some(damage) = &found.damage {
            wrong.push((What::Damaged, format!("of {}: {damage}", named.of)));
        } else if let Some(why) = self.stands_wrong(found, &named.stands) {
            wrong.push((What::OtherBacking, format!("of {}: {why}", named.of)));
        }
        if named.sealed && !found.sealed {
            wrong.push((What::Writable, format!("of {}", named.of)));
        }
        wrong
    }

    fn stands_wrong(&self, found: &Found, stands: &Stands) -> Option<String> {
        let below = &self.lowest(found).backing;
        let (files, below) = match (stands, below) {
            (Stands::Anyhow, _) | (Stands::Alone, None) => return None,
            (Stands::Alone, Some(below)) => {
                return Some(format!("it stands on {}", below.path.display()));
            }
            (Stands::On(_), None) => return Some("it stands on nothing".to_owned()),
            (Stands::On(files), Some(below)) => (files, below),
        };
        let format = files.iter().find(|(path, _)| *path == below.path).map(|(_, format)| format);
        match (format, below.format) {
            (None, _) => Some(format!("it stands on {}", below.path.display())),
            (Some(Format::Raw), Some(carrel_images::Format::Raw))
            | (Some(Format::Qcow2), Some(carrel_images::Format::Qcow2)) => None,
            (Some(_), _) => Some("it does not say in which format the file below is".to_owned()),
        }
    }

    /// A machine's snapshots are between its disk and the version, in the same folder.
    fn lowest<'a>(&'a self, top: &'a Found) -> &'a Found {
        let mut at = top;
        for _ in 0..self.there.len() {
            let below = at.backing.as_ref().filter(|below| self.is_beside(at, &below.path));
            match below.and_then(|below| self.at(&below.path)) {
                Some(below) => at = below,
                None => break,
            }
        }
        at
    }

    fn is_beside(&self, found: &Found, path: &Path) -> bool {
        let is_machines = found.path.ancestors().any(|it| it.ends_with("machines"));
        is_machines && found.path.parent() == path.parent()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use carrel_images::Images;
    use tempfile::TempDir;

    use super::*;

    const DAY: i64 = HALF_MADE_MICROS;

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            fs::create_dir(folder.path().join("media")).expect("a folder");
            Self(folder)
        }

        fn writes(&self, name: &str, text: &str) {
            fs::write(self.0.path().join("media").join(name), text).expect("written");
        }

        fn looks(&self) -> Vec<Found> {
            Images::default().list(self.0.path()).expect("a list")
        }

        fn judges(&self, first: &[Found], known: &Known, now: i64) -> Vec<(What, String)> {
            let judged = judge((first, self.looks()), known, self.0.path(), Timestamp(now));
            judged.findings.into_iter().map(|it| (it.what, it.path)).collect()
        }
    }

    fn told(what: What, name: &str) -> (What, String) {
        (what, format!("media/{name}"))
    }

    #[test]
    fn only_what_both_looks_have_seen_alike_is_an_orphan() {
        let folder = Folder::new();
        for name in ["old", "written", "gone"] {
            folder.writes(name, "one");
        }
        let first = folder.looks();
        folder.writes("made", "between");
        folder.writes("written", "longer");
        fs::remove_file(folder.0.path().join("media/gone")).expect("removed");
        let found = folder.judges(&first, &Known::default(), 0);
        assert_eq!(found, [told(What::Orphan, "old")]);
    }

    #[test]
    fn what_went_between_two_looks_is_not_missing() {
        let folder = Folder::new();
        folder.writes("gone", "one");
        let first = folder.looks();
        fs::remove_file(folder.0.path().join("media/gone")).expect("removed");
        let mut known = Known::default();
        for name in ["gone", "never"] {
            let named = Named { must_be_there: true, ..Named::default() };
            known.named.insert(format!("media/{name}"), named);
        }
        assert_eq!(folder.judges(&first, &known, 0), [told(What::Missing, "never")]);
    }

    #[test]
    fn a_part_is_left_over_when_nobody_has_written_to_it_for_a_day() {
        let folder = Folder::new();
        folder.writes(".x.iso.part", "half");
        let first = folder.looks();
        let written = first[0].stat.modified_micros;
        assert_eq!(folder.judges(&first, &Known::default(), written + DAY), []);
        let found = folder.judges(&first, &Known::default(), written + DAY + 1);
        assert_eq!(found, [told(What::HalfMade, ".x.iso.part")]);
    }

    #[test]
    fn files_of_a_machine_at_work_are_nobodys_business() {
        let folder = Folder::new();
        fs::create_dir_all(folder.0.path().join("machines/m")).expect("a folder");
        fs::create_dir_all(folder.0.path().join("consoles")).expect("a folder");
        for path in ["machines/m/x.qcow2", "machines/mm", "consoles/m.log", "consoles/mm.log"] {
            fs::write(folder.0.path().join(path), "").expect("written");
        }
        let mut known = Known::default();
        known.spared.extend(["machines/m/".to_owned(), "consoles/m.".to_owned()]);
        let first = folder.looks();
        let judged = judge((&first, folder.looks()), &known, folder.0.path(), Timestamp(0));
        let found: Vec<&str> = judged.findings.iter().map(|it| it.path.as_str()).collect();
        assert_eq!((found, judged.spared), (vec!["consoles/mm.log", "machines/mm"], 2));
    }
}
