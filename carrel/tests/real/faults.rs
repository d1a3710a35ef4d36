//! What goes wrong on a real host, and what is left of it: nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use carrel_lab::eventually;
use serde_json::Value;

use crate::site::Site;

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
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

/// What is there of machines: files on the storage and in libvirt's own folder, and domains.
pub(crate) type Left = (BTreeSet<PathBuf>, BTreeSet<String>);

pub(crate) fn left(site: &Site) -> Left {
    // There libvirt keeps what is of no storage: what TPMs hold, and variables of firmware.
    let libvirts = ["swtpm", "qemu/nvram"].map(|name| site.lab.folder().join("lib").join(name));
    let folders = libvirts.into_iter().chain([site.storage()]);
    (folders.flat_map(|folder| files(&folder)).collect(), domains(site))
}

/// Why a machine could not be started, as people are told.
#[track_caller]
fn cannot_start(site: &Site, machine: &str) -> String {
    cannot(site, &["StartMachine", "--machines", machine])
}

/// Why something could not be done.
#[track_caller]
pub(crate) fn cannot(site: &Site, command: &[&str]) -> String {
    site.fails(&[&["do"], command, &["--wait"]].concat())
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

#[test]
fn a_machine_whose_qemu_stands_still_holds_up_no_other() {
    let site = Site::with_initial("one");
    let does = |command: &str, machines: &str| {
        site.does(&["do", command, "--machines", machines, "--wait"]);
    };
    let boots = |machine: &str| site.console(machine).matches("carrel-guest: boot").count();
    site.does(&["do", "Populate", "--initial", "one", "--count", "2", "--wait"]);
    does("StartMachine", "one-001,one-002");
    for machine in ["one-001", "one-002"] {
        eventually("it is up", || (boots(machine) == 1).then_some(()));
    }

    site.lab.tell("qemu STOP one-001");
    site.does(&["do", "SuspendMachine", "--machines", "one-001"]);
    for _ in 0..3 {
        does("PowerOffMachine", "one-002");
        does("StartMachine", "one-002");
        assert_eq!(site.lab.virsh(&["domstate", "one-002"]), "running");
    }
    assert_eq!(state(&site, "one-001"), "running", "it has not done what it was told");

    site.lab.tell("qemu CONT one-001");
    eventually("it does it now", || (state(&site, "one-001") == "paused").then_some(()));
    assert_eq!(site.lab.virsh(&["domstate", "one-001"]), "paused");
    does("ResumeMachine", "one-001");
    does("ResetMachine", "one-001");
    eventually("it is well", || (boots("one-001") == 2).then_some(()));

    // Power is cut of one that does not answer, too.
    site.lab.tell("qemu STOP one-001");
    does("PowerOffMachine", "one-001,one-002");
    assert_eq!(site.lab.virsh(&["list", "--name"]), "");
    site.has_what_it_should();
}
