//! Everything that is in one process, what outlives it, and how it dies and comes back.
//!
//! ```text
//!   decider + shredder  |  relay  |  workers + ledger        die together or alone
//!   --------------------+---------+------------------------
//!   log, keys, snapshots' disk, ledger's bytes, hosts        stay
//!   broker, pulse                                            stay, or go with everything
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use carrel_bus::{Bus, MemoryPulse};
use carrel_decider::shredder::Begin;
use carrel_decider::{Decider, Shredder, Snapshots, open};
use carrel_keys::memory::MemoryStore;
use carrel_keys::{HostKey, Keys, VerifyingKeys};
use carrel_model::fleet::Fleet;
use carrel_model::ids::HypervisorId;
use carrel_relay::{Parts, Relay};
use carrel_testkit::front::Fronted;
use carrel_testkit::sim_disk::SimDisk;
use carrel_workers::{AtOnce, Ids, Ledger, Pool, Setup, Worker, ledger};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::fate::{Fate, Whose};
use crate::log::Log;
use crate::outside::{Clock, Seeded};
use crate::paper::Paper;
use crate::post::Post;
use crate::rates::BROKER_DIES;
use crate::site::Site;

/// What a task says when it ends, and whose it is.
type Ended = (&'static str, Result<(), String>);

/// Who dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Everything,
    /// With the relay, which is nothing without it.
    Decider,
    Relay,
    Workers,
}

/// Often enough that a run begins with several of them.
const SNAPSHOT_EVERY: u64 = 400;

pub(crate) struct Process {
    pub(crate) log: Arc<Fronted<Log>>,
    pub(crate) post: Post,
    pub(crate) site: Site,
    pub(crate) fate: Arc<Fate>,
    pub(crate) clock: Clock,
    pub(crate) pulse: Arc<MemoryPulse>,
    pub(crate) keys: Keys,
    key_store: Arc<MemoryStore>,
    entropy: Seeded,
    disk: SimDisk,
    paper: Paper,
    decider: JoinSet<Ended>,
    relay: JoinSet<Ended>,
    workers: JoinSet<Ended>,
    /// Hosts that have a worker.
    worked: BTreeSet<HypervisorId>,
    ledger: Option<Ledger>,
    stop: watch::Sender<bool>,
    work_keys: watch::Sender<VerifyingKeys>,
    /// Where commands go in; nothing while nobody decides.
    door: watch::Sender<Option<Decider>>,
}

fn text<E: std::fmt::Display>(result: Result<(), E>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}

impl Process {
    pub(crate) async fn start(seed: u64) -> Self {
        let (clock, fate) = (Clock::begin(), Arc::new(Fate::new(seed)));
        let entropy = Seeded::new(!seed);
        let key_store = Arc::new(MemoryStore::default());
        let keys = keys(&key_store, &entropy);
        let mut process = Self {
            log: Arc::new(Log::new(Arc::clone(&fate))),
            post: Post::new(Arc::clone(&fate), clock),
            site: Site::new(seed, clock, Arc::clone(&fate)),
            paper: Paper::new(Arc::clone(&fate)),
            work_keys: watch::Sender::new(keys.verifying_keys()),
            fate,
            clock,
            pulse: Arc::default(),
            keys,
            key_store,
            entropy,
            disk: SimDisk::default(),
            decider: JoinSet::new(),
            relay: JoinSet::new(),
            workers: JoinSet::new(),
            worked: BTreeSet::new(),
            ledger: None,
            stop: watch::Sender::new(false),
            door: watch::Sender::new(None),
        };
        process.comes_back().await;
        process
    }

    pub(crate) fn door(&self) -> watch::Receiver<Option<Decider>> {
        self.door.subscribe()
    }

    pub(crate) fn fleet(&self) -> Fleet {
        self.door.borrow().as_ref().map(|decider| decider.standing().fleet).unwrap_or_default()
    }

    /// Who dies of it.
    pub(crate) fn part(&self, whose: Whose) -> Part {
        let chosen = self.fate.below(4);
        match (whose, chosen) {
            (_, 0) => Part::Everything,
            (Whose::Decider, _) | (Whose::Relay, 1) => Part::Decider,
            (Whose::Relay, _) => Part::Relay,
            (Whose::Workers, _) => Part::Workers,
        }
    }

    /// Whatever is on its way in there is gone, and whoever it was comes back.
    pub(crate) async fn dies(&mut self, part: Part) {
        let all = part == Part::Everything;
        if all || part == Part::Decider {
            self.door.send_replace(None);
            self.decider.shutdown().await;
        }
        if part != Part::Workers {
            self.relay.shutdown().await;
        }
        if all || part == Part::Workers {
            self.workers.shutdown().await;
            self.worked.clear();
            self.ledger = None;
        }
        // Time passes when nobody has anything to do: then the last of them is dropped.
        sleep(Duration::from_millis(1)).await;
        if all {
            self.pulse = Arc::default();
            self.keys = keys(&self.key_store, &self.entropy);
            let mut random = carrel_testkit::random::Random::new(self.fate.below(u64::MAX));
            self.disk = self.disk.power_loss(&mut random);
            if self.fate.below(BROKER_DIES) == 0 {
                self.post.dies();
            }
        }
        self.fate.is_done();
        self.comes_back().await;
    }

    /// Workers end as they should, and others take their place.
    pub(crate) async fn workers_end(&mut self) {
        self.stop.send_replace(true);
        self.ledger = None;
        while self.workers.join_next().await.is_some() {}
        self.worked.clear();
        self.comes_back().await;
    }

    async fn comes_back(&mut self) {
        if self.decider.is_empty() {
            self.starts_deciding().await;
        }
        if self.relay.is_empty() {
            self.starts_relay().await;
        }
        if self.ledger.is_none() {
            self.opens_ledger();
        }
        self.looks_after_hosts();
    }

    async fn starts_deciding(&mut self) {
        let entropy = Box::new(self.entropy.clone());
        let (log, clock) = (Arc::clone(&self.log), Arc::new(self.clock));
        let snapshots = Some(self.snapshots());
        let opened = open(log.clone(), self.keys.clone(), clock, entropy, snapshots).await;
        let (decider, desk) = opened.expect("a log that can be folded");
        let shredder = Shredder::open(log, self.keys.clone(), Begin::WhereItWas).await;
        let shredder = shredder.expect("a cursor");
        self.decider.spawn(async { ("the decider", text(desk.run().await)) });
        self.decider.spawn(async { ("the shredder", text(shredder.run().await)) });
        self.door.send_replace(Some(decider));
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::new(Arc::new(self.disk.clone()), "/snapshots").in_memory().every(SNAPSHOT_EVERY)
    }

    async fn starts_relay(&mut self) {
        let Some(decider) = self.door.borrow().clone() else { return };
        let parts = Parts {
            log: self.log.clone(),
            bus: Arc::new(self.post.clone()),
            pulse: Arc::clone(&self.pulse) as _,
            keys: self.keys.clone(),
            decider,
            clock: Arc::new(self.clock),
            entropy: Box::new(self.entropy.clone()),
            snapshots: Some(self.snapshots()),
        };
        let relay = Relay::start(parts).await.expect("a relay");
        let never = watch::Sender::new(false);
        self.relay.spawn(async move {
            let ended = relay.run(never.subscribe()).await;
            drop(never);
            ("the relay", text(ended))
        });
        let post = self.post.clone();
        self.relay.spawn(async {
            post.carry().await;
            ("the post", Ok(()))
        });
    }

    fn opens_ledger(&mut self) {
        let opened = ledger::open(Box::new(self.paper.clone()));
        let (ledger, writer) = opened.expect("a ledger that can be read");
        self.stop = watch::Sender::new(false);
        self.ledger = Some(ledger);
        self.workers.spawn(async { ("the ledger", text(writer.run().await)) });
    }

    /// Each host that the fleet knows has a worker.
    pub(crate) fn looks_after_hosts(&mut self) {
        let fleet = self.fleet();
        let Some(ledger) = self.ledger.clone() else { return };
        for (host, _) in fleet.hypervisors.iter() {
            if !self.worked.insert(host) {
                continue;
            }
            let (clock, entropy) = (self.clock, Arc::new(self.entropy.clone()));
            let worker = Worker::new(Setup {
                host,
                hypervisor: self.site.world.hypervisor(host),
                bus: Arc::new(self.post.clone()) as Arc<dyn Bus>,
                ledger: ledger.clone(),
                work_keys: self.work_keys.subscribe(),
                host_key: Some(self.host_key(host)),
                ids: Ids::new(Arc::new(move || clock.millis()), entropy),
                pool: Pool::by_hand(self.site.hand(host)),
                at_once: AtOnce::default(),
            });
            let stop = self.stop.subscribe();
            self.workers.spawn(async move { ("a worker", text(worker.run(stop).await)) });
        }
    }

    fn host_key(&self, host: HypervisorId) -> HostKey {
        let known = self.keys.host_key(host);
        known.unwrap_or_else(|_| self.keys.enrol_host(host).expect("a store in memory"))
    }

    /// Returns when something ends that should not, and says what.
    pub(crate) async fn ends(&mut self) -> String {
        let ended = tokio::select! {
            biased;
            Some(ended) = self.decider.join_next() => ended,
            Some(ended) = self.relay.join_next() => ended,
            Some(ended) = self.workers.join_next() => ended,
        };
        match ended {
            Ok((what, Ok(()))) => format!("{what} has ended"),
            Ok((what, Err(why))) => format!("{what} has failed: {why}"),
            Err(error) => format!("a task has ended: {error}"),
        }
    }
}

/// Passwords are hashed where they are asked for, and nothing waits beside the runtime's one
/// thread: so the same happens in the same order each time.
fn keys(store: &Arc<MemoryStore>, entropy: &Seeded) -> Keys {
    let store = Arc::clone(store);
    Keys::start(store, Arc::new(entropy.clone()), 0).expect("keys in memory")
}
