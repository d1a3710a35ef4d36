//! The description is what the router is, and what is kept of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use axum::http::Method;
use carrel_api::fault;
use carrel_api::openapi::{breaking, document, written};
use serde_json::Value;

use crate::scene::Scene;

const AGAIN: &str = "run `cargo run -p carrel-api --bin describe-api` and look at what changed";

fn kept(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_default()
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &Value)| {
        let item = item.as_object().expect("an item").clone();
        let path = path.clone();
        item.into_iter().map(move |(method, operation)| (path.clone(), method, operation))
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn the_description_is_the_one_that_is_kept() {
    assert!(written() == kept("schemas/openapi.json"), "{AGAIN}");
}

#[test]
fn nothing_of_the_kept_description_is_broken() {
    let old: Value = serde_json::from_str(&kept("schemas/openapi.json")).expect("JSON");
    assert_eq!(breaking::changes(&old, &document()), Vec::<String>::new());
}

#[test]
fn the_pages_of_faults_are_those_that_are_kept() {
    for (name, text) in fault::pages() {
        assert!(kept(&format!("docs/errors/{name}")) == text, "docs/errors/{name}: {AGAIN}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    assert_eq!(breaking::dangling(&document()), Vec::<String>::new());
}

#[test]
fn every_operation_is_described() {
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document()) {
        let place = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(ids.insert(id.clone()) && !id.is_empty(), "{place}: its id is {id:?}");
        assert!(operation["summary"].is_string() && operation["description"].is_string());
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.contains_key("500"), "{place}");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
        let secured = operation["security"].as_array().is_some_and(|it| !it.is_empty());
        assert_eq!(responses.contains_key("401"), secured || path == "/v1/login", "{place}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            // Only an answer can give a cursor.
            let is_said = !parameter["example"].is_null() || parameter["name"] == "cursor";
            assert!(is_said, "{place}: {} has an example", parameter["name"]);
        }
        if let Some(body) = operation.get("requestBody") {
            let mut content = body["content"].as_object().expect("content").values();
            let has_example = content.all(|content| !content["example"].is_null());
            assert!(has_example, "{place}: its body has an example");
        }
        assert!(!operation.to_string().contains("x-schema"), "{place}");
    }
}

fn with_examples(path: &str, operation: &Value) -> (String, BTreeMap<String, String>, String) {
    let mut path = path.to_owned();
    let mut headers = BTreeMap::new();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let example = &parameter["example"];
        match parameter["in"].as_str() {
            _ if example.is_null() => {}
            Some("path") => path = path.replace(&format!("{{{name}}}"), &text(example)),
            Some("header") => drop(headers.insert(name.to_lowercase(), text(example))),
            _ => query.push(format!("{name}={}", text(example).replace(' ', "%20"))),
        }
    }
    // Each command has an id of its own.
    headers.remove("idempotency-key");
    let content = operation["requestBody"]["content"].as_object();
    let body = content.and_then(|content| content.iter().next()).map(|(media, content)| {
        headers.insert("content-type".to_owned(), media.clone());
        let example = &content["example"];
        example.as_str().map_or_else(|| example.to_string(), str::to_owned)
    });
    let body = body.unwrap_or_default();
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    (path, headers, body)
}

/// That each of them works, where it makes sense: carrel/tests/it/edge/examples.rs. Here they are
/// sent with their headers, and to where they may not.
#[tokio::test]
async fn every_example_is_answered_as_described() {
    let scene = Scene::new().await;
    let anna = scene.client("example").await;
    let mut wrong = Vec::new();
    for (path, method, operation) in operations(&document()) {
        if path == "/v1/logout" {
            continue;
        }
        let (filled, headers, body) = with_examples(&path, &operation);
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let token = if path.starts_with("/v1/me/") { &anna } else { &scene.admin };
        let method: Method = method.to_uppercase().parse().expect("a method");
        let answer = scene.asked(method.clone(), &filled, Some(token), &headers, body).await;
        let status = answer.status.as_u16();
        let place = format!("{method} {filled}: {}", String::from_utf8_lossy(&answer.bytes));
        let described = &operation["responses"][status.to_string()];
        if described.is_null() || status >= 500 || status == 400 {
            wrong.push(format!("{status}: {place}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn no_command_takes_a_field_that_it_does_not_have() {
    let scene = Scene::new().await;
    for (name, data) in carrel_api::openapi::examples::all() {
        for more in ["owner", "state", "actor", "id", "at", "org"] {
            let mut data = data.clone();
            let fields = data.as_object_mut().expect("an object");
            if fields.contains_key(more) {
                continue;
            }
            fields.insert(more.to_owned(), Value::from("0198c0de-0000-7000-8000-000000000001"));
            let path = format!("/v1/commands/{name}");
            let refused = scene.post(&path, Some(&scene.admin), &data).await;
            let problem = refused.problem(400, "CRL-1001");
            assert_eq!(problem["path"], more, "{name}: {problem}");
        }
    }
}

/// Where in an example there are objects with fields of their own, which are not maps.
fn objects(value: &Value, place: &str, found: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    if !["labels", "hosts", "classes", "properties"].iter().any(|map| place.ends_with(map)) {
        found.push(place.to_owned());
    }
    for (name, value) in fields {
        objects(value, &format!("{place}/{name}"), found);
    }
}

#[tokio::test]
async fn no_command_takes_a_list_for_an_object() {
    let scene = Scene::new().await;
    for (name, data) in carrel_api::openapi::examples::all() {
        let mut places = Vec::new();
        objects(&data, "", &mut places);
        for place in places {
            let mut data = data.clone();
            let object = data.pointer_mut(&place).expect("it is there");
            let values = object.as_object().expect("an object").values().cloned().collect();
            *object = Value::Array(values);
            let path = format!("/v1/commands/{name}");
            scene.post(&path, Some(&scene.admin), &data).await.problem(400, "CRL-1001");
        }
    }
}
