//! Machines move to another host, or don't, and the two hosts don't see that alike.

use serde_json::json;

use super::scene::{create, machine, on, report, report_from, run, site};
use crate::event::{Event, MachineFact};
use crate::hypervisor::commands::ReportHostSilent;
use crate::ids::HypervisorId;
use crate::machine::{Outcome, State, StopCause, Task};
use crate::operation::Failure;
use crate::testing::{Story, command};
use crate::version::latest::machine::{Released, ReleasedBy};
use crate::work::{Shall, Thing, work};

/// It runs on the first host, which has just said that it could not move to the second.
fn stayed() -> (Story, HypervisorId, HypervisorId) {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    let from = machine(&story, "m").place.expect("a host");
    story.given(on("MigrateMachine", "m"));
    let Some(Task::Migrating { to }) = machine(&story, "m").task else { panic!("it moves") };
    let failure = Failure::new("migrate", "the connection broke in the last step");
    report(&mut story, "m", Outcome::MigrationFailed { failure });
    (story, from, to)
}

fn told(story: &Story) -> (HypervisorId, Shall) {
    let told = work(&story.fleet, Thing::Machine(machine(story, "m").id)).expect("work");
    (told.hypervisor, told.shall)
}

#[test]
fn where_it_did_not_arrive_it_is_let_go_before_it_starts_anywhere() {
    let (mut story, from, to) = stayed();
    let asked = machine(&story, "m").task_since;
    assert!(report_from(&mut story, to, "m", asked, Outcome::Migrated).is_empty(), "too late");
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest });
    story.given(on("StartMachine", "m"));
    assert_eq!(told(&story), (to, Shall::Released));
    let newest = machine(&story, "m").generation;
    assert!(report_from(&mut story, to, "m", asked, Outcome::Released).is_empty(), "too early");
    report_from(&mut story, to, "m", newest, Outcome::Released);
    let (host, shall) = told(&story);
    assert!(host == from && matches!(shall, Shall::Present(_)), "{host} {shall:?}");
}

#[test]
fn a_host_that_it_did_not_reach_and_that_is_lost_has_let_go_with_that() {
    let (mut story, from, to) = stayed();
    story.given(ReportHostSilent { hypervisor: to });
    assert_eq!(told(&story), (to, Shall::Released));
    let name = story.fleet.hypervisors.get(to).expect("it").name.to_string();
    let lost = story.given(command("ConfirmHypervisorLost", json!({ "hypervisor": name })));
    let released = Released { hypervisor: to, cause: ReleasedBy::HostLost };
    let m = machine(&story, "m");
    assert!(lost.contains(&Event::Machine(m.id, MachineFact::Released(released))));
    assert_eq!(told(&story).0, from);
}

#[test]
fn a_migration_ends_with_the_host_that_it_was_to_go_to() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    run(&mut story, "m");
    story.given(on("MigrateMachine", "m"));
    let Some(Task::Migrating { to }) = machine(&story, "m").task else { panic!("it moves") };
    story.given(ReportHostSilent { hypervisor: to });
    let name = story.fleet.hypervisors.get(to).expect("it").name.to_string();
    story.given(command("ConfirmHypervisorLost", json!({ "hypervisor": name })));
    let m = machine(&story, "m");
    assert_eq!((m.task, m.leaving, m.observed.state), (None, None, State::Running));
}
