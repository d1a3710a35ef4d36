//! Signing in and out.

use carrel_api::{FirstAdmin, first_admin};
use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn a_token_opens_until_it_ends() {
    let scene = Scene::new().await;
    let me = scene.get("/v1/me", Some(&scene.admin)).await.is(200).json();
    assert_eq!((&me["kind"], &me["name"]), (&json!("admin"), &json!("admin")));
    assert_eq!(me["roles"], json!(["admin"]));
    scene.post("/v1/logout", Some(&scene.admin), &json!({})).await.is(204);
    let refused = scene.get("/v1/machines", Some(&scene.admin)).await;
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    refused.problem(401, "CRL-1003");
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let scene = Scene::new().await;
    scene.clock.wind(13 * 3_600);
    scene.get("/v1/machines", Some(&scene.admin)).await.problem(401, "CRL-1003");
}

#[tokio::test]
async fn who_is_blocked_is_out_at_once() {
    let scene = Scene::new().await;
    let anna = scene.client("anna").await;
    scene.get("/v1/me/desktops", Some(&anna)).await.is(200);
    scene.given("BlockClient", &json!({ "client": "anna" })).await;
    scene.get("/v1/me/desktops", Some(&anna)).await.is(401);
    let login = json!({ "username": "anna", "password": "a long password" });
    scene.post("/v1/login", None, &login).await.problem(401, "CRL-1012");
}

#[tokio::test]
async fn roles_that_are_taken_away_are_gone_at_once() {
    let scene = Scene::new().await;
    let ona = scene.with_role("operator").await;
    let create = "/v1/commands/CreateGroup";
    scene.post(create, Some(&ona), &json!({ "name": "a" })).await.is(202);
    scene.given("SetAdminRoles", &json!({ "admin": "operator", "roles": ["viewer"] })).await;
    let refused = scene.post(create, Some(&ona), &json!({ "name": "b" })).await;
    refused.problem(403, "CRL-1004");
}

#[tokio::test]
async fn nobody_can_tell_a_wrong_name_from_a_wrong_password() {
    let scene = Scene::new().await;
    scene.client("anna").await;
    let mut refusals = Vec::new();
    for name in ["anna", "nobody", "admin", "uds/anna", "0198c0de-0000-7000-8000-000000000001"] {
        let login = json!({ "username": name, "password": "wrong" });
        let mut refused = scene.post("/v1/login", None, &login).await.problem(401, "CRL-1012");
        refused["trace_id"].take();
        refusals.push(refused);
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}

#[tokio::test]
async fn a_realm_says_among_whom_to_look() {
    let scene = Scene::new().await;
    scene.given("CreateClient", &json!({ "name": "admin", "password": "of a client" })).await;
    let login = |realm: Option<&str>, password: &str| json!({ "username": "admin", "password": password, "realm": realm });
    let client = scene.post("/v1/login", None, &login(Some("client"), "of a client")).await.is(200);
    assert_eq!(client.json()["principal"]["kind"], "client");
    let admin = scene.post("/v1/login", None, &login(Some("admin"), &scene.password)).await;
    assert_eq!(admin.is(200).json()["principal"]["kind"], "admin");
    // Without a realm administrators' names win.
    scene.post("/v1/login", None, &login(None, "of a client")).await.is(401);
}

#[tokio::test]
async fn who_guesses_has_to_wait() {
    let scene = Scene::new().await;
    let wrong = json!({ "username": "admin", "password": "wrong" });
    for _ in 0..5 {
        scene.post("/v1/login", None, &wrong).await.is(401);
    }
    let right = json!({ "username": "admin", "password": scene.password });
    let later = scene.post("/v1/login", None, &right).await;
    assert_eq!(later.headers["retry-after"], "1");
    later.problem(429, "CRL-1013");
    scene.clock.wind(1);
    scene.post("/v1/login", None, &right).await.is(200);
}

#[tokio::test]
async fn there_is_one_first_administrator_also_when_two_start() {
    let scene = Scene::empty().await;
    let (one, other) =
        tokio::join!(first_admin(&scene.edge, |_| Ok(())), first_admin(&scene.edge, |_| Ok(())));
    let made = [one, other].into_iter().map(|it| it.expect("nothing fails"));
    let made: Vec<_> = made.filter(|it| matches!(it, FirstAdmin::Made { .. })).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(scene.edge.ports.commands.standing().fleet.admins.len(), 1);
    let again = first_admin(&scene.edge, |_| unreachable!("somebody is there")).await;
    assert!(matches!(again, Ok(FirstAdmin::There)), "{again:?}");
    let failing = Scene::empty().await;
    let refused = first_admin(&failing.edge, |_| Err(std::io::Error::other("full"))).await;
    assert!(refused.is_err(), "nobody is made whose password is nowhere");
    assert!(failing.edge.ports.commands.standing().fleet.admins.is_empty());
}

#[tokio::test]
async fn a_token_is_shown_once() {
    let scene = Scene::new().await;
    let issue = json!({ "of": { "admin": "admin" }, "name": "backup" });
    let key = [("idempotency-key", "0198c0de-0000-7000-8000-00000000c0de")];
    let path = "/v1/commands/IssueToken";
    let issued = scene.post_with(path, Some(&scene.admin), &key, &issue).await.is(202).json();
    let token = issued["token"].as_str().expect("a token");
    scene.get("/v1/me", Some(token)).await.is(200);
    let again = scene.post_with(path, Some(&scene.admin), &key, &issue).await.is(202).json();
    assert_eq!(again["position"], issued["position"]);
    assert!(again.get("token").is_none(), "{again}");
}

#[tokio::test]
async fn odd_sign_ins_are_malformed_or_refused() {
    let scene = Scene::new().await;
    for (body, status) in [
        (json!({}), 400),
        (json!({ "username": "admin" }), 400),
        (json!({ "username": "admin", "password": "x", "role": "admin" }), 400),
        (json!({ "username": "admin", "password": "" }), 401),
        (json!({ "username": "admin", "password": "x".repeat(2_000) }), 401),
        (json!({ "username": "\u{0}", "password": "x" }), 401),
        (json!({ "username": "x".repeat(1_000), "password": "x" }), 401),
        (json!({ "username": "x", "password": "x".repeat(60_000) }), 413),
    ] {
        scene.post("/v1/login", None, &body).await.is(status);
    }
}

#[tokio::test]
async fn whatever_ends_somebodys_right_ends_their_tokens_at_once() {
    let scene = Scene::new().await;
    let ends = [
        ("BlockClient", json!({ "client": "anna" })),
        ("SetClientPassword", json!({ "client": "jonas", "password": "another long password" })),
        ("DeleteClient", json!({ "client": "ona" })),
    ];
    for (name, data) in ends {
        let who = data["client"].as_str().expect("a name").to_owned();
        let token = scene.client(&who).await;
        scene.get("/v1/me", Some(&token)).await.is(200);
        scene.given(name, &data).await;
        scene.get("/v1/me", Some(&token)).await.problem(401, "CRL-1003");
    }
    let ends = [
        ("SetAdminPassword", json!({ "admin": "viewer", "password": "another long password" })),
        ("DeleteAdmin", json!({ "admin": "operator" })),
    ];
    for (name, data) in ends {
        let token = scene.with_role(data["admin"].as_str().expect("a name")).await;
        scene.get("/v1/me", Some(&token)).await.is(200);
        scene.given(name, &data).await;
        scene.get("/v1/me", Some(&token)).await.problem(401, "CRL-1003");
    }
}
