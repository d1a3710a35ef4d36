//! What comes after the first day: the golden machine changes, and its desktops follow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use carrel_lab::{backing, digest, eventually};
use serde_json::{Value, json};

use crate::network;
use crate::site::Site;

/// A version is at most so many files deep; beyond that it is flattened.
const DEPTH_MAX: usize = 4;
/// The first version that is deeper, when each stands on the one before.
const TOO_DEEP: u64 = 5;

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

/// Who a machine is to its host: the id, the card's address and the serial number of its domain.
fn identity(site: &Site, machine: &str) -> [String; 3] {
    let serial = "/domain/sysinfo/system/entry[@name='serial']/text()";
    let parts = ["/domain/uuid/text()", "//interface/mac/@address", serial];
    let told = parts.map(|part| site.xml(machine, part).concat());
    let known = site.get("machines", machine);
    assert_eq!((&known["mac"], &known["serial"]), (&json!(told[1]), &json!(told[2])));
    told
}

/// Who its guest says it is at this boot, which is who its host says it is.
fn is_itself(site: &Site, machine: &str, boot: u32) -> String {
    let says = site.boots_as(machine, boot);
    site.does(&["do", "PowerOffMachine", "--machines", machine, "--wait"]);
    let known = site.get("machines", machine);
    let name = known["hostname"].as_str().expect("a name");
    let [.., serial] = identity(site, machine);
    assert_eq!(says, format!("{name}, serial {serial}"));
    says
}

#[test]
fn desktops_follow_a_new_version_and_one_in_use_waits_for_its_person() {
    // With a network, for the address of its card.
    let site = Site::on(network::lab(), Vec::new());
    site.makes_initial("win11");
    populate(&site, &["--count", "2", "--wait"]);
    let first = below(&site, "win11-001");
    assert_eq!(below(&site, "win11-002"), first);
    let before = identity(&site, "win11-002");
    let before_within = is_itself(&site, "win11-002", 1);
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
    // The golden machine has booted once, and so the copy is at its second boot.
    assert_eq!(is_itself(&site, "win11-002", 2), before_within, "and from within");

    site.ends_session();
    let second = below(&site, "win11-002");
    eventually("its person has gone", || (below(&site, "win11-001") == second).then_some(()));
    site.boots_as("win11-001", 2);
}

/// How many files a disk stands on, and the lowest of them.
fn below_all(disk: &Path) -> (usize, PathBuf) {
    let (mut depth, mut file) = (0, disk.to_owned());
    while let Some((under, _)) = backing(&file) {
        (depth, file) = (depth + 1, under);
    }
    (depth, file)
}

/// By its number, the state of each version that there is.
fn states(site: &Site) -> BTreeMap<u64, String> {
    let of = |version: &Value| {
        let state = version["state"].as_str().expect("a state").to_owned();
        (version["number"].as_u64().expect("a number"), state)
    };
    versions(site).iter().map(of).collect()
}

/// The files of versions that are there.
fn version_files(site: &Site) -> BTreeSet<String> {
    let folder = site.storage().join("images").join(site.id("machines", "win11"));
    let files = fs::read_dir(folder).expect("a folder").filter_map(Result::ok);
    files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

/// As much of its disk as no guest ever writes to, as the guest itself reads it.
const UNCHANGED_MIB: u64 = 48;

/// Its guest says on its console what it reads.
fn digest_within(site: &Site, machine: &str) -> String {
    let reads = format!("head -c {} /dev/vda | sha256sum >/dev/ttyS0", UNCHANGED_MIB << 20);
    site.runs(machine, &reads);
    eventually("it has read its disk", || {
        let said = site.console(machine);
        let line = said.lines().rev().find(|line| line.trim_end().ends_with("  -"))?;
        line.split_whitespace().next().map(str::to_owned)
    })
}

#[test]
fn a_clone_is_another_machine() {
    let site = Site::on(network::lab(), Vec::new());
    site.makes_initial("win11");
    populate(&site, &["--count", "1", "--wait"]);
    let one = (is_itself(&site, "win11-001", 1), identity(&site, "win11-001"));
    site.does(&["do", "CloneMachine", "--machine", "win11-001", "--name", "other", "--wait"]);
    let other = (is_itself(&site, "other", 2), identity(&site, "other"));
    assert_ne!(one.0, other.0);
    let same = one.1.iter().filter(|part| other.1.contains(part)).count();
    assert_eq!(same, 0, "{one:?} {other:?}");
    assert!(!other.1.concat().is_empty(), "{other:?}");
}

#[test]
fn after_many_seals_nothing_is_deep_old_versions_go_and_guests_read_what_they_read_before() {
    let site = Site::with_initial("win11");
    populate(&site, &["--count", "2", "--wait"]);
    let on_first = digest(&site.disk("win11-002"), None);

    let mut sealed = BTreeMap::new();
    for number in 2..=7 {
        prepare(&site);
        sealed.insert(number, digest(&site.disk("win11"), None));
        if number == TOO_DEEP {
            populate(&site, &["--machines", "win11-001", "--discard-data", "true", "--wait"]);
            come_to_stand_on_one_file(&site, &sealed[&number]);
        } else {
            site.does(&["do", "SealImage", "--initial", "win11", "--wait"]);
        }
    }
    let contents: BTreeSet<_> = sealed.values().chain([&on_first]).collect();
    assert_eq!(contents.len(), 7, "its guest has written something each time");
    eventually("the newest version is not too deep", || {
        let versions = versions(&site);
        let newest = versions.iter().max_by_key(|it| it["number"].as_u64())?;
        let files = newest["files"].as_array()?;
        let fits = |file: &Value| file["depth"].as_u64().is_some_and(|it| it <= DEPTH_MAX as u64);
        (newest["number"] == 7 && files.iter().any(fits)).then_some(())
    });
    populate(&site, &["--machines", "win11-001", "--discard-data", "true", "--wait"]);
    let (depth, _) = below_all(&site.disk("win11-001"));
    assert!((1..=DEPTH_MAX).contains(&depth), "{depth}");
    for machine in ["win11", "win11-001"] {
        assert_eq!(digest(&site.disk(machine), None), sealed[&7], "{machine}");
    }

    old_versions_go(&site, &sealed);
    assert_eq!(digest(&site.disk("win11-002"), None), on_first, "it stands where it stood");

    // And from within, each at the boot that follows those of its version.
    for (machine, boot) in [("win11-002", 1), ("win11-001", 7)] {
        let outside = digest(&site.disk(machine), Some(UNCHANGED_MIB));
        site.does(&["do", "StartMachine", "--machines", machine, "--wait"]);
        let says = format!("carrel-guest: boot {boot} of");
        eventually(&says, || site.console(machine).contains(&says).then_some(()));
        assert_eq!(digest_within(&site, machine), outside, "{machine}");
        site.does(&["do", "PowerOffMachine", "--machines", machine, "--wait"]);
    }
    site.has_what_it_should();
}

/// What stood on the deep file, and is off, stands on one that is whole by itself, and reads the
/// same. The golden machine did: its version was made of what it has written.
fn come_to_stand_on_one_file(site: &Site, content: &str) {
    let deep = format!("{TOO_DEEP}-0.qcow2");
    for machine in ["win11", "win11-001"] {
        let flat = eventually(&format!("{machine} stands on one file"), || {
            let flat = below(site, machine);
            (!flat.ends_with(&deep)).then_some(flat)
        });
        assert_eq!(backing(&flat), None);
        assert_eq!(digest(&flat, None), content);
        assert_eq!(digest(&site.disk(machine), None), content, "{machine}");
    }
}

/// A version is retired unless somebody stands on it, and its files go with the last that stands on
/// them.
fn old_versions_go(site: &Site, sealed: &BTreeMap<u64, String>) {
    let refused = site.asks(&["do", "RetireImage", "--image", "win11@1", "--wait"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("win11-002 stands on it"), "{why}");
    for number in 2..=6 {
        site.does(&["do", "RetireImage", "--image", &format!("win11@{number}"), "--wait"]);
    }
    let alive = BTreeMap::from([(1, "verified".to_owned()), (7, "verified".to_owned())]);
    eventually("old versions are retired", || {
        let states = states(site);
        let there = states.into_iter().filter(|(_, state)| state != "retired");
        (there.collect::<BTreeMap<_, _>>() == alive).then_some(())
    });
    // What stands on each other and is needed stays, whatever became of its version.
    let images = site.storage().join("images").join(site.id("machines", "win11"));
    eventually("no file is there on which nothing stands", || {
        let mut needed = BTreeSet::new();
        for disk in ["win11-002", "win11-001", "win11"].map(|machine| site.disk(machine)) {
            let mut file = disk;
            while let Some((under, _)) = backing(&file) {
                needed.insert(under.file_name()?.to_string_lossy().into_owned());
                file = under;
            }
        }
        (version_files(site) == needed).then_some(())
    });
    assert!(version_files(site).len() < sealed.len() + 1, "{:?}", version_files(site));
    let newest = backing(&site.disk("win11-001")).expect("a version").0;
    assert!(newest.starts_with(&images), "{newest:?}");
    assert_eq!(digest(&newest, None), sealed[&7], "whatever was put in its place has its bytes");
}
