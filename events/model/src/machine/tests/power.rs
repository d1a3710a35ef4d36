//! On, off, and everything between.

use serde_json::json;

use super::scene::{create, epoch, fact, host, machine, on, report, run, site};
use crate::event::MachineFact as Fact;
use crate::hypervisor::commands::ReportHostSilent;
use crate::ids::ImageId;
use crate::machine::commands::{ExpirePower, ExpireReadiness};
use crate::machine::{Outcome, PauseReason, Reason, State, StopCause, StopManner, Wish};
use crate::operation::{Failure, Outcome as Ended, State as OperationState};
use crate::testing::{Story, command, kinds};
use crate::version::latest::Nothing;
use crate::version::latest::machine::{CopyRequested, DeleteRequested, MigrationRequested};
use crate::version::latest::machine::{Placement, SealRequested};
use crate::version::latest::renewal::{Begun, Renewal, Requested, Why};

fn one() -> Story {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story
}

fn running() -> Story {
    let mut story = one();
    run(&mut story, "m");
    story
}

/// How the only operation that is left has ended.
fn outcome(story: &Story) -> Option<Ended> {
    story.fleet.operations.iter().find_map(|(_, operation)| match operation.state {
        OperationState::Ended { outcome, .. } => Some(outcome),
        OperationState::Sealing | OperationState::Running | OperationState::Cancelling { .. } => {
            None
        }
    })
}

#[test]
fn a_start_is_over_when_the_host_says_that_it_runs() {
    let mut story = one();
    let events = story.given(on("StartMachine", "m"));
    assert_eq!(
        kinds(&events),
        [
            "operation.accepted",
            "machine.placed",
            "machine.start_requested",
            "operation.part_begun",
            "operation.advanced",
        ]
    );
    let events = report(&mut story, "m", Outcome::Started { boot_epoch: 1 });
    assert_eq!(kinds(&events), ["machine.started", "operation.part_ended", "operation.finished"]);
    assert!(story.fleet.operations.is_empty());
    let again = story.given(on("StartMachine", "m"));
    assert_eq!(kinds(&again).last(), Some(&"operation.finished"), "it is on already");
}

#[test]
fn a_start_that_takes_too_long_has_failed_and_the_third_puts_it_aside() {
    let mut story = one();
    let id = machine(&story, "m").id;
    for try_ in 1..=3 {
        story.given(on("StartMachine", "m"));
        assert!(story.given(ExpirePower { machine: id }).is_empty(), "not yet");
        let events = story.wait(121).given(ExpirePower { machine: id });
        assert_eq!(kinds(&events)[0], "machine.start_failed");
        let aside = machine(&story, "m").maintenance.contains(&Reason::Quarantine);
        assert_eq!(aside, try_ == 3);
    }
    assert_eq!(outcome(&story), Some(Ended::Failed));
    assert!(story.given(ExpirePower { machine: id }).is_empty());
    let off = command("SetMaintenance", json!({ "machines": ["m"], "on": false }));
    story.given(off);
    assert!(machine(&story, "m").maintenance.is_empty());
    assert!(machine(&story, "m").failures.is_empty());
}

#[test]
fn failures_long_ago_say_nothing() {
    let mut story = one();
    let id = machine(&story, "m").id;
    for _ in 0..4 {
        story.given(on("StartMachine", "m"));
        story.wait(400).given(ExpirePower { machine: id });
    }
    assert!(machine(&story, "m").maintenance.is_empty());
}

#[test]
fn a_desktop_that_does_not_answer_its_probe_counts_as_failed() {
    let mut story = running();
    let id = machine(&story, "m").id;
    assert!(story.given(ExpireReadiness { machine: id }).is_empty());
    let events = story.wait(181).given(ExpireReadiness { machine: id });
    assert_eq!(kinds(&events), ["machine.ready_timed_out"]);
    assert_eq!(machine(&story, "m").failures.len(), 1);
    let events = report(&mut story, "m", Outcome::Ready { boot_epoch: 1 });
    assert_eq!(kinds(&events), ["machine.became_ready"], "late is better than never");
    assert!(machine(&story, "m").failures.is_empty());
    assert!(story.given(ExpireReadiness { machine: id }).is_empty());
}

#[test]
fn a_guest_that_ignores_acpi_stays_on_and_the_command_says_so() {
    let mut story = running();
    let id = machine(&story, "m").id;
    story.given(on("ShutdownMachine", "m"));
    assert_eq!(machine(&story, "m").power.wish, Wish::Off(StopManner::Acpi));
    let events = story.wait(181).given(ExpirePower { machine: id });
    assert_eq!(kinds(&events)[0], "machine.shutdown_ignored");
    assert_eq!(machine(&story, "m").power.wish, Wish::On);
    let (_, operation) = story.fleet.operations.iter().next().expect("it can be retried");
    let failure = operation.failed.get(&id).expect("a failure");
    assert!(failure.detail.as_str().contains("`PowerOffMachine` cuts the power"));
}

#[test]
fn power_that_is_not_cut_is_an_alarm_and_cut_again() {
    let mut story = running();
    let id = machine(&story, "m").id;
    story.given(on("PowerOffMachine", "m"));
    let events = story.wait(61).given(ExpirePower { machine: id });
    assert_eq!(kinds(&events)[..2], ["machine.work_failed", "machine.stop_requested"]);
    let deadline = machine(&story, "m").power.deadline;
    assert_eq!(deadline, Some(story.now.plus_seconds(600)));
    assert_eq!(outcome(&story), Some(Ended::Failed), "nobody waits for that");
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Command });
    assert!(machine(&story, "m").at_rest());
}

#[test]
fn a_harder_way_off_overtakes_a_softer_one() {
    let mut story = running();
    story.given(on("ShutdownMachine", "m"));
    story.given(on("PowerOffMachine", "m"));
    assert_eq!(machine(&story, "m").power.wish, Wish::Off(StopManner::Hard));
    story.given(on("ShutdownMachine", "m"));
    assert_eq!(machine(&story, "m").power.wish, Wish::Off(StopManner::Hard));
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Command });
    assert!(story.fleet.operations.is_empty());
    let events = story.given(on("PowerOffMachine", "m"));
    assert!(!kinds(&events).contains(&"machine.stop_requested"), "it is off");
}

#[test]
fn a_restart_is_an_epoch_of_its_own() {
    for what in ["RebootMachine", "ResetMachine"] {
        let mut story = running();
        story.given(on(what, "m"));
        assert_eq!(epoch(&story, "m"), 2);
        assert!(report(&mut story, "m", Outcome::Started { boot_epoch: 1 }).is_empty(), "old");
        report(&mut story, "m", Outcome::Started { boot_epoch: 2 });
        assert!(story.fleet.operations.is_empty());
        let mut story = one();
        story.refused(on(what, "m"), "CRL-0210");
    }
}

#[test]
fn a_suspended_machine_is_resumed_and_not_started() {
    let mut story = running();
    story.given(on("SuspendMachine", "m"));
    report(&mut story, "m", Outcome::Paused { reason: PauseReason::Command });
    report(&mut story, "m", Outcome::Applied);
    assert!(story.fleet.operations.is_empty());
    story.refused(on("StartMachine", "m"), "CRL-0241");
    story.refused(on("ShutdownMachine", "m"), "CRL-0210");
    story.given(on("ResumeMachine", "m"));
    report(&mut story, "m", Outcome::Resumed);
    report(&mut story, "m", Outcome::Applied);
    assert_eq!(machine(&story, "m").observed.state, State::Running);
    assert!(story.fleet.operations.is_empty());
    let mut story = one();
    story.refused(on("SuspendMachine", "m"), "CRL-0210");
    story.refused(on("ResumeMachine", "m"), "CRL-0210");
}

#[test]
fn while_something_else_is_done_with_it_its_power_is_left_alone() {
    let image = ImageId::from_bytes([1; 16]);
    let placement = || Placement {
        policy: crate::name::PlatformName::new("test").expect("a name"),
        chosen_for: Default::default(),
        considered: 0,
        refused: Default::default(),
    };
    let renewal = Renewal {
        why: Why::Reset,
        image,
        recipe: Default::default(),
        when: Default::default(),
        warn_seconds: 0,
        discard_data: false,
    };
    let mut all: Vec<(Vec<Fact>, &str)> = vec![
        (vec![Fact::Locked(Nothing {})], "CRL-0202"),
        (vec![Fact::SealRequested(SealRequested { image, number: 1 })], "CRL-0204"),
    ];
    let mut story = running();
    let (id, to) = (machine(&story, "m").id, host(&story, "node1"));
    all.push((
        vec![Fact::CopyRequested(CopyRequested { source: id, disks: Vec::new(), traces: None })],
        "CRL-0203",
    ));
    let migration = MigrationRequested { to, placement: placement() };
    all.push((vec![Fact::MigrationRequested(migration)], "CRL-0205"));
    let operation = crate::ids::CommandId::from_bytes([1; 16]);
    all.push((vec![Fact::DeleteRequested(DeleteRequested { operation })], "CRL-0206"));
    let deadline = story.now;
    let begun =
        [Fact::RenewalRequested(Requested { renewal }), Fact::RenewalBegun(Begun { deadline })];
    all.push((begun.to_vec(), "CRL-0207"));
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    for (facts, code) in all {
        let mut story = story.clone();
        for it in facts {
            fact(&mut story, id, it);
        }
        story.refused(on("StartMachine", "m"), code);
        story.refused(on("PowerOffMachine", "m"), code);
        if code != "CRL-0206" {
            story.refused(on("DeleteMachine", "m"), code);
        }
    }
}

#[test]
fn what_a_silent_host_does_is_unknown() {
    let mut story = running();
    let hypervisor = host(&story, "node1");
    story.given(ReportHostSilent { hypervisor });
    assert_eq!(story.fleet.state_of(&machine(&story, "m")), State::Unknown);
    for what in ["PowerOffMachine", "RebootMachine", "SuspendMachine", "MigrateMachine"] {
        story.refused(on(what, "m"), "CRL-0209");
    }
}

#[test]
fn a_wake_up_is_sent_each_time() {
    let mut story = site(&["node1"]);
    let external = json!({
        "address": "10.0.0.7", "protocols": ["rdp"], "wake_on_lan": "52:54:00:00:00:01",
    });
    let fields = json!({ "name": "pc", "kind": "external", "external": external });
    story.given(command("CreateMachine", fields));
    for epoch in 1..=2 {
        story.given(on("StartMachine", "pc"));
        report(&mut story, "pc", Outcome::Started { boot_epoch: epoch });
        assert_eq!(machine(&story, "pc").observed.boot_epoch, epoch);
    }
    assert!(story.fleet.operations.is_empty());
}

#[test]
fn a_start_that_the_host_can_not_do_has_failed() {
    let mut story = one();
    story.given(on("StartMachine", "m"));
    let failure = Failure::new("define", "no such bridge");
    let events = report(&mut story, "m", Outcome::Failed { failure });
    assert_eq!(kinds(&events)[0], "machine.start_failed");
    assert_eq!(outcome(&story), Some(Ended::Failed));
    assert!(machine(&story, "m").at_rest());
    let mut story = running();
    story.given(on("ShutdownMachine", "m"));
    report(&mut story, "m", Outcome::Stopping { boot_epoch: 1 });
    story.refused(on("StartMachine", "m"), "CRL-0211");
}

#[test]
fn nobody_waits_for_the_start_of_what_sleeps() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    report(&mut story, "m", Outcome::Asleep);
    assert_eq!(
        kinds(&story.given(on("StartMachine", "m")))[1..],
        ["operation.advanced", "operation.finished"]
    );
    assert!(story.fleet.operations.is_empty());
}
