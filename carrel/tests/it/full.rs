//! The disk that everything lies on is full, and then it isn't any more.
//!
//! Each test mounts a small file system, which only root may: others are told that it was skipped.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::site::{Client, Server, Site, left};

/// A file system in memory. It goes with the test.
struct Small(PathBuf);

impl Small {
    /// None: this user may not mount anything.
    fn at(path: &Path, mib: u32) -> Option<Self> {
        fs::create_dir_all(path).expect("a folder");
        let options = format!("size={mib}m,mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: only root may mount a small file system");
        }
        mounted.then(|| Self(path.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// To the last byte.
    fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        for size in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn started(site: &Site, client: &mut Client) -> Server {
    let server = site.start();
    client.at(&server.url, &site.password()).expect("it is there");
    server
}

fn makes_group(client: &mut Client, number: usize) -> u64 {
    let entry = client.enters("CreateGroup", json!({ "name": format!("group-{number}") }));
    let answer = client.sends(entry).expect("it is there");
    answer.fine()["position"].as_u64().expect("a position")
}

/// More than fit into what the file has spare.
const GROUPS_MAX: usize = 2_000;

#[test]
fn rows_wait_while_their_disk_is_full_and_commands_do_not() {
    let site = Site::new();
    let Some(small) = Small::at(&site.data().join("read"), 8) else { return };
    let mut client = Client::new(1);
    let server = started(&site, &mut client);
    small.fill();
    let stopped = (0..GROUPS_MAX).find_map(|number| {
        let position = makes_group(&mut client, number);
        let path = format!("/v1/groups?limit=1&min_position={position}");
        let read = client.get(&path).expect("it is there");
        (read.status != 200).then_some((path, read))
    });
    let (path, read) = stopped.expect("the disk is full");
    assert_eq!((read.status, &read.body["code"]), (503, &json!("CRL-1020")), "{read:?}");
    small.empty();
    let read = client.get(&path).expect("it is there");
    assert_eq!(read.status, 200, "{read:?}");
    assert!(server.end().status.success());
    left(&site).is_as_it_should_be(&client);
}

#[test]
fn a_snapshot_that_has_no_room_is_left_out() {
    let site = Site::new();
    let Some(small) = Small::at(&site.data().join("snapshots"), 4) else { return };
    let mut client = Client::new(2);
    let server = started(&site, &mut client);
    small.fill();
    let mut numbers = 0..GROUPS_MAX;
    let until_told = |client: &mut Client, what: &str, numbers: &mut std::ops::Range<usize>| {
        let told = numbers.any(|number| {
            makes_group(client, number);
            server.told().contains(what)
        });
        assert!(told, "{what:?} was never told");
    };
    until_told(&mut client, "a snapshot is not written", &mut numbers);
    assert!(!server.told().contains("a snapshot is written"));
    small.empty();
    until_told(&mut client, "a snapshot is written", &mut numbers);
    assert!(server.end().status.success());
    left(&site).is_as_it_should_be(&client);
}

#[test]
fn without_room_for_what_workers_remember_it_ends_and_goes_on_when_there_is_some() {
    let site = Site::new();
    let Some(small) = Small::at(&site.folder().join("small"), 4) else { return };
    fs::create_dir(site.data()).expect("a folder");
    symlink(small.0.join("ledger"), site.data().join("ledger")).expect("a place for it");
    let mut client = Client::new(3);
    let server = started(&site, &mut client);
    client.does("CreateMachine", json!({ "name": "m", "kind": "simple" })).expect("it is there");
    small.fill();
    let entry = client.enters("StartMachine", json!({ "machines": ["m"] }));
    // It may end before it has answered.
    drop(client.sends(entry));
    let ended = server.ended();
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    for part in ["error: ", "No space left on device", "next: "] {
        assert!(ended.told.contains(part), "{part:?} in {}", ended.told);
    }
    small.empty();
    let server = started(&site, &mut client);
    assert_eq!(client.sends(entry).map(|answer| answer.status), Ok(202));
    client.follows(entry).expect("it is there");
    client.rests().expect("it is there");
    assert!(server.end().status.success());
    left(&site).is_as_it_should_be(&client);
}
