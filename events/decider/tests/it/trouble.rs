//! The log refuses, or nobody hears what it did, or another process writes as well.

use carrel_decider::{Answer, Refusal};
use carrel_log::AppendError;
use carrel_log::error::Refused;
use carrel_model::record::Position;
use serde_json::json;

use crate::scene::{Next, Scene};

fn full() -> AppendError {
    let path = "/var/lib/carrel".into();
    Refused::LowSpace { path, free: 1, watermark: 2 }.into()
}

#[tokio::test]
async fn when_the_log_refuses_nothing_has_happened() {
    let mut scene = Scene::new().await;
    *scene.log.next.lock().await = Some(Next::Fails(full()));
    let command = scene.command("CreateGroup", &json!({ "name": "staff" }));
    let refused = scene.decider.ask(command.clone()).await;
    assert!(matches!(&refused, Err(Refusal::Unavailable(why)) if why.contains("free some space")));
    assert_eq!(scene.decider.standing().position, Position::START);
    scene.is_as_logged().await;
    assert!(matches!(scene.decider.ask(command).await, Ok(Answer::Accepted(_))));
}

#[tokio::test]
async fn nobody_is_refused_for_what_was_not_written() {
    let mut scene = Scene::new().await;
    *scene.log.next.lock().await = Some(Next::Fails(full()));
    let one = scene.command("CreateGroup", &json!({ "name": "staff" }));
    let other = scene.command("CreateGroup", &json!({ "name": "staff" }));
    let decider = &scene.decider;
    let (one, other) = tokio::join!(decider.ask(one), decider.ask(other));
    assert!(matches!(one, Err(Refusal::Unavailable(_))), "{one:?}");
    assert!(matches!(other, Err(Refusal::Unavailable(_))), "the name is free: {other:?}");
}

#[tokio::test]
async fn who_does_not_know_asks_again_and_learns() {
    let mut scene = Scene::new().await;
    *scene.log.next.lock().await = Some(Next::IsForgotten);
    let command = scene.command("CreateGroup", &json!({ "name": "staff" }));
    assert_eq!(scene.decider.ask(command.clone()).await, Err(Refusal::OutcomeUnknown));
    let again = scene.decider.ask(command).await;
    assert!(matches!(again, Ok(Answer::Known(_))), "{again:?}");
    scene.is_as_logged().await;
}

#[tokio::test]
async fn what_another_process_wrote_is_decided_upon() {
    let mut ours = Scene::new().await;
    let log = std::sync::Arc::clone(&ours.log);
    let theirs = Scene::on(log, 2).await;
    ours.given("CreateGroup", &json!({ "name": "staff" })).await.expect("it is accepted");
    let same = ours.command("CreateGroup", &json!({ "name": "staff" }));
    let taken = theirs.decider.ask(same).await;
    assert!(matches!(&taken, Err(Refusal::Rejected(it)) if it.code() == "CRL-0002"), "{taken:?}");
    theirs.is_as_logged().await;
}

#[tokio::test]
async fn when_nobody_decides_any_more_nothing_is_written() {
    let scene = Scene::new().await;
    let decider = scene.decider.clone();
    let log = std::sync::Arc::clone(&scene.log);
    let mut desk = scene;
    desk.stop().await;
    let refused = decider.ask(crate::scene::ask(1, "CreateGroup", &json!({ "name": "a" }))).await;
    assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{refused:?}");
    assert_eq!(carrel_log::EventLog::head(&*log).await.expect("a head").position, Position::START);
}
