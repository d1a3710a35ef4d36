//! Somebody who was deleted: nothing of them can be read anywhere, whoever has the files.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use carrel_keys::directory::{DirectoryStore, OsDisk};
use carrel_keys::{Keys, OsEntropy};
use carrel_log::{EventLog, PageLimit};
use carrel_model::record::Position;
use carrel_model::sealed::{Purpose, SealedBox};
use serde_json::{Value, json};

use super::canary::Canary;
use super::server::Server;
use crate::scene::{carrel, open, wait};
use crate::site::told;

const NAME: &str = "ona.petrauskait\u{117}-von-fl\u{fc}gel-7";
const DETAILS: &str = "Ona Petrauskait\u{117}, Gedimino 53-2";
const PASSWORD: &str = "nobody ever g\u{fc}esses this one";
const LABEL: &str = "left-handed-and-proud";
const PROPERTY: &str = "ona@petrauskaite.example.org";

fn canaries() -> Vec<Canary> {
    [NAME, DETAILS, PASSWORD, LABEL, PROPERTY].map(Canary::new).into()
}

fn found_below(folder: &Path) -> Vec<String> {
    canaries().iter().flat_map(|canary| canary.found_below(folder)).collect()
}

/// They are made, sit at a desktop, and are deleted while they sit there.
fn lives(server: &Server) -> String {
    let create = json!({
        "name": NAME, "details": DETAILS, "password": PASSWORD,
        "labels": { "note": LABEL }, "properties": { "mail": PROPERTY },
    });
    server.given("CreateClient", &create);
    server.has_room_for(NAME);
    let token = server.signs_in(NAME, PASSWORD);
    let session = server.sits_down(&token);
    let sessions = server.get("/v1/sessions", &server.admin);
    assert_eq!(sessions["items"][0]["client_name"], NAME);
    let row = server.get("/v1/clients", &server.admin)["items"][0].clone();
    assert_eq!(row["properties"]["mail"], PROPERTY);
    // What a guest may read of them has gone to its host.
    let ledger = std::fs::read(server.data().join("ledger")).expect("a ledger");
    assert!(Canary::new(PROPERTY).form_in(&ledger).is_some(), "it is where it is looked for");
    let id = row["id"].as_str().expect("an id").to_owned();
    server.given("DeleteClient", &json!({ "client": id }));
    let (status, _) = server.asked("GET", "/v1/me", Some(&token), &Value::Null);
    assert_eq!(status, 401);
    server.until("the session is over", || {
        let row = server.get(&format!("/v1/sessions/{session}"), &server.admin);
        row["client_name"].is_null() && row["state"] == "ended"
    });
    id
}

/// Every box of the log is tried with these keys; how many were theirs, and what opened.
fn opened(data: &Path, person: &str) -> (usize, Vec<String>) {
    let store = DirectoryStore::open(Arc::new(OsDisk), &data.join("keys"), "a test");
    let keys = Keys::start(Arc::new(store.expect("keys").0), Arc::new(OsEntropy), 1);
    let keys = keys.expect("keys");
    let log = open(&data.join("log"));
    let page = wait(log.read(Position::START, PageLimit::MAX)).expect("a page");
    assert!(page.at_end, "one page has it all");
    let (mut theirs, mut opened) = (0, Vec::new());
    for record in page.records {
        let data: Value = serde_json::from_slice(&record.data).expect("JSON");
        for sealed in boxes(&data).into_iter().filter(|it| it.key.to_string() == person) {
            theirs += 1;
            for purpose in [Purpose::Name, Purpose::Personal, Purpose::Label, Purpose::Property] {
                if let Ok(Some(text)) = keys.open(purpose, &sealed) {
                    opened.push(format!("{}: {}", record.kind, text.as_str()));
                }
            }
        }
    }
    (theirs, opened)
}

fn boxes(value: &Value) -> Vec<SealedBox> {
    if let Ok(sealed) = serde_json::from_value(value.clone()) {
        return vec![sealed];
    }
    match value {
        Value::Object(fields) => fields.values().flat_map(boxes).collect(),
        Value::Array(items) => items.iter().flat_map(boxes).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[test]
fn nothing_of_somebody_deleted_can_be_read_wherever_one_looks() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let data = server.data();
    let id = lives(&server);
    server.stop();
    assert_eq!(found_below(folder.path()), Vec::<String>::new());

    let copy = folder.path().join("copy");
    let copied = Command::new("cp").arg("-r").args([&data, &copy]).status().expect("cp");
    assert!(copied.success());
    let (theirs, opens) = opened(&copy, &id);
    assert!(theirs >= 4, "their name, details, label and property are in the log: {theirs}");
    assert_eq!(opens, Vec::<String>::new());

    // Read models that are made anew have no more, and neither has an export.
    std::fs::remove_dir_all(data.join("read")).expect("read models");
    Server::start(folder.path()).stop();
    let file = folder.path().join("export").display().to_string();
    let log = data.join("log").display().to_string();
    carrel(&["log", "--log", &log, "export", "--to", &file]).fine();
    assert_eq!(found_below(folder.path()), Vec::<String>::new());
    assert!(told(folder.path()).exists(), "what it has said was looked at, too");
}
