//! The crate graph is the architecture: a dependency that [`ARCHITECTURE`] forbids fails here.
//!
//! Start reading at the table. Everything below it serves to hold the workspace against it.

#![expect(
    clippy::expect_used,
    reason = "what a test reads with cargo's help is there, or it fails"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

const MODEL: &str = "carrel-model";
const LOG: &str = "carrel-log";
const KEYS: &str = "carrel-keys";
const DECIDER: &str = "carrel-decider";
const BUS: &str = "carrel-bus";
const RELAY: &str = "carrel-relay";
const PROJECTIONS: &str = "carrel-projections";
const WORKERS: &str = "carrel-workers";
const DRIVER: &str = "carrel-driver";
const IMAGES: &str = "carrel-images";
const DOMAIN: &str = "carrel-domain";
const DISC: &str = "carrel-disc";
const LIBVIRT_HOST: &str = "carrel-libvirt";
const API: &str = "carrel-api";
const CARREL: &str = "carrel";
const FAILPOINT: &str = "carrel-failpoint";
const TESTKIT: &str = "carrel-testkit";
const LAB: &str = "carrel-lab";
const LOADTEST: &str = "carrel-loadtest";
const SIMULATION: &str = "carrel-simulation";

/// One row a crate, also for those that are still to come. A crate of the workspace without a row
/// fails the test, so that nobody adds one without saying what it must never know.
const ARCHITECTURE: &[Row] = &[
    Row {
        name: MODEL,
        may_use: &[],
        never: &[RUNTIME, SQL, SLED, HTTP, AMQP, LIBVIRT, CLOCK, RANDOMNESS],
    },
    Row { name: LOG, may_use: &[MODEL], never: &[HTTP, AMQP, LIBVIRT] },
    Row { name: KEYS, may_use: &[MODEL], never: &[HTTP, AMQP, LIBVIRT] },
    // It stands in the way of every command, and knows of none.
    Row {
        name: FAILPOINT,
        may_use: &[],
        never: &[RUNTIME, SQL, SLED, HTTP, AMQP, LIBVIRT, CLOCK, RANDOMNESS],
    },
    Row { name: DECIDER, may_use: &[MODEL, LOG, KEYS, FAILPOINT], never: &[HTTP, AMQP, LIBVIRT] },
    Row { name: BUS, may_use: &[MODEL, FAILPOINT], never: &[HTTP, LIBVIRT, SLED] },
    Row {
        name: RELAY,
        may_use: &[MODEL, LOG, DECIDER, BUS, KEYS, FAILPOINT],
        never: &[HTTP, LIBVIRT],
    },
    Row {
        name: PROJECTIONS,
        may_use: &[MODEL, LOG, KEYS, FAILPOINT],
        never: &[HTTP, AMQP, LIBVIRT],
    },
    // Of the keys a worker needs the public halves that work is signed with, and its own host's.
    Row { name: WORKERS, may_use: &[MODEL, BUS, DRIVER, KEYS, FAILPOINT], never: &[SQL, HTTP] },
    Row {
        name: DRIVER,
        may_use: &[MODEL, IMAGES, DOMAIN, DISC, LIBVIRT_HOST],
        never: &[SQL, SLED, AMQP, HTTP],
    },
    // It knows files, and of none what it is for.
    Row {
        name: IMAGES,
        may_use: &[],
        never: &[RUNTIME, SQL, SLED, HTTP, AMQP, LIBVIRT, CLOCK, RANDOMNESS],
    },
    // What a domain is can be known without a host, and without anything of Carrel.
    Row {
        name: DOMAIN,
        may_use: &[],
        never: &[RUNTIME, SQL, SLED, HTTP, AMQP, LIBVIRT, CLOCK, RANDOMNESS],
    },
    // What a guest is told follows from what is told here: it reads no clock, and draws no lots.
    Row {
        name: DISC,
        may_use: &[],
        never: &[RUNTIME, SQL, SLED, HTTP, AMQP, LIBVIRT, CLOCK, RANDOMNESS],
    },
    Row { name: LIBVIRT_HOST, may_use: &[DOMAIN], never: &[RUNTIME, SQL, SLED, HTTP, AMQP] },
    Row {
        name: API,
        may_use: &[MODEL, LOG, DECIDER, PROJECTIONS, KEYS, BUS, FAILPOINT],
        never: &[AMQP, LIBVIRT],
    },
    Row {
        name: CARREL,
        may_use: &[
            MODEL,
            LOG,
            KEYS,
            DECIDER,
            BUS,
            RELAY,
            PROJECTIONS,
            WORKERS,
            DRIVER,
            // This machine is looked at before it has a driver.
            IMAGES,
            DOMAIN,
            LIBVIRT_HOST,
            API,
            FAILPOINT,
        ],
        never: &[],
    },
    Row {
        name: TESTKIT,
        may_use: &[MODEL, LOG, KEYS, DECIDER, BUS, RELAY, PROJECTIONS, WORKERS, DRIVER, API],
        never: &[],
    },
    // A host as anybody finds it: what judges Carrel knows nothing of it.
    Row { name: LAB, may_use: &[], never: &[RUNTIME, SQL, SLED, HTTP, AMQP, LIBVIRT] },
    // It puts the parts together once more, to measure between them, also on a real host.
    Row {
        name: LOADTEST,
        may_use: &[
            MODEL,
            LOG,
            KEYS,
            DECIDER,
            BUS,
            RELAY,
            PROJECTIONS,
            WORKERS,
            DRIVER,
            IMAGES,
            DOMAIN,
            LIBVIRT_HOST,
            TESTKIT,
            LAB,
        ],
        never: &[],
    },
    // All but the edge and the composition root: it makes a world of its own.
    Row {
        name: SIMULATION,
        may_use: &[MODEL, LOG, KEYS, DECIDER, BUS, RELAY, PROJECTIONS, WORKERS, DRIVER, TESTKIT],
        never: &[HTTP, AMQP, LIBVIRT],
    },
];

/// Whose place is among dev-dependencies: any crate may have them there, and no rows but those of
/// the load test and the simulation name one otherwise.
const FOR_TESTS: [&str; 2] = [TESTKIT, LAB];

const RUNTIME: Kin = Kin {
    what: "an async runtime",
    members: &["tokio", "mio", "async-io", "async-std", "async-executor", "smol"],
};
const SQL: Kin = Kin { what: "a database client", members: &["sqlx", "sqlx-core"] };
const SLED: Kin = Kin { what: "an embedded store", members: &["sled"] };
const HTTP: Kin = Kin { what: "an HTTP server", members: &["axum", "axum-core"] };
const AMQP: Kin = Kin { what: "a broker's client", members: &["lapin", "amq-protocol"] };
const LIBVIRT: Kin = Kin { what: "a hypervisor's client", members: &["virt", "virt-sys"] };
/// Crates of time are harmless as long as they cannot ask for it, hence the features.
const CLOCK: Kin = Kin {
    what: "a clock",
    members: &[
        "chrono/clock",
        "chrono/now",
        "coarsetime",
        "hifitime",
        "instant",
        "jiff/std",
        "quanta",
        "time/std",
        "uuid/v1",
        "uuid/v6",
        "uuid/v7",
        "web-time",
    ],
};
/// Sources of entropy. A generator that can only continue a given seed (`rand_core` and its like)
/// is not one of them.
const RANDOMNESS: Kin = Kin {
    what: "a source of randomness",
    members: &["fastrand", "getrandom", "nanorand", "rand", "uuid/rng", "uuid/v4"],
};

struct Row {
    name: &'static str,
    /// The crates of ours that it may depend on by itself. What those use is judged in their rows.
    may_use: &'static [&'static str],
    /// What it must not reach, however long the way.
    never: &'static [Kin],
}

/// Crates, or features of crates (`crate/feature`), that are forbidden for one and the same reason.
struct Kin {
    what: &'static str,
    members: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Use {
    /// By the crate's own code or its build script.
    Normal,
    Dev,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Edge {
    from: String,
    to: String,
    used: Use,
}

#[derive(Debug, Eq, PartialEq)]
struct Violation {
    /// From the crate that is judged to what it must not have.
    path: Vec<String>,
    law: String,
}

/// Holds the closure of one crate against the table.
fn forbidden(of: &str, edges: &[Edge], table: &[Row]) -> Vec<Violation> {
    let Some(row) = table.iter().find(|row| row.name == of) else {
        return vec![Violation {
            path: vec![of.to_owned()],
            law: "every crate has a row in ARCHITECTURE (testkit/tests/architecture.rs)".to_owned(),
        }];
    };
    let mut violations: Vec<Violation> = edges
        .iter()
        .filter(|edge| edge.from == of && is_ours(&edge.to) && !may_use(row, edge))
        .map(|edge| Violation {
            path: vec![of.to_owned(), edge.to.clone()],
            law: match edge.used {
                Use::Normal => format!("of ours, {of} may use only {:?}", row.may_use),
                Use::Dev => {
                    format!(
                        "of ours, tests of {of} may use only {:?} and {FOR_TESTS:?}",
                        row.may_use
                    )
                }
            },
        })
        .collect();
    let ways = ways_from(of, edges);
    for kin in row.never {
        for member in kin.members {
            if let Some(path) = ways.get(*member) {
                let law = format!("{of} must never see {}", kin.what);
                violations.push(Violation { path: path.clone(), law });
            }
        }
    }
    violations
}

/// A crate of the workspace; its features are not.
fn is_ours(node: &str) -> bool {
    !node.contains('/') && (node == CARREL || node.starts_with("carrel-"))
}

fn may_use(row: &Row, edge: &Edge) -> bool {
    row.may_use.contains(&edge.to.as_str())
        || edge.used == Use::Dev && FOR_TESTS.contains(&edge.to.as_str())
}

/// A shortest way to everything that can be reached without a dev-dependency.
fn ways_from(start: &str, edges: &[Edge]) -> BTreeMap<String, Vec<String>> {
    let mut ways = BTreeMap::from([(start.to_owned(), vec![start.to_owned()])]);
    let mut ahead = VecDeque::from([start.to_owned()]);
    while let Some(here) = ahead.pop_front() {
        let way = ways[&here].clone();
        for edge in edges.iter().filter(|edge| edge.from == here && edge.used == Use::Normal) {
            if !ways.contains_key(&edge.to) {
                let further = way.iter().cloned().chain([edge.to.clone()]).collect();
                ways.insert(edge.to.clone(), further);
                ahead.push_back(edge.to.clone());
            }
        }
    }
    ways
}

/// The workspace's crates, each with what its manifest asks for, whatever the platform.
fn manifests() -> BTreeMap<String, Vec<Edge>> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&text).expect("metadata is JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    packages
        .iter()
        .map(|package| {
            let from = package["name"].as_str().expect("a package has a name").to_owned();
            let dependencies = package["dependencies"].as_array().expect("it lists dependencies");
            let edges = dependencies.iter().map(|dependency| Edge {
                from: from.clone(),
                to: dependency["name"].as_str().expect("a dependency has a name").to_owned(),
                used: if dependency["kind"] == "dev" { Use::Dev } else { Use::Normal },
            });
            (from.clone(), edges.collect())
        })
        .collect()
}

/// What the crate drags in when it is built by itself, with all of its own features on.
///
/// It is not read from the resolve graph of `cargo metadata`: that one unites the features that all
/// members and their tests ask for, so a crate would be blamed for what its neighbours switch on.
/// An adapter that a crate must not see may therefore live in a crate that it uses, behind a
/// feature that is off by default and that only the composition root turns on.
///
/// Procedural macros are left out: they run in the compiler. So are other platforms than this one,
/// because their crates need not have been downloaded.
fn closure(of: &str) -> Vec<Edge> {
    let edges = "--edges=normal,no-proc-macro";
    edges_of_tree(&cargo(&[
        "tree",
        "--package",
        of,
        "--all-features",
        edges,
        "--prefix=depth",
        "--format=|{p}|{f}",
    ]))
}

/// Reads lines like `2|tokio v1.2.3|rt,sync (*)`. A feature becomes a node of its own, behind its
/// crate: `tokio/rt`. Versions of one crate are not told apart.
fn edges_of_tree(tree: &str) -> Vec<Edge> {
    let mut above: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut columns = line.split('|');
        let depth = columns.next().and_then(|depth| depth.parse().ok()).expect("a depth");
        let package = columns.next().and_then(|package| package.split(' ').next()).expect("a name");
        let features = columns.next().and_then(|rest| rest.split(' ').next()).expect("features");
        above.truncate(depth);
        if let Some(parent) = above.last() {
            seen.insert((parent.clone(), package.to_owned()));
        }
        for feature in features.split(',').filter(|feature| !feature.is_empty()) {
            seen.insert((package.to_owned(), format!("{package}/{feature}")));
        }
        above.push(package.to_owned());
    }
    seen.into_iter().map(|(from, to)| Edge { from, to, used: Use::Normal }).collect()
}

/// Neither touches the network nor the lock file: what is judged is what was built.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked", "--color=never"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed:\n{complaint}");
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

#[test]
fn the_workspace_keeps_to_the_architecture() {
    let mut violations = Vec::new();
    for (name, manifest) in manifests() {
        let mut edges = closure(&name);
        edges.extend(manifest);
        violations.extend(forbidden(&name, &edges, ARCHITECTURE));
    }
    let list: Vec<String> = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.path.join(" -> "), violation.law))
        .collect();
    assert!(list.is_empty(), "the architecture forbids\n{}\n", list.join("\n"));
}

#[test]
fn rows_name_only_crates_that_have_rows() {
    for row in ARCHITECTURE {
        for used in row.may_use {
            assert!(
                ARCHITECTURE.iter().any(|other| other.name == *used),
                "the row of {} names {used}, which has no row",
                row.name
            );
        }
    }
}

mod the_judge {
    use super::{
        Edge, HTTP, Kin, LOADTEST, LOG, MODEL, RANDOMNESS, RUNTIME, Row, TESTKIT, Use, Violation,
        edges_of_tree, forbidden,
    };

    const TABLE: &[Row] = &[
        Row { name: MODEL, may_use: &[], never: &[RUNTIME, RANDOMNESS] },
        Row { name: LOG, may_use: &[MODEL], never: &[HTTP, Kin { what: "us", members: &["us"] }] },
        Row { name: LOADTEST, may_use: &[MODEL, LOG, TESTKIT], never: &[] },
    ];

    fn normal(from: &str, to: &str) -> Edge {
        Edge { from: from.to_owned(), to: to.to_owned(), used: Use::Normal }
    }

    fn dev(from: &str, to: &str) -> Edge {
        Edge { used: Use::Dev, ..normal(from, to) }
    }

    fn path_of(violations: &[Violation]) -> Vec<&str> {
        assert_eq!(violations.len(), 1, "{violations:?}");
        violations[0].path.iter().map(String::as_str).collect()
    }

    #[test]
    fn finds_nothing_in_what_is_allowed() {
        let edges = [normal(LOG, MODEL), normal(LOG, "tokio"), normal("tokio", "mio")];
        assert_eq!(forbidden(LOG, &edges, TABLE), []);
    }

    #[test]
    fn finds_a_direct_edge_to_a_crate_of_ours() {
        let found = forbidden(MODEL, &[normal(MODEL, LOG)], TABLE);
        assert_eq!(path_of(&found), [MODEL, LOG]);
    }

    #[test]
    fn finds_a_direct_edge_to_a_crate_of_others() {
        let found = forbidden(MODEL, &[normal(MODEL, "tokio")], TABLE);
        assert_eq!(path_of(&found), [MODEL, "tokio"]);
    }

    #[test]
    fn finds_a_transitive_edge_and_its_shortest_way() {
        let edges = [
            normal(MODEL, "far"),
            normal("far", "farther"),
            normal("farther", "getrandom"),
            normal(MODEL, "near"),
            normal("near", "far"),
            normal("near", "getrandom"),
        ];
        assert_eq!(path_of(&forbidden(MODEL, &edges, TABLE)), [MODEL, "near", "getrandom"]);
    }

    #[test]
    fn finds_what_comes_through_another_crate_of_ours() {
        let edges = [normal(LOG, MODEL), normal(MODEL, "axum")];
        assert_eq!(path_of(&forbidden(LOG, &edges, TABLE)), [LOG, MODEL, "axum"]);
    }

    #[test]
    fn finds_a_forbidden_feature_of_an_allowed_crate() {
        let edges = [normal(MODEL, "uuid"), normal("uuid", "uuid/v4")];
        assert_eq!(path_of(&forbidden(MODEL, &edges, TABLE)), [MODEL, "uuid", "uuid/v4"]);
    }

    #[test]
    fn finds_a_crate_without_a_row() {
        assert_eq!(path_of(&forbidden("carrel-new", &[], TABLE)), ["carrel-new"]);
    }

    #[test]
    fn lets_tests_use_what_others_must_not_see() {
        let edges = [dev(MODEL, "proptest"), normal("proptest", "rand"), dev(MODEL, "tokio")];
        assert_eq!(forbidden(MODEL, &edges, TABLE), []);
    }

    #[test]
    fn keeps_the_testkit_to_tests_and_the_load_test() {
        assert_eq!(forbidden(LOG, &[dev(LOG, TESTKIT)], TABLE), []);
        assert_eq!(forbidden(LOADTEST, &[normal(LOADTEST, TESTKIT)], TABLE), []);
        assert_eq!(path_of(&forbidden(LOG, &[normal(LOG, TESTKIT)], TABLE)), [LOG, TESTKIT]);
    }

    #[test]
    fn keeps_tests_to_the_row_and_the_testkit() {
        assert_eq!(path_of(&forbidden(MODEL, &[dev(MODEL, LOG)], TABLE)), [MODEL, LOG]);
    }

    #[test]
    fn reads_a_tree() {
        let tree = "0|a v0.1.0 (/a place/a)|\n1|b v1.0.0|std\n2|c v2.0.0|x,y\n1|c v2.0.0|x,y (*)\n";
        let edges =
            [("a", "b"), ("a", "c"), ("b", "b/std"), ("b", "c"), ("c", "c/x"), ("c", "c/y")];
        assert_eq!(edges_of_tree(tree), edges.map(|(from, to)| normal(from, to)));
    }
}
