//! What is read, and how new it is.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::http::Method;
use carrel_projections::Kind;

use crate::scene::Scene;

#[tokio::test]
async fn every_kind_can_be_listed_and_looked_at() {
    let scene = Scene::new().await;
    for kind in Kind::ALL {
        let page = scene.get(&format!("/v1/{kind}?limit=5"), Some(&scene.admin)).await.is(200);
        assert_eq!(page.json()["items"][0]["name"], kind.name());
        assert_eq!(page.json()["next"], "more");
        let none = scene.get(&format!("/v1/{kind}/nothing"), Some(&scene.admin)).await;
        none.problem(404, "CRL-1018");
    }
}

#[tokio::test]
async fn a_version_that_is_known_is_not_sent_again() {
    let scene = Scene::new().await;
    let first = scene.get("/v1/pools/office", Some(&scene.admin)).await.is(200);
    assert_eq!(first.headers["etag"], "\"3\"");
    for (tag, status) in [("\"3\"", 304), ("W/\"3\"", 304), ("*", 304), ("\"2\"", 200)] {
        let known = BTreeMap::from([("if-none-match", tag)]);
        let answer =
            scene.asked(Method::GET, "/v1/pools/office", Some(&scene.admin), &known, "").await;
        assert_eq!(answer.is(status).headers["etag"], "\"3\"");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_said_to() {
    let scene = Scene::new().await;
    for query in
        ["colour=red", "limit=0", "sort=colour", "cursor=x", "min_position=x", "name=a&name=b"]
    {
        let path = format!("/v1/machines?{query}");
        scene.get(&path, Some(&scene.admin)).await.problem(400, "CRL-1002");
    }
}

#[tokio::test]
async fn what_is_not_seen_yet_is_waited_for_or_refused() {
    let scene = Scene::new().await;
    let head = scene.edge.ports.commands.standing().position.0;
    let path = format!("/v1/machines?min_position={head}");
    scene.get(&path, Some(&scene.admin)).await.is(200);
    scene.known.behind.store(true, Ordering::Relaxed);
    let later = scene.get(&path, Some(&scene.admin)).await;
    assert!(later.headers.contains_key("retry-after"));
    later.problem(503, "CRL-1020");
}

#[tokio::test]
async fn nobody_waits_for_what_is_not_in_the_log() {
    let scene = Scene::new().await;
    let head = scene.edge.ports.commands.standing().position.0;
    for of in ["machines", "machines/gold", "operations/0198c0de-0000-7000-8000-000000000001"] {
        let path = format!("/v1/{of}?min_position={}", head + 1);
        let problem = scene.get(&path, Some(&scene.admin)).await.problem(400, "CRL-1002");
        assert!(problem["detail"].as_str().is_some_and(|it| it.contains("ends at")), "{problem}");
    }
}

#[tokio::test]
async fn without_read_models_commands_are_taken_nevertheless() {
    let scene = Scene::new().await;
    scene.known.fails.store(true, Ordering::Relaxed);
    let problem = scene.get("/v1/machines", Some(&scene.admin)).await.problem(503, "CRL-1021");
    assert!(!problem.to_string().contains("secret"), "{problem}");
    let body = serde_json::json!({ "name": "editors" });
    let wait = [("prefer", "wait=1")];
    let path = "/v1/commands/CreateGroup";
    scene.post_with(path, Some(&scene.admin), &wait, &body).await.is(202);
}

#[tokio::test]
async fn whoever_watches_over_it_hears_of_it() {
    let scene = Scene::new().await;
    scene.get("/healthz", None).await.is(200);
    let ready = scene.get("/readyz", None).await.is(200).json();
    assert_eq!(ready["ready"], true);
    scene.edge.close();
    let ending = scene.get("/readyz", None).await.is(503).json();
    assert_eq!(ending["ready"], false);
}
