//! What hosts say, and what comes of it.

use std::sync::Arc;

use carrel_bus::{Address, Beat, Bus, Message, Pulse, Queue};
use carrel_log::{EventLog, PageLimit};
use carrel_model::contract::{FreeSpace, Report, Signs};
use carrel_model::fleet::Silence;
use carrel_model::hypervisor::Reason;
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::machine::{Outcome, Reported, State, StopCause};
use carrel_model::record::Incarnation;
use serde_json::json;
use uuid::Uuid;

use crate::bus::Way;
use crate::hosts::say;
use crate::scene::Scene;

fn stopped(scene: &Scene, name: &str) -> ReportOutcome {
    let machine = scene.machine(name);
    let outcome = Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest };
    ReportOutcome {
        hypervisor: machine.place.expect("a host"),
        generation: machine.generation,
        thing: Reported::Machine { id: machine.id, outcome },
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_is_decided_once_under_its_messages_id() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let outcome = stopped(&scene, "m");
    let incarnation = scene.log.head().await.expect("a head").incarnation;
    let report = Report::Outcome { incarnation, outcome: outcome.clone() };
    let before = scene.decider.standing().position;
    let id = Uuid::from_bytes([42; 16]);
    for _ in 0..3 {
        say(&scene.bus, id, &report).await;
    }
    scene.rests().await;
    let page = scene.log.read(before, PageLimit::MAX).await.expect("a page");
    let unit = &page.records[0].unit;
    assert_eq!(unit.command_id.uuid(), id);
    assert_eq!(unit.origin.causation_id.uuid(), id);
    assert_eq!(unit.origin.actor.id.uuid(), outcome.hypervisor.uuid());
    assert_eq!(unit.origin.actor.method.as_str(), "worker");
    let stops = page.records.iter().filter(|it| it.kind.as_str() == "machine.stopped");
    assert_eq!(stops.count(), 1);
    assert_eq!(scene.bus.waiting(&Queue::Dead).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_past_that_was_taken_back_changes_nothing() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let incarnation = scene.log.head().await.expect("a head").incarnation;
    scene.log.finish_import().await.expect("an incarnation");
    scene.dies(crate::scene::Broker::Lives).await;
    scene.rests().await;
    let before = scene.decider.standing().position;
    let report = Report::Outcome { incarnation, outcome: stopped(&scene, "m") };
    say(&scene.bus, Uuid::from_bytes([42; 16]), &report).await;
    scene.rests().await;
    assert_eq!(scene.decider.standing().position, before);
    assert_eq!(scene.bus.waiting(&Queue::Outcomes).await, Ok(0));
    assert_eq!(scene.machine("m").observed.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn what_cant_be_read_is_put_aside_with_the_reason() {
    let mut scene = Scene::founded(Way::Arrives).await;
    let id = Uuid::from_bytes([42; 16]);
    let message = Message::new(id, &b"{\"outcome\": {}}"[..]);
    scene.bus.publish(&Address::Outcomes, message).await.expect("a queue");
    scene.runs("m").await;
    let mut dead = scene.bus.consume(&Queue::Dead, 1).await.expect("a consumer");
    let dead = dead.next().await.expect("a message").message;
    assert_eq!(dead.id, id);
    let why = dead.headers.dead.expect("a reason");
    assert!(why.reason.contains("it is no report"), "{why:?}");
    assert_eq!(scene.counts().malformed, 1);
    assert_eq!(scene.machine("m").observed.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_went_off_unseen_is_found_by_the_second_look() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let machine = scene.machine("m");
    let host = machine.place.expect("a host");
    let lost = scene.workers.change(|hosts| hosts.goes_off((host, machine.id), StopCause::Guest));
    assert!(lost.is_some(), "it ran");
    scene.workers.tell(&scene.bus, &scene.fleet()).await;
    scene.rests().await;
    assert_eq!(scene.machine("m").observed.state, State::Running, "an outcome may be on its way");
    scene.workers.tell(&scene.bus, &scene.fleet()).await;
    scene.rests().await;
    assert_eq!(scene.machine("m").observed.state, State::Off);
    assert_eq!(scene.counts().differences_reported, 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_that_says_what_it_has_is_heard_again() {
    let scene = Scene::founded(Way::Arrives).await;
    let is_silent = |scene: &Scene| {
        let fleet = scene.fleet();
        let hosts = fleet.hypervisors.iter();
        hosts.filter(|(_, host)| host.maintenance.contains(&Reason::Silent)).count()
    };
    scene.waits(300).await;
    assert_eq!(is_silent(&scene), 2, "nobody has heard anything of them");
    scene.workers.tell(&scene.bus, &scene.fleet()).await;
    scene.rests().await;
    assert_eq!(is_silent(&scene), 0);
    for _ in 0..20 {
        scene.workers.tell(&scene.bus, &scene.fleet()).await;
        scene.waits(15).await;
    }
    assert_eq!(is_silent(&scene), 0, "they are heard all the time");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_hosts_own_is_an_alarm_once_and_left_alone() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let machine = scene.machine("m");
    let fleet = scene.fleet();
    let own = machine.place.expect("a host");
    let other = fleet.hypervisors.iter().map(|(id, _)| id).find(|id| *id != own).expect("two");
    let (_, mut inventory) = scene.workers.inventory(own);
    inventory.hypervisor = other;
    inventory.foreign = 2;
    for number in 0..9 {
        let report = Report::Inventory(inventory.clone());
        say(&scene.bus, Uuid::from_bytes([number; 16]), &report).await;
        scene.rests().await;
    }
    assert_eq!(scene.counts().alarms, 2, "{:?}", scene.counts());
    assert_eq!(scene.machine("m"), machine);
}

#[tokio::test(start_paused = true)]
async fn room_on_a_storage_is_said_when_it_changes() {
    let scene = Scene::founded(Way::Arrives).await;
    let fleet = scene.fleet();
    let (storage, _) = fleet.storages.iter().next().expect("a storage");
    let (host, _) = fleet.hypervisors.iter().next().expect("a host");
    for (number, free_mib) in [(1, 1 << 20), (2, 1 << 20), (3, 1 << 10)] {
        let (_, mut inventory) = scene.workers.inventory(host);
        inventory.space = vec![FreeSpace { storage, free_mib }];
        let report = Report::Inventory(inventory);
        say(&scene.bus, Uuid::from_bytes([number; 16]), &report).await;
        scene.rests().await;
    }
    let storage = scene.fleet().storages.get(storage).cloned().expect("a storage");
    assert_eq!(storage.free_mib, Some(1 << 10));
}

#[tokio::test(start_paused = true)]
async fn signs_are_kept_of_what_is_a_hosts_own() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let machine = scene.machine("m");
    let own = machine.place.expect("a host");
    let fleet = scene.fleet();
    for (host, _) in fleet.hypervisors.iter() {
        let (steps, viewers, agents) = (Vec::new(), Vec::new(), vec![machine.id]);
        let signs = Signs { hypervisor: host, steps, viewers, agents };
        let body = serde_json::to_vec(&signs).expect("JSON");
        let message = Message::new(Uuid::from_bytes([1; 16]), body);
        scene.bus.publish(&Address::Progress, message).await.expect("a broker");
    }
    scene.rests().await;
    let pulse: Arc<dyn Pulse> = Arc::clone(&scene.pulse) as _;
    let beats = [Beat::Agent(machine.id), Beat::Of(Silence::Worker(own))];
    assert_eq!(pulse.beats(&beats).await, Ok(vec![Some(1), Some(1)]));
}

#[tokio::test(start_paused = true)]
async fn reports_wait_for_a_decider_that_is_gone_and_are_not_lost() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let incarnation = Incarnation(scene.log.head().await.expect("a head").incarnation.0);
    scene.desk_stops().await;
    let report = Report::Outcome { incarnation, outcome: stopped(&scene, "m") };
    say(&scene.bus, Uuid::from_bytes([42; 16]), &report).await;
    scene.waits(60).await;
    scene.dies(crate::scene::Broker::Lives).await;
    scene.rests().await;
    assert_eq!(scene.machine("m").observed.state, State::Off);
    scene.said("StartMachine", json!({ "machines": ["m"] })).await;
    scene.rests().await;
    assert_eq!(scene.machine("m").observed.state, State::Running);
}
