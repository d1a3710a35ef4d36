//! What goes wrong on a real host, and what is left of it: nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use carrel_lab::eventually;
use serde_json::Value;

use crate::site::Site;

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn domains(site: &Site) -> BTreeSet<String> {
    let names = site.lab.virsh(&["list", "--all", "--name"]);
    let names = names.split_whitespace().map(str::to_owned);
    names.collect()
}

fn state(site: &Site, machine: &str) -> Value {
    site.get("machines", machine)["state"].clone()
}

/// What is there of machines: by their disks, and by domains.
type Left = (BTreeSet<PathBuf>, BTreeSet<String>);

fn left(site: &Site) -> Left {
    let is_beside = |path: &PathBuf| {
        path.starts_with(site.storage().join("consoles"))
            || path.ends_with("config.iso")
            || path.ends_with("firmware.nvram")
    };
    let files = files(&site.storage()).into_iter().filter(|path| !is_beside(path));
    (files.collect(), domains(site))
}

/// Why a machine could not be started, as people are told.
#[track_caller]
fn cannot_start(site: &Site, machine: &str) -> String {
    site.fails(&["do", "StartMachine", "--machines", machine, "--wait"])
}

/// A machine's whole life. Who is killed on the way goes on, and each command is sent again by its
/// id until it is answered.
fn live(site: &mut Site, moment: &str, number: u32) -> bool {
    let before = left(site);
    let (initial, child) = (format!("k{number}"), format!("k{number}-001"));
    let id = |step: usize| format!("0198c0de-0000-7000-8000-{number:08x}{step:04x}");
    let mut was_killed = false;
    let story: [&[&str]; 6] = [
        &["CreateMachine", "--name", &initial, "--kind", "initial", "--source", "gold"],
        &["CopyFromSource", "--initial", &initial],
        &["Populate", "--initial", &initial, "--count", "1"],
        &["StartMachine", "--machines", &child],
        &["PowerOffMachine", "--machines", &child],
        &["DeleteMachine", "--machines", &child],
    ];
    for (step, command) in story.into_iter().enumerate() {
        let id = id(step);
        let asked = [&["do"], command, &["--wait", "--id", &id]].concat();
        for _ in 0..3 {
            let answered = site.asks(&asked);
            if answered.status.success() {
                break;
            }
            let said = String::from_utf8_lossy(&answered.stderr);
            let is_gone = said.contains("can't be reached");
            assert!(is_gone, "{moment}: {command:?} is refused: {said}");
            site.has_ended();
            was_killed = true;
            site.up();
        }
        let says = || site.console(&child).matches("carrel-guest: boot").count();
        match command[0] {
            "StartMachine" => eventually("its guest is up", || (says() > 0).then_some(())),
            "PowerOffMachine" => assert_eq!(says(), 1, "{moment}: it was started once"),
            _ => {}
        }
    }
    // The golden machine stays, on the version that was made of it.
    let mut expected = before;
    expected.0.insert(site.disk(&initial));
    let versions = site.storage().join("images").join(site.id("machines", &initial));
    expected.0.insert(versions.join("1-0.qcow2"));
    expected.1.insert(initial);
    eventually("nothing else is left", || (left(site) == expected).then_some(()));
    was_killed
}

/// At this failpoint, the first time that it is reached, the second, and so on, every `each` times.
fn killed(point: &str, each: usize) {
    let mut site = Site::start();
    site.import("gold");
    for (number, time) in (1..).zip((1..).step_by(each)) {
        let moment = format!("{point}:{time}");
        site.stop();
        site.up_until(&moment);
        if !live(&mut site, &moment, number) {
            assert!(time > each, "{moment} is never reached");
            return;
        }
    }
}

#[test]
fn killed_before_steps_and_begun_again_all_is_as_if_it_had_not_been() {
    killed("worker.step_entered", 6);
}

#[test]
fn killed_after_steps_and_begun_again_all_is_as_if_it_had_not_been() {
    killed("worker.step_done", 6);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_step() {
    killed("worker.step_entered", 1);
}

#[test]
#[ignore = "takes minutes"]
fn killed_after_every_step() {
    killed("worker.step_done", 1);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_report() {
    killed("worker.report_entered", 1);
}

#[test]
fn what_happens_behind_its_back_is_seen() {
    let mut site = Site::with_initial("one");
    let create = ["do", "CreateMachine", "--kind", "initial", "--source", "gold", "--wait"];
    let starts = ["do", "StartMachine", "--machines", "one", "--wait"];

    site.does(&starts);
    site.lab.tell("qemu KILL one");
    eventually("its crash is seen", || (state(&site, "one") != "running").then_some(()));

    // libvirtd is gone for a while; its guests are not.
    site.does(&starts);
    site.lab.tell("kill");
    site.lab.tell("start");
    assert_eq!(site.lab.virsh(&["domstate", "one"]), "running");
    site.does(&["do", "PowerOffMachine", "--machines", "one", "--wait"]);
    assert_eq!(site.lab.virsh(&["domstate", "one"]), "shut off");

    // Somebody has taken a name that was to be one of ours.
    let theirs = "<domain type='qemu'><name>two</name><memory>65536</memory>\
                  <os><type arch='x86_64'>hvm</type></os></domain>";
    let file = site.lab.folder().join("two.xml");
    fs::write(&file, theirs).expect("written");
    site.lab.virsh(&["define", file.to_str().expect("UTF-8")]);
    let uuid = site.lab.virsh(&["domuuid", "two"]);
    site.does(&[&create[..], &["--name", "two"]].concat());
    site.does(&["do", "CopyFromSource", "--initial", "two", "--wait"]);
    let why = cannot_start(&site, "two");
    assert!(why.contains("already exists"), "{why}");
    assert_eq!(site.lab.virsh(&["domuuid", "two"]), uuid, "what is not ours is not touched");

    // A disk is gone.
    fs::remove_file(site.disk("one")).expect("removed");
    let why = cannot_start(&site, "one");
    assert!(why.contains("is gone"), "{why}");
    site.stop();
}

#[test]
fn without_libvirt_people_are_answered_and_all_goes_on_when_it_is_back() {
    let mut site = Site::with_initial("one");
    let starts = ["do", "StartMachine", "--machines", "one"];
    let runs = |site: &Site| (state(site, "one") == "running").then_some(());

    // It hangs: what is asked for meanwhile is done when it goes on.
    site.lab.tell("stop");
    site.does(&starts);
    assert_ne!(state(&site, "one"), "running");
    site.lab.tell("cont");
    eventually("it runs", || runs(&site));
    eventually("its guest is up", || site.console("one").contains("boot 1 of").then_some(()));
    site.does(&["do", "PowerOffMachine", "--machines", "one", "--wait"]);
    assert_eq!(site.console("one").matches("carrel-guest: boot").count(), 1, "and once");

    // It is not there when Carrel starts.
    site.stop();
    site.lab.tell("kill");
    site.up();
    site.does(&starts);
    site.lab.tell("start");
    eventually("it runs again", || runs(&site));
    site.stop();
}

#[test]
fn nothing_is_started_on_a_version_that_somebody_has_cut_short() {
    let mut site = Site::with_initial("one");
    site.does(&["do", "Populate", "--initial", "one", "--count", "2", "--wait"]);
    site.does(&["do", "StartMachine", "--machines", "one-001", "--wait"]);
    site.does(&["do", "PowerOffMachine", "--machines", "one-001", "--wait"]);
    let version = site.storage().join("images").join(site.id("machines", "one")).join("1-0.qcow2");
    let file = fs::File::options().write(true).open(&version).expect("it is there");
    file.set_len(file.metadata().expect("its length").len() / 2).expect("cut");
    for machine in ["one-001", "one-002"] {
        let why = cannot_start(&site, machine);
        assert!(why.contains("is not the file that was made for the version"), "{why}");
        assert_eq!(site.lab.virsh(&["list", "--name"]), "");
    }
    site.stop();
}
