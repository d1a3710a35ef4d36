//! The diagram in the first lines of the folder is held against the code: every state that there is
//! is drawn, every arrow leads where it says, and nothing leads where there is no arrow.

use std::collections::BTreeSet;

use serde_json::json;

use super::scene::{create, epoch, host, machine, on, report, run, site};
use crate::hypervisor::commands::{ReportHostHeard, ReportHostSilent};
use crate::machine::commands::{ExpirePower, ExpireReadiness};
use crate::machine::{Outcome, PauseReason, State, StopCause};
use crate::operation::Failure;
use crate::testing::{Arrow, Story, command, kinds, ways};

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

fn arrows() -> Vec<Arrow> {
    crate::testing::arrows(DRAWN, "A desktop or a server.")
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
        "start requested" => drop(story.tell(on("StartMachine", "m"))),
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
            let _ = story.tell(on("SuspendMachine", "m"));
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
            let _ = story.tell(on("RebootMachine", "m"));
            report(story, "m", Outcome::Stopping { boot_epoch: boot_epoch + 1 });
            story.wait(3600).given(ExpirePower { machine: id });
        }
        "host silent" => drop(story.given(ReportHostSilent { hypervisor })),
        "host heard" => drop(story.given(ReportHostHeard { hypervisor })),
        "host lost" => {
            let _ = story.tell(command("ConfirmHypervisorLost", json!({ "hypervisor": "node1" })));
        }
        "restarted" => is_restarted(story),
        "paused by its host" => {
            drop(report(story, "m", Outcome::Paused { reason: PauseReason::Io }));
        }
        "power cut" => {
            let _ = story.tell(on("PowerOffMachine", "m"));
            report(story, "m", Outcome::Applied);
        }
        "applied" => drop(report(story, "m", Outcome::Applied)),
        "released" => drop(report(story, "m", Outcome::Released)),
        "absent" => drop(report(story, "m", Outcome::Absent)),
        "first boot ended" => {
            drop(report(story, "m", Outcome::FirstBootEnded { boot_epoch }));
        }
        "migrated" => drop(report(story, "m", Outcome::Migrated)),
        other => panic!("the diagram says {other:?}, and nobody knows how that comes about"),
    }
}

/// It was asked for while the machine ran, and comes about in the state that it is in now.
fn is_restarted(story: &mut Story) {
    let (was, machine) = (state(story), machine(story, "m").id);
    let boot_epoch = epoch(story, "m") + 1;
    let again = match was {
        "paused" => Outcome::Paused { reason: PauseReason::Io },
        "asleep" => Outcome::Asleep,
        "stopping" => Outcome::Stopping { boot_epoch },
        _ => return,
    };
    report(story, "m", Outcome::Resumed);
    story.wait(3600).given(ExpirePower { machine });
    story.given(on("ResetMachine", "m"));
    report(story, "m", again);
    assert_eq!(state(story), was);
    report(story, "m", Outcome::Started { boot_epoch });
}

#[test]
fn every_state_is_drawn_and_reached() {
    let drawn: BTreeSet<&str> = arrows().iter().flat_map(|it| [it.from, it.to]).collect();
    assert_eq!(drawn, ALL.map(drawn_as).into());
    for state in ALL {
        machine_that_is(drawn_as(state));
    }
}

#[test]
fn every_arrow_leads_where_it_says() {
    assert!(arrows().len() > 20, "the diagram is there");
    for Arrow { from, what, to } in arrows() {
        let mut story = machine_that_is(from);
        happen(&mut story, what);
        assert_eq!(state(&story), to, "{from}: {what}");
    }
}

/// Where an arrow leads back, only its facts show that something has come of it.
#[test]
fn a_machine_that_runs_is_not_ready_in_time_and_ready_after_all() {
    let mut story = machine_that_is("running");
    let was = story.log.len();
    happen(&mut story, "ready, not ready");
    assert_eq!(kinds(&story.log[was..]), ["machine.ready_timed_out", "machine.became_ready"]);
    let back = arrows().into_iter().filter(|arrow| arrow.from == arrow.to);
    assert_eq!(back.map(|arrow| arrow.what).collect::<Vec<_>>(), ["ready, not ready"]);
}

/// What can be said of a machine, too, and changes none of its states.
const LEADS_NOWHERE: [&str; 5] = ["applied", "released", "absent", "first boot ended", "migrated"];

#[test]
fn nothing_leads_where_no_arrow_is_drawn() {
    let drawn = ways(&arrows());
    let named: BTreeSet<&str> =
        arrows().iter().map(|arrow| arrow.what).chain(LEADS_NOWHERE).collect();
    let mut undrawn = BTreeSet::new();
    for from in ALL.map(drawn_as) {
        for what in &named {
            let mut story = machine_that_is(from);
            happen(&mut story, what);
            let to = state(&story);
            if from != to && !drawn.contains(&(from, to)) {
                undrawn.insert((from, *what, to));
            }
        }
    }
    assert_eq!(undrawn, BTreeSet::new());
}

#[test]
fn every_state_has_words_that_people_understand() {
    let words: BTreeSet<&str> = ALL.map(State::words).into();
    assert_eq!(words.len(), ALL.len());
}
