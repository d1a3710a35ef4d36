//! As many desktops as a host can take.

use std::collections::BTreeSet;
use std::path::PathBuf;

use carrel_lab::{backing, eventually};
use serde_json::{Value, json};

use crate::site::Site;

/// They boot on few processors, and all of them count as one there.
fn crowded(site: &Site) {
    let hosts: Value = parsed(&site.does(&["get", "hypervisors", "--output", "json"]));
    let overcommit = json!({ "memory_percent": 400, "vcpus_percent": 20_000 });
    let data = json!({ "hypervisor": hosts[0]["name"], "settings": { "overcommit": overcommit } });
    site.does(&["do", "UpdateHypervisor", "--data", &data.to_string(), "--wait"]);
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// By the state that each machine is in.
fn in_state(site: &Site, state: &str) -> BTreeSet<String> {
    let machines = parsed(&site.does(&["get", "machines", "--output", "json"]));
    let machines = machines.as_array().expect("machines");
    let are = machines.iter().filter(|it| it["state"] == state && it["kind"] == "vdi");
    are.map(|it| it["name"].as_str().expect("a name").to_owned()).collect()
}

fn domains(site: &Site, which: &str) -> BTreeSet<String> {
    let names = site.lab.virsh(&["list", which, "--name"]);
    names.split_whitespace().map(str::to_owned).collect()
}

fn children(site: &Site, command: &str) {
    site.does(&["do", command, "--children-of", "win11", "--wait"]);
}

fn names(count: usize) -> BTreeSet<String> {
    (1..=count).map(|number| format!("win11-{number:03}")).collect()
}

#[test]
#[ignore = "takes minutes"]
fn thirty_desktops_are_made_boot_and_are_switched_off() {
    let all = names(30);
    let site = Site::with_initial("win11");
    crowded(&site);
    site.does(&["do", "Populate", "--initial", "win11", "--count", "30", "--wait"]);
    let disks: Vec<PathBuf> = all.iter().map(|name| site.disk(name)).collect();
    let below: BTreeSet<_> = disks.iter().map(|disk| backing(disk).expect("a version")).collect();
    assert_eq!(below.len(), 1, "all stand on one file");

    children(&site, "StartMachine");
    assert_eq!(domains(&site, "--state-running"), all);
    for name in &all {
        let boots = || site.console(name).matches("carrel-guest: boot 1 of").count();
        eventually(&format!("{name} has booted"), || (boots() == 1).then_some(()));
    }
    children(&site, "ShutdownMachine");
    eventually("all are off", || (in_state(&site, "off") == all).then_some(()));
    assert_eq!(domains(&site, "--state-running"), BTreeSet::new());
    for name in &all {
        let said = site.console(name);
        assert_eq!(said.matches("carrel-guest: boot").count(), 1, "{name} was started once");
    }
}
