//! What those get who ask.

use carrel_decider::{Accepted, Answer, Refusal};
use carrel_log::{EventLog, PageLimit};
use carrel_model::event::Event;
use carrel_model::ids::CommandId;
use carrel_model::record::{Fingerprint, Position, Timestamp};
use carrel_testkit::site::BEGINNING;
use serde_json::json;

use crate::scene::{Scene, ask};

#[tokio::test]
async fn what_is_accepted_is_in_the_log_and_in_the_fleet() {
    let mut scene = Scene::new().await;
    let answer = scene.given("CreateGroup", &json!({ "name": "staff" })).await;
    let command_id = CommandId::from_bytes([1; 16]);
    let accepted = Accepted { command_id, first: Position(1), last: Position(2) };
    assert_eq!(answer, Ok(Answer::Accepted(accepted)));
    assert_eq!(scene.decider.standing().position, Position(2));
    assert_eq!(scene.decider.standing().fleet.groups.len(), 1);
    scene.is_as_logged().await;
}

#[tokio::test]
async fn who_asks_again_with_the_same_id_gets_the_first_answer() {
    let mut scene = Scene::new().await;
    let command = scene.command("CreateGroup", &json!({ "name": "staff" }));
    let Ok(Answer::Accepted(first)) = scene.decider.ask(command.clone()).await else {
        panic!("it is not accepted")
    };
    assert_eq!(scene.decider.ask(command.clone()).await, Ok(Answer::Known(first)));
    let mut other = command.clone();
    other.fingerprint = Fingerprint([0xff; 32]);
    let reused = Refusal::IdReused { first: Position(1) };
    assert_eq!(scene.decider.ask(other).await, Err(reused));
    // Also from a process that was started later.
    let log = scene.ends().await;
    let again = Scene::on(log, 2).await;
    assert_eq!(again.decider.ask(command).await, Ok(Answer::Known(first)));
    again.is_as_logged().await;
}

#[tokio::test]
async fn what_comes_together_is_decided_in_order() {
    let mut scene = Scene::new().await;
    let one = scene.command("CreateGroup", &json!({ "name": "staff" }));
    let same = scene.command("CreateGroup", &json!({ "name": "staff" }));
    let decider = &scene.decider;
    let (first, again, same) =
        tokio::join!(decider.ask(one.clone()), decider.ask(one.clone()), decider.ask(same));
    let Ok(Answer::Accepted(accepted)) = first else { panic!("{first:?}") };
    assert_eq!(again, Ok(Answer::Known(accepted)));
    assert!(matches!(&same, Err(Refusal::Rejected(it)) if it.code() == "CRL-0002"), "{same:?}");
    scene.is_as_logged().await;
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let mut scene = Scene::new().await;
    let delete = scene.command("DeleteGroup", &json!({ "group": "staff" }));
    let refused = scene.decider.ask(delete.clone()).await;
    assert!(matches!(refused, Err(Refusal::Rejected(_))), "{refused:?}");
    let created = scene.given("CreateGroup", &json!({ "name": "staff" })).await;
    assert!(created.is_ok());
    assert!(scene.decider.ask(delete).await.is_ok(), "the same command, when it is possible");
    scene.is_as_logged().await;
}

#[tokio::test]
async fn more_than_a_batch_is_decided_batch_by_batch() {
    let mut scene = Scene::new().await;
    let all: Vec<_> = (0..200).map(|number| scene_command(&mut scene, number)).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for ask in all {
        let decider = scene.decider.clone();
        tasks.spawn(async move { decider.ask(ask).await });
    }
    while let Some(answered) = tasks.join_next().await {
        assert!(answered.expect("no panic").is_ok());
    }
    assert_eq!(scene.decider.standing().fleet.groups.len(), 200);
    scene.is_as_logged().await;
}

fn scene_command(scene: &mut Scene, number: u8) -> carrel_decider::Ask {
    scene.command("CreateGroup", &json!({ "name": format!("g{number}") }))
}

#[tokio::test]
async fn a_clock_that_is_set_back_takes_nobody_back() {
    let mut scene = Scene::new().await;
    scene.given("CreateGroup", &json!({ "name": "a" })).await.expect("it is accepted");
    scene.clock.set(Timestamp(BEGINNING.0 - 1));
    scene.given("CreateGroup", &json!({ "name": "b" })).await.expect("it is accepted");
    assert_eq!(scene.decider.standing().at, BEGINNING);
}

#[tokio::test]
async fn trying_out_writes_nothing_and_tells_what_would_be_written() {
    let scene = Scene::new().await;
    let create = ask(1, "CreateGroup", &json!({ "name": "staff" }));
    let context = carrel_model::context::Context {
        command_id: create.command_id,
        fingerprint: create.fingerprint,
        actor: create.actor.id,
        method: create.actor.method.clone(),
        now: BEGINNING,
        entropy: [3; 16],
    };
    let would = scene.decider.try_out(&create.command, &context).expect("it would be accepted");
    let said = |event: &Event| {
        let written = event.written(u16::MAX).and_then(Result::ok).expect("JSON");
        (event.kind().to_owned(), event.stream().0.to_owned(), written.schema, written.data)
    };
    let would: Vec<_> = would.events.iter().map(said).collect();
    assert_eq!(scene.decider.standing().position, Position::START);
    let accepted = scene.decider.ask(create.clone()).await;
    assert!(matches!(accepted, Ok(Answer::Accepted(_))), "{accepted:?}");
    let page = scene.log.read(Position::START, PageLimit::MAX).await.expect("the log");
    let written = page.records.into_iter();
    let written: Vec<_> = written
        .map(|it| {
            (
                it.kind.as_str().to_owned(),
                it.stream.category.as_str().to_owned(),
                it.schema,
                it.data,
            )
        })
        .collect();
    assert_eq!(would, written);
    // What is refused is refused alike.
    let again = ask(2, "CreateGroup", &json!({ "name": "staff" }));
    let refused = scene.decider.try_out(&again.command, &context).expect_err("it is taken");
    assert_eq!(scene.decider.ask(again).await, Err(Refusal::Rejected(refused)));
    scene.is_as_logged().await;
}
