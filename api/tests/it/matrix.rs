//! What one person has, asked for by another: every operation that people who use desktops may ask
//! for, out of the description, on what is theirs, somebody else's and nobody's.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use carrel_api::openapi::document;
use carrel_api::roles::{Access, access};
use serde_json::{Value, json};

use crate::scene::Scene;

const NOBODYS: &str = "0198c0de-0000-7000-8000-0000000000ff";

/// What stands where in a request: each kind of thing by its id, and some by their names.
type Things = BTreeMap<&'static str, String>;

/// Something of anna's of each kind.
async fn annas(scene: &Scene, anna: &str) -> Things {
    let external = json!({ "address": "192.0.2.7", "protocols": ["rdp"] });
    let machine = json!({ "name": "pc1", "kind": "external", "external": external });
    scene.given("CreateMachine", &machine).await;
    scene.given("CreatePool", &json!({ "name": "office" })).await;
    scene.given("AddToPool", &json!({ "pool": "office", "machines": ["pc1"] })).await;
    scene.given("AssignClient", &json!({ "client": "anna", "pool": "office" })).await;
    let request = json!({ "pool": "office" });
    let taken = scene.post("/v1/commands/RequestDesktop", Some(anna), &request).await.is(202);
    let fleet = scene.edge.ports.commands.standing().fleet;
    let session = fleet.sessions.iter().next().expect("a session").0.to_string();
    let operation = taken.json()["command_id"].as_str().expect("an id").to_owned();
    Things::from([
        ("session", session),
        ("operation", operation),
        ("desktop", "office".to_owned()),
        ("client", "anna".to_owned()),
        ("machine", "pc1".to_owned()),
    ])
}

fn nobodys() -> Things {
    let id = || NOBODYS.to_owned();
    let name = || "nobodys-own".to_owned();
    Things::from([
        ("session", id()),
        ("operation", id()),
        ("desktop", name()),
        ("client", name()),
        ("machine", name()),
    ])
}

/// Every request about one thing that a person who uses desktops may send.
fn requests(things: &Things) -> Vec<(&'static str, String, Value)> {
    let (session, desktop) = (&things["session"], &things["desktop"]);
    let command = |name: &str| format!("/v1/commands/{name}");
    vec![
        ("GET", format!("/v1/operations/{}", things["operation"]), Value::Null),
        ("POST", format!("/v1/me/desktops/{desktop}/connect"), json!({})),
        ("POST", format!("/v1/me/desktops/{desktop}/power"), json!({ "action": "reset" })),
        ("POST", format!("/v1/me/sessions/{session}/heartbeat"), Value::Null),
        ("POST", command("RequestDesktop"), json!({ "pool": desktop })),
        ("POST", command("RequestDesktop"), json!({ "machine": things["machine"] })),
        ("POST", command("RequestDesktop"), json!({ "pool": desktop, "client": things["client"] })),
        ("POST", command("DisconnectSession"), json!({ "session": session })),
        ("POST", command("EndSession"), json!({ "session": session })),
        ("DELETE", format!("/v1/me/sessions/{session}"), Value::Null),
    ]
}

/// The pattern of a path, as the description has it.
fn pattern(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    for at in 0..parts.len().saturating_sub(1) {
        if matches!(parts[at], "desktops" | "sessions" | "operations") {
            parts[at + 1] = "{id}";
        }
    }
    parts.join("/")
}

/// What is the same about two answers, whatever was asked for.
fn seen(answer: &crate::scene::Answer, things: &Things) -> (u16, String) {
    let mut body = answer.json();
    for field in ["trace_id", "command_id"] {
        if let Some(fields) = body.as_object_mut() {
            fields.remove(field);
        }
    }
    let mut text = body.to_string();
    for thing in things.values() {
        text = text.replace(thing.as_str(), "it");
    }
    (answer.status.as_u16(), text)
}

async fn asked(
    scene: &Scene,
    who: &str,
    (method, path, body): &(&'static str, String, Value),
) -> crate::scene::Answer {
    let method: Method = method.parse().expect("a method");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    scene.asked(method, path, Some(who), &BTreeMap::new(), body).await
}

#[test]
fn every_operation_on_something_of_ones_own_is_in_the_matrix() {
    let asked: BTreeSet<(String, String)> = requests(&nobodys())
        .into_iter()
        .map(|(method, path, _)| (method.to_owned(), pattern(&path)))
        .collect();
    let document = document();
    let mut theirs = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            let method = method.to_uppercase();
            let access = access(&method, path);
            let of_one = path.contains("{id}") || path.starts_with("/v1/commands/");
            if of_one && matches!(access, Access::Client | Access::Subject(_)) {
                theirs.insert((method, path.clone()));
            }
        }
    }
    assert_eq!(asked, theirs);
}

#[tokio::test]
async fn what_is_somebody_elses_and_what_is_not_there_are_answered_alike() {
    let scene = Scene::new().await;
    let (anna, eve) = (scene.client("anna").await, scene.client("eve").await);
    let (annas, nobodys) = (annas(&scene, &anna).await, nobodys());
    for (of_anna, of_nobody) in requests(&annas).into_iter().zip(requests(&nobodys)) {
        let foreign = seen(&asked(&scene, &eve, &of_anna).await, &annas);
        let absent = seen(&asked(&scene, &eve, &of_nobody).await, &nobodys);
        assert_eq!(foreign, absent, "{} {}", of_anna.0, of_anna.1);
        assert_eq!(foreign.0, 404, "{} {}", of_anna.0, of_anna.1);
    }
    // Nothing of anna's has changed, and all of it is there for her: but for the machine, which is
    // the pool's, and the session at the end, which she has given back.
    for own in requests(&annas) {
        let status = asked(&scene, &anna, &own).await.status.as_u16();
        let is_there = own.2.get("machine").is_none() && own.0 != "DELETE";
        assert_eq!(status != 404, is_there, "{} {}: {status}", own.0, own.1);
    }
}

#[tokio::test]
async fn who_has_sent_a_command_sees_what_became_of_it_and_nobody_elses() {
    let scene = Scene::new().await;
    let (anna, eve) = (scene.client("anna").await, scene.client("eve").await);
    let annas = annas(&scene, &anna).await;
    let path = format!("/v1/operations/{}", annas["operation"]);
    let now = scene.get(&path, Some(&anna)).await.is(200).json();
    assert_eq!(now["state"], "succeeded");
    scene.get(&path, Some(&eve)).await.problem(404, "CRL-1018");
    scene.get("/v1/operations", Some(&anna)).await.problem(403, "CRL-1004");
    let viewer = scene.with_role("viewer").await;
    scene.get(&path, Some(&viewer)).await.is(200);
}

#[tokio::test]
async fn people_do_not_say_where_they_sit() {
    let scene = Scene::new().await;
    let anna = scene.client("anna").await;
    annas(&scene, &anna).await;
    let request = json!({ "pool": "office", "terminal": "00:16:3e:00:00:01" });
    let path = "/v1/commands/RequestDesktop";
    scene.post(path, Some(&anna), &request).await.problem(403, "CRL-1004");
}
