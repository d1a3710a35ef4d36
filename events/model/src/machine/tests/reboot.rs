//! Guests that are asked to reboot, and don't.

use super::scene::{create, epoch, fact, machine, on, report, run, site};
use crate::event::MachineFact as Fact;
use crate::ids::MachineId;
use crate::machine::commands::ExpirePower;
use crate::machine::{Outcome, Ready, State, StopCause, StopManner, Wish};
use crate::testing::{Story, kinds};
use crate::version::latest::Nothing;

fn asked() -> (Story, MachineId) {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    story.given(on("RebootMachine", "m"));
    let id = machine(&story, "m").id;
    (story, id)
}

fn ignored() -> (Story, MachineId) {
    let (mut story, id) = asked();
    story.wait(301).given(ExpirePower { machine: id });
    (story, id)
}

#[test]
fn a_guest_that_ignores_a_reboot_stays_on_and_the_command_says_so() {
    let (mut story, id) = asked();
    assert!(story.wait(299).given(ExpirePower { machine: id }).is_empty(), "not yet");
    let events = story.wait(2).given(ExpirePower { machine: id });
    assert_eq!(
        kinds(&events),
        ["machine.restart_ignored", "operation.part_ended", "operation.finished"]
    );
    let m = machine(&story, "m");
    assert_eq!((m.power.wish, m.observed.state), (Wish::On, State::Running));
    assert_eq!(m.power.deadline, None);
    assert!(m.failures.is_empty(), "it is no failed start");
    let (_, operation) = story.fleet.operations.iter().next().expect("it can be retried");
    let failure = operation.failed.get(&id).expect("a failure");
    assert!(failure.detail.as_str().contains("`ResetMachine`"));
    assert!(story.wait(3600).given(ExpirePower { machine: id }).is_empty(), "once");
}

#[test]
fn a_guest_that_ignores_a_reboot_is_as_ready_as_it_was() {
    let (story, _) = ignored();
    assert_ne!(machine(&story, "m").observed.ready, Ready::Yes, "nobody has ever said so");
    let mut story = story;
    report(&mut story, "m", Outcome::Ready { boot_epoch: 1 });
    assert_eq!(machine(&story, "m").observed.ready, Ready::Yes, "late is better than never");

    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    report(&mut story, "m", Outcome::Ready { boot_epoch: 1 });
    story.given(on("RebootMachine", "m"));
    assert!(!machine(&story, "m").is_ready(), "while it is to reboot");
    let id = machine(&story, "m").id;
    story.wait(301).given(ExpirePower { machine: id });
    assert!(machine(&story, "m").is_ready(), "as before");
}

#[test]
fn a_guest_that_ignored_a_reboot_may_reboot_late() {
    let (mut story, _) = ignored();
    let events = report(&mut story, "m", Outcome::Started { boot_epoch: 2 });
    assert_eq!(kinds(&events)[0], "machine.started");
    assert_eq!(machine(&story, "m").observed.boot_epoch, 2);
}

#[test]
fn a_guest_that_ignored_a_reboot_goes_off_in_the_epoch_that_it_runs_in() {
    let stopped = || Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest };
    let (mut story, _) = ignored();
    report(&mut story, "m", stopped());
    assert!(machine(&story, "m").at_rest());
    let (mut story, _) = ignored();
    story.given(on("ShutdownMachine", "m"));
    assert_eq!(machine(&story, "m").power.wish, Wish::Off(StopManner::Acpi));
    report(&mut story, "m", stopped());
    assert!(machine(&story, "m").at_rest());
    let (mut story, _) = asked();
    assert!(report(&mut story, "m", stopped()).is_empty(), "it is on its way to the next");
}

#[test]
fn a_guest_that_ignored_a_reboot_can_be_reset() {
    let (mut story, id) = ignored();
    story.given(on("ResetMachine", "m"));
    assert_eq!(epoch(&story, "m"), 3);
    let events = story.wait(121).given(ExpirePower { machine: id });
    assert_eq!(kinds(&events)[0], "machine.start_failed", "no guest can ignore that");
}

#[test]
fn a_machine_that_is_to_reboot_is_not_suspended_before() {
    let (mut story, id) = asked();
    let refused = story.refused(on("SuspendMachine", "m"), "CRL-0210");
    assert_eq!(refused.to_string(), "m is not running, it is about to restart");
    // A log may hold it all the same.
    fact(&mut story, id, Fact::SuspendRequested(Nothing {}));
    assert!(story.wait(3600).given(ExpirePower { machine: id }).is_empty());
    assert_eq!(machine(&story, "m").power.wish, Wish::Suspended);
    let (mut story, _) = ignored();
    story.given(on("SuspendMachine", "m"));
}
