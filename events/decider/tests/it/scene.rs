//! A desk, a log that does as it is told, and commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use carrel_decider::{
    Answer, Answered, Ask, Clock, Decider, Entropy, Refusal, Sent, Snapshots, Standing, open,
};
use carrel_log::memory::MemoryLog;
use carrel_log::{Answer as First, AppendError, EventLog, Guard, Head, ReadError, Turn};
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, LogId};
use carrel_model::name::{Method, Org};
use carrel_model::record::{Actor, CommandUnit, Fingerprint, Position, Record, Timestamp};
use carrel_testkit::front::{Front, Fronted};
use carrel_testkit::random::Random;
use carrel_testkit::site::BEGINNING;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::cabinet::Cabinet;

/// What becomes of the next append.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// It fails, and nothing is written.
    Fails(AppendError),
    /// It is written, and nobody hears of it.
    IsForgotten,
    /// It waits for [`Log::gate`], and then goes as it is to go.
    Waits(Box<Option<Next>>),
}

/// A log in memory with one thing that goes wrong.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) kept: MemoryLog,
    pub(crate) next: Mutex<Option<Next>>,
    /// One append that waits goes on for each permit.
    pub(crate) gate: Semaphore,
    /// Has a permit for each append or look-up that waited.
    pub(crate) arrived: Semaphore,
    /// So many look-ups wait for [`Log::gate`] when they have their answer.
    pub(crate) slow_lookups: AtomicUsize,
}

impl Log {
    pub(crate) fn new() -> Arc<Fronted<Self>> {
        Self::called(1)
    }

    /// A log with another id.
    pub(crate) fn called(id: u8) -> Arc<Fronted<Self>> {
        let kept = MemoryLog::new(LogId::from_bytes([id; 16]));
        let (gate, arrived) = (Semaphore::new(0), Semaphore::new(0));
        let slow_lookups = AtomicUsize::new(0);
        Arc::new(Fronted(Self { kept, next: Mutex::new(None), gate, arrived, slow_lookups }))
    }

    pub(crate) async fn next_is(&self, next: Next) {
        *self.next.lock().await = Some(next);
    }

    async fn waits(&self) {
        self.arrived.add_permits(1);
        self.gate.acquire().await.expect("it is never closed").forget();
    }

    /// Returns when an append or a look-up waits.
    pub(crate) async fn is_waited_for(&self) {
        self.arrived.acquire().await.expect("it is never closed").forget();
    }
}

struct Turned<'a> {
    turn: Box<dyn Turn + 'a>,
    log: &'a Log,
}

#[async_trait]
impl Turn for Turned<'_> {
    fn head(&self) -> Head {
        self.turn.head()
    }

    fn since(&self) -> &[Record] {
        self.turn.since()
    }

    async fn append(
        self: Box<Self>,
        units: Vec<CommandUnit>,
        guard: Option<Guard>,
    ) -> Result<Vec<First>, AppendError> {
        let mut next = self.log.next.lock().await.take();
        if let Some(Next::Waits(then)) = next {
            self.log.waits().await;
            next = *then;
        }
        match next {
            None | Some(Next::Waits(_)) => self.turn.append(units, guard).await,
            Some(Next::Fails(error)) => Err(error),
            Some(Next::IsForgotten) => {
                self.turn.append(units, guard).await?;
                Err(AppendError::OutcomeUnknown("the line broke".to_owned()))
            }
        }
    }
}

#[async_trait]
impl Front for Log {
    fn behind(&self) -> &dyn EventLog {
        &self.kept
    }

    async fn turn(&self, have: Position) -> Result<Box<dyn Turn + '_>, AppendError> {
        let turn = self.kept.turn(have).await?;
        Ok(Box::new(Turned { turn, log: self }))
    }

    async fn lookup(&self, command_id: CommandId) -> Result<Option<First>, ReadError> {
        let found = self.kept.lookup(command_id).await;
        let one_less = |slow: usize| slow.checked_sub(1);
        if self.slow_lookups.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            self.waits().await;
        }
        found
    }
}

/// Stands still until it is set.
#[derive(Debug)]
pub(crate) struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

impl Hands {
    pub(crate) fn set(&self, to: Timestamp) {
        self.0.store(to.0, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Seeded(Random);

impl Entropy for Seeded {
    fn draw(&mut self) -> [u8; 16] {
        self.0.bytes()
    }
}

pub(crate) struct Scene {
    pub(crate) decider: Decider,
    pub(crate) log: Arc<Fronted<Log>>,
    pub(crate) cabinet: Arc<Cabinet>,
    pub(crate) clock: Arc<Hands>,
    desk: JoinSet<()>,
    asked: u8,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::on(Log::new(), 1).await
    }

    /// Another desk over a log, drawing from another seed.
    pub(crate) async fn on(log: Arc<Fronted<Log>>, seed: u64) -> Self {
        Self::with(log, seed, Arc::default(), None).await
    }

    pub(crate) async fn with(
        log: Arc<Fronted<Log>>,
        seed: u64,
        cabinet: Arc<Cabinet>,
        snapshots: Option<Snapshots>,
    ) -> Self {
        let clock = Arc::new(Hands(AtomicI64::new(BEGINNING.0)));
        let entropy = Box::new(Seeded(Random::new(seed)));
        let (kept, hands) = (Arc::clone(&log) as _, Arc::clone(&clock) as _);
        let opened = open(kept, cabinet.keys(), hands, entropy, snapshots).await;
        let (decider, desk) = opened.expect("a log that can be folded");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { desk.run().await.expect("what it meets in the log") });
        Self { decider, log, cabinet, clock, desk: tasks, asked: 0 }
    }

    /// Something that somebody sends, with an id of its own.
    pub(crate) fn sent(&mut self, name: &str, data: &Value) -> Sent {
        self.asked += 1;
        sent(self.asked, name, data)
    }

    pub(crate) async fn submits(&mut self, name: &str, data: &Value) -> Result<Answered, Refusal> {
        let sent = self.sent(name, data);
        self.decider.submit(sent).await
    }

    /// A command with an id of its own.
    pub(crate) fn command(&mut self, name: &str, data: &Value) -> Ask {
        self.asked += 1;
        ask(self.asked, name, data)
    }

    pub(crate) async fn given(&mut self, name: &str, data: &Value) -> Result<Answer, Refusal> {
        let ask = self.command(name, data);
        self.decider.ask(ask).await
    }

    /// The desk is gone, whoever may still ask.
    pub(crate) async fn stop(&mut self) {
        self.desk.shutdown().await;
    }

    /// The desk ends when nobody can ask any more.
    pub(crate) async fn ends(self) -> Arc<Fronted<Log>> {
        let Self { decider, log, mut desk, .. } = self;
        drop(decider);
        while let Some(ended) = desk.join_next().await {
            ended.expect("no panic");
        }
        log
    }

    /// What everybody sees is what the log holds.
    pub(crate) async fn is_as_logged(&self) {
        let folded = Standing::of(&*self.log).await.expect("a log that can be folded");
        assert!(self.decider.standing() == folded, "the fleet is not that of the log");
    }
}

pub(crate) fn ask(number: u8, name: &str, data: &Value) -> Ask {
    let command = serde_json::from_value(json!({ "type": name, "data": data }));
    Ask {
        command_id: CommandId::from_bytes([number; 16]),
        fingerprint: Fingerprint([number; 32]),
        command: command.expect("a command"),
        org: Org::new("main").expect("a name"),
        actor: Actor {
            id: ActorId::from_bytes([9; 16]),
            method: Method::new("test").expect("a name"),
        },
        causation_id: CausationId::from_bytes([number; 16]),
        correlation_id: CorrelationId::from_bytes([number; 16]),
        trace_parent: None,
    }
}

pub(crate) fn sent(number: u8, name: &str, data: &Value) -> Sent {
    let command = serde_json::from_value(json!({ "type": name, "data": data }));
    let Ask { command_id, org, actor, causation_id, correlation_id, trace_parent, .. } =
        ask(number, "CreateGroup", &json!({ "name": "any" }));
    let command = command.expect("a command");
    Sent { command_id, command, org, actor, causation_id, correlation_id, trace_parent }
}
