//! A log, what follows it, and facts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use carrel_keys::KeysError;
use carrel_log::memory::MemoryLog;
use carrel_log::{EventLog, Expected};
use carrel_model::event::Event;
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId, FromUuid, LogId};
use carrel_model::name::{Category, Method, Org, RecordType};
use carrel_model::record::{
    Actor, CommandUnit, Fingerprint, NewRecord, Origin, Position, StreamId, Timestamp,
};
use carrel_model::sealed::{Purpose, SealedBox};
use carrel_projections::{Kind, Open, Page, Query, ReadModels, Sources, SqliteModels, open};
use carrel_testkit::random::Random;
use carrel_testkit::site::BEGINNING;
use serde_json::Value;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Shows what is sealed as it is.
#[derive(Debug)]
pub(crate) struct Plain;

impl Open for Plain {
    fn open(&self, _: Purpose, sealed: &SealedBox) -> Result<Option<String>, KeysError> {
        Ok(Some(sealed.data.to_string()))
    }
}

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Scene {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) open: Arc<dyn Open>,
    pub(crate) directory: TempDir,
    pub(crate) models: SqliteModels,
    running: JoinSet<()>,
    stop: Option<oneshot::Sender<()>>,
    random: Random,
    pub(crate) now: Timestamp,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(Arc::new(Plain)).await
    }

    pub(crate) async fn with(opener: Arc<dyn Open>) -> Self {
        let log = Arc::new(MemoryLog::new(LogId::from_uuid(Uuid::from_u128(7))));
        Self::on(log, opener).await
    }

    pub(crate) async fn on(log: Arc<MemoryLog>, opener: Arc<dyn Open>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let sources = Sources { log: log.clone(), open: opener.clone(), snapshots: None };
        let (models, projector) = open(sources, directory.path()).await.expect("they open");
        let mut running = JoinSet::new();
        let (stop, stopped) = oneshot::channel();
        running.spawn(projector.run(async { drop(stopped.await) }));
        let random = Random::new(1);
        let stop = Some(stop);
        Self { log, open: opener, directory, models, running, stop, random, now: BEGINNING }
    }

    /// Ends as if the power went: whatever was not committed is gone.
    pub(crate) async fn crash(&mut self) {
        self.running.shutdown().await;
        let sources = Sources { log: self.log.clone(), open: self.open.clone(), snapshots: None };
        let (models, projector) = open(sources, self.directory.path()).await.expect("they open");
        let (stop, stopped) = oneshot::channel();
        self.running.spawn(projector.run(async { drop(stopped.await) }));
        self.models = models;
        self.stop = Some(stop);
    }

    /// Ends as it should.
    pub(crate) async fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).expect("it runs");
        }
        while self.running.join_next().await.is_some() {}
    }

    pub(crate) async fn append(&mut self, events: &[Event]) {
        self.append_as(events, str::to_owned).await;
    }

    /// With other names for some facts, as a later version would write them.
    pub(crate) async fn append_as(&mut self, events: &[Event], called: fn(&str) -> String) {
        for events in events.chunks(100) {
            self.now = self.now.plus_seconds(1);
            let unit = unit(events, self.now, &mut self.random, called);
            self.log.append(Expected::Any, vec![unit]).await.expect("it is appended");
        }
    }

    pub(crate) async fn head(&self) -> Position {
        self.log.head().await.expect("a head").position
    }

    /// Changes rows behind the projector's back.
    pub(crate) async fn spoil(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.models.path());
        let mut connection = options.connect().await.expect("the file in use");
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("it is changed");
    }

    /// Returns when all that can follow have.
    pub(crate) async fn seen(&self) {
        let head = self.head().await;
        for kind in Kind::ALL {
            self.models.seen(kind, head, SOON).await.unwrap_or_else(|error| panic!("{error}"));
        }
    }

    pub(crate) async fn one(&self, kind: Kind, which: &str) -> Option<Value> {
        let found = self.models.one(kind, which).await.expect("it is asked");
        found.map(|item| serde_json::from_str(item.doc.get()).expect("JSON"))
    }

    pub(crate) async fn page(&self, kind: Kind, parameters: &[(&str, &str)]) -> Page {
        let query = Query::parse(kind, parameters.iter().copied()).expect("a query");
        self.models.page(&query).await.unwrap_or_else(|error| panic!("{parameters:?}: {error}"))
    }

    pub(crate) async fn names(&self, kind: Kind, parameters: &[(&str, &str)]) -> Vec<String> {
        let page = self.page(kind, parameters).await;
        let names = page.items.iter().map(|item| {
            let doc: Value = serde_json::from_str(item.doc.get()).expect("JSON");
            doc["name"].as_str().unwrap_or_default().to_owned()
        });
        names.collect()
    }

    /// That rows built anew from the log are the same.
    #[track_caller]
    pub(crate) fn same_as_rebuilt(&self) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let beside = Self::on(self.log.clone(), self.open.clone()).await;
            same(self.models.path().as_path(), beside.models.path().as_path(), place).await;
        }
    }
}

async fn same(a: &Path, b: &Path, place: &std::panic::Location<'_>) {
    let differences = carrel_projections::compare(a, b).await.expect("both are there");
    let told: String = differences.iter().take(6).map(|it| format!("\n{it}")).collect();
    assert!(differences.is_empty(), "{place}: {} differences:{told}", differences.len());
}

fn unit(
    events: &[Event],
    at: Timestamp,
    random: &mut Random,
    called: fn(&str) -> String,
) -> CommandUnit {
    let id = Uuid::from_bytes(random.bytes());
    let records = events.iter().map(|event| {
        let (category, stream) = event.stream();
        let written = event.written(u16::MAX).expect("it has a shape").expect("it is JSON");
        NewRecord {
            stream: StreamId { category: Category::new(category).expect("a category"), id: stream },
            event_id: EventId::new(Uuid::from_bytes(random.bytes())),
            kind: RecordType::new(&called(event.kind())).expect("a type"),
            schema: written.schema,
            data: written.data,
        }
    });
    CommandUnit {
        command_id: CommandId::new(id),
        fingerprint: Fingerprint([7; 32]),
        records: records.collect(),
        origin: Origin {
            org: Org::new("main").expect("a name"),
            actor: Actor {
                id: ActorId::new(Uuid::from_u128(9)),
                method: Method::new("test").expect("a method"),
            },
            causation_id: CausationId::new(id),
            correlation_id: CorrelationId::new(id),
            trace_parent: None,
            at,
        },
    }
}

/// On threads, since the log is folded and rows are made beside whoever waits.
pub(crate) fn multi<F: Future<Output = ()>>(test: F) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("a runtime").block_on(test);
}
