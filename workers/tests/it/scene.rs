//! One or two hosts with their workers, and somebody who gives orders and hears what they say.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use carrel_bus::memory::MemoryBus;
use carrel_bus::{Address, Bus, Consumer, Message, Queue};
use carrel_driver::sim::{Pace, SteppedTimer, World};
use carrel_keys::{HostKey, Keys, OsEntropy};
use carrel_model::contract::{Inventory, Order, Report};
use carrel_model::ids::HypervisorId;
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::machine::{Outcome, Reported};
use carrel_model::record::Incarnation;
use carrel_model::version::latest::Properties;
use carrel_model::work::{Lane, Shall, Thing, Work};
use carrel_workers::{AtOnce, Ids, MemoryStore, Pool, Setup, Worker, ledger};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::spec::{HOST, MACHINE, OTHER, machine};

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let store = Arc::new(carrel_keys::memory::MemoryStore::default());
    Keys::start(store, Arc::new(OsEntropy), 1).expect("keys")
});

pub(crate) struct Scene {
    pub(crate) bus: Arc<MemoryBus>,
    pub(crate) world: World,
    pub(crate) timer: Arc<SteppedTimer>,
    stores: BTreeMap<HypervisorId, MemoryStore>,
    running: BTreeMap<HypervisorId, Running>,
    outcomes: Box<dyn Consumer>,
    /// Everything that was said, as often as it was said.
    pub(crate) heard: Vec<(Uuid, ReportOutcome)>,
    pub(crate) inventories: Vec<Inventory>,
}

struct Running {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// So often is looked whether what is waited for is so.
const LOOKS_MAX: u32 = 400;
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Scene {
    pub(crate) async fn begin() -> Self {
        Self::paced(Pace::INSTANT).await
    }

    pub(crate) async fn paced(pace: Pace) -> Self {
        let timer = Arc::new(SteppedTimer::default());
        let bus = Arc::new(MemoryBus::new());
        let outcomes = bus.consume(&Queue::Outcomes, 1024).await.expect("a queue");
        let mut scene = Self {
            world: World::new(1, pace, Arc::clone(&timer) as _).counting(),
            bus,
            timer,
            stores: BTreeMap::new(),
            running: BTreeMap::new(),
            outcomes,
            heard: Vec::new(),
            inventories: Vec::new(),
        };
        for host in [HOST, OTHER] {
            scene.stores.insert(host, MemoryStore::default());
            scene.start(host);
        }
        scene
    }

    pub(crate) fn store(&self) -> &MemoryStore {
        &self.stores[&HOST]
    }

    pub(crate) fn start(&mut self, host: HypervisorId) {
        let store = Box::new(self.stores[&host].clone());
        let (ledger, writer) = ledger::open(store).expect("a ledger");
        let (stop, stopped) = watch::channel(false);
        let (_, work_keys) = watch::channel(KEYS.verifying_keys());
        let worker = Worker::new(Setup {
            host,
            hypervisor: self.world.hypervisor(host),
            bus: Arc::clone(&self.bus) as _,
            ledger,
            work_keys,
            host_key: HostKey::from_slice(&[7; 32]),
            ids: Ids::new(Arc::new(|| 1), Arc::new(OsEntropy)),
            pool: Pool::default(),
            at_once: AtOnce::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(writer.run().await) });
        tasks.spawn(async move { drop(worker.run(stopped).await) });
        self.running.insert(host, Running { tasks, stop });
    }

    /// The process is gone. What it had on its way to the host may happen still.
    pub(crate) async fn crash(&mut self, host: HypervisorId) {
        if let Some(mut running) = self.running.remove(&host) {
            running.tasks.shutdown().await;
        }
    }

    /// It is told to end, and does.
    pub(crate) async fn end(&mut self, host: HypervisorId) {
        let Some(mut running) = self.running.remove(&host) else { return };
        running.stop.send_replace(true);
        while running.tasks.join_next().await.is_some() {}
    }

    pub(crate) fn message(
        host: HypervisorId,
        thing: Thing,
        generation: u64,
        shall: Shall,
    ) -> Message {
        Self::message_about(host, thing, generation, (shall, Properties::default()))
    }

    fn message_about(
        host: HypervisorId,
        thing: Thing,
        generation: u64,
        (shall, personal): (Shall, Properties),
    ) -> Message {
        let work = Work { hypervisor: host, thing, generation, lane: Lane::Fast, shall };
        let incarnation = Incarnation(1);
        let order = Order { incarnation, work, personal, operation: None };
        let body = serde_json::to_vec(&order).expect("JSON");
        let signature = KEYS.sign(&body);
        let mut message = Message::new(Uuid::from_u128(u128::from(generation)), body);
        let signature = [signature.key.0.as_slice(), &signature.bytes].concat();
        message.headers.signature = Some(signature.into());
        message
    }

    pub(crate) async fn publish(&self, host: HypervisorId, message: Message) {
        let to = Address::Work(host, Lane::Fast);
        self.bus.publish(&to, message).await.expect("room");
    }

    pub(crate) async fn order_on(
        &self,
        host: HypervisorId,
        thing: Thing,
        generation: u64,
        shall: Shall,
    ) {
        self.publish(host, Self::message(host, thing, generation, shall)).await;
    }

    pub(crate) async fn order(&self, thing: Thing, generation: u64, shall: Shall) {
        self.order_on(HOST, thing, generation, shall).await;
    }

    /// The machine's guest may read something of those who are there.
    pub(crate) async fn order_about(&self, generation: u64, shall: Shall, personal: Properties) {
        let about = (shall, personal);
        let message = Self::message_about(HOST, machine(MACHINE), generation, about);
        self.publish(HOST, message).await;
    }

    /// Time goes on a little, here and on the hosts, and whatever was said is heard.
    pub(crate) async fn look(&mut self) {
        sleep(LOOK_EVERY).await;
        self.timer.step(LOOK_EVERY);
        while let Ok(Ok(delivery)) = timeout(Duration::from_millis(1), self.outcomes.next()).await {
            let message = delivery.message;
            match serde_json::from_slice(&message.body).expect("a report") {
                Report::Outcome { outcome, .. } => self.heard.push((message.id, outcome)),
                Report::Inventory(inventory) => self.inventories.push(inventory),
            }
            delivery.receipt.done().await.expect("done");
        }
    }

    pub(crate) async fn wait(&mut self, seconds: u32) {
        for _ in 0..seconds * 2 {
            self.look().await;
        }
    }

    /// # Panics
    /// If it never comes to be so.
    #[track_caller]
    pub(crate) fn until(&mut self, so: impl Fn(&Self) -> bool) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for _ in 0..LOOKS_MAX {
                if so(self) {
                    return;
                }
                self.look().await;
            }
            panic!("{caller}: it never came to be so; said was {:#?}", self.heard);
        }
    }

    pub(crate) fn has_heard(&self, what: &Outcome) -> bool {
        self.times(what) > 0
    }

    /// How many different messages said it.
    pub(crate) fn times(&self, what: &Outcome) -> usize {
        let said = self.heard.iter().filter(|(_, it)| match &it.thing {
            Reported::Machine { outcome, .. } => outcome == what,
            Reported::Image { .. } => false,
        });
        let ids: std::collections::BTreeSet<Uuid> = said.map(|(id, _)| *id).collect();
        ids.len()
    }

    #[track_caller]
    pub(crate) fn until_heard(&mut self, what: Outcome) -> impl Future<Output = ()> {
        self.until(move |scene| scene.has_heard(&what))
    }

    /// Everything up to this generation came to an end.
    #[track_caller]
    pub(crate) fn until_applied(&mut self, generation: u64) -> impl Future<Output = ()> {
        self.until(move |scene| {
            scene.heard.iter().any(|(_, it)| {
                it.generation == generation
                    && matches!(&it.thing, Reported::Machine { outcome: Outcome::Applied, .. })
            })
        })
    }

    /// # Panics
    /// If anything was done twice for the same generation and epoch.
    #[track_caller]
    pub(crate) fn nothing_was_done_twice(&self) {
        let twice: Vec<_> =
            self.world.effects().into_iter().filter(|(_, times)| *times > 1).collect();
        assert!(twice.is_empty(), "{twice:#?}");
    }

    pub(crate) fn files(&self) -> Vec<String> {
        self.world.files().into_keys().map(|(_, file)| file.to_string()).collect()
    }
}
