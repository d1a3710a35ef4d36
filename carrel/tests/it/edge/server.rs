//! A server that says everything that it can say, and asking it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Request, Response};

use crate::site::{self, Start};

/// What a wait for something that is bound to happen asks at most; each takes a moment.
const TRIES_MAX: usize = 10_000;

const OPTIONS: &[&str] = &["--sim-hypervisors=2", "--log-level=trace"];

pub(crate) struct Server {
    process: site::Server,
    folder: PathBuf,
    agent: Agent,
    /// Of the first administrator.
    pub(crate) admin: String,
}

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0);
    // Who is refused before their body was read has lost the connection.
    config.max_idle_connections(0).allow_non_standard_methods(true).build().into()
}

impl Server {
    /// With its data in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::started(folder, &Start { options: OPTIONS, ..Start::default() })
    }

    /// The same with fast hosts, which says less.
    pub(crate) fn fast(folder: &Path) -> Self {
        Self::started(folder, &Start::default())
    }

    fn started(folder: &Path, start: &Start) -> Self {
        let process = site::Server::start(folder, start).expect("it starts");
        let (folder, agent, admin) = (folder.to_owned(), agent(), String::new());
        let mut server = Self { process, folder, agent, admin };
        let password = std::fs::read_to_string(server.data().join("admin-password"));
        let password = password.expect("the administrator's password");
        server.admin = server.signs_in("admin", password.trim());
        server
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn url(&self) -> &str {
        &self.process.url
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// As `kill` does it, and until it is gone.
    pub(crate) fn stop(self) {
        let ended = self.process.end();
        assert!(ended.status.success(), "{ended:?}");
    }

    pub(crate) fn asked(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        self.tried(method, path, token, body).expect("an answer")
    }

    /// Whoever is refused before their body was read may lose the answer with the connection.
    pub(crate) fn tried(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<(u16, Value), ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url()));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("content-type", "application/json");
        // An empty body is not the same as none: one that nobody reads ends its connection.
        let answer: Response<ureq::Body> = match body {
            Value::Null => self.agent.run(request.body(()).expect("a request"))?,
            Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                self.agent.run(request.body(body.to_string()).expect("a request"))?
            }
        };
        let status = answer.status().as_u16();
        let bytes = answer.into_body().read_to_vec()?;
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_else(|_| text())))
    }

    /// A client who says what it takes as an answer.
    pub(crate) fn asked_for(&self, kind: &str, path: &str, token: &str) -> Response<ureq::Body> {
        let request = Request::post(format!("{}{path}", self.url()))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", kind);
        self.agent.run(request.body("{}").expect("a request")).expect("an answer")
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Value {
        let (status, body) = self.asked("GET", path, Some(token), &Value::Null);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The administrator sends a command, and it is over.
    pub(crate) fn given(&self, name: &str, data: &Value) -> Value {
        let path = format!("/v1/commands/{name}");
        let (status, taken) = self.asked("POST", &path, Some(&self.admin), data);
        assert_eq!(status, 202, "{name}: {taken}");
        let Some(operation) = taken["operation"].as_str().map(str::to_owned) else { return taken };
        self.until(&format!("{name} is over"), || {
            let now = self.get(&operation, &self.admin);
            let is_over =
                !matches!(now["state"].as_str(), Some("running" | "cancelling" | "sealing"));
            assert!(now["failed"].as_u64().unwrap_or_default() == 0, "{name}: {now}");
            is_over
        });
        taken
    }

    pub(crate) fn signs_in(&self, name: &str, password: &str) -> String {
        let login = json!({ "username": name, "password": password });
        let (status, signed_in) = self.asked("POST", "/v1/login", None, &login);
        assert_eq!(status, 200, "{signed_in}");
        signed_in["token"].as_str().expect("a token").to_owned()
    }

    /// Asks until it is so. Each try is a request or more, so it takes a while.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..TRIES_MAX {
            if is_so() {
                return;
            }
            // Somebody else's turn: the health of the process is asked for by the way.
            let (status, _) = self.asked("GET", "/readyz", None, &Value::Null);
            assert_eq!(status, 200);
        }
        panic!("it never came to this: {what}");
    }

    /// A pool of desktops with one of them running, for whoever is named.
    pub(crate) fn has_room_for(&self, client: &str) {
        self.given("CreateMachine", &json!({ "name": "gold", "kind": "source" }));
        let initial = json!({ "name": "win11", "kind": "initial", "source": "gold" });
        self.given("CreateMachine", &initial);
        self.given("CopyFromSource", &json!({ "initial": "win11" }));
        self.given("Populate", &json!({ "initial": "win11", "count": 2 }));
        self.given("CreatePool", &json!({ "name": "room" }));
        self.given("AddToPool", &json!({ "pool": "room", "children_of": "win11" }));
        self.given("AssignClient", &json!({ "client": client, "pool": "room" }));
    }

    /// Asks for a desktop of that pool until it is ready; which session it is.
    pub(crate) fn sits_down(&self, token: &str) -> String {
        let mut session = None;
        self.until("the desktop is ready", || {
            let path = "/v1/me/desktops/room/connect";
            let (status, state) = self.asked("POST", path, Some(token), &json!({}));
            assert!(matches!(status, 200 | 202), "{state}");
            session = state["session"].as_str().map(str::to_owned);
            status == 200
        });
        session.expect("a session")
    }
}
