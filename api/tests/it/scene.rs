//! An edge that is asked without a socket, and what stands behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use carrel_api::router::router;
use carrel_api::{Commands, Edge, FirstAdmin, Ports, first_admin};
use carrel_bus::MemoryPulse;
use carrel_bus::memory::MemoryBus;
use carrel_decider::{Answered, Clock, Decider, Entropy, Refusal, Sent, Standing, open};
use carrel_keys::memory::MemoryStore;
use carrel_keys::{Keys, OsEntropy};
use carrel_log::memory::MemoryLog;
use carrel_log::{EventLog, PageLimit};
use carrel_model::event::Event;
use carrel_model::ids::LogId;
use carrel_model::name::Org;
use carrel_model::record::{Position, Timestamp};
use carrel_projections::{
    Count, FollowError, Item, Kind, Page, ProjectionState, Purpose, Query, ReadModelError,
    ReadModels, Rebuilt,
};
use carrel_testkit::random::Random;
use carrel_testkit::site::BEGINNING;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;
use uuid::Uuid;

use crate::upload::Heap;

/// Stands still until it is wound.
#[derive(Debug)]
pub(crate) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

impl Hands {
    pub(crate) fn wind(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Seeded(Random);

impl Entropy for Seeded {
    fn draw(&mut self) -> [u8; 16] {
        self.0.bytes()
    }
}

/// The decider, and what may be wrong with it.
#[derive(Debug)]
pub(crate) struct Faulty {
    decider: Decider,
    pub(crate) refuses: Mutex<Option<Refusal>>,
}

#[async_trait]
impl Commands for Faulty {
    async fn submit(&self, sent: Sent) -> Result<Answered, Refusal> {
        let refusal = self.refuses.lock().expect("nobody panics").clone();
        match refusal {
            Some(refusal) => Err(refusal),
            None => Commands::submit(&self.decider, sent).await,
        }
    }

    async fn would(&self, sent: Sent) -> Result<Vec<Event>, Refusal> {
        Commands::would(&self.decider, sent).await
    }

    fn standing(&self) -> Standing {
        Commands::standing(&self.decider)
    }

    fn follow(&self) -> watch::Receiver<Standing> {
        Commands::follow(&self.decider)
    }
}

/// Answers which operations there are from the log; of all else there is one thing.
pub(crate) struct Known {
    log: Arc<MemoryLog>,
    pub(crate) fails: AtomicBool,
    /// It has seen nothing of the log yet.
    pub(crate) behind: AtomicBool,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(..)")
    }
}

impl Known {
    fn works(&self) -> Result<(), ReadModelError> {
        match self.fails.load(Ordering::Relaxed) {
            true => Err(ReadModelError::Unavailable("/secret/file is gone".to_owned())),
            false => Ok(()),
        }
    }

    async fn operation(&self, id: Uuid) -> Option<Value> {
        let page = self.log.read(Position::START, PageLimit::MAX).await.expect("a page");
        let of = |record: &&carrel_model::record::Record| {
            record.stream.category.as_str() == "operation" && record.stream.id == id
        };
        let facts: Vec<_> = page.records.iter().filter(of).collect();
        let first = facts.first()?;
        let data: Value = serde_json::from_slice(&first.data).expect("JSON");
        let finished = facts.iter().any(|record| record.kind.as_str() == "operation.finished");
        let over = finished || data.get("task").is_none();
        let state = if over { "succeeded" } else { "running" };
        let actor = first.unit.origin.actor.id;
        Some(json!({ "id": id, "version": facts.len(), "state": state, "actor": actor }))
    }
}

fn item(id: Uuid, doc: &Value) -> Item {
    Item { id, doc: serde_json::value::to_raw_value(doc).expect("JSON") }
}

#[async_trait]
impl ReadModels for Known {
    async fn page(&self, query: &Query) -> Result<Page, ReadModelError> {
        self.works()?;
        let doc = json!({ "id": Uuid::nil(), "name": query.kind().name(), "version": 3 });
        Ok(Page { items: vec![item(Uuid::nil(), &doc)], next: Some("more".to_owned()) })
    }

    async fn one(&self, kind: Kind, named: &str) -> Result<Option<Item>, ReadModelError> {
        self.works()?;
        if kind == Kind::Operations {
            let id = Uuid::try_parse(named).unwrap_or_default();
            return Ok(self.operation(id).await.map(|doc| item(id, &doc)));
        }
        let doc = json!({ "id": Uuid::nil(), "name": "office", "version": 3 });
        Ok((named == "office").then(|| item(Uuid::nil(), &doc)))
    }

    async fn counts(&self) -> Result<Vec<Count>, ReadModelError> {
        Ok(Vec::new())
    }

    async fn seen(&self, _: Kind, position: Position, _: Duration) -> Result<(), ReadModelError> {
        self.works()?;
        let at = match self.behind.load(Ordering::Relaxed) {
            true => Position::START,
            false => self.log.head().await.expect("a head").position,
        };
        let retry_after = Duration::from_secs(1);
        match position <= at {
            true => Ok(()),
            false => Err(ReadModelError::NotYet { wanted: position, at, retry_after }),
        }
    }

    async fn rebuild(&self, _: Purpose) -> Result<Rebuilt, FollowError> {
        let position = self.log.head().await.expect("a head").position;
        Ok(Rebuilt { position, differences: Vec::new() })
    }

    fn state(&self) -> Vec<ProjectionState> {
        Vec::new()
    }
}

pub(crate) struct Scene {
    pub(crate) edge: Edge,
    pub(crate) router: Router,
    pub(crate) clock: Arc<Hands>,
    pub(crate) faulty: Arc<Faulty>,
    pub(crate) known: Arc<Known>,
    pub(crate) heap: Arc<Heap>,
    /// Of the first administrator, and their token.
    pub(crate) password: String,
    pub(crate) admin: String,
    _desk: JoinSet<()>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status.as_u16(), status, "{text}");
        self
    }

    /// A problem with this status and code, whole.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let answer = self.is(status);
        let problem = answer.json();
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("/docs/errors/{code}"));
        assert_eq!(problem["status"], status);
        for field in ["title", "detail", "clears", "trace_id"] {
            assert!(problem[field].as_str().is_some_and(|it| !it.is_empty()), "{field}: {problem}");
        }
        problem
    }
}

impl Scene {
    /// With the first administrator, signed in.
    pub(crate) async fn new() -> Self {
        let mut scene = Self::empty().await;
        let made = first_admin(&scene.edge, |drawn| {
            drawn.expose().clone_into(&mut scene.password);
            Ok(())
        });
        let made = made.await.expect("it can be made");
        assert!(matches!(made, FirstAdmin::Made { .. }), "{made:?}");
        scene.admin = scene.signs_in("admin", &scene.password).await;
        scene
    }

    /// Where nobody runs the system yet.
    pub(crate) async fn empty() -> Self {
        let keys = Keys::start(Arc::new(MemoryStore::default()), Arc::new(OsEntropy), 2);
        let keys = keys.expect("keys");
        let log = Arc::new(MemoryLog::new(LogId::from_bytes([1; 16])));
        let clock = Arc::new(Hands(AtomicI64::new(BEGINNING.0)));
        let entropy = Box::new(Seeded(Random::new(1)));
        let (as_log, as_clock) = (Arc::clone(&log) as _, Arc::clone(&clock) as _);
        let opened = open(as_log, keys.clone(), as_clock, entropy, None).await;
        let (decider, desk) = opened.expect("a log that can be folded");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            desk.run().await.expect("what it meets in the log");
        });
        let faulty = Arc::new(Faulty { decider, refuses: Mutex::default() });
        let known = Arc::new(Known {
            log: Arc::clone(&log),
            fails: AtomicBool::default(),
            behind: AtomicBool::default(),
        });
        let heap = Arc::<Heap>::default();
        let edge = Edge::new(Ports {
            commands: Arc::clone(&faulty) as _,
            reads: Arc::clone(&known) as _,
            log: log as _,
            keys,
            pulse: Arc::new(MemoryPulse::default()),
            bus: Arc::new(MemoryBus::new()),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(OsEntropy),
            uploads: Arc::clone(&heap) as _,
            org: Org::new("main").expect("a name"),
        });
        let (router, password, admin) = (router(&edge), String::new(), String::new());
        Self { edge, router, clock, faulty, known, heap, password, admin, _desk: tasks }
    }

    /// A token for whoever signs in.
    pub(crate) async fn signs_in(&self, name: &str, password: &str) -> String {
        let body = json!({ "username": name, "password": password });
        let answer = self.post("/v1/login", None, &body).await.is(200);
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    /// Somebody who runs the system, named like their role, signed in.
    pub(crate) async fn with_role(&self, role: &str) -> String {
        let create = json!({ "name": role, "password": "a long password", "roles": [role] });
        self.given("CreateAdmin", &create).await;
        self.signs_in(role, "a long password").await
    }

    /// Somebody who uses desktops, signed in.
    pub(crate) async fn client(&self, name: &str) -> String {
        self.given("CreateClient", &json!({ "name": name, "password": "a long password" })).await;
        self.signs_in(name, "a long password").await
    }

    /// The first administrator sends a command, and it is accepted.
    pub(crate) async fn given(&self, name: &str, data: &Value) -> Value {
        let path = format!("/v1/commands/{name}");
        self.post(&path, Some(&self.admin), data).await.is(202).json()
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.post_with(path, token, &[], body).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let json = [("content-type", "application/json")];
        let headers: BTreeMap<_, _> = json.iter().chain(headers).copied().collect();
        self.asked(Method::POST, path, token, &headers, body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.asked(Method::GET, path, token, &BTreeMap::new(), "").await
    }

    pub(crate) async fn asked(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &BTreeMap<&str, &str>,
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sent(request.body(body.into()).expect("a request")).await
    }

    pub(crate) async fn sent(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("never fails");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.expect("a body");
        Answer { status: parts.status, headers: parts.headers, bytes }
    }
}
