//! What goes wrong on a real host, and what is left of it: nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use carrel_lab::{comes_to, eventually};
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

/// What is done in the meantime, and who may be killed at any moment of it.
struct Story<'a> {
    site: &'a mut Site,
    moment: &'a str,
    number: u32,
    steps: u32,
    was_killed: bool,
}

impl Story<'_> {
    /// Sent again by its id until it is answered. Who is killed on the way goes on.
    fn does(&mut self, command: &[&str]) {
        self.steps += 1;
        let id = format!("0198c0de-0000-7000-8000-{:08x}{:04x}", self.number, self.steps);
        let asked = [&["do"], command, &["--wait", "--id", &id]].concat();
        for _ in 0..3 {
            let answered = self.site.asks(&asked);
            if answered.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&answered.stderr);
            let is_gone = said.contains("can't be reached");
            assert!(is_gone, "{}: {command:?} is refused: {said}", self.moment);
            self.site.has_ended();
            self.was_killed = true;
            self.site.up();
        }
    }

    /// Its guest is up, and has been started so many times.
    fn has_booted(&self, machine: &str, times: usize) {
        let boots = || self.site.console(machine).matches("carrel-guest: boot").count();
        eventually("its guest is up", || (boots() >= times).then_some(()));
        assert_eq!(boots(), times, "{}: it was started once", self.moment);
    }
}

/// A machine's whole life.
fn live(site: &mut Site, moment: &str, number: u32) -> bool {
    let before = left(site);
    let (initial, child) = (format!("k{number}"), format!("k{number}-001"));
    let mut story = Story { site, moment, number, steps: 0, was_killed: false };
    story.does(&["CreateMachine", "--name", &initial, "--kind", "initial", "--source", "gold"]);
    story.does(&["CopyFromSource", "--initial", &initial]);
    story.does(&["Populate", "--initial", &initial, "--count", "1"]);
    story.does(&["StartMachine", "--machines", &child]);
    story.has_booted(&child, 1);
    story.does(&["PowerOffMachine", "--machines", &child]);
    story.has_booted(&child, 1);
    story.does(&["DeleteMachine", "--machines", &child]);
    let Story { site, was_killed, .. } = story;
    // The golden machine stays, on the version that was made of it.
    let mut expected = before;
    let disk = site.disk(&initial);
    let versions = site.storage().join("images").join(site.id("machines", &initial));
    expected.0.extend([disk.with_file_name("config.iso"), disk, versions.join("1-0.qcow2")]);
    expected.1.insert(initial);
    comes_to("nothing else is left", &expected, || left(site));
    was_killed
}

/// What else is done with a machine.
fn keep_up(site: &mut Site, moment: &str, number: u32) -> bool {
    let before = left(site);
    let (name, clone) = (format!("u{number}"), format!("c{number}"));
    let mut story = Story { site, moment, number, steps: 0, was_killed: false };
    story.does(&["CloneMachine", "--machine", "gold", "--name", &name]);
    story.does(&["ResizeDisk", "--machine", &name, "--size-gib", "2"]);
    story.does(&["StartMachine", "--machines", &name]);
    story.has_booted(&name, 1);
    story.does(&["SuspendMachine", "--machines", &name]);
    story.does(&["ResumeMachine", "--machines", &name]);
    story.does(&["ResetMachine", "--machines", &name]);
    story.has_booted(&name, 2);
    story.does(&["PowerOffMachine", "--machines", &name]);
    story.does(&["TakeSnapshot", "--machine", &name, "--name", "then"]);
    story.does(&["CloneMachine", "--machine", &name, "--name", &clone]);
    story.does(&["RevertSnapshot", "--machine", &name, "--snapshot", "then"]);
    story.does(&["DeleteSnapshot", "--machine", &name, "--snapshot", "then"]);
    let said = |site: &Site, boot: u32| {
        site.console(&name).matches(&format!("carrel-guest: boot {boot} of")).count()
    };
    story.does(&["StartMachine", "--machines", &name]);
    story.has_booted(&name, 3);
    story.does(&["PowerOffMachine", "--machines", &name]);
    assert_eq!([1, 2, 3].map(|boot| said(story.site, boot)), [1; 3], "{moment}");
    story.does(&["DeleteMachine", "--machines", &name]);
    story.does(&["DeleteMachine", "--machines", &clone]);
    let Story { site, was_killed, .. } = story;
    comes_to("nothing is left", &before, || left(site));
    was_killed
}

/// At this failpoint, the first time that it is reached, the second, and so on, every `each` times.
fn killed(point: &str, each: usize, story: fn(&mut Site, &str, u32) -> bool) {
    let mut site = Site::start();
    site.import("gold");
    for (number, time) in (1..).zip((1..).step_by(each)) {
        let moment = format!("{point}:{time}");
        site.stop();
        site.up_until(&moment);
        if !story(&mut site, &moment, number) {
            assert!(time > each, "{moment} is never reached");
            return;
        }
    }
}

#[test]
fn killed_before_steps_and_begun_again_all_is_as_if_it_had_not_been() {
    killed("worker.step_entered", 6, live);
}

#[test]
fn killed_after_steps_and_begun_again_all_is_as_if_it_had_not_been() {
    killed("worker.step_done", 6, live);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_step() {
    killed("worker.step_entered", 1, live);
}

#[test]
#[ignore = "takes minutes"]
fn killed_after_every_step() {
    killed("worker.step_done", 1, live);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_report() {
    killed("worker.report_entered", 1, live);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_step_of_its_upkeep() {
    killed("worker.step_entered", 1, keep_up);
}

#[test]
#[ignore = "takes minutes"]
fn killed_after_every_step_of_its_upkeep() {
    killed("worker.step_done", 1, keep_up);
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
