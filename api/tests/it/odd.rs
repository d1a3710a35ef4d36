//! Whatever comes: it is answered, never with a 5xx, and never with what nobody should read.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn odd_bodies_are_refused() {
    let scene = Scene::new().await;
    let deep = format!("{{\"name\":{}", "[".repeat(50_000));
    let deeper =
        format!("{{\"name\":\"a\",\"settings\":{}{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let huge = format!("{{\"name\":\"{}\"}}", "a".repeat(400_000));
    let bodies: Vec<(Vec<u8>, u16)> = vec![
        (Vec::new(), 400),
        (b"null".to_vec(), 400),
        (b"\xff\xfe".to_vec(), 400),
        (b"{\"name\":\"a\",\"name\":\"b\"}".to_vec(), 400),
        (b"{\"name\":\"a\"}}".to_vec(), 400),
        (b"{\"name\":\"a\"},\"type\":\"DeleteClient\",\"data\":{\"client\":\"x\"".to_vec(), 400),
        (b"{\"name\":1e999}".to_vec(), 400),
        (deep.into_bytes(), 400),
        (deeper.into_bytes(), 400),
        (huge.into_bytes(), 413),
    ];
    for (body, status) in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let nothing = BTreeMap::new();
        let path = "/v1/commands/CreatePool";
        let answer = scene.asked(Method::POST, path, Some(&scene.admin), &nothing, body).await;
        assert_eq!(answer.status.as_u16(), status, "{shown}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn odd_headers_and_paths_are_refused() {
    let scene = Scene::new().await;
    let post = |name: &'static str, value: &'static [u8]| {
        Request::builder()
            .method(Method::POST)
            .uri("/v1/commands/CreateGroup")
            .header("authorization", format!("Bearer {}", scene.admin))
            .header(name, axum::http::HeaderValue::from_bytes(value).expect("a value"))
            .body(Body::from("{\"name\":\"odd\"}"))
            .expect("a request")
    };
    for (name, value, status) in [
        ("content-type", &b"text/xml"[..], 415),
        ("content-type", b"\xff", 415),
        ("idempotency-key", b"\xff", 400),
        ("idempotency-key", b"00000000-0000-0000-0000-000000000000", 400),
        ("content-length", b"99999999999", 413),
        ("if-match", b"\"99999999999999999999999\"", 400),
        ("traceparent", b"00-zz", 202),
        ("prefer", b"wait=99999999999999999999", 409),
    ] {
        let answer = scene.sent(post(name, value)).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", String::from_utf8_lossy(value));
    }
    let admin = Some(scene.admin.as_str());
    for (path, status) in [
        ("/", 404),
        ("/v1/machines/%ff", 400),
        ("/v1/machines/%00", 404),
        ("/v1/machines?limit=%ff", 400),
        ("/v1/machines/..%2f..%2fetc", 404),
        ("/v1/operations/x", 404),
        ("/v1/commands/Fly", 404),
        ("/docs/..%2fCargo.toml", 404),
    ] {
        assert_eq!(scene.get(path, admin).await.status.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_taken_says_which_are() {
    let scene = Scene::new().await;
    let nothing = BTreeMap::new();
    let path = "/v1/commands/CreateGroup";
    let answer = scene.asked(Method::PUT, path, Some(&scene.admin), &nothing, "").await;
    assert_eq!(answer.headers["allow"], "POST");
    answer.problem(405, "CRL-1006");
}

#[tokio::test]
async fn every_answer_has_hard_headers_and_the_callers_trace() {
    let scene = Scene::new().await;
    for path in ["/healthz", "/nowhere", "/v1/machines", "/docs", "/v1/openapi.json"] {
        let headers = scene.get(path, None).await.headers;
        for name in ["x-content-type-options", "x-frame-options", "content-security-policy"] {
            assert!(headers.contains_key(name), "{path}: {name}");
        }
        assert_eq!(headers["cache-control"], "no-store", "{path}");
    }
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = BTreeMap::from([("traceparent", trace)]);
    let answer = scene.asked(Method::GET, "/v1/machines", None, &headers, "").await;
    let problem = answer.problem(401, "CRL-1003");
    assert_eq!(problem["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}

#[tokio::test]
async fn the_page_about_the_description_loads_from_nowhere_else() {
    let scene = Scene::new().await;
    let page = scene.get("/docs", None).await.is(200);
    let policy = page.headers["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
    assert!(!policy.contains("http"), "{policy}");
    assert!(!String::from_utf8_lossy(&page.bytes).contains("//"), "no address of another host");
    for file in ["docs.js", "docs.css", "scalar.js"] {
        scene.get(&format!("/docs/{file}"), None).await.is(200);
    }
    for code in ["CRL-0001", "CRL-1001"] {
        let page = scene.get(&format!("/docs/errors/{code}"), None).await.is(200);
        assert!(String::from_utf8_lossy(&page.bytes).contains(code));
    }
    scene.get("/docs/errors/CRL-9999", None).await.is(404);
}

#[tokio::test]
async fn secrets_are_in_no_refusal() {
    let scene = Scene::new().await;
    let canary = "canary-7f3a";
    let create = json!({ "name": "ona", "password": canary, "roles": [] });
    let path = "/v1/commands/CreateAdmin";
    let answer = scene.post(path, Some(&scene.admin), &create).await.is(400);
    assert!(!String::from_utf8_lossy(&answer.bytes).contains(canary));
    let answer = scene.get("/v1/machines", Some(canary)).await.is(401);
    assert!(!String::from_utf8_lossy(&answer.bytes).contains(canary));
}
