//! What is written down about the model is what the model is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use carrel_model::event::KNOWN;
use carrel_model::rejection::{RETIRED, Rejection};
use carrel_testkit::{described, facts, frozen};

const AGAIN: &str = "run `cargo run -p carrel-testkit --bin describe` and look at what changed";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn schemas_and_pages_are_those_of_the_model() {
    let root = root();
    for (path, text) in described::files() {
        let there = fs::read_to_string(root.join(&path)).unwrap_or_default();
        assert!(there == text, "{} is not what the model says: {AGAIN}", path.display());
    }
}

#[test]
fn no_fact_has_a_field_for_a_secret() {
    let is_secret =
        |text: &str| text.contains("\"format\": \"password\"") || text.contains("writeOnly");
    let (mut facts, mut commands) = (0, 0);
    for (path, text) in described::files() {
        let path = path.display().to_string();
        facts += usize::from(path.starts_with("schemas/events/") && is_secret(&text));
        commands += usize::from(path.starts_with("schemas/commands/") && is_secret(&text));
    }
    assert!(commands > 3, "commands say which of their fields are secret");
    assert_eq!(facts, 0);
}

#[test]
fn nothing_else_is_in_their_folders() {
    let (root, files) = (root(), described::files());
    for folder in described::FOLDERS {
        for entry in fs::read_dir(root.join(folder)).expect("the folder") {
            let path = Path::new(folder).join(entry.expect("an entry").file_name());
            let known = files.contains_key(&path) || described::is_of_the_edge(&path);
            assert!(known, "{} is of nothing: {AGAIN}", path.display());
        }
    }
}

#[test]
fn codes_are_given_once() {
    let mut given = BTreeMap::new();
    for page in Rejection::pages() {
        assert!(!RETIRED.contains(&page.code), "{} is retired", page.code);
        let before = given.insert(page.code, page.name);
        assert_eq!(before, None, "{} is given twice", page.code);
        let number = page.code.strip_prefix("CRL-").and_then(|number| number.parse::<u16>().ok());
        assert!(number.is_some() && page.code.len() == 8, "{} is no code", page.code);
        assert!(!page.meaning.trim().is_empty(), "{} says when it happens", page.code);
    }
}

/// The tests of the model and those of the whole: files of their own, and the ends of others.
fn tests(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let alone =
            path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
        let from = if alone { Some(0) } else { text.find("\nmod tests {") };
        found.push_str(from.map_or("", |from| &text[from..]));
    }
}

#[test]
fn every_refusal_occurs_in_some_test() {
    let mut found = String::new();
    tests(&root().join("events/model/src"), &mut found);
    tests(&root().join("testkit/tests"), &mut found);
    let untested = Rejection::pages().map(|page| page.code).filter(|code| !found.contains(code));
    assert_eq!(untested.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn every_schema_of_every_fact_has_its_golden_files_and_means_what_it_meant() {
    let folder = root().join(facts::FOLDER);
    for known in KNOWN {
        for (sample, _) in facts::SAMPLES {
            let (golden, now) = facts::paths(&folder, known, sample);
            let data = fs::read(&golden);
            let data = data.unwrap_or_else(|_| panic!("{known:?} has no {sample} file: {AGAIN}"));
            let meant = fs::read(now).unwrap_or_else(|_| data.clone());
            let meant = String::from_utf8_lossy(&meant);
            assert_eq!(facts::meaning(known, &data), meant, "{known:?}, {sample}: {AGAIN}");
        }
    }
}

#[test]
fn golden_files_are_of_schemas_that_are_still_read() {
    let folder = root().join(facts::FOLDER);
    let kinds: BTreeSet<&str> = KNOWN.iter().map(|known| known.kind).collect();
    for entry in fs::read_dir(folder).expect("the folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        if name == frozen::FILE {
            continue;
        }
        assert!(kinds.contains(&*name), "{name} can't be read any more, but may be in a log");
    }
}

/// Somebody's log may hold it, so a change is a schema of its own, also one that only adds.
#[test]
fn the_schema_of_a_fact_never_changes() {
    let folder = root().join(facts::FOLDER);
    let mut frozen = frozen::written(&folder);
    for known in KNOWN {
        let name = frozen::name(known);
        let digest = frozen.remove(&name).unwrap_or_else(|| panic!("{name} is new: {AGAIN}"));
        let way = "give it a new shape, as docs/guides/add-an-event-version.md says";
        assert_eq!(frozen::digest(&folder, known), digest, "{name} has changed: {way}");
    }
    assert_eq!(frozen.into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "can't be read");
}
