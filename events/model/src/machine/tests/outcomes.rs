//! Reports that are late, repeated, contradictory or foreign; and what hosts see past Carrel.

use serde_json::json;

use super::scene::{create, fact, host, machine, on, report, report_from, run, site};
use crate::event::MachineFact as Fact;
use crate::machine::{Outcome, PauseReason, Ready, State, StopCause, StopManner, Wish};
use crate::operation::Failure;
use crate::testing::{Story, command, kinds};
use crate::version::latest::renewal::{
    FirstBoot, FirstBootBegun, FirstBootDone, Recipe, Renewal, Requested, Why,
};
use crate::work::{Shall, Thing, work};

fn running() -> Story {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    story
}

/// Everything that a host can say about a machine without anybody having asked for it.
fn everything() -> Vec<Outcome> {
    let failure = || Failure::new("test", "a test");
    let snapshot = crate::ids::SnapshotId::from_bytes([1; 16]);
    let session = crate::ids::SessionId::from_bytes([1; 16]);
    vec![
        Outcome::Applied,
        Outcome::Released,
        Outcome::Absent,
        Outcome::Failed { failure: failure() },
        Outcome::Started { boot_epoch: 1 },
        Outcome::Ready { boot_epoch: 1 },
        Outcome::Stopping { boot_epoch: 1 },
        Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest },
        Outcome::Paused { reason: PauseReason::Io },
        Outcome::Asleep,
        Outcome::Resumed,
        Outcome::FirstBootEnded { boot_epoch: 1 },
        Outcome::Copied,
        Outcome::Sealed { stat: crate::testing::STAT },
        Outcome::SnapshotTaken { snapshot },
        Outcome::SnapshotReverted { snapshot },
        Outcome::SnapshotDeleted { snapshot },
        Outcome::SnapshotFailed { snapshot, failure: failure() },
        Outcome::Migrated,
        Outcome::MigrationFailed { failure: failure() },
        Outcome::DisplayArmed { session, ticket: 1, ports: Default::default() },
        Outcome::TicketSpent { session, ticket: 1, by: crate::session::SpentBy::Used },
    ]
}

#[test]
fn a_foreign_host_changes_nothing() {
    let mut story = running();
    let (foreign, generation) = (host(&story, "node2"), machine(&story, "m").generation);
    for outcome in everything() {
        let events = report_from(&mut story, foreign, "m", generation, outcome.clone());
        assert!(events.is_empty(), "{outcome:?}");
    }
}

#[test]
fn nothing_is_heard_about_a_generation_that_was_never_given() {
    let mut story = running();
    let (own, generation) = (host(&story, "node1"), machine(&story, "m").generation + 1);
    for outcome in everything() {
        let events = report_from(&mut story, own, "m", generation, outcome.clone());
        assert!(events.is_empty(), "{outcome:?}");
    }
}

#[test]
fn whatever_is_said_twice_counts_once() {
    for outcome in everything() {
        let mut story = running();
        let (own, generation) = (host(&story, "node1"), machine(&story, "m").generation);
        report_from(&mut story, own, "m", generation, outcome.clone());
        let again = report_from(&mut story, own, "m", generation, outcome.clone());
        assert!(again.is_empty(), "{outcome:?}");
    }
}

#[test]
fn of_an_earlier_epoch_nothing_is_news() {
    let mut story = running();
    story.given(on("ResetMachine", "m"));
    for outcome in [
        Outcome::Started { boot_epoch: 1 },
        Outcome::Ready { boot_epoch: 1 },
        Outcome::Stopping { boot_epoch: 1 },
        Outcome::Stopped { boot_epoch: 1, cause: StopCause::Crash },
        Outcome::Started { boot_epoch: 9 },
    ] {
        assert!(report(&mut story, "m", outcome.clone()).is_empty(), "{outcome:?}");
    }
}

#[test]
fn a_guest_that_powers_itself_off_is_an_observation() {
    let mut story = running();
    let events =
        report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    assert_eq!(kinds(&events), ["machine.stopped"]);
    let m = machine(&story, "m");
    assert!(m.at_rest() && m.power.wish == Wish::Off(StopManner::Hard));
    assert!(story.fleet.index.usage.is_empty(), "nothing is kept for it");
}

#[test]
fn what_was_started_past_carrel_is_turned_off() {
    let mut story = running();
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    let (own, newest) = (host(&story, "node1"), machine(&story, "m").generation);
    let late = report_from(&mut story, own, "m", newest - 1, Outcome::Started { boot_epoch: 1 });
    assert!(late.is_empty(), "that was said before it stopped");
    let events = report(&mut story, "m", Outcome::Started { boot_epoch: 1 });
    assert_eq!(kinds(&events), ["machine.started", "machine.stop_requested"]);
    let m = machine(&story, "m");
    assert!(m.generation > newest, "so its host does something about it");
    assert_eq!((m.observed.state, m.power.wish), (State::Running, Wish::Off(StopManner::Hard)));
    assert!(m.power.deadline.is_some());
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Command });
    assert!(machine(&story, "m").at_rest());
}

#[test]
fn a_stop_that_was_asked_for_while_it_started_still_counts() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story.given(on("StartMachine", "m"));
    story.given(on("PowerOffMachine", "m"));
    report(&mut story, "m", Outcome::Started { boot_epoch: 1 });
    let m = machine(&story, "m");
    assert_eq!(m.power.wish, Wish::Off(StopManner::Hard));
    assert!(m.power.deadline.is_some(), "it still has to go off");
}

#[test]
fn a_start_that_was_called_off_ends_both_ways() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    for outcome in
        [Outcome::Applied, Outcome::Failed { failure: Failure::new("define", "no such bridge") }]
    {
        story.given(on("StartMachine", "m"));
        story.given(on("PowerOffMachine", "m"));
        report(&mut story, "m", outcome);
        assert!(machine(&story, "m").at_rest());
        let parts = story.fleet.operations.iter().map(|(_, operation)| operation.parts.len());
        assert_eq!(parts.sum::<usize>(), 0, "nobody waits any more");
    }
}

#[test]
fn a_host_that_can_not_let_go_says_so() {
    let mut story = running();
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    let first = machine(&story, "m").place.expect("a host");
    let name = story.fleet.hypervisors.get(first).expect("it").name.to_string();
    story.given(command("DrainHypervisor", json!({ "hypervisor": name })));
    let generation = machine(&story, "m").generation;
    let failed = Outcome::Failed { failure: Failure::new("undefine", "libvirt is gone") };
    let events = report_from(&mut story, first, "m", generation, failed.clone());
    assert_eq!(kinds(&events), ["machine.work_failed"]);
    assert!(report_from(&mut story, first, "m", generation, failed).is_empty());
}

#[test]
fn the_end_of_a_first_boot_is_heard_once() {
    let mut story = running();
    let id = machine(&story, "m").id;
    let renewal = Renewal {
        why: Why::Reset,
        image: crate::ids::ImageId::from_bytes([1; 16]),
        recipe: Recipe {
            first_boot: Some(FirstBoot { done: FirstBootDone::Agent, timeout_seconds: 60 }),
            then: Default::default(),
        },
        when: Default::default(),
        warn_seconds: 0,
        discard_data: false,
    };
    assert!(report(&mut story, "m", Outcome::FirstBootEnded { boot_epoch: 1 }).is_empty());
    fact(&mut story, id, Fact::RenewalRequested(Requested { renewal }));
    let deadline = story.now.plus_seconds(60);
    fact(&mut story, id, Fact::FirstBootBegun(FirstBootBegun { boot_epoch: 2, deadline }));
    let told = work(&story.fleet, Thing::Machine(id)).expect("work");
    let Shall::Present(spec) = told.shall else { panic!("it is there") };
    assert_eq!(spec.first_boot.map(|it| it.done), Some(FirstBootDone::Agent));
    assert!(report(&mut story, "m", Outcome::FirstBootEnded { boot_epoch: 1 }).is_empty());
    let ended = Outcome::FirstBootEnded { boot_epoch: 2 };
    assert_eq!(kinds(&report(&mut story, "m", ended.clone()))[0], "machine.first_boot_ended");
    assert!(report(&mut story, "m", ended).is_empty());
}

#[test]
fn a_host_that_lets_go_again_is_not_heard_twice() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    let (first, maintenance) = (host(&story, "node1"), |host: &str, on: bool| {
        command("SetHypervisorMaintenance", json!({ "hypervisor": host, "on": on }))
    });
    story.given(maintenance("node1", true));
    story.given(on("StartMachine", "m"));
    let m = machine(&story, "m");
    assert_eq!((m.place, m.leaving), (Some(host(&story, "node2")), Some(first)));
    let late = m.leaving_since - 1;
    assert!(report_from(&mut story, first, "m", late, Outcome::Released).is_empty());
    report_from(&mut story, first, "m", m.generation, Outcome::Released);
    assert_eq!(machine(&story, "m").leaving, None);
}

#[test]
fn a_machine_is_not_placed_a_third_time_before_the_first_host_has_let_go() {
    let mut story = site(&["node1", "node2", "node3"]);
    create(&mut story, "m");
    run(&mut story, "m");
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    let maintenance = |story: &Story, host, on: bool| {
        let name = story.fleet.hypervisors.get(host).expect("a host").name.to_string();
        command("SetHypervisorMaintenance", json!({ "hypervisor": name, "on": on }))
    };
    let first = machine(&story, "m").place.expect("a host");
    let maintained = maintenance(&story, first, true);
    story.given(maintained);
    story.given(on("StartMachine", "m"));
    let second = machine(&story, "m").place.expect("a host");
    let id = machine(&story, "m").id;
    story.wait(121).given(crate::machine::commands::ExpirePower { machine: id });
    let maintained = maintenance(&story, second, true);
    story.given(maintained);
    story.refused(on("StartMachine", "m"), "CRL-0214");
    let back = maintenance(&story, second, false);
    story.given(back);
    story.given(on("StartMachine", "m"));
    let m = machine(&story, "m");
    assert_eq!((m.place, m.leaving), (Some(second), Some(first)));
}

#[test]
fn work_that_can_not_be_done_is_remembered_once() {
    let mut story = running();
    let failure = Failure::new("media", "the file is gone");
    let events = report(&mut story, "m", Outcome::Failed { failure: failure.clone() });
    assert_eq!(kinds(&events), ["machine.work_failed"]);
    assert!(report(&mut story, "m", Outcome::Failed { failure }).is_empty());
    report(&mut story, "m", Outcome::Applied);
    assert!(machine(&story, "m").trouble.is_none());
    assert_eq!(machine(&story, "m").observed.ready, Ready::By(story.now.plus_seconds(180)));
}

#[test]
fn what_failed_is_said_once() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story.given(on("StartMachine", "m"));
    let (node, generation) = (host(&story, "node1"), machine(&story, "m").generation);
    let failed = Outcome::Failed { failure: Failure::new("define", "no such bridge") };
    let events = report_from(&mut story, node, "m", generation, failed.clone());
    assert!(kinds(&events).contains(&"machine.start_failed"));
    let again = report_from(&mut story, node, "m", generation, failed);
    assert_eq!(kinds(&again), [""; 0]);
}
