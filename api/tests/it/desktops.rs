//! What people who use desktops see and do, and what they don't.

use axum::http::Method;
use serde_json::{Value, json};

use crate::scene::Scene;

/// A pool with a computer that is on already, for those who are named.
async fn office(scene: &Scene, people: &[&str]) {
    let external = json!({ "address": "192.0.2.7", "protocols": ["rdp"] });
    let machine = json!({ "name": "pc1", "kind": "external", "external": external });
    scene.given("CreateMachine", &machine).await;
    let settings = json!({ "mode": "sticky" });
    scene.given("CreatePool", &json!({ "name": "office", "settings": settings })).await;
    scene.given("AddToPool", &json!({ "pool": "office", "machines": ["pc1"] })).await;
    for person in people {
        scene.given("AssignClient", &json!({ "client": person, "pool": "office" })).await;
    }
}

async fn connect(scene: &Scene, token: &str) -> Value {
    let answer = scene.post("/v1/me/desktops/office/connect", Some(token), &json!({})).await;
    assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.bytes));
    answer.json()
}

#[tokio::test]
async fn who_asks_again_gets_the_same_and_nothing_is_appended() {
    let scene = Scene::new().await;
    let anna = scene.client("anna").await;
    office(&scene, &["anna"]).await;
    let listed = scene.get("/v1/me/desktops", Some(&anna)).await.is(200).json();
    assert_eq!(listed["items"][0]["name"], "office");
    assert_eq!(listed["next"], Value::Null);
    let first = connect(&scene, &anna).await;
    let position = scene.edge.ports.commands.standing().position;
    let again = connect(&scene, &anna).await;
    assert_eq!(first, again);
    assert_eq!(scene.edge.ports.commands.standing().position, position);
    let session = first["session"].as_str().expect("a session");
    let path = format!("/v1/me/sessions/{session}");
    scene.post(&format!("{path}/heartbeat"), Some(&anna), &json!({})).await.is(204);
    let nothing = std::collections::BTreeMap::new();
    scene.asked(Method::DELETE, &path, Some(&anna), &nothing, "").await.is(204);
    let gone = scene.asked(Method::DELETE, &path, Some(&anna), &nothing, "").await;
    gone.problem(404, "CRL-0001");
}

#[tokio::test]
async fn one_machine_and_two_people_make_a_queue() {
    let scene = Scene::new().await;
    let (anna, jonas) = (scene.client("anna").await, scene.client("jonas").await);
    office(&scene, &["anna", "jonas"]).await;
    connect(&scene, &anna).await;
    let waits = connect(&scene, &jonas).await;
    assert_eq!((&waits["status"], &waits["place"]), (&json!("queued"), &json!(1)));
    assert!(waits["eta_ms"].is_u64() && waits["retry_after_ms"].is_u64());
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let scene = Scene::new().await;
    let (anna, eve) = (scene.client("anna").await, scene.client("eve").await);
    office(&scene, &["anna"]).await;
    let session = connect(&scene, &anna).await["session"].clone();
    let session = session.as_str().expect("a session");
    let none = scene.get("/v1/me/desktops", Some(&eve)).await.is(200).json();
    assert_eq!(none["items"], json!([]));
    let eve = Some(eve.as_str());
    for desktop in ["office", "nothing"] {
        let path = format!("/v1/me/desktops/{desktop}/connect");
        scene.post(&path, eve, &json!({})).await.problem(404, "CRL-1018");
        let path = format!("/v1/me/desktops/{desktop}/power");
        let off = json!({ "action": "poweroff" });
        scene.post(&path, eve, &off).await.problem(404, "CRL-1018");
    }
    let nobodys = "0198c0de-0000-7000-8000-000000000001";
    for session in [session, nobodys] {
        let path = format!("/v1/me/sessions/{session}/heartbeat");
        scene.post(&path, eve, &json!({})).await.problem(404, "CRL-0001");
        let end = json!({ "session": session });
        scene.post("/v1/commands/EndSession", eve, &end).await.problem(404, "CRL-0001");
        let batch = json!([{ "type": "EndSession", "data": end }]);
        let answers = scene.post("/v1/commands", eve, &batch).await.is(200).json();
        assert_eq!(answers["items"][0]["problem"]["status"], 404);
    }
    let as_anna = json!({ "client": "anna", "pool": "office" });
    let request = "/v1/commands/RequestDesktop";
    scene.post(request, eve, &as_anna).await.problem(404, "CRL-0001");
    let seen = scene.edge.ports.commands.standing().fleet.sessions.len();
    assert_eq!(seen, 1, "nothing of anna's has changed");
}
