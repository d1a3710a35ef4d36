//! What comes after the first day: the golden machine changes, and its desktops follow.

use std::path::PathBuf;

use carrel_lab::{backing, eventually};
use serde_json::Value;

use crate::site::Site;

/// A version is at most so many files deep; beyond that it is flattened.
const DEPTH_MAX: usize = 4;

fn populate(site: &Site, more: &[&str]) -> String {
    site.does(&[&["do", "Populate", "--initial", "win11"], more].concat())
}

/// The golden machine is started, writes that it has booted, and goes off.
fn prepare(site: &Site) {
    let boots = || site.console("win11").matches("carrel-guest: boot").count();
    let before = boots();
    site.does(&["do", "StartMachine", "--machines", "win11", "--wait"]);
    eventually("the golden machine has booted", || (boots() > before).then_some(()));
    site.does(&["do", "PowerOffMachine", "--machines", "win11", "--wait"]);
}

fn below(site: &Site, machine: &str) -> PathBuf {
    backing(&site.disk(machine)).expect("it stands on something").0
}

fn versions(site: &Site) -> Vec<Value> {
    let text = site.does(&["get", "images", "--filter", "initial=win11", "--output", "json"]);
    let images: Value = serde_json::from_str(&text).expect("JSON");
    images.as_array().expect("images").clone()
}

fn identity(site: &Site, machine: &str) -> (Value, Value, String) {
    let found = site.get("machines", machine);
    (found["mac"].clone(), found["serial"].clone(), site.lab.virsh(&["domuuid", machine]))
}

#[test]
fn desktops_follow_a_new_version_and_one_in_use_waits_for_its_person() {
    let site = Site::with_initial("win11");
    populate(&site, &["--count", "2", "--wait"]);
    let first = below(&site, "win11-001");
    assert_eq!(below(&site, "win11-002"), first);
    let before = identity(&site, "win11-002");
    site.person("anna");
    site.does(&["do", "AssignClient", "--client", "anna", "--machine", "win11-001", "--wait"]);
    let viewer = site.connects("anna", "win11-001");
    assert_eq!(viewer.machine, "win11-001");

    // Nothing has changed: no new version.
    populate(&site, &["--machines", "win11-002", "--discard-data", "true", "--wait"]);
    assert_eq!(versions(&site).len(), 1);
    assert_eq!(below(&site, "win11-002"), first);

    prepare(&site);
    populate(&site, &["--discard-data", "true"]);
    eventually("the one that nobody uses has the new version", || {
        (below(&site, "win11-002") != first).then_some(())
    });
    assert_eq!(versions(&site).len(), 2);
    assert_eq!(below(&site, "win11-001"), first, "somebody sits there");
    assert_eq!(site.lab.virsh(&["domstate", "win11-001"]), "running");
    assert_eq!(identity(&site, "win11-002"), before, "it is the same machine");

    site.ends_session();
    let second = below(&site, "win11-002");
    eventually("its person has gone", || (below(&site, "win11-001") == second).then_some(()));
    site.does(&["do", "StartMachine", "--machines", "win11-001", "--wait"]);
    // The golden machine has booted once, and so the copy is at its second boot.
    eventually("it boots from the new version", || {
        site.console("win11-001").contains("boot 2 of").then_some(())
    });
}

#[test]
fn a_clone_is_another_machine_and_old_versions_go_when_nobody_stands_on_them() {
    let site = Site::with_initial("win11");
    populate(&site, &["--count", "1", "--wait"]);
    site.does(&["do", "CloneMachine", "--machine", "win11-001", "--name", "other", "--wait"]);
    let (one, other) = (identity(&site, "win11-001"), identity(&site, "other"));
    assert!(one.0 != other.0 && one.1 != other.1 && one.2 != other.2, "{one:?} {other:?}");

    for _ in 0..6 {
        site.does(&["do", "StartMachine", "--machines", "win11", "--wait"]);
        site.does(&["do", "PowerOffMachine", "--machines", "win11", "--wait"]);
        site.does(&["do", "SealImage", "--initial", "win11", "--wait"]);
    }
    eventually("the newest version is not too deep", || {
        let versions = versions(&site);
        let newest = versions.iter().max_by_key(|it| it["number"].as_u64())?;
        let files = newest["files"].as_array()?;
        let fits = |file: &Value| file["depth"].as_u64().is_some_and(|it| it <= DEPTH_MAX as u64);
        (newest["number"] == 7 && files.iter().any(fits)).then_some(())
    });
    populate(&site, &["--discard-data", "true", "--wait"]);
    let mut depth = 0;
    let mut file = site.disk("win11-001");
    while let Some((under, _)) = backing(&file) {
        (depth, file) = (depth + 1, under);
    }
    assert!((1..=DEPTH_MAX).contains(&depth), "{depth}");
    site.does(&["do", "StartMachine", "--machines", "win11-001", "--wait"]);
    eventually("it boots from it", || {
        site.console("win11-001").contains("carrel-guest: boot").then_some(())
    });
}
