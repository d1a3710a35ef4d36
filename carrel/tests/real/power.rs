//! Machines that go off without having been told to: by themselves, by a crash, with their host.

use std::path::PathBuf;

use carrel_lab::{comes_to, eventually};
use serde_json::{Value, json};

use crate::faults::files;
use crate::site::Site;

/// How each run of a machine has ended, as those hear of it who follow what happens.
fn causes(site: &Site, machine: &str) -> Vec<String> {
    let (url, token) = site.server();
    let asked = ureq::get(format!("{url}/v1/events?type=machine.stopped&limit=1000"));
    let asked = asked.header("authorization", format!("Bearer {token}"));
    let found: Value = asked.call().expect("answered").body_mut().read_json().expect("JSON");
    let id = site.id("machines", machine);
    let items = found["items"].as_array().expect("facts").iter();
    let of = items.filter(|it| it["stream"].as_str().is_some_and(|stream| stream.contains(&id)));
    of.map(|it| it["data"]["cause"].as_str().expect("a cause").to_owned()).collect()
}

fn state(site: &Site, machine: &str) -> String {
    site.get("machines", machine)["state"].as_str().expect("a state").to_owned()
}

/// It is in this state, and its runs have ended like this.
#[track_caller]
fn must_have_ended(site: &Site, machine: &str, wanted: &str, how: &[&str]) {
    let told = eventually(&format!("{machine} has gone off"), || {
        let told = causes(site, machine);
        (told.len() >= how.len()).then_some(told)
    });
    assert_eq!(told, how, "{machine}");
    comes_to(machine, &wanted.to_owned(), || state(site, machine));
}

fn does(site: &Site, command: &str, machines: &str) {
    site.does(&["do", command, "--machines", machines, "--wait"]);
}

fn said(site: &Site, machine: &str, what: &str) -> usize {
    site.console(machine).matches(what).count()
}

/// Its guest says so often that this was its boot.
#[track_caller]
fn until(site: &Site, machine: &str, boot: u32, times: usize) {
    let says = format!("carrel-guest: boot {boot} of");
    comes_to(&format!("{machine}: {says}"), &times, || said(site, machine, &says));
}

fn thrown_away(site: &Site) -> Vec<PathBuf> {
    files(&site.storage().join("throwaway"))
}

/// Of two desktops one keeps what it writes, and both are up.
fn site_of_two() -> Site {
    let site = Site::with_initial("win11");
    site.does(&["do", "Populate", "--initial", "win11", "--count", "2", "--wait"]);
    does(&site, "EnableVirtualSnapshot", "win11-002");
    does(&site, "StartMachine", "win11-001,win11-002");
    until(&site, "win11-001", 1, 1);
    until(&site, "win11-002", 1, 1);
    assert_eq!(thrown_away(&site).len(), 1);
    site
}

/// What was kept is there, what was to be thrown away is not, and nothing else is left.
fn begins_again(site: &Site) {
    comes_to("what was thrown away is gone", &Vec::new(), || thrown_away(site));
    does(site, "StartMachine", "win11-001,win11-002");
    until(site, "win11-001", 2, 1);
    until(site, "win11-002", 1, 2);
    does(site, "PowerOffMachine", "win11-001,win11-002");
    for machine in ["win11-001", "win11-002"] {
        must_have_ended(site, machine, "off", &["crash", "command"]);
    }
    site.has_what_it_should();
}

#[test]
fn after_a_power_cut_nothing_is_said_to_run_and_all_begins_again() {
    let mut site = site_of_two();
    site.kill();
    site.lab.loses_power();
    site.up();
    for machine in ["win11-001", "win11-002"] {
        must_have_ended(&site, machine, "crashed", &["crash"]);
    }
    assert_eq!(site.lab.virsh(&["list", "--name"]), "", "nothing is started by itself");
    begins_again(&site);
}

#[test]
fn guests_that_crash_while_nobody_looks_have_crashed() {
    let mut site = site_of_two();
    site.kill();
    site.lab.tell("qemu KILL win11-001");
    site.lab.tell("qemu KILL win11-002");
    site.up();
    for machine in ["win11-001", "win11-002"] {
        must_have_ended(&site, machine, "crashed", &["crash"]);
    }
    begins_again(&site);
}

/// As somebody who is logged in there.
fn exec(site: &Site, machine: &str, path: &str, arguments: &[&str]) {
    let command =
        json!({ "execute": "guest-exec", "arguments": { "path": path, "arg": arguments } });
    let command = command.to_string();
    eventually("its agent listens", || site.lab.tries(&["qemu-agent-command", machine, &command]));
}

#[test]
fn how_a_run_has_ended_is_told() {
    let site = Site::with_initial("one");
    does(&site, "StartMachine", "one");
    exec(&site, "one", "/bin/poweroff", &["-f"]);
    must_have_ended(&site, "one", "off", &["guest"]);

    does(&site, "StartMachine", "one");
    site.lab.tell("qemu KILL one");
    must_have_ended(&site, "one", "crashed", &["guest", "crash"]);

    // Somebody who administers the host.
    does(&site, "StartMachine", "one");
    site.lab.virsh(&["destroy", "one"]);
    must_have_ended(&site, "one", "off", &["guest", "crash", "command"]);

    // By its power button, which it heeds when it is up.
    let boots = || said(&site, "one", "carrel-guest: boot");
    let before = boots();
    does(&site, "StartMachine", "one");
    eventually("it is up", || (boots() > before).then_some(()));
    does(&site, "ShutdownMachine", "one");
    must_have_ended(&site, "one", "off", &["guest", "crash", "command", "command"]);
    site.has_what_it_should();
}
