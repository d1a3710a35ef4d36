//! Commands, one by one and many at once.

use axum::http::Method;
use carrel_decider::Refusal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::scene::Scene;

const KEY: &str = "0198c0de-0000-7000-8000-00000000c0de";
const GROUPS: &str = "/v1/commands/CreateGroup";

#[tokio::test]
async fn an_accepted_command_says_where_what_became_of_it_is() {
    let scene = Scene::new().await;
    let key = [("idempotency-key", KEY)];
    let body = json!({ "name": "editors" });
    let answer = scene.post_with(GROUPS, Some(&scene.admin), &key, &body).await.is(202);
    assert_eq!(answer.headers["location"], format!("/v1/operations/{KEY}"));
    let taken = answer.json();
    assert_eq!(taken["command_id"], KEY);
    assert_eq!(taken["operation"], format!("/v1/operations/{KEY}"));
    assert_eq!(taken["position"], scene.edge.ports.commands.standing().position.0);
    let operation = scene.get(&format!("/v1/operations/{KEY}"), Some(&scene.admin)).await.is(200);
    assert_eq!(operation.json()["command_id"], KEY);
    assert_eq!(operation.json()["state"], "succeeded");
}

#[tokio::test]
async fn the_same_id_a_hundred_times_at_once_is_done_once() {
    let scene = Scene::new().await;
    let before = scene.edge.ports.commands.standing().fleet.groups.len();
    let mut asked = JoinSet::new();
    for _ in 0..100 {
        let request = axum::http::Request::builder()
            .method(Method::POST)
            .uri(GROUPS)
            .header("authorization", format!("Bearer {}", scene.admin))
            .header("idempotency-key", KEY)
            .body(axum::body::Body::from(r#"{"name":"editors"}"#))
            .expect("a request");
        let router = scene.router.clone();
        asked.spawn(async move {
            let response = tower::ServiceExt::oneshot(router, request).await.expect("an answer");
            assert_eq!(response.status().as_u16(), 202);
            let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
            serde_json::from_slice::<Value>(&bytes).expect("JSON")
        });
    }
    let answers = asked.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(scene.edge.ports.commands.standing().fleet.groups.len(), before + 1);
}

#[tokio::test]
async fn the_same_id_with_another_body_is_refused() {
    let scene = Scene::new().await;
    let key = [("idempotency-key", KEY)];
    let (one, other) = (json!({ "name": "editors" }), json!({ "name": "others" }));
    scene.post_with(GROUPS, Some(&scene.admin), &key, &one).await.is(202);
    let refused = scene.post_with(GROUPS, Some(&scene.admin), &key, &other).await;
    let problem = refused.problem(422, "CRL-1010");
    assert_eq!(problem["command_id"], KEY);
    let bad = scene.post_with(GROUPS, Some(&scene.admin), &[("idempotency-key", "x")], &one).await;
    bad.problem(400, "CRL-1002");
}

#[tokio::test]
async fn refusals_say_what_would_clear_them() {
    let scene = Scene::new().await;
    let admin = Some(scene.admin.as_str());
    scene.given("CreateGroup", &json!({ "name": "editors" })).await;
    let again = scene.post(GROUPS, admin, &json!({ "name": "editors" })).await;
    again.problem(409, "CRL-0002");
    let gone = json!({ "client": "nobody" });
    scene.post("/v1/commands/BlockClient", admin, &gone).await.problem(404, "CRL-0001");
    let unknown = json!({ "name": "a", "owner": "b" });
    let problem = scene.post(GROUPS, admin, &unknown).await.problem(400, "CRL-1001");
    assert_eq!(problem["path"], "owner");
}

#[tokio::test]
async fn a_version_that_is_over_is_told() {
    let scene = Scene::new().await;
    scene.given("CreateGroup", &json!({ "name": "editors" })).await;
    let admin = Some(scene.admin.as_str());
    let rename =
        |name: &str| json!({ "group": "editors", "settings": { "labels": { "a": name } } });
    let update = "/v1/commands/UpdateGroup";
    let at = |version| [("if-match", version)];
    scene.post_with(update, admin, &at("\"1\""), &rename("b")).await.is(202);
    let stale = scene.post_with(update, admin, &at("\"1\""), &rename("c")).await;
    stale.problem(412, "CRL-0003");
    scene.post_with(update, admin, &at("*"), &rename("d")).await.is(202);
    scene.post_with(update, admin, &at("1"), &rename("e")).await.problem(400, "CRL-1002");
    let body = json!({ "name": "b" });
    let refused = scene.post_with(GROUPS, admin, &at("\"1\""), &body).await;
    refused.problem(400, "CRL-1019");
}

#[tokio::test]
async fn what_is_tried_out_changes_nothing() {
    let scene = Scene::new().await;
    let before = scene.edge.ports.commands.standing().position;
    let path = format!("{GROUPS}?dry_run=true");
    let would = scene.post(&path, Some(&scene.admin), &json!({ "name": "editors" })).await.is(200);
    let would = would.json();
    assert_eq!(would["dry_run"], true);
    let kinds = would["would"].as_array().expect("facts").iter().map(|fact| fact["type"].clone());
    assert!(kinds.into_iter().any(|kind| kind == "group.created"), "{would}");
    assert_eq!(scene.edge.ports.commands.standing().position, before);
    let path = format!("{GROUPS}?dry=true");
    scene.post(&path, Some(&scene.admin), &json!({ "name": "a" })).await.is(400);
}

#[tokio::test]
async fn who_prefers_to_wait_gets_the_operation() {
    let scene = Scene::new().await;
    let wait = [("prefer", "wait=5"), ("idempotency-key", KEY)];
    let body = json!({ "name": "editors" });
    let answer = scene.post_with(GROUPS, Some(&scene.admin), &wait, &body).await.is(200);
    assert_eq!(answer.headers["preference-applied"], "wait=5");
    let operation = answer.json();
    assert_eq!(operation["command_id"], KEY);
    assert_eq!(operation["state"], "succeeded");
}

#[tokio::test]
async fn many_commands_are_decided_in_their_order() {
    let scene = Scene::new().await;
    let batch = json!([
        { "command_id": KEY, "type": "CreateGroup", "data": { "name": "a" } },
        { "type": "CreateClient", "data": { "name": "anna", "password": "a long password" } },
        { "type": "UpdateGroup", "data": { "group": "a", "add": ["anna"] } },
        { "type": "UpdateGroup", "data": { "group": "b" } },
        { "type": "CreateGroup", "data": { "name": 1 } },
        { "type": "Fly", "data": {} },
        7,
        { "command_id": KEY, "type": "CreateGroup", "data": { "name": "a" } },
    ]);
    let answer = scene.post("/v1/commands", Some(&scene.admin), &batch).await.is(200).json();
    let status =
        |nth: usize| answer["items"][nth]["status"].as_str().unwrap_or_default().to_owned();
    let all: Vec<String> = (0..8).map(status).collect();
    let (yes, no) = ("accepted", "rejected");
    assert_eq!(all, [yes, yes, yes, no, no, no, no, "duplicate"], "{answer}");
    assert_eq!(answer["items"][4]["problem"]["path"], "name");
    assert_eq!(answer["items"][0]["command_id"], KEY);
    let many: Vec<Value> = (0..1_001).map(|_| json!({})).collect();
    scene.post("/v1/commands", Some(&scene.admin), &json!(many)).await.is(400);
    scene.post("/v1/commands", Some(&scene.admin), &json!({})).await.is(400);
    let key = [("idempotency-key", KEY)];
    scene.post_with("/v1/commands", Some(&scene.admin), &key, &json!([])).await.is(400);
}

#[tokio::test]
async fn what_is_not_written_and_what_is_not_known_are_told_apart() {
    let scene = Scene::new().await;
    let body = json!({ "name": "editors" });
    for (refusal, status, code) in [
        (Refusal::Busy { waiting: 9 }, 503, "CRL-1014"),
        (Refusal::Unavailable("/secret/log is full".to_owned()), 503, "CRL-1015"),
        (Refusal::OutcomeUnknown, 504, "CRL-1016"),
    ] {
        *scene.faulty.refuses.lock().expect("nobody panics") = Some(refusal);
        let answer = scene.post(GROUPS, Some(&scene.admin), &body).await;
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
        let problem = answer.problem(status, code);
        assert!(!problem.to_string().contains("secret"), "{problem}");
        assert!(problem["command_id"].is_string(), "the caller can ask again: {problem}");
    }
}
