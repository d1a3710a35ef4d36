//! Carrel is killed at each step of a story on a real host, and goes on: the end is the same.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Output;

use carrel_lab::spice::{Answer, is_cut, sign_in};
use carrel_lab::{backing, change, comes_to, digest, eventually};
use serde_json::Value;

use crate::faults::{Left, left};
use crate::site::{Site, Viewer};

/// Of a site, until this moment, by this number: whether it has come to that.
type Told = fn(&mut Site, &str, u32) -> bool;

const LIVE: (fn(&Site), Told) = (with_source, live);
const KEEP_UP: (fn(&Site), Told) = (with_source, keep_up);
const THROW_AWAY: (fn(&Site), Told) = (with_version, throw_away);
const BE_AT: (fn(&Site), Told) = (with_version, be_at);

/// What is done in the meantime, and who may be killed at any moment of it.
struct Story<'a> {
    site: &'a mut Site,
    moment: &'a str,
    number: u32,
    steps: u32,
    was_killed: bool,
}

impl Story<'_> {
    /// Whoever finds that it was killed starts it again. Nothing: it was, and is to be asked again.
    fn hears(&mut self, asked: &[&str], answered: &Output) -> Option<String> {
        if answered.status.success() {
            return Some(String::from_utf8_lossy(&answered.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&answered.stderr);
        let is_gone = said.contains("can't be reached");
        assert!(is_gone, "{}: {asked:?} is refused: {said}", self.moment);
        self.site.has_ended();
        self.was_killed = true;
        self.site.up();
        None
    }

    /// Who is killed on the way goes on, and is asked again. It is killed once.
    fn asks(&mut self, asked: &[&str]) -> String {
        for _ in 0..3 {
            let answered = self.site.asks(asked);
            if let Some(said) = self.hears(asked, &answered) {
                return said;
            }
        }
        panic!("{}: {asked:?} is never answered", self.moment)
    }

    fn sends(&mut self, command: &[&str], more: &[&str]) {
        self.steps += 1;
        // By its id it is done once, however often it is sent.
        let id = format!("0198c0de-0000-7000-8000-{:08x}{:04x}", self.number, self.steps);
        self.asks(&[&["do"], command, more, &["--id", &id]].concat());
    }

    fn does(&mut self, command: &[&str]) {
        self.sends(command, &["--wait"]);
    }

    /// Whether it heeds: a guest is asked at most once. Where it is not known whether it was, or
    /// whether it has heeded, the other command does the same without asking.
    fn asks_guest(
        &mut self,
        (asking, firmly): (&str, &str),
        machine: &str,
        is_so: &dyn Fn(&Self, &Value) -> bool,
    ) -> bool {
        let was_killed = self.was_killed;
        self.sends(&[asking, "--machines", machine], &[]);
        eventually(&format!("{}: {asking} is heeded", self.moment), || {
            let found = self.get("machines", machine);
            (self.was_killed != was_killed || is_so(self, &found)).then_some(())
        });
        if self.was_killed != was_killed {
            self.does(&[firmly, "--machines", machine]);
        }
        self.was_killed == was_killed
    }

    fn get(&mut self, kind: &str, which: &str) -> Value {
        let said = self.asks(&["get", kind, which, "--output", "json"]);
        serde_json::from_str(&said).expect("JSON")
    }

    fn id(&mut self, kind: &str, which: &str) -> String {
        self.get(kind, which)["id"].as_str().expect("an id").to_owned()
    }

    /// A child of the version that there is: its id, and the version's file.
    fn begins_as_child(&mut self, name: &str) -> (String, PathBuf) {
        self.does(&["CreateMachine", "--name", name, "--kind", "vdi", "--initial", "desk"]);
        self.does(&["Populate", "--initial", "desk", "--machines", name]);
        let initial = self.id("machines", "desk");
        let version = self.site.storage().join("images").join(initial).join("1-0.qcow2");
        (self.id("machines", name), version)
    }

    fn disk(&mut self, machine: &str) -> PathBuf {
        // Somebody is there to be asked.
        self.get("machines", machine);
        self.site.disk(machine)
    }

    /// So often this was its boot, as its guest says.
    fn boots(&self, id: &str, boot: u32) -> usize {
        let file = self.site.storage().join(format!("consoles/{id}.log"));
        let said = fs::read(file).unwrap_or_default();
        String::from_utf8_lossy(&said).matches(&format!("carrel-guest: boot {boot} of")).count()
    }

    #[track_caller]
    fn boots_as(&self, id: &str, boot: u32, times: usize) {
        comes_to(&format!("{}: boot {boot}", self.moment), &times, || self.boots(id, boot));
    }

    /// Who is not let in asks again, as people do.
    fn comes_in(&mut self, person: &str, desktop: &str) -> TcpStream {
        eventually(&format!("{}: {person} comes in", self.moment), || {
            let (file, answered) = self.site.tries_to_connect(person, desktop);
            self.hears(&["connect", desktop], &answered)?;
            let viewer = Viewer::read(&fs::read_to_string(file).expect("text"));
            match sign_in(self.site.lab.connect(viewer.port), &viewer.password) {
                Ok(Answer::In(stream)) => Some(stream),
                Ok(Answer::Refused(_)) | Err(_) => None,
            }
        })
    }

    fn session_at(&mut self, machine: &str) -> String {
        let sessions = self.asks(&["get", "sessions", "--output", "json"]);
        let sessions: Value = serde_json::from_str(&sessions).expect("JSON");
        let mut sessions = sessions.as_array().expect("sessions").iter();
        let at = sessions.find(|it| it["machine_name"] == machine && it["state"] == "leased");
        at.expect("a session")["id"].as_str().expect("an id").to_owned()
    }

    /// Nothing is left of it. Whether anybody was killed.
    fn ends(mut self, before: &Left) -> bool {
        comes_to(&format!("{}: nothing is left", self.moment), before, || {
            // What nobody waits for is done by somebody who is there.
            self.asks(&["get", "hypervisors"]);
            left(self.site)
        });
        self.was_killed
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

/// Of a guest's own disk nothing is written while what it writes is thrown away; then a new one
/// takes its place.
fn throw_away(site: &mut Site, moment: &str, number: u32) -> bool {
    let before = left(site);
    let name = format!("t{number}");
    let mut story = Story { site, moment, number, steps: 0, was_killed: false };
    let (id, version) = story.begins_as_child(&name);
    let disk = story.disk(&name);
    let blank = digest(&disk, None);
    story.does(&["EnableVirtualSnapshot", "--machines", &name]);
    for time in 1..=2 {
        story.does(&["StartMachine", "--machines", &name]);
        story.boots_as(&id, 1, time);
        story.does(&["PowerOffMachine", "--machines", &name]);
    }
    assert_eq!(digest(&disk, None), blank, "{moment}");
    story.does(&["DisableVirtualSnapshot", "--machines", &name]);
    change(&disk);
    let renew = ["--initial", "desk", "--machines", &name, "--discard-data", "true"];
    story.does(&[&["Populate"], &renew[..]].concat());
    let renewed = story.disk(&name);
    assert!(disk != renewed, "{moment}");
    assert_eq!(backing(&renewed).map(|(file, _)| file), Some(version), "{moment}");
    assert_eq!(digest(&renewed, None), blank, "{moment}");
    story.does(&["DeleteMachine", "--machines", &name]);
    story.ends(&before)
}

/// Somebody is at a machine, which has a CD for a while, and then is asked to boot again and to go
/// off.
fn be_at(site: &mut Site, moment: &str, number: u32) -> bool {
    let before = left(site);
    let name = format!("p{number}");
    let mut story = Story { site, moment, number, steps: 0, was_killed: false };
    let (id, _) = story.begins_as_child(&name);
    let whose = ["--client", "anna", "--machine", &name];
    story.does(&[&["AssignClient"], &whose[..]].concat());
    story.does(&["StartMachine", "--machines", &name]);
    story.boots_as(&id, 1, 1);

    let mut inside = story.comes_in("anna", &name);
    let session = story.session_at(&name);
    story.does(&["EndSession", "--session", &session]);
    assert!(is_cut(&mut inside), "{moment}: whoever's session is over is cut off");

    let cd = story.site.storage().join(format!("media/{}.iso", story.id("media", "cd")));
    let has_cd = |story: &Story<'_>| {
        let drives = story.site.lab.virsh(&["domblklist", &name]);
        drives.contains(cd.to_str().expect("UTF-8"))
    };
    story.does(&["AttachMedia", "--machine", &name, "--media", "cd"]);
    assert!(has_cd(&story), "{moment}");
    story.does(&["DetachMedia", "--machine", &name, "--media", "cd"]);
    assert!(!has_cd(&story), "{moment}");

    let again =
        |story: &Story<'_>, found: &Value| found["state"] == "running" && story.boots(&id, 2) == 1;
    if story.asks_guest(("RebootMachine", "ResetMachine"), &name, &again) {
        let off = |_: &Story<'_>, found: &Value| found["state"] == "off";
        story.asks_guest(("ShutdownMachine", "PowerOffMachine"), &name, &off);
    } else {
        story.does(&["PowerOffMachine", "--machines", &name]);
    }
    assert_eq!(story.boots(&id, 1), 1, "{moment}");
    story.does(&[&["UnassignClient"], &whose[..]].concat());
    story.does(&["DeleteMachine", "--machines", &name]);
    story.ends(&before)
}

/// A machine to copy.
fn with_source(site: &Site) {
    site.import("gold");
}

/// A version to stand on, somebody, and a CD.
fn with_version(site: &Site) {
    site.makes_initial("desk");
    site.does(&["do", "SealImage", "--initial", "desk", "--wait"]);
    site.person("anna");
    let cd = site.lab.folder().join("cd.iso");
    fs::write(&cd, [0; 65_536]).expect("written");
    site.does(&["upload", cd.to_str().expect("UTF-8")]);
}

/// At this failpoint, the first time that it is reached, the second, and so on, every `each` times.
fn killed(point: &str, each: usize, (prepare, story): (fn(&Site), Told)) {
    let mut site = Site::start();
    prepare(&site);
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
    killed("worker.step_entered", 6, LIVE);
}

#[test]
fn killed_after_steps_and_begun_again_all_is_as_if_it_had_not_been() {
    killed("worker.step_done", 6, LIVE);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_step() {
    killed("worker.step_entered", 1, LIVE);
}

#[test]
#[ignore = "takes minutes"]
fn killed_after_every_step() {
    killed("worker.step_done", 1, LIVE);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_report() {
    killed("worker.report_entered", 1, LIVE);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_step_of_its_upkeep() {
    killed("worker.step_entered", 1, KEEP_UP);
}

#[test]
#[ignore = "takes minutes"]
fn killed_after_every_step_of_its_upkeep() {
    killed("worker.step_done", 1, KEEP_UP);
}

#[test]
fn killed_before_steps_while_what_is_written_is_thrown_away() {
    killed("worker.step_entered", 8, THROW_AWAY);
}

#[test]
fn killed_after_steps_while_somebody_is_at_a_machine() {
    killed("worker.step_done", 6, BE_AT);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_step_while_what_is_written_is_thrown_away() {
    killed("worker.step_entered", 1, THROW_AWAY);
}

#[test]
#[ignore = "takes minutes"]
fn killed_after_every_step_while_what_is_written_is_thrown_away() {
    killed("worker.step_done", 1, THROW_AWAY);
}

#[test]
#[ignore = "takes minutes"]
fn killed_before_every_step_while_somebody_is_at_a_machine() {
    killed("worker.step_entered", 1, BE_AT);
}

#[test]
#[ignore = "takes minutes"]
fn killed_after_every_step_while_somebody_is_at_a_machine() {
    killed("worker.step_done", 1, BE_AT);
}
