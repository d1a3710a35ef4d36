//! Displays, viewers and words.

use carrel_bus::{Bus, Message};
use carrel_driver::sim;
use carrel_model::contract::Question;
use carrel_model::machine::Outcome;
use carrel_model::session::SpentBy;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

use crate::scene::Scene;
use crate::spec::{HOST, MACHINE, SESSION, disk, machine, on, present};

fn ticket(number: u32, arm: bool) -> Value {
    json!({ "tickets": [{ "session": SESSION, "number": number, "protocol": "spice", "arm": arm }] })
}

fn armed(ticket: u32) -> Outcome {
    Outcome::DisplayArmed { session: SESSION, ticket, ports: sim::ports(MACHINE) }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_armed_used_and_its_viewer_is_cut_off_when_the_session_is_over() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &ticket(1, true))).await;
    scene.until_heard(armed(1)).await;
    assert!(scene.world.viewer_comes((HOST, MACHINE), SESSION));
    let spent = Outcome::TicketSpent { session: SESSION, ticket: 1, by: SpentBy::Used };
    scene.until_heard(spent).await;
    // That it is spent is no reason to leave.
    scene.order(machine(MACHINE), 2, present(&on(1), &[disk(0)], &ticket(1, false))).await;
    scene.until_applied(2).await;
    assert!(!scene.world.viewer_comes((HOST, MACHINE), SESSION), "it was used");
    // The same person comes from elsewhere.
    scene.order(machine(MACHINE), 3, present(&on(1), &[disk(0)], &ticket(2, true))).await;
    scene.until_heard(armed(2)).await;
    scene.order(machine(MACHINE), 4, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.until_applied(4).await;
    assert!(!scene.world.viewer_comes((HOST, MACHINE), SESSION), "the session is over");
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_nobody_uses_expires() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &ticket(1, true))).await;
    let spent = Outcome::TicketSpent { session: SESSION, ticket: 1, by: SpentBy::Expired };
    scene.until_heard(spent).await;
    assert!(!scene.world.viewer_comes((HOST, MACHINE), SESSION));
}

#[tokio::test(start_paused = true)]
async fn words_are_shown_once_and_to_nobody_later() {
    let mut scene = Scene::begin().await;
    let words = |id: u128| json!({ "message": { "id": Uuid::from_u128(id), "text": "hello" } });
    for generation in 1..4 {
        scene.order(machine(MACHINE), generation, present(&on(1), &[disk(0)], &words(1))).await;
        scene.until_applied(generation).await;
    }
    assert_eq!(scene.world.shown(HOST), [(MACHINE, "hello".to_owned())]);
    let off = crate::spec::off(1, "hard");
    scene.order(machine(MACHINE), 4, present(&off, &[disk(0)], &words(2))).await;
    scene.until_applied(4).await;
    scene.order(machine(MACHINE), 5, present(&on(2), &[disk(0)], &words(2))).await;
    scene.until_applied(5).await;
    assert_eq!(scene.world.shown(HOST).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_screenshot_is_a_png_of_a_machine_that_runs() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.until_applied(1).await;
    let question = serde_json::to_vec(&Question::Screenshot { machine: MACHINE }).expect("JSON");
    let message = Message::new(Uuid::from_u128(1), question);
    let png = scene.bus.ask(HOST, message, Duration::from_secs(5)).await.expect("an answer");
    assert_eq!(&png[..4], b"\x89PNG");
}
