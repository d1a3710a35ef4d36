//! A storage that gets full: under what is made on it, and under guests.

use std::collections::BTreeSet;

use carrel_lab::{comes_to, eventually};
use serde_json::{Value, json};

use crate::faults::{cannot, left};
use crate::site::Site;

/// A copy of the guest's disk takes twice as much, and what a guest writes when it boots less.
const FREE_MIB: u64 = 8;

fn boots(site: &Site, machine: &str) -> usize {
    site.console(machine).matches("carrel-guest: boot").count()
}

#[test]
fn what_has_no_room_fails_alone_leaves_nothing_and_is_made_when_there_is_room() {
    let site = Site::start_small(256);
    let room = site.room.as_ref().expect("a small storage");
    site.makes_initial("one");
    site.does(&["do", "Populate", "--initial", "one", "--count", "1", "--wait"]);
    site.creates_initial("two");

    room.fill(FREE_MIB);
    let before = left(&site);
    let why = cannot(&site, &["CopyFromSource", "--initial", "two"]);
    let storage = site.storage();
    assert!(why.contains("no_space") && why.contains(storage.to_str().expect("UTF-8")), "{why}");
    assert!(why.contains("MiB are needed, and") && why.contains("MiB are free"), "{why}");
    // It is what a machine is that nobody has copied anything to: blank, but for its CD.
    let mut expected = before;
    let disk = site.disk("two");
    expected.0.extend([disk.with_file_name("config.iso"), disk]);
    expected.1.insert("two".to_owned());
    comes_to("nothing is there that was half made", &expected, || left(&site));
    // Others go on, with what little they write.
    site.does(&["do", "StartMachine", "--machines", "one-001", "--wait"]);
    eventually("another one boots", || (boots(&site, "one-001") == 1).then_some(()));
    site.does(&["do", "PowerOffMachine", "--machines", "one-001", "--wait"]);

    room.fill(0);
    let before = left(&site);
    let renew = ["Populate", "--initial", "one", "--machines", "one-001", "--discard-data", "true"];
    let why = cannot(&site, &renew);
    assert!(why.contains("no_space"), "{why}");
    comes_to("no disk is there that was half made", &before, || left(&site));

    room.empty();
    site.does(&["do", "CopyFromSource", "--initial", "two", "--wait"]);
    site.does(&["do", "StartMachine", "--machines", "two", "--wait"]);
    eventually("the copy boots", || (boots(&site, "two") == 1).then_some(()));
    site.does(&["do", "PowerOffMachine", "--machines", "two", "--wait"]);
    site.does(&[&["do"], &renew[..], &["--wait"]].concat());
    site.does(&["do", "StartMachine", "--machines", "one-001", "--wait"]);
    eventually("the desktop boots anew", || (boots(&site, "one-001") == 2).then_some(()));
    site.does(&["do", "PowerOffMachine", "--machines", "one-001", "--wait"]);
    site.has_what_it_should();
}

/// What its host says of it.
fn disk_errors(site: &Site, machine: &str) -> Vec<String> {
    // An agent comes up with its guest.
    let path = format!("/v1/machines/{machine}/guest");
    let answer = eventually("it is answered", || site.answers(&path));
    let guest: Value = serde_json::from_slice(&answer).expect("JSON");
    let errors = guest["disk_errors"].as_array().expect("disks").iter();
    errors.map(|error| error.as_str().expect("text").to_owned()).collect()
}

/// Its guest writes so much where no file is, and says when it is through.
fn writes(site: &Site, machine: &str, mib: u32) {
    let writes = format!(
        "dd if=/dev/urandom of=/dev/vda bs=1M seek=128 count={mib} conv=fsync && \
         echo carrel-guest: written >/dev/ttyS0",
    );
    site.runs(machine, &writes);
}

#[test]
fn a_guest_that_fills_its_storage_stands_still_is_told_and_goes_on_when_there_is_room() {
    let site = Site::start_small(160);
    let room = site.room.as_ref().expect("a small storage");
    site.makes_initial("one");
    site.does(&["do", "Populate", "--initial", "one", "--count", "2", "--wait"]);
    site.does(&["do", "StartMachine", "--machines", "one-001,one-002", "--wait"]);
    for machine in ["one-001", "one-002"] {
        eventually("it is up", || (boots(&site, machine) == 1).then_some(()));
    }
    assert_eq!(disk_errors(&site, "one-001"), [""; 0]);

    room.fill(40);
    writes(&site, "one-001", 64);
    eventually("it stands still, for its disk", || {
        let found = site.get("machines", "one-001");
        (found["state"] == "paused" && found["paused_for"] == "io").then_some(())
    });
    let alarm = "a guest stands still: its disk has failed it";
    eventually("the log says so", || site.said().contains(alarm).then_some(()));
    let disk = site.disk("one-001").display().to_string();
    let errors = disk_errors(&site, "one-001");
    let is_told = |error: &String| error.contains(&disk) && error.contains("storage is full");
    assert!(errors.len() == 1 && errors.iter().all(is_told), "{errors:?}");
    let line = site.said();
    let line = line.lines().find(|line| line.contains(alarm)).expect("a line");
    assert!(line.contains(&disk) && line.contains("ERROR"), "{line}");
    // Who writes nothing is not disturbed.
    assert_eq!(site.get("machines", "one-002")["state"], "running");
    assert_eq!(disk_errors(&site, "one-002"), [""; 0]);
    let running = site.lab.virsh(&["list", "--name", "--state-running"]);
    assert_eq!(BTreeSet::from_iter(running.split_whitespace()), BTreeSet::from(["one-002"]));

    room.grow(400);
    site.does(&["do", "ResumeMachine", "--machines", "one-001", "--wait"]);
    eventually("its guest has written all, and has seen no error", || {
        site.console("one-001").contains("carrel-guest: written").then_some(())
    });
    let found = site.get("machines", "one-001");
    assert_eq!((&found["state"], &found["paused_for"]), (&json!("running"), &Value::Null));
    assert_eq!(disk_errors(&site, "one-001"), [""; 0]);
    assert_eq!(boots(&site, "one-001"), 1, "it went on, and was not started anew");
}
