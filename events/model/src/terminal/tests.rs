//! What is given, asked for, and comes of it.

use serde_json::{Value, json};

use super::{Missing, Terminal, launch};
use crate::command::Command;
use crate::event::{LabFact, MachineFact};
use crate::machine::Subject;
use crate::session::tests::site::{Site, machine, terminal as of_terminal};
use crate::testing::{Story, command, kinds};
use crate::version::latest::Nothing;
use crate::version::latest::machine::Assigned;

fn register(termid: &str, settings: &Value) -> Command {
    command("RegisterTerminal", json!({ "termid": termid, "settings": settings }))
}

fn update(settings: &Value) -> Command {
    command("UpdateTerminal", json!({ "terminal": "desk-1", "settings": settings }))
}

fn remove(termid: &str) -> Command {
    command("RemoveTerminal", json!({ "terminal": termid }))
}

fn given(template: &str, parameters: &Value) -> Story {
    let mut story = Story::new();
    let classes = json!({ "pc": { "template": template }, "kiosk": { "template": "firefox" } });
    let lab = json!({ "name": "b12", "settings": { "classes": classes } });
    story.given(command("CreateLab", lab));
    let settings = json!({ "lab": "b12", "class": "pc", "parameters": parameters });
    let events = story.given(register("desk-1", &settings));
    assert_eq!(kinds(&events), ["operation.accepted", "terminal.registered"]);
    story
}

fn terminal(story: &Story) -> Terminal {
    story.fleet.terminals.iter().next().expect("a terminal").1.clone()
}

fn line(story: &Story) -> Result<String, Missing> {
    launch(&story.fleet, &terminal(story))
}

#[test]
fn every_state_that_is_drawn_is_reached() {
    let drawn = crate::testing::drawn(include_str!("mod.rs"));
    assert_eq!(drawn, ["registered --> (updated)* --> removed"]);
    let mut story = given("run", &json!({}));
    story.refused(register("desk-1", &json!({ "lab": "b12", "class": "pc" })), "CRL-0002");
    let kiosk = update(&json!({ "class": "kiosk" }));
    assert_eq!(kinds(&story.given(kiosk.clone()))[1..], ["terminal.updated"]);
    assert_eq!(kinds(&story.given(kiosk)), ["operation.accepted"]);
    assert_eq!(kinds(&story.given(remove("desk-1")))[1..], ["terminal.removed"]);
    story.refused(remove("desk-1"), "CRL-0001");
}

#[test]
fn an_address_is_the_same_however_it_is_written() {
    let mut story = given("run", &json!({}));
    let here = || json!({ "lab": "b12", "class": "pc" });
    for (written, again) in [("52:54:00:AB:cd:01", "52:54:00:ab:CD:01"), ("fd00:0::1", "FD00::1")] {
        story.given(register(written, &here()));
        story.refused(register(again, &here()), "CRL-0002");
        story.given(remove(again));
    }
    let id = "0198c0de-0000-7000-8000-000000000001";
    story.refused(register(id, &here()), "CRL-0607");
    let rename = json!({ "terminal": "desk-1", "termid": "DESK-1" });
    story.given(command("UpdateTerminal", rename));
    assert_eq!(terminal(&story).termid.as_str(), "DESK-1");
}

#[test]
fn a_terminal_stands_in_a_lab_and_is_of_one_of_its_classes() {
    let mut story = given("run", &json!({}));
    story.refused(register("desk-2", &json!({ "lab": "b13", "class": "pc" })), "CRL-0001");
    story.refused(register("desk-2", &json!({ "lab": "b12", "class": "tv" })), "CRL-0602");
    story.refused(update(&json!({ "class": "tv" })), "CRL-0602");
    story.refused(update(&json!({ "parameters": { "HOST": "a\nb" } })), "CRL-0606");
}

#[test]
fn a_terminal_that_goes_gives_back_its_machines_and_its_sessions() {
    let mut site = Site::with_pool(json!({}), 2, 1);
    let pool = site.pool_id("pool");
    site.terminal(0, &[pool]);
    site.vdi(7);
    let assign = json!({ "terminal": of_terminal(0), "machine": machine(7) });
    site.given("AssignTerminal", assign);
    let ask = json!({ "terminal": of_terminal(0), "pool": "pool" });
    site.given("RequestDesktop", ask);
    assert_eq!(site.story.fleet.sessions.len(), 1);
    let events = site.given("RemoveTerminal", json!({ "terminal": of_terminal(0) }));
    for expected in ["lease.ended", "machine.unassigned", "terminal.removed"] {
        assert!(kinds(&events).contains(&expected), "{expected}");
    }
    assert!(site.story.fleet.sessions.is_empty() && site.at(7).owners.is_empty());
}

#[test]
fn a_terminal_that_has_too_much_is_not_removed_at_once() {
    let mut site = Site::with_pool(json!({}), 0, 0);
    let pool = site.pool_id("pool");
    site.terminal(0, &[pool]);
    for n in 0..49 {
        site.vdi(n);
        let assign = json!({ "terminal": of_terminal(0), "machine": machine(n) });
        site.given("AssignTerminal", assign);
    }
    let remove = json!({ "terminal": of_terminal(0) });
    let refused = site.refused("RemoveTerminal", remove.clone(), "CRL-0608");
    assert!(refused.to_string().contains("49"), "{refused}");
    let first = MachineFact::Unassigned(Assigned { subject: Subject::Terminal(of_terminal(0)) });
    site.story.happened(machine(0), first);
    let events = site.given("RemoveTerminal", remove);
    assert_eq!(kinds(&events).last(), Some(&"terminal.removed"));
}

#[test]
fn a_terminal_runs_its_class_with_its_parameters() {
    let template = "remote-viewer -t %TERMID% --title=%LAB% %host%:%PORT% 100%%";
    let story = given(template, &json!({ "HOST": "node1 %PORT%", "port": "5900" }));
    let expected = "remote-viewer -t desk-1 --title=b12 node1 %PORT%:5900 100%";
    assert_eq!(line(&story), Ok(expected.to_owned()));
}

#[test]
fn what_is_missing_is_named() {
    let mut story = given("rdesktop -u %USER% %HOST% %USER%", &json!({}));
    let missing = line(&story).expect_err("two are missing");
    assert_eq!(missing, Missing::Parameters(vec!["USER".to_owned(), "HOST".to_owned()]));
    assert_eq!(missing.to_string(), "the terminal lacks the parameters USER, HOST");
    let mut of_another = terminal(&story);
    of_another.settings.class = crate::name::Name::new("tv").expect("a name");
    let missing = launch(&story.fleet, &of_another).expect_err("no such class");
    assert_eq!(missing.to_string(), "the terminal's lab has no class tv");
    let lab = terminal(&story).settings.lab;
    story.was(lab, LabFact::Deleted(Nothing {}));
    assert_eq!(line(&story), Err(Missing::Lab));
}
