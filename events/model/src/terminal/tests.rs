//! What is given, asked for, and comes of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Missing, Terminal, launch};
use crate::command::Command;
use crate::event::{LabFact, MachineFact};
use crate::machine::Subject;
use crate::sealed::BOXES_MAX;
use crate::session::tests::site::{Site, machine, terminal as of_terminal};
use crate::testing::{Story, command, kinds};
use crate::version::latest::Nothing;
use crate::version::latest::machine::Assigned;

fn register(termid: &str, settings: &Value) -> Command {
    let id = of_terminal(
        termid.bytes().fold(0, |sum: u32, byte| sum.wrapping_mul(31) ^ u32::from(byte)),
    );
    command("RegisterTerminal", json!({ "id": id, "termid": termid, "settings": settings }))
}

/// A parameter in a box of a terminal's.
fn sealed(n: u32) -> Value {
    json!({ "key": of_terminal(n), "data": format!("box{n}") })
}

fn update(settings: &Value) -> Command {
    command("UpdateTerminal", json!({ "terminal": "desk-1", "settings": settings }))
}

fn remove(termid: &str) -> Command {
    command("RemoveTerminal", json!({ "terminal": termid }))
}

fn given(template: &str) -> Story {
    let mut story = Story::new();
    let classes = json!({ "pc": { "template": template }, "kiosk": { "template": "firefox" } });
    let lab = json!({ "name": "b12", "settings": { "classes": classes } });
    story.given(command("CreateLab", lab));
    let events = story.given(sealed_for(1, &json!({ "USER": sealed(1) })));
    assert_eq!(kinds(&events), ["operation.accepted", "terminal.registered"]);
    story
}

fn sealed_for(n: u32, parameters: &Value) -> Command {
    let settings = json!({ "lab": "b12", "class": "pc" });
    let of_it = json!({
        "id": of_terminal(n), "termid": "desk-1", "settings": settings, "parameters": parameters,
    });
    command("RegisterTerminal", of_it)
}

fn changes(parameters: &Value) -> Command {
    command("UpdateTerminal", json!({ "terminal": "desk-1", "parameters": parameters }))
}

fn terminal(story: &Story) -> Terminal {
    story.fleet.terminals.iter().next().expect("a terminal").1.clone()
}

/// The line with what was in the boxes.
fn line(story: &Story, opened: &Value) -> Result<String, Missing> {
    let opened = serde_json::from_value(opened.clone()).expect("texts");
    launch(&story.fleet, &terminal(story), &opened)
}

#[test]
fn every_state_that_is_drawn_is_reached() {
    let drawn = crate::testing::drawn(include_str!("mod.rs"));
    assert_eq!(drawn, ["registered --> (updated)* --> removed"]);
    let mut story = given("run");
    story.refused(register("desk-1", &json!({ "lab": "b12", "class": "pc" })), "CRL-0002");
    let kiosk = update(&json!({ "class": "kiosk" }));
    assert_eq!(kinds(&story.given(kiosk.clone()))[1..], ["terminal.updated"]);
    assert_eq!(kinds(&story.given(kiosk)), ["operation.accepted"]);
    assert_eq!(kinds(&story.given(remove("desk-1")))[1..], ["terminal.removed"]);
    story.refused(remove("desk-1"), "CRL-0001");
}

#[test]
fn an_address_is_the_same_however_it_is_written() {
    let mut story = given("run");
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
    let mut story = given("run");
    story.refused(register("desk-2", &json!({ "lab": "b13", "class": "pc" })), "CRL-0001");
    story.refused(register("desk-2", &json!({ "lab": "b12", "class": "tv" })), "CRL-0602");
    story.refused(update(&json!({ "class": "tv" })), "CRL-0602");
}

#[test]
fn parameters_are_in_boxes_of_the_terminal() {
    let mut story = given("run");
    story.given(changes(&json!({ "PASSWD": sealed(1) })));
    let names = |story: &Story| {
        let parameters = terminal(story).parameters;
        parameters.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(&story), ["PASSWD", "USER"]);
    story.given(changes(&json!({ "USER": null })));
    assert_eq!(names(&story), ["PASSWD"]);
    assert_eq!(kinds(&story.given(changes(&json!({ "USER": null })))), ["operation.accepted"]);
    story.refused(changes(&json!({ "HOST": sealed(2) })), "CRL-0010");
    let id_of_another = sealed_for(1, &json!({}));
    story.given(remove("desk-1"));
    story.refused(sealed_for(2, &json!({ "HOST": sealed(1) })), "CRL-0010");
    story.given(id_of_another.clone());
    story.given(update(&json!({ "class": "kiosk" })));
    story.given(command("UpdateTerminal", json!({ "terminal": "desk-1", "termid": "desk-2" })));
    story.refused(id_of_another, "CRL-0007");
}

#[test]
fn a_terminal_has_so_many_parameters() {
    let mut story = given("run");
    let many: serde_json::Map<_, _> =
        (1..BOXES_MAX).map(|n| (format!("P{n}"), sealed(1))).collect();
    story.given(changes(&many.into()));
    story.refused(changes(&json!({ "HOST": sealed(1) })), "CRL-0005");
    story.given(changes(&json!({ "HOST": sealed(1), "USER": null })));
}

#[test]
fn a_parameter_is_one_line() {
    let sent = |value: &str| {
        let parameters = json!({ "HOST": value });
        let data = json!({ "terminal": "desk-1", "parameters": parameters });
        serde_json::from_value::<crate::wire::Command>(
            json!({ "type": "UpdateTerminal", "data": data }),
        )
    };
    let printed = format!("{:?}", sent("10.0.0.1").expect("one line"));
    assert!(!printed.contains("10.0.0.1"), "{printed}");
    let error = sent("a\nb").expect_err("two lines");
    assert!(error.to_string().contains("line break"), "{error}");
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
    let story = given(template);
    let opened = json!({ "HOST": "node1 %PORT%", "port": "5900" });
    let expected = "remote-viewer -t desk-1 --title=b12 node1 %PORT%:5900 100%";
    assert_eq!(line(&story, &opened), Ok(expected.to_owned()));
}

#[test]
fn what_is_missing_is_named() {
    let mut story = given("rdesktop -u %USER% %HOST% %USER%");
    let missing = line(&story, &json!({})).expect_err("two are missing");
    assert_eq!(missing, Missing::Parameters(vec!["USER".to_owned(), "HOST".to_owned()]));
    assert_eq!(missing.to_string(), "the terminal lacks the parameters USER, HOST");
    let mut of_another = terminal(&story);
    of_another.settings.class = crate::name::Name::new("tv").expect("a name");
    let missing = launch(&story.fleet, &of_another, &BTreeMap::new()).expect_err("no such class");
    assert_eq!(missing.to_string(), "the terminal's lab has no class tv");
    let lab = terminal(&story).settings.lab;
    story.was(lab, LabFact::Deleted(Nothing {}));
    assert_eq!(line(&story, &json!({})), Err(Missing::Lab));
}
