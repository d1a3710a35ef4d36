//! From a command that was accepted to the worker that begins with it: decider, relay, bus and
//! workers in this process, the log on a disk, and hosts on which nothing takes any time. A driver
//! in front of theirs notes when a step is begun.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use carrel_bus::memory::MemoryBus;
use carrel_bus::{Bus, MemoryPulse};
use carrel_decider::{Clock, Decider, Entropy, Sent};
use carrel_driver::sim::{OsTimer, Pace, World};
use carrel_driver::{
    Advance, Cancel, Doing, Done, Hypervisor, Listing, Look, Root, Seen, Step, Trouble,
};
use carrel_keys::memory::MemoryStore as MemoryKeys;
use carrel_keys::{Keys, OsEntropy, VerifyingKeys};
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, HypervisorId, MachineId};
use carrel_model::name::{Method, Org};
use carrel_model::record::{Actor, Timestamp};
use carrel_model::work::Thing;
use carrel_relay::{Parts, Relay};
use carrel_testkit::random::Random;
use carrel_testkit::units::uuid_v7;
use carrel_workers::{AtOnce, FileStore, Ids, Pool, Setup, Worker, ledger};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Session;
use super::turn::Turns;
use crate::figures::Goal;
use crate::load::{Sample, Writer, at_rate, metered};
use crate::report::{Section, Table};
use crate::{Failure, clock, ours, say};

const HOSTS: usize = 8;
const MACHINES: usize = 1_000;
/// Commands in a second.
const RATE: f64 = 500.0;
const WRITERS: usize = 50;
/// What was accepted last begins within that, or not at all.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);

/// What a worker is told: a machine, and which of its generations.
type Told = (MachineId, u64);
type Times = Arc<Mutex<BTreeMap<Told, Instant>>>;

/// A host that notes when the first step for something is begun.
#[derive(Debug)]
struct Noting(Arc<dyn Hypervisor>, Times);

impl Hypervisor for Noting {
    fn observe(&self, look: &Look) -> Result<Seen, Trouble> {
        self.0.observe(look)
    }

    fn list(&self) -> Result<Listing, Trouble> {
        self.0.list()
    }

    fn step(
        &self,
        doing: &Doing,
        step: &Step,
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble> {
        if let Thing::Machine(machine) = doing.thing {
            note(&self.1, (machine, doing.generation));
        }
        self.0.step(doing, step, advance, cancel)
    }

    fn answers_at_once(&self) -> bool {
        self.0.answers_at_once()
    }

    fn screenshot(&self, machine: MachineId) -> Result<Vec<u8>, Trouble> {
        self.0.screenshot(machine)
    }

    fn free_mib(&self, storage: &Root) -> Result<u64, Trouble> {
        self.0.free_mib(storage)
    }
}

/// The first time counts.
fn note(times: &Times, told: Told) {
    let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
    times.entry(told).or_insert_with(clock::now);
}

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
struct Desk {
    decider: Decider,
    random: Arc<Mutex<Random>>,
}

impl Desk {
    async fn ask(&self, name: &str, data: &Value) -> Result<(), Failure> {
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

/// Switches its machines on and off, one after the other.
struct Switcher {
    desk: Desk,
    machines: Vec<(MachineId, bool)>,
    next: usize,
    accepted: Times,
}

impl Writer for Switcher {
    async fn append(&mut self) -> Result<(), Failure> {
        let at = self.next % self.machines.len();
        self.next += 1;
        let (machine, on) = &mut self.machines[at];
        let name = if *on { "PowerOffMachine" } else { "StartMachine" };
        *on = !*on;
        let (machine, data) = (*machine, json!({ "machines": [machine.to_string()] }));
        self.desk.ask(name, &data).await?;
        let now = clock::now();
        let fleet = self.desk.decider.standing().fleet;
        let generation = fleet.machines.get(machine).ok_or("it is gone")?.generation;
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert((machine, generation), now);
        Ok(())
    }
}

/// Everything that runs; it ends with this value.
struct Site {
    desk: Desk,
    begun: Times,
    machines: Vec<MachineId>,
    _ending: watch::Sender<bool>,
    _work_keys: watch::Sender<VerifyingKeys>,
    _tasks: JoinSet<()>,
}

impl Site {
    async fn open(dir: &Path) -> Result<Self, Failure> {
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

    fn switchers(&self, accepted: &Times) -> Vec<Switcher> {
        let fleet = self.desk.decider.standing().fleet;
        let share = self.machines.chunks(MACHINES / WRITERS);
        let is_on = |id: &MachineId| {
            fleet.machines.get(*id).is_some_and(|machine| !machine.power.wish.is_off())
        };
        let switcher = |machines: &[MachineId]| Switcher {
            desk: self.desk.clone(),
            machines: machines.iter().map(|id| (*id, is_on(id))).collect(),
            next: 0,
            accepted: Arc::clone(accepted),
        };
        share.map(switcher).collect()
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

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (runtime, load) = (session.runtime()?, session.load());
    let dir = session.place.fresh()?;
    let site = runtime.block_on(Site::open(dir.path()))?;
    let mut turns = Turns::of("begun");
    for round in 1..=session.rounds() {
        site.begun.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let accepted = Times::default();
        let switchers = site.switchers(&accepted);
        let sample = metered(&load, None, |span| runtime.block_on(at_rate(span, RATE, switchers)))?;
        let accepted =
            std::mem::take(&mut *accepted.lock().unwrap_or_else(PoisonError::into_inner));
        let waited = runtime.block_on(begun(&site.begun, &accepted))?;
        turns.samples.push(Sample { waited, ..sample });
        say(&format!("round {round}, begun after {:.2} ms (p50)", turns.millis(0.5)));
    }
    Ok(Section {
        name: "start",
        goals: vec![
            Goal::at_most(
                1.0,
                "ms",
                "p50 from accepted to begun, 500 commands/s",
                turns.millis(0.5),
            ),
            Goal::at_most(
                5.0,
                "ms",
                "p99 from accepted to begun, 500 commands/s",
                turns.millis(0.99),
            ),
        ],
        figures: turns.figures(),
        tables: vec![Table {
            title: String::from("From a command that was accepted to its host's first step"),
            notes: vec![String::from(
                "- StartMachine and PowerOffMachine in turn, of 1,000 machines on 8 hosts that take \
                 no time, in one process with the log on disk: the order is signed, goes over the \
                 bus, is verified, and is durable in the worker's ledger before the step. What else \
                 follows (outcomes, facts) runs meanwhile. A step that began before its command was \
                 answered counts as 0.",
            )],
            columns: Turns::COLUMNS.to_vec(),
            rows: vec![turns.row()],
        }],
    })
}

/// How long each waited for its first step.
async fn begun(
    begun: &Times,
    accepted: &BTreeMap<Told, Instant>,
) -> Result<Histogram<u64>, Failure> {
    let deadline = clock::now() + BEGINS_WITHIN;
    loop {
        let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut histogram = Histogram::new(3)?;
        let mut missing = 0;
        for (told, at) in accepted {
            match begun.get(told) {
                Some(begun) => {
                    let nanos = begun.saturating_duration_since(*at).as_nanos();
                    histogram.record(u64::try_from(nanos).unwrap_or(u64::MAX))?;
                }
                None => missing += 1,
            }
        }
        match missing {
            0 => return Ok(histogram),
            missing if clock::now() > deadline => {
                return Err(format!("{missing} commands were never begun with").into());
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
