//! What hosts have, beside what the fleet says.

use serde_json::json;

use super::{Difference, compare};
use crate::contract::{Held, HeldPower, Inventory};
use crate::event::{ImageFact, SessionFact};
use crate::hypervisor::commands::{ReportHostHeard, ReportHostSilent};
use crate::ids::{HypervisorId, MachineId};
use crate::machine::commands::ReportOutcome;
use crate::machine::tests::scene::{
    add_version, create, epoch, fact, host, lease, machine, on, report, run, site,
};
use crate::machine::{Outcome, PauseReason, Reported, StopCause};
use crate::operation::Failure;
use crate::record::Incarnation;
use crate::testing::{Story, command};
use crate::version::latest::display::Protocol;
use crate::version::latest::image::Verified;
use crate::version::latest::session::TicketIssued;
use crate::work::Thing;

/// What a host would say that has settled everything that was ever asked of it.
fn settled(story: &Story, on: &str) -> Inventory {
    let hypervisor = host(story, on);
    let own = story.fleet.machines_on(hypervisor).filter_map(|id| story.fleet.machines.get(id));
    let own = own.filter(|machine| machine.place == Some(hypervisor) && machine.leaving.is_none());
    let things = own.map(|machine| Held {
        thing: Thing::Machine(machine.id),
        generation: machine.generation,
        settled: true,
        power: Some(HeldPower {
            boot_epoch: machine.power.boot_epoch,
            runs: !machine.observed.state.is_off(),
        }),
    });
    let (things, space) = (things.collect(), Vec::new());
    Inventory { hypervisor, incarnation: Incarnation::default(), things, space, foreign: 0 }
}

/// A machine that runs on the only host, of which everything was said.
fn running() -> Story {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    run(&mut story, "m");
    ready(&mut story);
    story
}

fn ready(story: &mut Story) {
    let boot_epoch = epoch(story, "m");
    report(story, "m", Outcome::Ready { boot_epoch });
    report(story, "m", Outcome::Applied);
}

fn thing(story: &Story) -> Thing {
    Thing::Machine(machine(story, "m").id)
}

fn again(story: &Story) -> Vec<Difference> {
    vec![Difference::Order(thing(story))]
}

fn seen(story: &Story, outcome: Outcome) -> Difference {
    let machine = machine(story, "m");
    let thing = Reported::Machine { id: machine.id, outcome };
    let (hypervisor, generation) = (host(story, "node1"), machine.generation);
    Difference::Outcome(ReportOutcome { hypervisor, generation, thing })
}

#[track_caller]
fn nothing_differs(story: &Story) {
    assert_eq!(compare(&story.fleet, &settled(story, "node1")), []);
}

#[test]
fn a_host_that_has_settled_everything_and_was_heard_differs_in_nothing() {
    let mut story = running();
    nothing_differs(&story);
    story.given(on("PowerOffMachine", "m"));
    report(&mut story, "m", Outcome::Stopped { boot_epoch: 1, cause: StopCause::Command });
    report(&mut story, "m", Outcome::Applied);
    nothing_differs(&story);
}

#[test]
fn what_a_host_has_not_heard_is_ordered_again() {
    let story = running();
    let mut inventory = settled(&story, "node1");
    inventory.things[0].generation -= 1;
    assert_eq!(compare(&story.fleet, &inventory), again(&story), "an older one");
    inventory.things[0].settled = false;
    assert_eq!(compare(&story.fleet, &inventory), again(&story), "at work on an older one");
    inventory.things.clear();
    assert_eq!(compare(&story.fleet, &inventory), again(&story), "none");
}

#[test]
fn what_is_awaited_of_a_host_that_says_it_is_settled_is_ordered_again() {
    let mut story = site(&["node1"]);
    create(&mut story, "m");
    story.given(on("StartMachine", "m"));
    let awaited = |story: &Story| {
        let mut inventory = settled(story, "node1");
        inventory.things[0].power = None;
        assert_eq!(compare(&story.fleet, &inventory), again(story));
        inventory.things[0].settled = false;
        assert_eq!(compare(&story.fleet, &inventory), [], "it is at work on it");
    };
    awaited(&story);
    let told = |story: &Story| compare(&story.fleet, &settled(story, "node1"));
    report(&mut story, "m", Outcome::Started { boot_epoch: 1 });
    assert_eq!(told(&story), again(&story), "that it can be used");
    report(&mut story, "m", Outcome::Ready { boot_epoch: 1 });
    assert_eq!(told(&story), again(&story), "that it is as it shall be");
    report(&mut story, "m", Outcome::Applied);
    nothing_differs(&story);
    story.given(on("SuspendMachine", "m"));
    report(&mut story, "m", Outcome::Applied);
    assert_eq!(told(&story), again(&story), "that it is paused");
    report(&mut story, "m", Outcome::Paused { reason: PauseReason::Command });
    nothing_differs(&story);
    // It doesn't run, and why is for people to see.
    for reason in [PauseReason::Io, PauseReason::Command] {
        report(&mut story, "m", Outcome::Paused { reason });
        nothing_differs(&story);
    }
    story.given(on("ResumeMachine", "m"));
    report(&mut story, "m", Outcome::Applied);
    assert_eq!(told(&story), again(&story), "that it goes on");
    report(&mut story, "m", Outcome::Resumed);
    nothing_differs(&story);
}

#[test]
fn a_task_a_snapshot_and_a_release_are_awaited() {
    let mut story = site(&["node1", "node2"]);
    create(&mut story, "m");
    story.given(command("TakeSnapshot", json!({ "machine": "m", "name": "s" })));
    let own = machine(&story, "m").place.expect("a host");
    let named = |story: &Story, it: HypervisorId| {
        let named = if host(story, "node1") == it { "node1" } else { "node2" };
        named.to_owned()
    };
    let told = |story: &Story| compare(&story.fleet, &settled(story, &named(story, own)));
    report(&mut story, "m", Outcome::Applied);
    assert_eq!(told(&story), again(&story), "a snapshot");
    let snapshot = machine(&story, "m").snapshots[0].id;
    report(&mut story, "m", Outcome::SnapshotTaken { snapshot });
    report(&mut story, "m", Outcome::Applied);
    assert_eq!(told(&story), []);
    story.given(command("DrainHypervisor", json!({ "hypervisor": named(&story, own) })));
    assert_eq!(machine(&story, "m").leaving, Some(own));
    assert_eq!(told(&story), again(&story), "a release, of which it has nothing any more");
    let failed = Outcome::Failed { failure: Failure::new("test", "it can't") };
    let generation = machine(&story, "m").generation;
    let id = machine(&story, "m").id;
    let thing = Reported::Machine { id, outcome: failed };
    story.given(ReportOutcome { hypervisor: own, generation, thing });
    assert_eq!(told(&story), again(&story), "it has said that it can't, and may try again");
}

#[test]
fn a_ticket_is_awaited_while_the_machine_runs() {
    let mut story = running();
    let id = machine(&story, "m").id;
    let session = lease(&mut story, id);
    nothing_differs(&story);
    let (protocol, expires_at) = (Protocol::Spice, story.now.plus_seconds(60));
    let issued = TicketIssued { ticket: 1, protocol, expires_at, source: None, terminal: None };
    fact(&mut story, session, SessionFact::TicketIssued(issued));
    report(&mut story, "m", Outcome::Applied);
    assert_eq!(compare(&story.fleet, &settled(&story, "node1")), again(&story));
    report(
        &mut story,
        "m",
        Outcome::DisplayArmed { session, ticket: 1, ports: Default::default() },
    );
    nothing_differs(&story);
}

#[test]
fn a_guest_that_is_off_or_on_unseen_is_reported_if_that_is_news() {
    let mut story = running();
    let off = |story: &Story, boot_epoch| {
        let mut inventory = settled(story, "node1");
        inventory.things[0].power = Some(HeldPower { boot_epoch, runs: false });
        compare(&story.fleet, &inventory)
    };
    let stopped = Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest };
    assert_eq!(off(&story, 1), [seen(&story, stopped.clone())]);
    assert_eq!(off(&story, 0), [], "that was before it was started");
    report(&mut story, "m", stopped);
    report(&mut story, "m", Outcome::Applied);
    assert_eq!(off(&story, 1), []);
    let mut inventory = settled(&story, "node1");
    inventory.things[0].power = Some(HeldPower { boot_epoch: 1, runs: true });
    let started = seen(&story, Outcome::Started { boot_epoch: 1 });
    assert_eq!(compare(&story.fleet, &inventory), [started], "somebody started it past Carrel");
    inventory.things[0].settled = false;
    assert_eq!(compare(&story.fleet, &inventory), [], "it is still going off");
}

#[test]
fn what_is_reported_is_no_difference_any_more() {
    let mut story = running();
    let mut inventory = settled(&story, "node1");
    inventory.things[0].power = Some(HeldPower { boot_epoch: 1, runs: false });
    let Some(Difference::Outcome(outcome)) = compare(&story.fleet, &inventory).pop() else {
        panic!("a difference")
    };
    story.given(outcome);
    assert_eq!(compare(&story.fleet, &inventory), again(&story), "it hears what follows");
    report(&mut story, "m", Outcome::Applied);
    nothing_differs(&story);
}

#[test]
fn a_reset_that_was_done_unheard_is_seen_by_its_epoch() {
    let mut story = running();
    story.given(on("ResetMachine", "m"));
    report(&mut story, "m", Outcome::Applied);
    let started = seen(&story, Outcome::Started { boot_epoch: 2 });
    assert_eq!(compare(&story.fleet, &settled(&story, "node1")), [started]);
}

#[test]
fn files_of_an_image_are_awaited_until_they_are_done() {
    let mut story = site(&["node1"]);
    story.given(command("CreateMachine", json!({ "name": "gold", "kind": "source" })));
    let initial = json!({ "name": "i", "kind": "initial", "source": "gold" });
    story.given(command("CreateMachine", initial));
    let image = add_version(&mut story, "i", 1);
    let empty = Inventory { things: Vec::new(), ..settled(&story, "node1") };
    let thing = Thing::Image(image);
    assert_eq!(compare(&story.fleet, &empty), [Difference::Order(thing)], "its digest");
    let generation = story.fleet.images.get(image).expect("it").version.0;
    let at_work = Held { thing, generation, settled: false, power: None };
    let at_work = Inventory { things: vec![at_work], ..empty.clone() };
    assert_eq!(compare(&story.fleet, &at_work), []);
    let digest = crate::hash::Digest([1; 32]);
    fact(&mut story, image, ImageFact::Verified(Verified { digest }));
    assert_eq!(compare(&story.fleet, &empty), []);
}

#[test]
fn what_is_not_a_hosts_own_is_left_alone() {
    let story = running();
    let mut inventory = settled(&story, "node1");
    inventory.foreign = 3;
    let stranger = MachineId::from_bytes([9; 16]);
    let held = inventory.things[0];
    inventory.things.push(Held { thing: Thing::Machine(stranger), ..held });
    let alarms = [Difference::Astray(stranger), Difference::Foreign(3)];
    assert_eq!(compare(&story.fleet, &inventory), alarms);
    inventory.things[1].power = None;
    inventory.foreign = 0;
    assert_eq!(compare(&story.fleet, &inventory), [], "it remembers it, and nothing is there");
}

#[test]
fn a_lost_host_is_told_nothing_and_believed_nothing() {
    let mut story = running();
    let hypervisor = host(&story, "node1");
    story.given(ReportHostSilent { hypervisor });
    story.given(command("ConfirmHypervisorLost", json!({ "hypervisor": "node1" })));
    story.given(ReportHostHeard { hypervisor });
    let id = machine(&story, "m").id;
    let held = Held {
        thing: Thing::Machine(id),
        generation: 1,
        settled: true,
        power: Some(HeldPower { boot_epoch: 1, runs: true }),
    };
    let inventory = Inventory { things: vec![held], ..settled(&story, "node1") };
    assert_eq!(machine(&story, "m").place, None);
    assert_eq!(compare(&story.fleet, &inventory), [Difference::Astray(id)]);
}
