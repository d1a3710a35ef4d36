//! Every operation's example, as its description has it, is sent to a site on which it makes sense,
//! and works.
//!
//! Those of commands tell one story, in the order in which they are written; what else has to have
//! happened is [`before`] them. A site knows things by ids that no description can know: where an
//! example has one, and only there, the site's own stands for it.

use std::collections::BTreeMap;

use carrel_api::openapi::{document, examples};
use serde_json::{Value, json};

use super::server::Server;

/// Stands in examples for whatever has an id.
const ID: &str = "0198c0de-0000-7000-8000-000000000001";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Those that can't work here, what they are answered, and why.
const ELSEWHERE: &[(&str, u16, &str)] =
    &[("ConfirmHypervisorLost", 409, "its host has to be silent for longer than a test may last")];

/// Runs, and nobody has it.
const SHOWN: &str = "shown";

/// With this the story begins to be undone.
const MIDDLE: &str = "UnassignClient";

struct Story {
    server: Server,
    /// The command that each example became.
    sent: BTreeMap<String, String>,
}

impl Story {
    fn one(&self, path: &str) -> Value {
        self.server.get(path, &self.server.admin)
    }

    fn first_of(&self, kind: &str) -> Value {
        self.one(&format!("/v1/{kind}"))["items"][0].clone()
    }

    fn machine_is(&self, name: &str, state: &str) {
        self.server.until(&format!("{name} is {state}"), || {
            self.one(&format!("/v1/machines/{name}"))["state"] == state
        });
    }

    /// Sent, and over, whatever became of single machines.
    fn send(&self, name: &str, data: &Value) -> (u16, Value) {
        let path = format!("/v1/commands/{name}");
        let (status, taken) = self.server.asked("POST", &path, Some(&self.server.admin), data);
        if let Some(operation) = taken["operation"].as_str() {
            self.server.until(&format!("{name} is over"), || {
                let state = self.one(operation)["state"].clone();
                !matches!(state.as_str(), Some("running" | "cancelling" | "sealing"))
            });
        }
        (status, taken)
    }

    fn given(&self, name: &str, data: &Value) {
        let (status, taken) = self.send(name, data);
        assert_eq!(status, 202, "{name}: {taken}");
    }

    /// Every machine that has a host which can say so is off.
    fn all_are_off(&self) {
        self.given("PowerOffMachine", &json!({ "children_of": "win11" }));
    }

    /// An operation that is not over for a while.
    fn goes_on(&self) -> Value {
        let path = "/v1/commands/Populate";
        let many = json!({ "initial": "win11", "count": 200 });
        let (_, taken) = self.server.asked("POST", path, Some(&self.server.admin), &many);
        taken["command_id"].clone()
    }

    /// Until their desktop runs; which session it is.
    fn sits_down(&self, token: &str) -> Value {
        let mut session = Value::Null;
        self.server.until("the desktop is ready", || {
            let path = "/v1/me/desktops/office/connect";
            let (status, state) = self.server.asked("POST", path, Some(token), &json!({}));
            assert!(matches!(status, 200 | 202), "{state}");
            session = state["session"].clone();
            status == 200
        });
        session
    }

    /// What has to have happened before an example, and is no example itself.
    fn before(&self, name: &str) {
        match name {
            "ImportImage" => self.given(
                "AddMedia",
                &json!({
                    "name": "golden", "kind": "disk", "format": "qcow2", "storage": "main",
                    "size_bytes": 6_012_954_214_u64, "digest": DIGEST,
                }),
            ),
            "AdoptMachine" => {
                let capacity = json!({ "memory_mib": 262_144, "vcpus": 64 });
                let settings = json!({ "capacity": capacity });
                self.given("RegisterHypervisor", &json!({ "name": "node2", "settings": settings }));
                let on = json!({ "hypervisor": "node2", "on": true });
                self.given("SetHypervisorMaintenance", &on);
                let settings = json!({ "hosts": { "node2": "/var/lib/carrel/files" } });
                let sees = json!({ "storage": "main", "settings": settings });
                self.given("UpdateStorage", &sees);
            }
            "CopyFromSource" => {
                let initial =
                    json!({ "name": "win11", "kind": "initial", "source": "win11-golden" });
                self.given("CreateMachine", &initial);
            }
            "RebootMachine" => self.machine_is("win11-001", "running"),
            "UnassignClient" => {
                self.given("AssignClient", &json!({ "client": "anna", "machine": "win11-001" }));
            }
            "RetireImage" => {
                // Only a version on which nothing stands any more.
                self.all_are_off();
                self.given("DeleteMachine", &json!({ "children_of": "win11" }));
                self.given("CopyFromSource", &json!({ "initial": "win11" }));
                self.given("SealImage", &json!({ "initial": "win11" }));
            }
            // Machines are put on the first one that there is.
            "CreateNetwork" => self.given("CreateNetwork", &json!({ "name": "all" })),
            _ => {}
        }
    }

    /// The example with what this site has in the place of ids that nobody can know.
    fn here(&self, name: &str, example: &Value) -> Value {
        let mut data = example.clone();
        match name {
            "DisconnectSession" | "EndSession" => {
                data["session"] = self.first_of("sessions")["id"].clone();
            }
            "RevokeToken" => {
                data["token"] = self.one("/v1/admins/ona")["tokens"][0]["id"].clone();
            }
            "CancelOperation" => data["operation"] = self.goes_on(),
            // Some machines of the pool were off.
            "RetryOperation" => data["operation"] = self.sent["MessageMachine"].clone().into(),
            "MigrateMachine" => {
                let is = self.one("/v1/machines/win11-001")["hypervisor_name"].clone();
                let to = if is == "sim-001" { "sim-002" } else { "sim-001" };
                data["to"] = to.into();
            }
            _ => {}
        }
        data
    }

    /// All that is no command, while everything is there.
    fn is_looked_at(&mut self) -> Vec<String> {
        let anna = self.server.signs_in("anna", "another long password");
        // Reading comes before what ends sessions and tokens.
        let mut all = operations();
        all.sort_by_key(|(method, path, _)| match (method.as_str(), path.as_str()) {
            ("GET", _) => 0,
            (_, "/v1/logout") => 3,
            ("DELETE", _) => 2,
            _ => 1,
        });
        let password = json!({ "admin": "admin", "password": "correct horse battery staple" });
        self.given("CreateMachine", &json!({ "name": SHOWN, "kind": "simple" }));
        self.given("StartMachine", &json!({ "machines": [SHOWN] }));
        self.machine_is(SHOWN, "running");
        let mut wrong = Vec::new();
        for (method, path, operation) in all {
            // Simulated hosts have no folders: tests/real sends one.
            if path.ends_with("/file") {
                continue;
            }
            let is_theirs = path.starts_with("/v1/me/");
            let token = match path.as_str() {
                "/v1/logout" => self.server.signs_in("anna", "another long password"),
                _ if is_theirs => anna.clone(),
                _ => self.server.admin.clone(),
            };
            if path == "/v1/login" {
                // Which ends the token by which it is said.
                let path = "/v1/commands/SetAdminPassword";
                self.server.asked("POST", path, Some(&token), &password);
                self.server.admin = self.server.signs_in("admin", "correct horse battery staple");
            }
            let mut filled = filled(&path, &operation);
            if path.ends_with("/screenshot") || path.ends_with("/guest") {
                filled = filled.replacen("win11-001", SHOWN, 1);
            }
            if is_theirs && path.contains("{id}") {
                let session = self.sits_down(&anna);
                filled = filled.replacen(ID, session.as_str().unwrap_or(ID), 1);
            } else if let Some(list) = path.strip_suffix("/{id}") {
                let id = self.one(list)["items"][0]["id"].clone();
                filled = filled.replacen(ID, id.as_str().unwrap_or(ID), 1);
            }
            let body = &operation["requestBody"]["content"]["application/json"]["example"];
            let (status, said) = self.server.asked(&method, &filled, Some(&token), body);
            if !(200..300).contains(&status) {
                wrong.push(format!("{method} {filled}: {status} {said}"));
            }
        }
        wrong
    }

    fn tell(&mut self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, example) in examples::all() {
            if name == MIDDLE {
                wrong.extend(self.is_looked_at());
            }
            self.before(name);
            let data = self.here(name, &example);
            let (status, taken) = self.send(name, &data);
            let expected = ELSEWHERE.iter().find(|(of, ..)| *of == name).map_or(202, |it| it.1);
            if status != expected {
                wrong.push(format!("{name} {data}: {status} {taken}"));
            }
            if let Some(id) = taken["command_id"].as_str() {
                self.sent.insert(name.to_owned(), id.to_owned());
            }
        }
        wrong
    }
}

/// Everything that is described and no command.
fn operations() -> Vec<(String, String, Value)> {
    let document = document();
    let paths = document["paths"].as_object().expect("paths").clone();
    let all = paths.into_iter().filter(|(path, _)| !path.starts_with("/v1/commands/"));
    let of = |(path, item): (String, Value)| {
        let item = item.as_object().expect("an item").clone();
        item.into_iter().map(move |(method, it)| (method.to_uppercase(), path.clone(), it))
    };
    all.flat_map(of).collect()
}

/// A path with its examples in it, and those of the query behind it.
fn filled(path: &str, operation: &Value) -> String {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, example) =
            (parameter["name"].as_str().unwrap_or_default(), &parameter["example"]);
        let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        match parameter["in"].as_str() {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &text),
            Some("query") if !example.is_null() => query.push(format!("{name}={text}")),
            _ => {}
        }
    }
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

#[test]
fn the_examples_of_commands_tell_a_story() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::fast(folder.path());
    let mut story = Story { server, sent: BTreeMap::new() };
    assert_eq!(story.tell(), Vec::<String>::new());
    story.server.stop();
}
