//! The log, page by page and followed.

use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::scene::Scene;

async fn page(scene: &Scene, query: &str) -> Value {
    let path = format!("/v1/events?{query}");
    scene.get(&path, Some(&scene.admin)).await.is(200).json()
}

#[tokio::test]
async fn pages_show_each_fact_once() {
    let scene = Scene::new().await;
    for name in ["a", "b", "c"] {
        scene.given("CreateGroup", &json!({ "name": name })).await;
    }
    let head = scene.edge.ports.commands.standing().position.0;
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = page(&scene, &format!("limit=2&after={after}")).await;
        let items = page["items"].as_array().expect("items");
        seen.extend(items.iter().map(|item| item["position"].as_u64().expect("a position")));
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen, (1..=head).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_fact_has_everything_that_is_known_of_it() {
    let scene = Scene::new().await;
    scene.given("CreateGroup", &json!({ "name": "editors" })).await;
    let found = page(&scene, "type=group.created").await;
    let fact = &found["items"][0];
    assert_eq!(fact["data"]["name"], "editors");
    for field in [
        "position",
        "stream",
        "version",
        "event_id",
        "type",
        "schema",
        "command_id",
        "causation_id",
        "correlation_id",
        "actor",
        "traceparent",
        "at",
    ] {
        assert!(!fact[field].is_null(), "{field}: {fact}");
    }
    let stream = fact["stream"].as_str().expect("a stream");
    let of_stream = page(&scene, &format!("stream={stream}")).await;
    assert_eq!(of_stream["items"], found["items"]);
    assert_eq!(page(&scene, "stream=&type=group.created").await["items"], found["items"]);
    let after = fact["position"].as_u64().expect("a position");
    let none = page(&scene, &format!("stream={stream}&after={after}")).await;
    assert_eq!(none, json!({ "items": [], "next": null }));
    for query in ["type=Group", "limit=0", "limit=1001", "stream=x", "after=x", "colour=red"] {
        let path = format!("/v1/events?{query}");
        scene.get(&path, Some(&scene.admin)).await.problem(400, "CRL-1002");
    }
}

fn following(token: &str, last: Option<u64>) -> Request<Body> {
    let mut request = Request::builder()
        .uri("/v1/events?type=group.created")
        .header("authorization", format!("Bearer {token}"))
        .header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last.to_string());
    }
    request.body(Body::empty()).expect("a request")
}

/// Reads until some text was told, or all was.
async fn told(body: Body, until: &str) -> String {
    let mut told = String::new();
    let mut stream = body.into_data_stream();
    while !told.contains(until)
        && let Some(Ok(bytes)) = stream.next().await
    {
        told.push_str(&String::from_utf8_lossy(&bytes));
    }
    told
}

#[tokio::test]
async fn who_follows_hears_what_comes_and_resumes_where_they_were() {
    let scene = Scene::new().await;
    scene.given("CreateGroup", &json!({ "name": "one" })).await;
    let response = scene.router.clone().oneshot(following(&scene.admin, None)).await.expect("it");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    scene.given("CreateGroup", &json!({ "name": "two" })).await;
    let heard = told(response.into_body(), "two").await;
    assert!(heard.contains("event: group.created") && heard.contains("one"), "{heard}");
    let second = page(&scene, "type=group.created").await["items"][1]["position"].clone();
    scene.given("CreateGroup", &json!({ "name": "three" })).await;
    let request = following(&scene.admin, second.as_u64());
    let response = scene.router.clone().oneshot(request).await.expect("it");
    let heard = told(response.into_body(), "three").await;
    assert!(!heard.contains("one") && !heard.contains("two"), "{heard}");
}

#[tokio::test]
async fn who_may_not_any_more_is_cut_off_and_so_is_everybody_at_the_end() {
    let scene = Scene::new().await;
    let create = json!({ "name": "ona", "password": "a long password", "roles": ["admin"] });
    scene.given("CreateAdmin", &create).await;
    let ona = scene.signs_in("ona", "a long password").await;
    let first = scene.router.clone().oneshot(following(&ona, None)).await.expect("it");
    let second = scene.router.clone().oneshot(following(&scene.admin, None)).await.expect("it");
    scene.given("DeleteAdmin", &json!({ "admin": "ona" })).await;
    told(first.into_body(), "the end of the world").await;
    scene.edge.close();
    told(second.into_body(), "the end of the world").await;
}

#[tokio::test]
async fn who_follows_is_cut_off_by_whatever_ends_their_token() {
    let scene = Scene::new().await;
    let ends = [
        ("SetAdminPassword", json!({ "admin": "ona", "password": "another long password" })),
        ("SetAdminRoles", json!({ "admin": "jonas", "roles": ["operator"] })),
        ("DeleteAdmin", json!({ "admin": "anna" })),
    ];
    for (name, data) in ends {
        let who = data["admin"].as_str().expect("a name");
        let create = json!({ "name": who, "password": "a long password", "roles": ["admin"] });
        scene.given("CreateAdmin", &create).await;
        let token = scene.signs_in(who, "a long password").await;
        let follows = scene.router.clone().oneshot(following(&token, None)).await.expect("it");
        assert_eq!(follows.status().as_u16(), 200);
        scene.given(name, &data).await;
        scene.given("CreateGroup", &json!({ "name": format!("after-{who}") })).await;
        let heard = told(follows.into_body(), "the end of the world").await;
        assert!(!heard.contains(&format!("after-{who}")), "{name}: {heard}");
    }
}
