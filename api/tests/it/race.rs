//! A hundred at once, where there is room for few.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::scene::Scene;

const PEOPLE: usize = 100;

/// A pool with so many computers that are on already, and so many people who may use it.
async fn office(scene: &Scene, machines: usize, settings: &Value) {
    scene.given("CreatePool", &json!({ "name": "office", "settings": settings })).await;
    for number in 0..machines {
        let external = json!({ "address": "192.0.2.7", "protocols": ["rdp"] });
        let name = format!("pc{number}");
        let machine = json!({ "name": name, "kind": "external", "external": external });
        scene.given("CreateMachine", &machine).await;
        scene.given("AddToPool", &json!({ "pool": "office", "machines": [name] })).await;
    }
    for number in 0..PEOPLE {
        let name = format!("person{number}");
        scene.given("CreateClient", &json!({ "name": name })).await;
        scene.given("AssignClient", &json!({ "client": name, "pool": "office" })).await;
    }
}

/// Everybody asks at once; what became of each.
async fn all_ask(scene: &Scene) -> Vec<u16> {
    let mut asking = JoinSet::new();
    for number in 0..PEOPLE {
        let body = json!({ "client": format!("person{number}"), "pool": "office" }).to_string();
        let request = Request::post("/v1/commands/RequestDesktop")
            .header("authorization", format!("Bearer {}", scene.admin))
            .body(Body::from(body))
            .expect("a request");
        let router = scene.router.clone();
        asking.spawn(async move { router.oneshot(request).await.expect("an answer").status() });
    }
    asking.join_all().await.into_iter().map(|status| status.as_u16()).collect()
}

fn have_one(scene: &Scene) -> (usize, usize) {
    let fleet = scene.edge.ports.commands.standing().fleet;
    let sessions: Vec<_> = fleet.sessions.iter().map(|(_, session)| session.machine()).collect();
    let mut machines: Vec<_> = sessions.iter().flatten().collect();
    let leased = machines.len();
    machines.sort_unstable();
    machines.dedup();
    assert_eq!(machines.len(), leased, "nobody sits where somebody else sits");
    (leased, sessions.len() - leased)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_who_ask_at_once_each_machine_has_one() {
    let scene = Scene::new().await;
    office(&scene, 3, &json!({})).await;
    let answers = all_ask(&scene).await;
    assert!(answers.iter().all(|status| *status == 202), "{answers:?}");
    assert_eq!(have_one(&scene), (3, PEOPLE - 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_holds_however_many_ask_at_once() {
    let scene = Scene::new().await;
    office(&scene, 5, &json!({ "limits": { "sessions_max": 2 } })).await;
    all_ask(&scene).await;
    let (leased, _) = have_one(&scene);
    assert_eq!(leased, 2);
}
