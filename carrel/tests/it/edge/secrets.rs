//! Secrets that go through every route are in no answer but the one that shows them, and in nothing
//! that the process says, however much it says.

use std::fs;

use serde_json::{Map, Value, json};

use super::canary::Canary;
use super::server::Server;
use crate::site::told;

const TYPED: &str = "typed-by-a-person-7f3a9c";
const TRIED: &str = "tried-by-somebody-else-51bd";

/// Each operation as it is described, with its example.
fn operations(server: &Server) -> Vec<(String, String, Value)> {
    let (_, document) = server.asked("GET", "/v1/openapi.json", None, &Value::Null);
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let body = &operation["requestBody"]["content"]["application/json"]["example"];
            operations.push((method.to_uppercase(), path.clone(), body.clone()));
        }
    }
    operations
}

/// The secret in every place where somebody may put it by mistake.
fn bodies(example: &Value) -> Vec<Value> {
    let mut bodies = vec![json!(TRIED), json!([TRIED]), json!({ TRIED: TRIED })];
    if let Some(fields) = example.as_object() {
        let all: Map<String, Value> =
            fields.keys().map(|name| (name.clone(), TRIED.into())).collect();
        bodies.push(all.into());
        let mut with_password = fields.clone();
        with_password.insert("password".to_owned(), TRIED.into());
        bodies.push(with_password.into());
    }
    bodies
}

#[test]
fn nothing_secret_is_ever_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    server.given("CreateClient", &json!({ "name": "anna", "password": TYPED }));
    let create = json!({ "name": "zoe", "password": TYPED, "roles": ["admin"] });
    server.given("CreateAdmin", &create);
    let (anna, zoe) = (server.signs_in("anna", TYPED), server.signs_in("zoe", TYPED));
    server.given("SetClientPassword", &json!({ "client": "anna", "password": TYPED }));
    let issue = json!({ "of": { "admin": "zoe" }, "name": "backup" });
    let issued = server.given("IssueToken", &issue)["token"].as_str().expect("one").to_owned();
    let wrong = json!({ "username": TRIED, "password": TRIED });
    server.asked("POST", "/v1/login", None, &wrong);

    let (tried, mut heard) = (Canary::new(TRIED), 0);
    for (method, path, example) in operations(&server) {
        if path == "/v1/logout" {
            continue;
        }
        let path = path.replace("{id}", "x").replace("{file}", "x").replace("{code}", "x");
        // As a token it is in a header, which nobody shows.
        if let Ok((_, answer)) = server.tried(&method, &path, Some(TRIED), &example) {
            heard += 1;
            assert_eq!(tried.form_in(answer.to_string().as_bytes()), None, "{method} {path}");
        }
        for body in bodies(&example) {
            let _ = server.tried(&method, &path, Some(&zoe), &body);
        }
        let _ = server.tried(&method, &format!("{path}?token={TRIED}"), Some(&zoe), &example);
    }
    assert!(heard > 50, "most answers are heard: {heard}");
    // What others read has none of it.
    let viewer = json!({ "name": "eve", "password": "of no interest", "roles": ["admin"] });
    server.given("CreateAdmin", &viewer);
    let eve = server.signs_in("eve", "of no interest");
    let secrets: Vec<Canary> = [TYPED.to_owned(), anna, zoe, issued, server.admin.clone()]
        .into_iter()
        .map(|secret| Canary::new(secret.leak()))
        .collect();
    for path in ["/v1/admins", "/v1/clients", "/v1/operations", "/v1/events?limit=1000"] {
        let answer = server.get(path, &eve).to_string();
        for secret in &secrets {
            assert_eq!(secret.form_in(answer.as_bytes()), None, "{path}");
        }
    }
    let data = server.data();
    server.stop();
    let said = fs::read(told(folder.path())).expect("what it said");
    let text = String::from_utf8_lossy(&said).into_owned();
    assert!(text.contains("DEBUG"), "it says everything that it can");
    for secret in secrets.iter().chain([&tried]) {
        assert_eq!(secret.form_in(&said), None, "it said a secret");
    }
    for secret in &secrets {
        assert_eq!(secret.found_below(&data), Vec::<String>::new());
    }
}
