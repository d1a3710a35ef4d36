//! Hosts that do what they are told at once, keep a ledger of it, and say what they have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use carrel_bus::{Address, Bus, Message, Queue};
use carrel_keys::{KeyId, Signature, VerifyingKeys};
use carrel_model::contract::{Held, Inventory, Order, Report};
use carrel_model::fleet::Fleet;
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::record::Incarnation;
use carrel_model::work::{Lane, Shall, Thing, Work};
use carrel_testkit::hosts::Hosts;
use tokio::task::JoinSet;
use uuid::{Builder, Uuid};

/// What a host has done for a thing, and what came of it.
#[derive(Clone, Debug)]
struct Entry {
    incarnation: Incarnation,
    generation: u64,
    outcomes: Vec<(Uuid, ReportOutcome)>,
    let_go: bool,
}

#[derive(Debug, Default)]
struct State {
    hosts: Hosts,
    ledger: BTreeMap<(HypervisorId, Thing), Entry>,
    incarnation: Incarnation,
    ids: u64,
    /// How often each domain was started.
    starts: BTreeMap<(MachineId, u64), u32>,
}

/// The workers of all hosts of a site. They outlive the broker.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    state: Arc<Mutex<State>>,
    keys: VerifyingKeys,
}

impl Workers {
    pub(crate) fn new(keys: VerifyingKeys) -> Self {
        Self { state: Arc::default(), keys }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Takes a host's orders until the broker is gone.
    pub(crate) fn serve(&self, bus: &Arc<dyn Bus>, host: HypervisorId, tasks: &mut JoinSet<()>) {
        for lane in [Lane::Fast, Lane::Bulk] {
            let (workers, bus) = (self.clone(), Arc::clone(bus));
            tasks.spawn(async move {
                let queue = Queue::Work(host, lane);
                let mut consumer = bus.consume(&queue, 8).await.expect("a consumer");
                while let Ok(delivery) = consumer.next().await {
                    let outcomes = workers.take(&delivery.message);
                    for (id, incarnation, outcome) in outcomes {
                        let report = Report::Outcome { incarnation, outcome };
                        say(&*bus, id, &report).await;
                    }
                    delivery.receipt.done().await.expect("a broker");
                }
            });
        }
    }

    /// What is to be said of an order.
    fn take(&self, message: &Message) -> Vec<(Uuid, Incarnation, ReportOutcome)> {
        self.is_signed(message);
        let order: Order = serde_json::from_slice(&message.body).expect("an order");
        let (incarnation, work) = (order.incarnation, order.work);
        let mut state = self.state();
        state.incarnation = state.incarnation.max(incarnation);
        let key = (work.hypervisor, work.thing);
        let before = state.ledger.get(&key).map(|it| (it.incarnation, it.generation));
        if before > Some((incarnation, work.generation)) {
            return Vec::new();
        }
        if before < Some((incarnation, work.generation)) {
            let entry = state.act(&work, incarnation);
            state.ledger.insert(key, entry);
        }
        let said = state.ledger.get(&key).map(|entry| entry.outcomes.clone()).unwrap_or_default();
        said.into_iter().map(|(id, outcome)| (id, incarnation, outcome)).collect()
    }

    fn is_signed(&self, message: &Message) {
        let signature = message.headers.signature.as_ref().expect("a signature");
        let (key, bytes) = signature.split_first_chunk().expect("a key's id");
        let bytes = bytes.try_into().expect("a signature behind it");
        let signature = Signature { key: KeyId(*key), bytes };
        self.keys.verify(&message.body, &signature).expect("a good signature");
    }

    /// Nothing was started twice in one epoch.
    pub(crate) fn nothing_was_done_twice(&self) {
        let state = self.state();
        let twice: Vec<_> = state.starts.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "started twice: {twice:?}");
    }

    /// Somebody changes what hosts have past Carrel.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Hosts) -> T) -> T {
        change(&mut self.state().hosts)
    }

    /// All hosts say what they have.
    pub(crate) async fn tell(&self, bus: &dyn Bus, fleet: &Fleet) {
        for (host, _) in fleet.hypervisors.iter() {
            let (id, inventory) = self.inventory(host);
            say(bus, id, &Report::Inventory(inventory)).await;
        }
    }

    pub(crate) fn inventory(&self, host: HypervisorId) -> (Uuid, Inventory) {
        let mut state = self.state();
        let incarnation = state.incarnation;
        let held = |thing: Thing, entry: &Entry| {
            let is_of_now = entry.incarnation == incarnation;
            let generation = if is_of_now { entry.generation } else { 0 };
            let power = match thing {
                Thing::Machine(id) => state.hosts.power(host, id),
                Thing::Image(_) => None,
            };
            Held { thing, generation, settled: true, power }
        };
        let own = state.ledger.iter().filter(|((on, _), entry)| *on == host && !entry.let_go);
        let things = own.map(|((_, thing), entry)| held(*thing, entry)).collect();
        let inventory =
            Inventory { hypervisor: host, incarnation, things, space: Vec::new(), foreign: 0 };
        (state.id(), inventory)
    }
}

impl State {
    fn id(&mut self) -> Uuid {
        self.ids += 1;
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&self.ids.to_be_bytes());
        Builder::from_unix_timestamp_millis(1_767_225_600_000, &bytes).into_uuid()
    }

    fn act(&mut self, work: &Work, incarnation: Incarnation) -> Entry {
        let ran: Vec<_> = self.hosts.running().collect();
        let outcomes = self.hosts.take(work);
        let started: Vec<_> = self.hosts.running().filter(|it| !ran.contains(it)).collect();
        for (host, machine) in started {
            let epoch = self.hosts.power(host, machine).map_or(0, |power| power.boot_epoch);
            *self.starts.entry((machine, epoch)).or_default() += 1;
        }
        let outcomes = outcomes.into_iter().map(|outcome| (self.id(), outcome)).collect();
        let let_go = match work.shall {
            Shall::Released | Shall::Absent { .. } | Shall::Woken { .. } => true,
            Shall::Present(_) | Shall::Files(_) => false,
        };
        Entry { incarnation, generation: work.generation, outcomes, let_go }
    }
}

pub(crate) async fn say(bus: &dyn Bus, id: Uuid, report: &Report) {
    let body = serde_json::to_vec(report).expect("JSON");
    bus.publish(&Address::Outcomes, Message::new(id, body)).await.expect("a broker");
}
