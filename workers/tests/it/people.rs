//! Displays, viewers and words.

use carrel_bus::{Bus, Message};
use carrel_driver::sim::{self, Fault, Often};
use carrel_driver::{Hypervisor as _, Look, LookFor, StepKind};
use carrel_model::contract::Question;
use carrel_model::machine::Outcome;
use carrel_model::session::SpentBy;
use carrel_model::version::latest::Properties;
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

/// With what somebody's guest may read of them, opened and as it is kept.
fn about(person: u128, mut with: Value) -> (Value, Properties) {
    let id = Uuid::from_u128(person);
    with["personal"] = json!({ "mail": { "key": id, "data": "c2VhbGVk" } });
    let opened = json!({ "mail": format!("{person}@example.org") });
    (with, serde_json::from_value(opened).expect("properties"))
}

fn read_of(scene: &Scene) -> Vec<Uuid> {
    let domain = Some(LookFor { machine: MACHINE, uuid: None });
    let look = Look { domain, roots: Vec::new(), ..Look::default() };
    let seen = scene.world.host(HOST).observe(&look).expect("it can be looked at");
    seen.domain.expect("a domain").people
}

fn put(scene: &Scene) -> u32 {
    let effects = scene.world.effects().into_iter();
    effects.filter(|((.., step, _), _)| *step == StepKind::PutConfig).map(|(_, times)| times).sum()
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_next_reads_nothing_of_who_was_there() {
    let mut scene = Scene::begin().await;
    let (first, personal) = about(1, ticket(1, true));
    let shall = |with: &Value| present(&on(1), &[disk(0)], with);
    scene.order_about(1, shall(&first), personal.clone()).await;
    scene.until_heard(armed(1)).await;
    let one = Uuid::from_u128(1);
    assert_eq!(read_of(&scene), [one]);
    // The same person from elsewhere.
    let (again, personal) = about(1, ticket(2, true));
    scene.order_about(2, shall(&again), personal).await;
    scene.until_heard(armed(2)).await;
    assert_eq!((read_of(&scene), put(&scene)), (vec![one], 0));

    let fault = Fault::fails_once_more(StepKind::PutConfig);
    scene.world.inject(HOST, Some(StepKind::PutConfig), fault, Often::Always);
    let (second, personal) = about(2, ticket(3, true));
    scene.order_about(3, shall(&second), personal).await;
    scene.wait(5).await;
    assert!(!scene.has_heard(&armed(3)), "nobody is let in before");
    scene.world.calm(HOST);
    scene.until_heard(armed(3)).await;
    assert_eq!(read_of(&scene), [Uuid::from_u128(2)]);
    scene.until_applied(3).await;

    scene.order(machine(MACHINE), 4, shall(&json!({}))).await;
    scene.until_applied(4).await;
    assert_eq!((read_of(&scene), put(&scene)), (Vec::new(), 2));
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn what_is_off_says_nothing_of_who_was_there() {
    let mut scene = Scene::begin().await;
    let (first, personal) = about(1, ticket(1, true));
    scene.order_about(1, present(&on(1), &[disk(0)], &first), personal).await;
    scene.until_heard(armed(1)).await;
    let off = present(&crate::spec::off(1, "hard"), &[disk(0)], &json!({}));
    scene.order(machine(MACHINE), 2, off).await;
    scene.until_applied(2).await;
    assert_eq!((scene.world.running(HOST), read_of(&scene)), (0, Vec::new()));
}
