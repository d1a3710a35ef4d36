//! A site with everything that is in one process, and what can be told of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use carrel_bus::{Bus, MemoryPulse};
use carrel_decider::{Answer, Ask, Clock, Decider, Entropy, Refusal, open};
use carrel_keys::memory::MemoryStore;
use carrel_keys::{Keys, OsEntropy};
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, MachineId};
use carrel_model::image::State as Content;
use carrel_model::machine::{Machine, Ready, State};
use carrel_model::name::{Method, Org};
use carrel_model::operation::Operation;
use carrel_model::record::{Actor, Fingerprint, Timestamp};
use carrel_relay::{Counters, Counts, Parts, Relay, RelayError};
use carrel_testkit::front::Fronted;
use carrel_testkit::random::Random;
use carrel_testkit::site::BEGINNING;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::bus::{Unruly, Way};
use crate::hosts::Workers;
use crate::log::Log;

/// Goes with the runtime's time, and can be set.
#[derive(Debug)]
pub(crate) struct Hands {
    begun: Instant,
    set: AtomicI64,
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.begun.elapsed().as_micros()).expect("not that long");
        Timestamp(self.set.load(Ordering::Relaxed) + passed)
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
    pub(crate) log: Arc<Fronted<Log>>,
    pub(crate) bus: Unruly,
    pub(crate) pulse: Arc<MemoryPulse>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<Hands>,
    pub(crate) workers: Workers,
    pub(crate) decider: Decider,
    desk: JoinSet<()>,
    relay: JoinSet<Result<(), RelayError>>,
    serving: JoinSet<()>,
    pub(crate) ending: watch::Sender<bool>,
    counters: Arc<Counters>,
    seed: u64,
    commands: u64,
}

impl Scene {
    #[expect(clippy::disallowed_methods, reason = "the runtime's time is the test's")]
    pub(crate) async fn new(way: Way) -> Self {
        let store = Arc::new(MemoryStore::default());
        let keys = Keys::start(store, Arc::new(OsEntropy), 1).expect("keys");
        let log = Arc::new(Log::new());
        let clock = Arc::new(Hands { begun: Instant::now(), set: AtomicI64::new(BEGINNING.0) });
        let workers = Workers::new(keys.verifying_keys());
        let bus = Unruly::new(way);
        let (decider, desk) = desk((&log, &keys), &clock, 1).await;
        let mut scene = Self {
            log,
            bus,
            pulse: Arc::default(),
            keys,
            clock,
            workers,
            decider,
            desk,
            relay: JoinSet::new(),
            serving: JoinSet::new(),
            ending: watch::Sender::new(false),
            counters: Arc::default(),
            seed: 1,
            commands: 0,
        };
        scene.starts_relay().await;
        scene
    }

    pub(crate) async fn starts_relay(&mut self) {
        let relay = self.another_relay().await;
        self.counters = relay.counters();
        let ending = self.ending.subscribe();
        self.relay.spawn(relay.run(ending));
    }

    pub(crate) async fn another_relay(&mut self) -> Relay {
        self.seed += 1;
        let parts = Parts {
            log: Arc::clone(&self.log) as _,
            bus: Arc::new(self.bus.clone()),
            pulse: Arc::clone(&self.pulse) as _,
            keys: self.keys.clone(),
            decider: self.decider.clone(),
            clock: Arc::clone(&self.clock) as _,
            entropy: Box::new(Seeded(Random::new(1_000 + self.seed))),
            snapshots: None,
        };
        Relay::start(parts).await.expect("a relay")
    }

    /// The process is killed, and another one comes. The broker is another process, or isn't.
    pub(crate) async fn dies(&mut self, broker: Broker) {
        self.relay.shutdown().await;
        self.desk.shutdown().await;
        self.serving.shutdown().await;
        *self.log.stops_at.lock().expect("no panic") = None;
        match broker {
            Broker::Lives => self.bus.stops_at(None),
            Broker::Dies => self.bus = Unruly::new(Way::Arrives),
        }
        self.seed += 1;
        (self.decider, self.desk) = desk((&self.log, &self.keys), &self.clock, self.seed).await;
        self.starts_relay().await;
        let hosts: Vec<_> = self.fleet().hypervisors.iter().map(|(id, _)| id).collect();
        let bus: Arc<dyn Bus> = Arc::new(self.bus.clone());
        for host in hosts {
            self.workers.serve(&bus, host, &mut self.serving);
        }
    }

    /// The relay ends as it should, and says why.
    pub(crate) async fn relay_ends(&mut self) -> Result<(), RelayError> {
        self.relay.join_next().await.expect("a relay").expect("no panic")
    }

    pub(crate) fn fleet(&self) -> Fleet {
        self.decider.standing().fleet
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counters.read()
    }

    pub(crate) async fn ask(&mut self, name: &str, data: &Value) -> Result<Answer, Refusal> {
        self.commands += 1;
        let mut id = [7; 16];
        id[8..].copy_from_slice(&self.commands.to_be_bytes());
        let command = serde_json::from_value(json!({ "type": name, "data": data }));
        let ask = Ask {
            command_id: CommandId::from_bytes(id),
            fingerprint: Fingerprint([7; 32]),
            command: command.unwrap_or_else(|error| panic!("{name}: {error}")),
            org: Org::new("main").expect("a name"),
            actor: Actor {
                id: ActorId::from_bytes([9; 16]),
                method: Method::new("test").expect("a name"),
            },
            causation_id: CausationId::from_bytes(id),
            correlation_id: CorrelationId::from_bytes(id),
            trace_parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok(),
        };
        self.decider.ask(ask).await
    }

    #[track_caller]
    pub(crate) fn said(&mut self, name: &str, data: Value) -> impl Future<Output = Answer> {
        let name = name.to_owned();
        async move { self.ask(&name, &data).await.unwrap_or_else(|no| panic!("{name}: {no}")) }
    }

    /// As people send it: with names.
    pub(crate) async fn said_of_people(&mut self, name: &str, data: Value) -> Answer {
        let json = json!({ "type": name, "data": data });
        let command = serde_json::from_value(json).unwrap_or_else(|no| panic!("{name}: {no}"));
        let fleet = self.fleet();
        self.commands += 1;
        let mut number = 0;
        let mut fresh = || {
            number += 1;
            Uuid::from_u64_pair(self.commands, number)
        };
        let sealed = self.keys.seal_command(command, &fleet, &mut fresh).expect("sealed");
        let sealed = serde_json::to_value(&sealed.command).expect("JSON");
        self.said(name, sealed["data"].clone()).await
    }

    /// Nobody decides any more.
    pub(crate) async fn desk_stops(&mut self) {
        self.desk.shutdown().await;
    }

    /// Everything that can be done without time passing is done.
    pub(crate) async fn rests(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if !self.bus.let_go().await {
                return;
            }
        }
    }

    pub(crate) async fn waits(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.rests().await;
    }

    /// Hosts say what they have until nothing more comes of it.
    pub(crate) async fn heals(&self) {
        for _ in 0..12 {
            let before = self.counts();
            for _ in 0..2 {
                self.workers.tell(&self.bus, &self.fleet()).await;
                self.rests().await;
            }
            let after = self.counts();
            let said = |counts: Counts| (counts.orders_sent, counts.differences_reported);
            if said(before) == said(after) {
                return;
            }
        }
        panic!("there is no end to it: {:#?}", self.counts());
    }

    /// Two hosts that see one storage.
    pub(crate) async fn founded(way: Way) -> Self {
        let mut scene = Self::new(way).await;
        for host in ["node1", "node2"] {
            let capacity = json!({ "memory_mib": 65_536, "vcpus": 64 });
            let settings = json!({ "capacity": capacity });
            scene.said("RegisterHypervisor", json!({ "name": host, "settings": settings })).await;
        }
        let hosts: Vec<_> = scene.fleet().hypervisors.iter().map(|(id, _)| id).collect();
        let bus: Arc<dyn Bus> = Arc::new(scene.bus.clone());
        for host in hosts {
            scene.workers.serve(&bus, host, &mut scene.serving);
        }
        let hosts = json!({ "node1": "/srv/a", "node2": "/srv/a" });
        let roles = json!(["images", "disks", "volatile", "media"]);
        let settings = json!({ "roles": roles, "hosts": hosts });
        scene.said("CreateStorage", json!({ "name": "main", "settings": settings })).await;
        scene.rests().await;
        scene
    }

    pub(crate) fn machine(&self, name: &str) -> Machine {
        let fleet = self.fleet();
        let mut named = fleet.machines.iter().filter(|(_, it)| it.name.as_str() == name);
        named.next().map(|(_, machine)| machine.clone()).expect("a machine of that name")
    }

    pub(crate) fn id(&self, name: &str) -> MachineId {
        self.machine(name).id
    }

    /// A machine that runs.
    pub(crate) async fn runs(&mut self, name: &str) {
        self.said("CreateMachine", json!({ "name": name, "kind": "simple" })).await;
        self.said("StartMachine", json!({ "machines": [name] })).await;
        self.rests().await;
    }
}

/// What becomes of the broker when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    Lives,
    Dies,
}

async fn desk(
    (log, keys): (&Arc<Fronted<Log>>, &Keys),
    clock: &Arc<Hands>,
    seed: u64,
) -> (Decider, JoinSet<()>) {
    let entropy = Box::new(Seeded(Random::new(seed)));
    let opened =
        open(Arc::clone(log) as _, keys.clone(), Arc::clone(clock) as _, entropy, None).await;
    let (decider, desk) = opened.expect("a log that can be folded");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { desk.run().await.expect("what it meets in the log") });
    (decider, tasks)
}

/// What people see of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    state: State,
    ready: bool,
    boot_epoch: u64,
    overlay: Option<u32>,
    snapshots: usize,
    leases: usize,
    pending: bool,
}

/// What people see of a fleet, whatever its ids and times are.
pub(crate) fn seen(fleet: &Fleet) -> (BTreeMap<String, Seen>, Vec<String>, usize) {
    let machines = fleet.machines.iter().map(|(_, it)| {
        let seen = Seen {
            state: it.observed.state,
            ready: it.observed.ready == Ready::Yes,
            boot_epoch: it.power.boot_epoch,
            overlay: it.system_disk().map(|disk| disk.overlay_generation),
            snapshots: it.snapshots.len(),
            leases: it.leases.len(),
            pending: it.is_busy() || it.renewal.is_some() || it.applied < it.generation,
        };
        (it.name.to_string(), seen)
    });
    let images = fleet.images.iter().map(|(_, it)| {
        let content = match it.state {
            Content::Verified(_) => "verified",
            Content::Sealing | Content::Sealed | Content::Retired => it.state.name(),
        };
        format!("{} {content} {}", it.number, it.files_there().count())
    });
    let is_under_way = |it: &Operation| !it.all_begun() || !it.parts.is_empty();
    let unfinished = fleet.operations.iter().filter(|(_, it)| is_under_way(it)).count();
    (machines.collect(), images.collect(), unfinished)
}
