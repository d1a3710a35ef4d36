//! Tidiness is a test: what reviewers would otherwise have to say again and again.
//!
//! Start reading at [`RULES`]. Words that must not be in the tree are written in two pieces here,
//! so that this file may be judged like any other.

#![expect(clippy::expect_used, reason = "what a test reads with git's help is there, or it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const RULES: &[Rule] = &[
    Rule { check: long_files, why: "a long file holds more than one thing: split it" },
    Rule { check: empty_names, why: "a name that fits everything gathers everything" },
    Rule { check: wide_comments, why: "rustfmt leaves comments alone, and readers don't scroll" },
    Rule { check: promises, why: "what is left to do is not told in the code" },
    Rule { check: crates_without_a_word, why: "a crate opens with `//!`: what it is for" },
    Rule { check: decision_records, why: "a record is read for its reasons and its price" },
    Rule { check: dead_links, why: "a relative link leads to a file of the repository" },
    Rule { check: unsafe_code, why: "only the bridge to a C library may need it" },
    Rule { check: statements, why: "what somebody has sent is bound to a statement, never in it" },
    Rule { check: registries, why: "where packages come from is for each machine to say" },
    Rule { check: loose_ends, why: "white space that nobody sees makes changes that nobody meant" },
];

/// What can be read in one sitting, and more than any one thing needs.
const LINES_MAX: usize = 600;

/// As wide as the code may be.
const COMMENT_COLUMNS_MAX: usize = 100;

const EMPTY_NAMES: &[&str] =
    &["common", "helper", "helpers", "manager", "managers", "util", "utils"];

const PROMISES: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

const UNFINISHED: &[&str] =
    &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("db", "g!")];

const SECTIONS_OF_A_RECORD: &[&str] = &["Context", "Decision", "Consequences"];
const RECORDS: &str = "docs/adr/";
const LIST_OF_RECORDS: &str = "docs/adr/README.md";

/// Files and folders in which code may step outside of what the compiler can check.
const UNSAFE_FOLDERS: &[&str] = &["workers/libvirt/src/bridge.rs"];
const UNSAFE: &str = concat!("un", "safe");

/// By which sqlx takes a statement that was put together.
const PUT_TOGETHER: &str = "AssertSqlSafe";

/// Files whose statements are put together, of words of their own.
const STATEMENTS: &[&str] = &["projections/src/compare.rs", "projections/src/sqlite/write.rs"];

const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("docker", ".io"),
    concat!("ghcr", ".io"),
    concat!("jsdelivr", ".net"),
    concat!("npmjs", ".com"),
    concat!("npmjs", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("quay", ".io"),
    concat!("rubygems", ".org"),
    concat!("unpkg", ".com"),
];
/// Cargo writes it, host included.
const LOCK_FILE: &str = "Cargo.lock";

struct Rule {
    check: fn(&Tree, &str, &str) -> Vec<Finding>,
    why: &'static str,
}

/// What is wrong in which line, counted from 1.
type Finding = (usize, String);

/// What git tracks, and what it would with the next `git add`.
#[derive(Default)]
struct Tree {
    /// Text by path.
    files: BTreeMap<String, String>,
    /// All files, binary ones included, and all folders.
    paths: BTreeSet<String>,
}

fn long_files(_: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    if path.ends_with(".rs") && lines > LINES_MAX {
        vec![(LINES_MAX + 1, format!("{lines} lines, of at most {LINES_MAX}"))]
    } else {
        Vec::new()
    }
}

fn empty_names(_: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let is_empty = |name: &str| name.split(['_', '-', '.']).any(|word| EMPTY_NAMES.contains(&word));
    let mut findings = Vec::new();
    for name in path.split('/').filter(|name| is_empty(name)) {
        findings.push((1, format!("`{name}` is no name")));
    }
    if path.ends_with(".rs") {
        findings.extend(in_lines(text, |line| {
            let mut words =
                code(line).split_whitespace().skip_while(|word| word.starts_with("pub"));
            let name = words.next().filter(|word| *word == "mod").and(words.next())?;
            let name = name.trim_end_matches([';', '{']);
            is_empty(name).then(|| format!("`mod {name}` is no name"))
        }));
    }
    findings
}

fn wide_comments(_: &Tree, path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    in_lines(text, |line| {
        let columns = line.chars().count();
        let is_wide = line.trim_start().starts_with("//") && columns > COMMENT_COLUMNS_MAX;
        is_wide.then(|| format!("a comment of {columns} columns"))
    })
}

fn promises(_: &Tree, path: &str, text: &str) -> Vec<Finding> {
    in_lines(text, |line| {
        let promise = PROMISES.iter().find(|word| has_word(line, word));
        let unfinished =
            UNFINISHED.iter().find(|word| path.ends_with(".rs") && has_word(line, word));
        promise.or(unfinished).map(|word| format!("`{word}`"))
    })
}

fn crates_without_a_word(_: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let is_root = path.ends_with("src/lib.rs")
        || path.ends_with("src/main.rs")
        || path.contains("/src/bin/") && path.ends_with(".rs");
    if is_root && !text.trim_start().starts_with("//! ") {
        vec![(1, "no word on what this crate is for".to_owned())]
    } else {
        Vec::new()
    }
}

fn decision_records(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let Some(name) = path.strip_prefix(RECORDS).filter(|_| path != LIST_OF_RECORDS) else {
        return Vec::new();
    };
    let mut findings: Vec<Finding> = SECTIONS_OF_A_RECORD
        .iter()
        .filter(|section| !has_section(text, section))
        .map(|section| (1, format!("no section `## {section}` with something in it")))
        .collect();
    let list = tree.files.get(LIST_OF_RECORDS).map_or("", String::as_str);
    if !list.contains(&format!("]({name}")) {
        findings.push((1, format!("{LIST_OF_RECORDS} does not link to it")));
    }
    findings
}

fn dead_links(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".md") {
        return Vec::new();
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut fenced = false;
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in link_targets(line) {
            if !resolve(folder, &target).is_some_and(|path| tree.paths.contains(&path)) {
                findings.push((number, format!("`{target}` is not there")));
            }
        }
    }
    findings
}

fn unsafe_code(_: &Tree, path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") || UNSAFE_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let opens = |rest: &str| {
        let rest = rest.trim_start();
        ["{", "(", "fn ", "impl", "extern ", "trait "].iter().any(|next| rest.starts_with(next))
    };
    in_lines(text, |line| {
        let line = code(line);
        let found = words_at(line, UNSAFE).any(|at| opens(&line[at + UNSAFE.len()..]));
        found.then(|| format!("`{UNSAFE}`"))
    })
}

fn statements(_: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let in_a_test = path.contains("/tests/");
    if !path.ends_with(".rs") || in_a_test || STATEMENTS.contains(&path) {
        return Vec::new();
    }
    in_lines(text, |line| has_word(code(line), PUT_TOGETHER).then(|| format!("`{PUT_TOGETHER}`")))
}

fn registries(_: &Tree, path: &str, text: &str) -> Vec<Finding> {
    if path == LOCK_FILE || path.ends_with(&format!("/{LOCK_FILE}")) {
        return Vec::new();
    }
    in_lines(text, |line| {
        REGISTRIES.iter().find(|host| line.contains(*host)).map(|host| format!("names {host}"))
    })
}

fn loose_ends(_: &Tree, _: &str, text: &str) -> Vec<Finding> {
    let mut findings = in_lines(text, |line| {
        (line != line.trim_end()).then(|| "white space at the end of the line".to_owned())
    });
    let last = text.split('\n').count();
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push((last, "no newline at the end of the file".to_owned()));
    } else if text.ends_with("\n\n") {
        findings.push((last - 1, "blank line at the end of the file".to_owned()));
    }
    findings
}

/// Lines keep a carriage return, unlike those of [`str::lines`].
fn in_lines(text: &str, check: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let lines = text.split('\n').zip(1..);
    lines.filter_map(|(line, number)| check(line).map(|what| (number, what))).collect()
}

/// The line without its comment. A `//` within a string cuts it too: that hides something at
/// worst, and accuses nobody.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn has_word(line: &str, word: &str) -> bool {
    words_at(line, word).next().is_some()
}

/// Where `word` stands by itself, not within a longer one.
fn words_at(line: &str, word: &str) -> impl Iterator<Item = usize> {
    let joins =
        |neighbour: Option<char>| neighbour.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = line[..*at].chars().next_back();
        let after = line[*at + word.len()..].chars().next();
        !joins(before) && !joins(after)
    })
}

/// Whether there is a heading that begins with `section`, with text before the next one.
fn has_section(text: &str, section: &str) -> bool {
    let mut lines = text.lines();
    let is_it =
        |line: &str| line.strip_prefix("## ").is_some_and(|title| title.starts_with(section));
    lines.any(is_it)
        && lines.find(|line| !line.is_empty()).is_some_and(|line| !line.starts_with("## "))
}

/// What the line's links lead to within the repository, without the place in the file.
fn link_targets(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect();
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let defined = prose
        .strip_prefix('[')
        .filter(|rest| !rest.starts_with('^'))
        .and_then(|rest| rest.split_once("]: "))
        .and_then(|(_, target)| target.split_whitespace().next());
    inline
        .chain(defined)
        .map(|target| target.trim_start_matches('<').trim_end_matches('>'))
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The path from the root, or nothing when it leads out of the repository.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let from = if target.starts_with('/') { "" } else { folder };
    let mut parts = Vec::new();
    for part in from.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

impl Tree {
    fn add(&mut self, path: &str) {
        self.paths.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        self.paths.insert(path.to_owned());
        // The root, which is a folder as well.
        self.paths.insert(String::new());
    }

    fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        let listed = git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        for path in listed.split_terminator('\0') {
            // Git lists a file that was deleted until the deletion is added.
            if root.join(path).is_file() {
                tree.add(path);
            }
        }
        let files = tree.paths.iter().filter(|path| root.join(path).is_file());
        let mut question = vec!["check-attr", "-z", "binary", "--"];
        question.extend(files.map(String::as_str));
        let answer = git(root, &question);
        let answer: Vec<&str> = answer.split_terminator('\0').collect();
        for entry in answer.chunks(3).filter(|entry| entry.last() != Some(&"set")) {
            let path = entry.first().copied().unwrap_or_default();
            let bytes = fs::read(root.join(path)).expect("a listed file can be read");
            let text = String::from_utf8(bytes)
                .unwrap_or_else(|_| panic!("{path}: not UTF-8, and not binary in .gitattributes"));
            tree.files.insert(path.to_owned(), text);
        }
        tree
    }

    fn findings(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for (path, text) in &self.files {
            for rule in RULES {
                for (line, what) in (rule.check)(self, path, text) {
                    findings.push(format!("{path}:{line}: {what} ({})", rule.why));
                }
            }
        }
        findings
    }
}

fn git(root: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        // The tree may belong to somebody else than who runs the tests; listing it is harmless.
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(root)
        .output()
        .expect("git runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git failed:\n{complaint}");
    String::from_utf8(output.stdout).expect("paths are UTF-8")
}

#[test]
fn the_repository_is_tidy() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let tree = Tree::read(root);
    assert!(tree.files.contains_key("Cargo.toml"), "the walk found nothing");
    let findings = tree.findings();
    assert!(findings.is_empty(), "{} to tidy\n{}\n", findings.len(), findings.join("\n"));
}

mod the_broom {
    use super::{LINES_MAX, PROMISES, REGISTRIES, Tree, UNFINISHED, UNSAFE};

    /// Findings in a tree of these files, without their reasons.
    fn sweep(files: &[(&str, &str)]) -> Vec<String> {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.add(path);
            tree.files.insert((*path).to_owned(), (*text).to_owned());
        }
        let cut = |finding: &String| finding.rsplit_once(" (").map(|(what, _)| what.to_owned());
        tree.findings().iter().filter_map(cut).collect()
    }

    #[test]
    fn leaves_a_tidy_tree_alone() {
        let page = "# Us\n\n[a](a/src/lib.rs#L1) [b](/a) [c](https://x.org) [d](#us) `[e](e)`\n";
        let tree = [("README.md", page), ("a/src/lib.rs", "//! A.\n\npub mod utility;\n")];
        assert_eq!(sweep(&tree), [""; 0]);
    }

    #[test]
    fn finds_long_files() {
        let found = sweep(&[("a.rs", &"x\n".repeat(LINES_MAX + 1)), ("b.md", &"x\n".repeat(999))]);
        assert_eq!(found, ["a.rs:601: 601 lines, of at most 600"]);
        assert_eq!(sweep(&[("a.rs", &"x\n".repeat(LINES_MAX))]), [""; 0]);
    }

    #[test]
    fn finds_names_that_say_nothing() {
        let found =
            sweep(&[("a/utils/x.rs", ""), ("a/disk_manager.rs", "pub(crate) mod common {\n")]);
        let expected = [
            "a/disk_manager.rs:1: `disk_manager.rs` is no name",
            "a/disk_manager.rs:1: `mod common` is no name",
            "a/utils/x.rs:1: `utils` is no name",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_wide_comments() {
        let wide = format!("//! A.\n    // {}\n", "x".repeat(94));
        let narrow = wide.replacen('x', "", 1);
        assert_eq!(sweep(&[("a.rs", &wide)]), ["a.rs:2: a comment of 101 columns"]);
        assert_eq!(sweep(&[("a.rs", &narrow), ("b.md", &wide)]), [""; 0]);
    }

    #[test]
    fn finds_promises_and_what_is_unfinished() {
        for word in PROMISES {
            assert_eq!(
                sweep(&[("a.sh", &format!("\n# {word}: x\n"))]),
                [format!("a.sh:2: `{word}`")]
            );
            assert_eq!(sweep(&[("a.sh", &format!("mktemp a.{word}X\n"))]), [""; 0]);
        }
        for word in UNFINISHED {
            assert_eq!(sweep(&[("a.rs", &format!("{word}(x)\n"))]), [format!("a.rs:1: `{word}`")]);
        }
    }

    #[test]
    fn finds_crates_without_a_word() {
        let crates =
            [("a/src/lib.rs", "use x;\n"), ("b/src/main.rs", ""), ("c/src/d.rs", "use x;\n")];
        let expected = ["a/src/lib.rs:1", "b/src/main.rs:1"]
            .map(|place| format!("{place}: no word on what this crate is for"));
        assert_eq!(sweep(&crates), expected);
    }

    #[test]
    fn finds_records_without_their_price_and_those_not_listed() {
        let whole =
            "# A\n\n## Context\n\nx\n\n## Decision\n\nx\n\n## Consequences, and the price\n\nx\n";
        let list = "[A](0001-a.md)\n";
        assert_eq!(sweep(&[("docs/adr/0001-a.md", whole), ("docs/adr/README.md", list)]), [""; 0]);
        assert_eq!(
            sweep(&[("docs/adr/0001-a.md", whole)]),
            ["docs/adr/0001-a.md:1: docs/adr/README.md does not link to it"]
        );
        let hollow = "# A\n\n## Context\n\n## Decision\n\nx\n";
        let expected = ["Context", "Consequences"].map(|section| {
            format!("docs/adr/0001-a.md:1: no section `## {section}` with something in it")
        });
        assert_eq!(
            sweep(&[("docs/adr/0001-a.md", hollow), ("docs/adr/README.md", list)]),
            expected
        );
    }

    #[test]
    fn finds_dead_links() {
        let page = "[a](../b.md) [b](b.md)\n```\n[c](c.md)\n```\n[d]: <d.md> \"D\"\n[^1]: e.md\n[f](../..)\n";
        let expected = ["a/a.md:1: `b.md`", "a/a.md:5: `d.md`", "a/a.md:7: `../..`"]
            .map(|place| format!("{place} is not there"));
        assert_eq!(sweep(&[("a/a.md", page), ("b.md", "[a](a/)\n")]), expected);
    }

    #[test]
    fn finds_code_outside_of_the_compilers_care() {
        let text =
            format!("// {UNSAFE} {{\n{UNSAFE}_code\nlet x = {UNSAFE} {{ y }};\n{UNSAFE} fn z\n");
        let expected = [3, 4].map(|line| format!("a.rs:{line}: `{UNSAFE}`"));
        assert_eq!(sweep(&[("a.rs", &text)]), expected);
    }

    #[test]
    fn finds_statements_that_are_put_together() {
        let text = "let all = query(AssertSqlSafe(sql));\n";
        assert_eq!(sweep(&[("a/src/b.rs", text)]), ["a/src/b.rs:1: `AssertSqlSafe`"]);
        assert_eq!(sweep(&[("a/tests/b.rs", text), ("b.md", text)]), [""; 0]);
        assert_eq!(sweep(&[("projections/src/compare.rs", text)]), [""; 0]);
    }

    #[test]
    fn finds_the_hosts_of_registries() {
        for host in REGISTRIES {
            let text = format!("https://{host}/\n");
            assert_eq!(sweep(&[("a.toml", &text)]), [format!("a.toml:1: names {host}")]);
            assert_eq!(sweep(&[("Cargo.lock", &text), ("fuzz/Cargo.lock", &text)]), [""; 0]);
        }
    }

    #[test]
    fn finds_loose_ends() {
        let found = sweep(&[("a.md", "x \n\t\ny\r\nz"), ("b.md", "x\n\n"), ("c.md", "")]);
        let blank = "white space at the end of the line";
        let expected = [
            format!("a.md:1: {blank}"),
            format!("a.md:2: {blank}"),
            format!("a.md:3: {blank}"),
            "a.md:4: no newline at the end of the file".to_owned(),
            "b.md:2: blank line at the end of the file".to_owned(),
        ];
        assert_eq!(found, expected);
    }
}
