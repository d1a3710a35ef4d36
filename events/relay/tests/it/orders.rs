//! What hosts are told, and what everybody is told of facts.

use std::collections::BTreeSet;

use carrel_bus::{Address, Message};
use carrel_model::contract::Order;
use carrel_model::ids::CommandId;
use carrel_model::machine::State;
use carrel_model::name::ConsumerName;
use carrel_model::work::{Lane, Shall, Thing};
use carrel_relay::RelayError;
use serde_json::{Value, json};

use crate::bus::{Step, Way};
use crate::scene::{Broker, Scene};

fn orders(sent: &[(Address, Message)]) -> Vec<(&Address, &Message, Order)> {
    let orders = sent.iter().filter(|(to, _)| matches!(to, Address::Work(..)));
    let read = |message: &Message| serde_json::from_slice(&message.body).expect("an order");
    orders.map(|(to, message)| (to, message, read(message))).collect()
}

fn facts(sent: &[(Address, Message)]) -> Vec<(String, u64)> {
    let facts = sent.iter().filter_map(|(to, message)| match to {
        Address::Event(kind) => Some((kind.clone(), message.headers.position.expect("one").0)),
        Address::Command(_)
        | Address::Work(..)
        | Address::Outcomes
        | Address::Progress
        | Address::Reply(_) => None,
    });
    facts.collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_says_what_shall_be_and_for_what() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.said("CreateMachine", json!({ "name": "m", "kind": "simple" })).await;
    scene.rests().await;
    scene.bus.sent();
    let started = scene.said("StartMachine", json!({ "machines": ["m"] })).await;
    scene.rests().await;
    let sent = scene.bus.sent();
    let (to, message, order) = &orders(&sent)[0];
    let machine = scene.machine("m");
    let host = machine.place.expect("a host");
    assert_eq!(**to, Address::Work(host, Lane::Fast));
    assert_eq!(order.work.thing, Thing::Machine(machine.id));
    let carrel_decider::Answer::Accepted(started) = started else { panic!("{started:?}") };
    assert_eq!(order.operation, Some(started.command_id));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok();
    assert_eq!(message.headers.trace_parent, trace);
    assert!(matches!(order.work.shall, Shall::Present(_)));
    assert_eq!(machine.observed.state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn each_generation_is_ordered_once_whatever_else_happens() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let sent = scene.bus.sent();
    let ids: BTreeSet<_> = orders(&sent).iter().map(|(_, message, _)| message.id).collect();
    assert_eq!(ids.len(), orders(&sent).len());
    scene.said("LockMachine", json!({ "machine": "m" })).await;
    scene.rests().await;
    let sent = scene.bus.sent();
    assert!(!facts(&sent).is_empty(), "the lock is a fact");
    assert_eq!(orders(&sent).len(), 0, "and nothing that its host is told");
}

/// By then it is kept how far facts were told.
const CURSOR_KEPT_SECONDS: u64 = 1;

#[tokio::test(start_paused = true)]
async fn every_fact_is_told_in_order_after_its_orders() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let sent = scene.bus.sent();
    let told = facts(&sent);
    let last = scene.decider.standing().position.0;
    assert_eq!(told.iter().map(|(_, at)| *at).collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
    let at = |wanted: &dyn Fn(&Address) -> bool| sent.iter().position(|(to, _)| wanted(to));
    let order = at(&|to| matches!(to, Address::Work(..)));
    let fact = at(&|to| *to == Address::Event("machine.start_requested".to_owned()));
    assert!(order.is_some() && order < fact, "{order:?}, {fact:?}");
    let (_, message) = &sent[fact.expect("a fact")];
    let body: Value = serde_json::from_slice(&message.body).expect("JSON");
    assert_eq!(body["type"], "machine.start_requested");
    assert_eq!(body["data"]["boot_epoch"], 1);
    assert_eq!(body["actor"]["method"], "test");
    assert_eq!(body["event_id"], message.id.to_string());
    scene.waits(CURSOR_KEPT_SECONDS).await;
    let name = ConsumerName::new(carrel_relay::NAME).expect("a name");
    use carrel_log::EventLog as _;
    let cursor = scene.log.cursor(&name).await.expect("a log").expect("a cursor");
    assert_eq!(cursor.position.0, last);
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_sent_again_in_order() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.said("CreateMachine", json!({ "name": "m", "kind": "simple" })).await;
    scene.rests().await;
    scene.bus.sent();
    scene.bus.fails(7);
    let before = scene.decider.standing().position.0;
    scene.said("StartMachine", json!({ "machines": ["m"] })).await;
    scene.waits(60).await;
    assert_eq!(scene.machine("m").observed.state, State::Running);
    let sent = scene.bus.sent();
    let told: Vec<u64> = facts(&sent).into_iter().map(|(_, at)| at).collect();
    let last = scene.decider.standing().position.0;
    assert_eq!(told, (before + 1..=last).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_guest_may_read_of_its_person_is_opened_until_they_are_deleted() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    let client = json!({ "name": "anna", "properties": { "seat": "by the window" } });
    scene.said_of_people("CreateClient", client).await;
    scene.said_of_people("AssignClient", json!({ "client": "anna", "machine": "m" })).await;
    scene.rests().await;
    scene.bus.sent();
    scene.said_of_people("RequestDesktop", json!({ "client": "anna", "machine": "m" })).await;
    scene.rests().await;
    let sent = scene.bus.sent();
    let orders = orders(&sent);
    let (.., order) = orders.last().expect("an order for the ticket");
    let Shall::Present(spec) = &order.work.shall else { panic!("{:?}", order.work.shall) };
    assert_eq!(spec.tickets.len(), 1);
    let texts: Vec<_> = order.personal.values().map(carrel_model::text::Text::as_str).collect();
    assert_eq!(texts, ["by the window"]);
    // Their key goes before the fact that would take their properties away.
    let (client, _) = scene.fleet().clients.iter().next().map(|(id, _)| (id, ())).expect("one");
    scene.keys.shred(client.uuid()).expect("a store");
    scene.said("ResetMachine", json!({ "machines": ["m"] })).await;
    scene.rests().await;
    let sent = scene.bus.sent();
    let (.., order) = super::orders::orders(&sent).pop().expect("an order for the reset");
    assert!(order.personal.is_empty(), "{:?}", order.personal);
}

#[tokio::test(start_paused = true)]
async fn another_incarnation_orders_everything_anew() {
    use carrel_log::EventLog as _;
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    scene.runs("n").await;
    scene.waits(CURSOR_KEPT_SECONDS).await;
    let before = scene.decider.standing().position;
    scene.bus.sent();
    scene.log.finish_import().await.expect("an incarnation");
    scene.dies(Broker::Lives).await;
    scene.rests().await;
    let sent = scene.bus.sent();
    let incarnation = scene.log.head().await.expect("a head").incarnation;
    let orders = orders(&sent);
    let things: BTreeSet<Thing> = orders.iter().map(|(.., order)| order.work.thing).collect();
    assert_eq!(things, [scene.id("m"), scene.id("n")].map(Thing::Machine).into());
    assert!(orders.iter().all(|(.., order)| order.incarnation == incarnation));
    assert_eq!(facts(&sent).len() as u64, scene.decider.standing().position.0 - before.0);
    scene.workers.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_over_ends_the_one_before() {
    let mut scene = Scene::founded(Way::Arrives).await;
    let another = scene.another_relay().await;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(another.run(scene.ending.subscribe()));
    scene.rests().await;
    scene.runs("m").await;
    let ended = scene.relay_ends().await;
    assert!(matches!(ended, Err(RelayError::Superseded { .. })), "{ended:?}");
    scene.said("PowerOffMachine", json!({ "machines": ["m"] })).await;
    scene.rests().await;
    assert_eq!(scene.machine("m").observed.state, State::Off);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_it_is_told_whatever_it_waits_for() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.bus.stops_at(Some(Step::Fact));
    scene.said("CreateMachine", json!({ "name": "m", "kind": "simple" })).await;
    scene.rests().await;
    scene.ending.send_replace(true);
    assert!(scene.relay_ends().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn steps_of_an_operation_are_traced_back_to_it() {
    let mut scene = Scene::founded(Way::Arrives).await;
    for (name, data) in [
        ("CreateMachine", json!({ "name": "gold", "kind": "source" })),
        ("CreateMachine", json!({ "name": "win11", "kind": "initial", "source": "gold" })),
        ("CopyFromSource", json!({ "initial": "win11" })),
    ] {
        scene.said(name, data).await;
        scene.rests().await;
    }
    scene.bus.sent();
    let populate = scene.said("Populate", json!({ "initial": "win11", "count": 2 })).await;
    scene.rests().await;
    let carrel_decider::Answer::Accepted(populate) = populate else { panic!("{populate:?}") };
    let sent = scene.bus.sent();
    let of: BTreeSet<Option<CommandId>> =
        orders(&sent).into_iter().map(|(.., order)| order.operation).collect();
    assert!(of.contains(&Some(populate.command_id)), "{of:?}");
}
