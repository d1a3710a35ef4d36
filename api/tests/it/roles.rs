//! Who may do what: every route, asked by everybody.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use carrel_api::roles::{Access, access, listed};
use carrel_api::router::routes;
use carrel_model::admin::Role;
use serde_json::json;

use crate::scene::Scene;

#[test]
fn every_route_is_in_the_table_and_every_row_is_a_route() {
    let routes: BTreeSet<(&str, String)> =
        routes().into_iter().map(|route| (route.method, route.path)).collect();
    let rows: BTreeSet<(&str, String)> = listed().into_iter().collect();
    assert_eq!(routes, rows);
    for (method, path) in &routes {
        assert_ne!(access(method, path), Access::Nobody, "{method} {path}");
    }
}

/// 401, 403, or neither.
fn expected(access: Access, role: &str) -> Option<u16> {
    let runs = |wanted: Role| match wanted {
        Role::Viewer => matches!(role, "viewer" | "operator" | "admin"),
        Role::Operator => matches!(role, "operator" | "admin"),
        Role::Admin => role == "admin",
    };
    let may = match access {
        Access::Open => true,
        Access::SignedIn => role != "nobody",
        Access::Client => role == "client",
        Access::Subject(wanted) => role == "client" || runs(wanted),
        Access::Role(wanted) => runs(wanted),
        Access::Nobody => false,
    };
    match (may, role) {
        (true, _) => None,
        (false, "nobody") => Some(401),
        (false, _) => Some(403),
    }
}

#[tokio::test]
async fn every_route_answers_everybody_as_the_table_says() {
    let scene = Scene::new().await;
    let tokens = [
        ("nobody", None),
        ("client", Some(scene.client("anna").await)),
        ("viewer", Some(scene.with_role("viewer").await)),
        ("operator", Some(scene.with_role("operator").await)),
        ("admin", Some(scene.admin.clone())),
    ];
    // Who signs out is nobody afterwards.
    for route in routes().into_iter().filter(|route| route.path != "/v1/logout") {
        let path = route.path.replace("{id}", "none").replace("{code}", "x").replace("{file}", "x");
        let method: Method = route.method.parse().expect("a method");
        for (role, token) in &tokens {
            let nothing = BTreeMap::new();
            let answer = scene.asked(method.clone(), &path, token.as_deref(), &nothing, "").await;
            let status = answer.status.as_u16();
            let refused = matches!(status, 401 | 403).then_some(status);
            assert_eq!(refused, expected(route.access(), role), "{role}: {method} {path}");
            assert!(status < 500, "{role}: {method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn commands_of_the_system_are_no_routes() {
    let scene = Scene::new().await;
    let path = "/v1/commands/ReportHostHeard";
    scene.post(path, Some(&scene.admin), &json!({})).await.problem(404, "CRL-1005");
    let batch = json!([{ "type": "ReportHostHeard", "data": {} }]);
    let answers = scene.post("/v1/commands", Some(&scene.admin), &batch).await.is(200).json();
    assert_eq!(answers["items"][0]["problem"]["code"], "CRL-1018");
}

#[tokio::test]
async fn in_an_array_each_command_is_looked_at() {
    let scene = Scene::new().await;
    let viewer = scene.with_role("viewer").await;
    let batch = json!([{ "type": "CreateGroup", "data": { "name": "a" } }]);
    let answers = scene.post("/v1/commands", Some(&viewer), &batch).await.is(200).json();
    assert_eq!(answers["items"][0]["status"], "rejected");
    assert_eq!(answers["items"][0]["problem"]["code"], "CRL-1004");
}
