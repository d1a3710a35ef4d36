//! Commands as people send them, and the keys that are made on the way.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use carrel_decider::limits::SEALING_WAITING_MAX;
use carrel_decider::{Answer, Answered, Refusal};
use carrel_keys::{KeysError, Purpose};
use carrel_log::error::Refused;
use carrel_log::{AppendError, EventLog, PageLimit};
use carrel_model::ids::CommandId;
use carrel_model::record::Position;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::scene::{Log, Next, Scene, sent};

fn anna() -> Value {
    json!({ "name": "anna" })
}

fn is_accepted(answered: &Result<Answered, Refusal>) -> bool {
    matches!(answered, Ok(Answered { answer: Answer::Accepted(_), .. }))
}

fn is_known(answered: &Result<Answered, Refusal>) -> bool {
    matches!(answered, Ok(Answered { answer: Answer::Known(_), token: None }))
}

fn full() -> AppendError {
    Refused::LowSpace { path: "/var/lib/carrel".into(), free: 1, watermark: 2 }.into()
}

/// Everybody in the fleet has a key, and nobody else.
fn only_who_is_there_has_a_key(scene: &Scene) {
    let fleet = scene.decider.standing().fleet;
    let people = fleet.clients.iter().map(|(id, _)| id.uuid());
    let people = people.chain(fleet.admins.iter().map(|(id, _)| id.uuid()));
    assert_eq!(people.collect::<std::collections::BTreeSet<_>>(), scene.cabinet.people());
}

/// Whoever was made can be read.
fn is_read(scene: &Scene, name: &str) {
    let fleet = scene.decider.standing().fleet;
    let keys = scene.cabinet.keys();
    let opened = fleet.clients.iter().map(|(_, client)| keys.open(Purpose::Name, &client.name));
    let mut names = opened.map(|it| it.expect("a key").expect("it was not destroyed"));
    assert!(names.any(|it| it.as_str() == name));
}

#[tokio::test]
async fn somebody_who_is_made_can_be_read_and_the_repeat_makes_nobody() {
    let mut scene = Scene::new().await;
    let create = scene.sent("CreateClient", &anna());
    assert!(is_accepted(&scene.decider.submit(create.clone()).await));
    assert!(is_known(&scene.decider.submit(create.clone()).await));
    only_who_is_there_has_a_key(&scene);
    is_read(&scene, "anna");
    // Under the same id, somebody else.
    let other = sent(1, "CreateClient", &json!({ "name": "berta" }));
    assert_eq!(other.command_id, create.command_id);
    let reused = scene.decider.submit(other).await.map(drop);
    assert_eq!(reused, Err(Refusal::IdReused { first: Position(1) }));
    only_who_is_there_has_a_key(&scene);
    scene.is_as_logged().await;
}

#[tokio::test]
async fn who_is_refused_leaves_no_key() {
    let mut scene = Scene::new().await;
    assert!(is_accepted(&scene.submits("CreateClient", &anna()).await));
    for _ in 0..3 {
        let refused = scene.submits("CreateClient", &anna()).await.map(drop);
        assert!(matches!(refused, Err(Refusal::Rejected(_))), "{refused:?}");
        only_who_is_there_has_a_key(&scene);
    }
    // What can't be sealed is not decided either.
    let nobody = scene.submits("UpdateClient", &json!({ "client": "nobody", "name": "b" })).await;
    assert!(matches!(nobody, Err(Refusal::Rejected(it)) if it.code() == "CRL-0001"));
    let empty = json!({ "name": "berta", "password": "" });
    let empty = scene.submits("CreateClient", &empty).await.map(drop);
    assert!(matches!(empty, Err(Refusal::Unsealable(KeysError::PasswordLength { .. }))));
    only_who_is_there_has_a_key(&scene);
}

#[tokio::test]
async fn who_signs_in_again_as_somebody_new_leaves_no_key() {
    let mut scene = Scene::new().await;
    let newcomer = json!({ "newcomer": { "provider": "ldap", "name": "anna" }, "groups": [] });
    let first = scene.sent("RecordSignIn", &newcomer);
    assert!(is_accepted(&scene.decider.submit_own(first).await));
    let again = scene.sent("RecordSignIn", &newcomer);
    let again = scene.decider.submit_own(again).await;
    assert!(matches!(again, Ok(Answered { answer: Answer::Unchanged { .. }, .. })), "{again:?}");
    only_who_is_there_has_a_key(&scene);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_with_the_same_id_one_is_accepted_and_all_others_know_it() {
    for round in 0..20 {
        let scene = Scene::on(Log::new(), round).await;
        let create = sent(1, "CreateClient", &anna());
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let (decider, create) = (scene.decider.clone(), create.clone());
            tasks.spawn(async move { decider.submit(create).await });
        }
        let answers = tasks.join_all().await;
        assert_eq!(answers.iter().filter(|it| is_accepted(it)).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|it| is_known(it)).count(), 15, "{answers:?}");
        only_who_is_there_has_a_key(&scene);
        is_read(&scene, "anna");
        scene.is_as_logged().await;
    }
}

#[tokio::test]
async fn who_is_overtaken_by_their_own_repeat_is_not_told_that_nobody_is_there() {
    let mut scene = Scene::new().await;
    assert!(is_accepted(&scene.submits("CreateClient", &anna()).await));
    // Sealing it needs the person under her old name.
    let rename = scene.sent("UpdateClient", &json!({ "client": "anna", "name": "berta" }));
    scene.log.slow_lookups.store(1, Ordering::SeqCst);
    let mut tasks = JoinSet::new();
    let (decider, slow) = (scene.decider.clone(), rename.clone());
    tasks.spawn(async move { decider.submit(slow).await });
    scene.log.is_waited_for().await;
    assert!(is_accepted(&scene.decider.submit(rename).await));
    scene.log.gate.add_permits(1);
    let overtaken = tasks.join_next().await.expect("one").expect("no panic");
    assert!(is_known(&overtaken), "{overtaken:?}");
    is_read(&scene, "berta");
}

#[tokio::test]
async fn a_token_is_in_the_one_answer_that_made_it() {
    let mut scene = Scene::new().await;
    assert!(is_accepted(&scene.submits("CreateClient", &anna()).await));
    let issue = scene.sent("IssueToken", &json!({ "of": { "client": "anna" } }));
    let answered = scene.decider.submit(issue.clone()).await.expect("it is accepted");
    let token = answered.token.expect("a token");
    let hash = scene.cabinet.keys().token_hash(&token);
    assert!(scene.decider.standing().fleet.index.tokens.contains_key(&hash));
    assert!(is_known(&scene.decider.submit(issue).await));
    // Of two at once one has it.
    let issue = scene.sent("IssueToken", &json!({ "of": { "client": "anna" } }));
    let decider = &scene.decider;
    let (one, other) = tokio::join!(decider.submit(issue.clone()), decider.submit(issue));
    let tokens = [one, other].map(|it| it.expect("it is accepted").token);
    assert_eq!(tokens.iter().flatten().count(), 1, "{tokens:?}");
    let refused = scene.submits("IssueToken", &json!({ "of": { "client": "nobody" } })).await;
    assert!(matches!(refused, Err(Refusal::Rejected(_))), "{refused:?}");
}

#[tokio::test]
async fn nobody_sends_what_the_system_tells_itself() {
    let mut scene = Scene::new().await;
    let newcomer = json!({ "newcomer": { "provider": "ldap", "name": "anna" }, "groups": [] });
    let refused = scene.submits("RecordSignIn", &newcomer).await.map(drop);
    assert_eq!(refused, Err(Refusal::OfTheSystem { name: "RecordSignIn" }));
    let tried = sent(1, "RecordSignIn", &newcomer);
    let refused = scene.decider.would(tried).await;
    assert_eq!(refused, Err(Refusal::OfTheSystem { name: "RecordSignIn" }));
    only_who_is_there_has_a_key(&scene);
}

#[tokio::test]
async fn when_the_log_refuses_nobody_has_a_key() {
    let mut scene = Scene::new().await;
    scene.log.next_is(Next::Fails(full())).await;
    let create = scene.sent("CreateClient", &anna());
    let refused = scene.decider.submit(create.clone()).await.map(drop);
    assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{refused:?}");
    only_who_is_there_has_a_key(&scene);
    assert!(is_accepted(&scene.decider.submit(create).await));
    only_who_is_there_has_a_key(&scene);
    scene.is_as_logged().await;
}

#[tokio::test]
async fn when_nobody_decides_any_more_nobody_has_a_key() {
    let mut scene = Scene::new().await;
    scene.stop().await;
    let refused = scene.submits("CreateClient", &anna()).await.map(drop);
    assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{refused:?}");
    only_who_is_there_has_a_key(&scene);
}

#[tokio::test]
async fn when_nobody_knows_the_key_stays_and_the_same_id_tells() {
    let mut scene = Scene::new().await;
    scene.log.next_is(Next::IsForgotten).await;
    let create = scene.sent("CreateClient", &anna());
    let answer = scene.decider.submit(create.clone()).await.map(drop);
    assert_eq!(answer, Err(Refusal::OutcomeUnknown));
    assert!(is_known(&scene.decider.submit(create).await));
    assert!(is_accepted(&scene.submits("CreateClient", &json!({ "name": "berta" })).await));
    only_who_is_there_has_a_key(&scene);
    is_read(&scene, "anna");
    scene.is_as_logged().await;
}

#[tokio::test]
async fn who_stops_waiting_is_accepted_all_the_same() {
    let mut scene = Scene::new().await;
    scene.log.next_is(Next::Waits(Box::new(None))).await;
    let create = scene.sent("CreateClient", &anna());
    let mut tasks = JoinSet::new();
    let (decider, given_up) = (scene.decider.clone(), create.clone());
    tasks.spawn(async move { decider.submit(given_up).await });
    scene.log.is_waited_for().await;
    tasks.shutdown().await;
    scene.log.gate.add_permits(1);
    assert!(is_known(&scene.decider.submit(create).await));
    only_who_is_there_has_a_key(&scene);
    is_read(&scene, "anna");
}

#[tokio::test]
async fn who_stops_waiting_and_is_refused_leaves_no_key() {
    let mut scene = Scene::new().await;
    let refused = Some(Next::Fails(full()));
    scene.log.next_is(Next::Waits(Box::new(refused))).await;
    let create = scene.sent("CreateClient", &anna());
    let mut tasks = JoinSet::new();
    let decider = scene.decider.clone();
    tasks.spawn(async move { decider.submit(create).await });
    scene.log.is_waited_for().await;
    tasks.shutdown().await;
    assert_eq!(scene.cabinet.people().len(), 1, "it may be in the log yet");
    scene.log.gate.add_permits(1);
    scene.cabinet.is_empty_again().await;
    scene.is_as_logged().await;
}

#[tokio::test]
async fn when_the_desk_is_stopped_while_it_writes_no_key_goes() {
    let mut scene = Scene::new().await;
    scene.log.next_is(Next::Waits(Box::new(None))).await;
    let create = scene.sent("CreateClient", &anna());
    let mut tasks = JoinSet::new();
    let decider = scene.decider.clone();
    tasks.spawn(async move { decider.submit(create).await.map(drop) });
    scene.log.is_waited_for().await;
    scene.stop().await;
    assert_eq!(
        tasks.join_next().await.expect("one").expect("no panic"),
        Err(Refusal::OutcomeUnknown)
    );
    assert_eq!(scene.cabinet.people().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_while_they_are_sealed_leaves_no_key() {
    let mut scene = Scene::new().await;
    scene.cabinet.hold();
    let create = scene.sent("CreateClient", &anna());
    let given_up = tokio::select! {
        biased;
        answered = scene.decider.submit(create) => Some(answered),
        () = tokio::task::yield_now() => None,
    };
    assert!(given_up.is_none(), "{given_up:?}");
    scene.cabinet.release();
    scene.cabinet.is_empty_again().await;
    assert_eq!(scene.decider.standing().position, Position::START);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_when_too_many_are_sealed_is_told_so() {
    let scene = Scene::new().await;
    scene.cabinet.hold();
    let mut tasks = JoinSet::new();
    for number in 0..=SEALING_WAITING_MAX {
        let mut create = sent(1, "CreateClient", &json!({ "name": format!("p{number}") }));
        create.command_id = CommandId::new(uuid::Uuid::from_u128(number as u128 + 1));
        let decider = scene.decider.clone();
        tasks.spawn(async move { decider.submit(create).await });
    }
    let first = tasks.join_next().await.expect("one").expect("no panic").map(drop);
    assert_eq!(first, Err(Refusal::Busy { waiting: SEALING_WAITING_MAX }));
    // Who needs no key needs no place.
    let group = sent(2, "CreateGroup", &json!({ "name": "staff" }));
    assert!(is_accepted(&scene.decider.submit(group).await));
    scene.cabinet.release();
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(is_accepted));
    only_who_is_there_has_a_key(&scene);
}

#[tokio::test]
async fn trying_out_tells_what_would_be_and_leaves_nothing() {
    let mut scene = Scene::new().await;
    let data = json!({ "name": "anna", "password": "correct horse battery" });
    let create = scene.sent("CreateClient", &data);
    let would = scene.decider.would(create.clone()).await.expect("it would be accepted");
    assert_eq!(scene.cabinet.people().len(), 0);
    assert_eq!(scene.log.head().await.expect("a head").position, Position::START);
    assert!(is_accepted(&scene.decider.submit(create.clone()).await));
    let page = scene.log.read(Position::START, PageLimit::MAX).await.expect("the log");
    let kinds: Vec<_> = page.records.iter().map(|it| it.kind.as_str().to_owned()).collect();
    assert_eq!(would.iter().map(|it| it.kind().to_owned()).collect::<Vec<_>>(), kinds);
    // What was accepted would not be written again, and what is refused would be.
    assert_eq!(scene.decider.would(create).await, Ok(Vec::new()));
    let again = scene.sent("CreateClient", &data);
    let refused = scene.decider.would(again.clone()).await.expect_err("the name is taken");
    assert_eq!(scene.decider.submit(again).await.map(drop), Err(refused));
    only_who_is_there_has_a_key(&scene);
}

#[tokio::test]
async fn whom_another_process_made_is_found() {
    let ours = Scene::new().await;
    let (log, cabinet) = (Arc::clone(&ours.log), Arc::clone(&ours.cabinet));
    let mut theirs = Scene::with(log, 2, cabinet, None).await;
    assert!(is_accepted(&theirs.submits("CreateClient", &anna()).await));
    let data = json!({ "client": "anna", "details": "room 7" });
    assert!(is_accepted(&ours.decider.submit(sent(7, "UpdateClient", &data)).await));
    ours.is_as_logged().await;
}
