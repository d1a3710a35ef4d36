//! The diagram in the first lines of the folder is held against the code: every state that there is
//! is drawn, and every arrow leads where it says.

use std::collections::BTreeSet;

use serde_json::json;

use super::scene::{create, epoch, host, machine, on, report, run, site};
use crate::hypervisor::commands::{ReportHostHeard, ReportHostSilent};
use crate::machine::commands::{ExpirePower, ExpireReadiness};
use crate::machine::{Outcome, PauseReason, State, StopCause};
use crate::operation::Failure;
use crate::testing::{Story, command};

const DRAWN: &str = include_str!("../mod.rs");

/// Every state, by its name in the diagram. A new one does not compile without a name.
fn drawn_as(state: State) -> &'static str {
    match state {
        State::Off => "off",
        State::Starting => "starting",
        State::Running => "running",
        State::Paused(_) => "paused",
        State::Asleep => "asleep",
        State::Stopping => "stopping",
        State::Crashed => "crashed",
        State::Unknown => "unknown",
    }
}

const ALL: [State; 8] = [
    State::Off,
    State::Starting,
    State::Running,
    State::Paused(PauseReason::Command),
    State::Asleep,
    State::Stopping,
    State::Crashed,
    State::Unknown,
];

/// `from --- what happens ---> to`
fn arrows() -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = DRAWN.lines().filter_map(|line| line.strip_prefix("//!   "));
    let arrow = |line: &'static str| {
        let (from, rest) = line.split_once(" -")?;
        let (what, to) = rest.rsplit_once("-> ")?;
        Some((from.trim(), what.trim_matches('-').trim(), to.trim()))
    };
    lines.filter_map(arrow).collect()
}

fn state(story: &Story) -> &'static str {
    drawn_as(story.fleet.state_of(&machine(story, "m")))
}

fn stopped(story: &mut Story, cause: StopCause) {
    let boot_epoch = epoch(story, "m");
    report(story, "m", Outcome::Stopped { boot_epoch, cause });
}

/// A machine in this state, by ordinary means.
fn machine_that_is(name: &str) -> Story {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    match name {
        "off" => {
            // A host has to know it, or it has nothing to say about it.
            run(&mut story, "m");
            stopped(&mut story, StopCause::Guest);
        }
        "starting" => drop(story.given(on("StartMachine", "m"))),
        _ => run(&mut story, "m"),
    }
    match name {
        "paused" => drop(report(&mut story, "m", Outcome::Paused { reason: PauseReason::Io })),
        "asleep" => drop(report(&mut story, "m", Outcome::Asleep)),
        "crashed" => stopped(&mut story, StopCause::Crash),
        "unknown" => {
            let hypervisor = host(&story, "node1");
            story.given(ReportHostSilent { hypervisor });
        }
        "stopping" => {
            story.given(on("ShutdownMachine", "m"));
            let boot_epoch = epoch(&story, "m");
            report(&mut story, "m", Outcome::Stopping { boot_epoch });
        }
        _ => {}
    }
    assert_eq!(state(&story), name);
    story
}

fn happen(story: &mut Story, what: &str) {
    let boot_epoch = epoch(story, "m");
    let hypervisor = host(story, "node1");
    let id = machine(story, "m").id;
    match what {
        "start requested" => drop(story.given(on("StartMachine", "m"))),
        "started" | "started past Carrel" => {
            drop(report(story, "m", Outcome::Started { boot_epoch }));
        }
        "start failed" => {
            let failure = Failure::new("define", "no such bridge");
            report(story, "m", Outcome::Failed { failure });
        }
        "ready, not ready" => {
            story.wait(3600).given(ExpireReadiness { machine: id });
            report(story, "m", Outcome::Ready { boot_epoch });
        }
        "paused" => {
            story.given(on("SuspendMachine", "m"));
            report(story, "m", Outcome::Paused { reason: PauseReason::Command });
        }
        "slept" => drop(report(story, "m", Outcome::Asleep)),
        "stopping" => drop(report(story, "m", Outcome::Stopping { boot_epoch })),
        "stopped" => stopped(story, StopCause::Guest),
        "stopped by a crash" => stopped(story, StopCause::Crash),
        "resumed" => drop(report(story, "m", Outcome::Resumed)),
        "shutdown ignored" => drop(story.wait(3600).given(ExpirePower { machine: id })),
        "restart ignored" => {
            // It is not asked to shut down any more, but to reboot.
            story.wait(3600).given(ExpirePower { machine: id });
            story.given(on("RebootMachine", "m"));
            report(story, "m", Outcome::Stopping { boot_epoch: boot_epoch + 1 });
            story.wait(3600).given(ExpirePower { machine: id });
        }
        "host silent" => drop(story.given(ReportHostSilent { hypervisor })),
        "host heard" => drop(story.given(ReportHostHeard { hypervisor })),
        "host lost" => {
            story.given(command("ConfirmHypervisorLost", json!({ "hypervisor": "node1" })));
        }
        other => panic!("the diagram says {other:?}, and nobody knows how that comes about"),
    }
}

#[test]
fn every_state_is_drawn_and_reached() {
    let drawn: BTreeSet<&str> = arrows().into_iter().flat_map(|(from, _, to)| [from, to]).collect();
    assert_eq!(drawn, ALL.map(drawn_as).into());
    for state in ALL {
        machine_that_is(drawn_as(state));
    }
}

#[test]
fn every_arrow_leads_where_it_says() {
    assert!(arrows().len() > 20, "the diagram is there");
    for (from, what, to) in arrows() {
        let mut story = machine_that_is(from);
        happen(&mut story, what);
        assert_eq!(state(&story), to, "{from}: {what}");
    }
}

#[test]
fn every_state_has_words_that_people_understand() {
    let words: BTreeSet<&str> = ALL.map(State::words).into();
    assert_eq!(words.len(), ALL.len());
}
