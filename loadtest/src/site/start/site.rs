//! The site, with everything in this process that `carrel up` has but an edge and read models.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use carrel_bus::memory::MemoryBus;
use carrel_bus::{Bus, MemoryPulse};
use carrel_decider::{Clock, Decider, Entropy, Sent};
use carrel_driver::sim::{OsTimer, Pace, World};
use carrel_keys::memory::MemoryStore as MemoryKeys;
use carrel_keys::{Keys, OsEntropy, VerifyingKeys};
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, HypervisorId, MachineId};
use carrel_model::name::{Method, Org};
use carrel_model::record::{Actor, Timestamp};
use carrel_relay::{Parts, Relay};
use carrel_testkit::random::Random;
use carrel_testkit::units::uuid_v7;
use carrel_workers::{AtOnce, FileStore, Ids, Pool, Setup, Worker, ledger};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::noting::{Noting, Times};
use crate::{Failure, ours};

const HOSTS: usize = 8;
pub(super) const MACHINES: usize = 1_000;

#[derive(Debug)]
struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is a composition root")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

fn millis() -> u64 {
    u64::try_from(WallClock.now().0 / 1_000).unwrap_or_default()
}

#[derive(Debug)]
struct Seeded(Random);

impl Entropy for Seeded {
    fn draw(&mut self) -> [u8; 16] {
        self.0.bytes()
    }
}

/// Whoever sends commands.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) decider: Decider,
    random: Arc<Mutex<Random>>,
}

impl Desk {
    pub(super) async fn ask(&self, name: &str, data: &Value) -> Result<(), Failure> {
        let id = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            uuid_v7(millis(), &mut random)
        };
        let sent = Sent {
            command_id: CommandId::new(id),
            command: serde_json::from_value(json!({ "type": name, "data": data }))?,
            org: Org::new("main")?,
            actor: Actor { id: ActorId::MIN, method: Method::new("loadtest")? },
            causation_id: CausationId::new(id),
            correlation_id: CorrelationId::new(id),
            trace_parent: None,
        };
        self.decider.submit(sent).await.map(drop).map_err(|why| format!("{name}: {why}").into())
    }
}

/// Everything that runs; it ends with this value.
pub(super) struct Site {
    pub(super) desk: Desk,
    pub(super) begun: Times,
    pub(super) machines: Vec<MachineId>,
    _ending: watch::Sender<bool>,
    _work_keys: watch::Sender<VerifyingKeys>,
    _tasks: JoinSet<()>,
}

impl Site {
    pub(super) async fn open(dir: &Path) -> Result<Self, Failure> {
        let log = ours::open(&dir.join("log"))?;
        let keys = Keys::start(Arc::new(MemoryKeys::default()), Arc::new(OsEntropy), 1)?;
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let entropy = |seed| Box::new(Seeded(Random::new(seed)));
        let (decider, desk) =
            carrel_decider::open(log.clone(), keys.clone(), clock.clone(), entropy(1), None)
                .await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async { drop(desk.run().await) });
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
        let relay = Relay::start(Parts {
            log,
            bus: Arc::clone(&bus),
            pulse: Arc::new(MemoryPulse::default()),
            keys: keys.clone(),
            decider: decider.clone(),
            clock,
            entropy: entropy(2),
            snapshots: None,
        });
        let relay = relay.await?;
        let ending = watch::Sender::new(false);
        let stopped = ending.subscribe();
        tasks.spawn(async { drop(relay.run(stopped).await) });
        let desk = Desk { decider, random: Arc::new(Mutex::new(Random::new(3))) };
        let hosts = hosts(&desk).await?;
        let (ledger, writer) =
            ledger::open(Box::new(FileStore::open(&dir.join("ledger"), "the load test")?))?;
        tasks.spawn(async { drop(writer.run().await) });
        let world = World::new(1, Pace::INSTANT, Arc::new(OsTimer::begin()));
        let (pool, work_keys) = (Pool::default(), watch::Sender::new(keys.verifying_keys()));
        let begun = Times::default();
        for host in hosts {
            let worker = Worker::new(Setup {
                host,
                hypervisor: Arc::new(Noting(world.hypervisor(host), Arc::clone(&begun))),
                bus: Arc::clone(&bus),
                ledger: ledger.clone(),
                work_keys: work_keys.subscribe(),
                host_key: Some(keys.enrol_host(host)?),
                ids: Ids::new(Arc::new(millis), Arc::new(OsEntropy)),
                pool: pool.clone(),
                at_once: AtOnce::default(),
            });
            let stopped = ending.subscribe();
            tasks.spawn(async { drop(worker.run(stopped).await) });
        }
        let machines = machines(&desk).await?;
        Ok(Self { desk, begun, machines, _ending: ending, _work_keys: work_keys, _tasks: tasks })
    }
}

async fn hosts(desk: &Desk) -> Result<Vec<HypervisorId>, Failure> {
    for number in 1..=HOSTS {
        let capacity = json!({ "memory_mib": 1 << 20, "vcpus": 256 });
        let data = json!({ "name": format!("node{number}"), "settings": { "capacity": capacity } });
        desk.ask("RegisterHypervisor", &data).await?;
    }
    let paths: Value = (1..=HOSTS).map(|it| (format!("node{it}"), json!("/srv"))).collect();
    desk.ask("CreateStorage", &json!({ "name": "main", "settings": { "hosts": paths } })).await?;
    Ok(desk.decider.standing().fleet.hypervisors.iter().map(|(id, _)| id).collect())
}

async fn machines(desk: &Desk) -> Result<Vec<MachineId>, Failure> {
    for number in 0..MACHINES {
        let data = json!({ "name": format!("m-{number:04}"), "kind": "simple" });
        desk.ask("CreateMachine", &data).await?;
    }
    Ok(desk.decider.standing().fleet.machines.iter().map(|(id, _)| id).collect())
}
