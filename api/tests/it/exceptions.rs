//! What `ops/api/check` passes over is listed in docs/threats.md, with why, and nothing else is.

use std::collections::BTreeSet;

const THREATS: &str = include_str!("../../../docs/threats.md");
const SETTINGS: &str = include_str!("../../../ops/api/schemathesis.toml");
const HOOKS: &str = include_str!("../../../ops/api/checks.py");
const SCRIPT: &str = include_str!("../../../ops/api/check");

/// What a row is about, and where: the beginning of its second column.
fn listed() -> BTreeSet<(String, bool)> {
    let (_, section) = THREATS.split_once("## What `ops/api/check` passes over").expect("it");
    let (section, _) = section.split_once("\n## ").expect("another one");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (what, rest) = row.split_once("` | ").expect("a column");
        (what.to_owned(), rest.starts_with("everywhere"))
    })
    .collect()
}

/// Each check of which the settings say something, and whether for all operations.
fn in_settings() -> BTreeSet<(String, bool)> {
    let mut found = BTreeSet::new();
    for line in SETTINGS.lines() {
        if let Some(rest) = line.strip_prefix("[checks.") {
            found.insert((rest.trim_end_matches(']').to_owned(), true));
        } else if let Some(rest) = line.strip_prefix("checks.") {
            let (check, _) = rest.split_once('.').expect("what of it");
            found.insert((check.to_owned(), false));
        }
    }
    found
}

/// Each list of what is not looked at, and each path that is not asked.
fn in_hooks() -> BTreeSet<(String, bool)> {
    let opens = ["{", "[", "{("];
    let lists = HOOKS.lines().filter_map(|line| {
        let (name, value) = line.split_once(" = ")?;
        let is_list = opens.iter().any(|open| value.starts_with(open));
        let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        (is_name && is_list && name != "UNREAD").then(|| (name.to_owned(), false))
    });
    let paths = SCRIPT.split("--exclude-path ").skip(1).filter_map(|rest| {
        let path = rest.split([' ', ')', '\n']).next()?;
        Some((path.to_owned(), false))
    });
    lists.chain(paths).collect()
}

#[test]
fn whatever_is_passed_over_is_listed_with_why() {
    let mut all = in_settings();
    all.extend(in_hooks());
    assert_eq!(all, listed());
}

#[test]
fn no_setting_is_of_another_kind() {
    let known =
        ["hooks", "[output.", "[checks.", "[[operations]]", "[cache]", "enabled", "checks."];
    let known = known.into_iter().chain(["expected-statuses", "include-path = "]);
    let known: Vec<&str> = known.collect();
    for line in SETTINGS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        assert!(known.iter().any(|begin| line.starts_with(begin)), "{line}");
    }
    let turned_off = SETTINGS.matches("[[operations]]").count();
    assert_eq!(turned_off, SETTINGS.matches("\nchecks.").count());
}
