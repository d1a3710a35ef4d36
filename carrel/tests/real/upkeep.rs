//! What is done with a disk, as tools of others and its guest find it.

use std::process::Command;

use carrel_lab::eventually;
use serde_json::Value;

use crate::site::Site;

/// Of a disk's end, where its guest keeps its count, nothing is known after it was moved.
const SIZE_GIB: u64 = 2;
const WRITTEN_MIB: u64 = 24;
/// What QEMU writes beside what a guest does, and what a guest may write when it boots.
const BESIDE_MIB: u64 = 4;

fn power_off(site: &Site, machine: &str) {
    site.does(&["do", "PowerOffMachine", "--machines", machine, "--wait"]);
}

fn virtual_bytes(site: &Site, machine: &str) -> u64 {
    let mut info = Command::new("qemu-img");
    info.args(["info", "--output=json"]).arg(site.disk(machine));
    let output = info.output().expect("qemu-img");
    let info: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    info["virtual-size"].as_u64().expect("a size")
}

#[test]
fn a_disk_grows_and_a_snapshot_brings_back_what_was_on_it() {
    let site = Site::start();
    site.import("gold");
    site.does(&["do", "CloneMachine", "--machine", "gold", "--name", "one", "--wait"]);
    let size = SIZE_GIB.to_string();
    site.does(&["do", "ResizeDisk", "--machine", "one", "--size-gib", &size, "--wait"]);
    assert_eq!(virtual_bytes(&site, "one"), SIZE_GIB << 30);
    site.boots_as("one", 1);
    power_off(&site, "one");

    let of_snapshot = |command: &str| {
        let which = ["--machine", "one", "--snapshot", "then", "--wait"];
        site.does(&[&["do", command], &which[..]].concat());
    };
    site.does(&["do", "TakeSnapshot", "--machine", "one", "--name", "then", "--wait"]);
    site.boots_as("one", 2);
    power_off(&site, "one");
    of_snapshot("RevertSnapshot");
    site.boots_as("one", 2);
    power_off(&site, "one");
    of_snapshot("DeleteSnapshot");
    site.boots_as("one", 3);
    power_off(&site, "one");
    assert_eq!(virtual_bytes(&site, "one"), SIZE_GIB << 30);
    site.has_what_it_should();
}

fn kept_bytes(site: &Site, machine: &str) -> u64 {
    let said = site.does(&["space", "--machine", machine, "--output", "json"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    said["kept_bytes"].as_u64().expect("bytes")
}

#[test]
fn what_a_guest_writes_is_counted_as_its_machines() {
    let site = Site::with_initial("win11");
    site.does(&["do", "Populate", "--initial", "win11", "--count", "2", "--wait"]);
    site.boots_as("win11-001", 1);
    let before = ["win11-001", "win11-002"].map(|machine| kept_bytes(&site, machine));
    let writes = format!(
        "dd if=/dev/urandom of=/dev/vda bs=1M seek=128 count={WRITTEN_MIB} conv=fsync && \
         echo carrel-guest: written >/dev/ttyS0",
    );
    site.runs("win11-001", &writes);
    eventually("its guest has written", || {
        site.console("win11-001").contains("carrel-guest: written").then_some(())
    });
    let grown = kept_bytes(&site, "win11-001") - before[0];
    let expected = WRITTEN_MIB << 20..=(WRITTEN_MIB + BESIDE_MIB) << 20;
    assert!(expected.contains(&grown), "{grown}");
    assert_eq!(kept_bytes(&site, "win11-002"), before[1], "nobody else's");
    power_off(&site, "win11-001");
}
