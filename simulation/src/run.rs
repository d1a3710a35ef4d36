//! One run: a site is founded, things happen and go wrong for a while, and then everything comes to
//! rest.

use std::collections::BTreeMap;
use std::time::Duration;

use carrel_log::chain::Link;
use carrel_model::ids::HypervisorId;
use carrel_testkit::random::Random;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::oracle::Oracle;
use crate::people::People;
use crate::process::{Part, Process};
use crate::rates::{ID_REUSED, PAUSE_MAX, SENT_TWICE};
use crate::{acts, effects, rest, rows, trace};

/// So many things happen in a run, one after the other.
const HAPPENS: u64 = 130;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Of the last record: the same for two runs if everything in both logs is.
    pub link: Option<Link>,
    pub facts: u64,
    /// Commands that were accepted, changed nothing, and were refused.
    pub commands: [u64; 3],
    pub kills: BTreeMap<Part, u64>,
    /// Effects that hosts have counted.
    pub effects: u64,
    /// How long it took in its own time, and how much of that until it came to rest.
    pub passed: Duration,
    pub rested_after: Duration,
}

pub(crate) struct Run {
    pub(crate) process: Process,
    pub(crate) people: People,
    pub(crate) oracle: Oracle,
    pub(crate) random: Random,
    /// Commands on their way.
    sending: JoinSet<()>,
    /// When hosts that are down come back.
    pub(crate) returns: BTreeMap<HypervisorId, Duration>,
    pub(crate) kills: BTreeMap<Part, u64>,
}

/// # Panics
/// If anything is not as it has to be.
pub(crate) async fn run(seed: u64, with_rows: bool) -> Report {
    let process = Process::start(seed).await;
    let people = People::new(process.door(), process.clock);
    let mut run = Run {
        process,
        people,
        oracle: Oracle::new(),
        random: Random::new(seed ^ 0x5eed),
        sending: JoinSet::new(),
        returns: BTreeMap::new(),
        kills: BTreeMap::new(),
    };
    run.is_founded().await;
    run.process.fate.calms(false);
    for (host, _) in run.process.fleet().hypervisors.iter() {
        run.process.site.misbehaves(host);
    }
    for _ in 0..HAPPENS {
        acts::one(&mut run).await;
        let most = u64::try_from(PAUSE_MAX.as_millis()).unwrap_or(u64::MAX);
        let pause = Duration::from_millis(run.random.below(most));
        run.passes(pause).await;
    }
    let began = run.process.clock.passed();
    rest::comes_to_rest(&mut run).await;
    let passed = run.process.clock.passed();
    let link = run.oracle.check(&run.process.log.kept()).await;
    let log = run.process.log.kept();
    run.people.check(&*log, &run.oracle.records).await;
    let site = run.process.site.clone();
    effects::check(&site.world.effects(), |file| site.is_lost(file));
    if with_rows {
        rows::check(&log, &run.process.keys, run.process.fate.below(u64::MAX));
    }
    Report {
        link: Some(link),
        facts: run.oracle.position().0,
        commands: run.people.counts(),
        kills: run.kills,
        effects: run.process.site.world.effects().values().map(|times| u64::from(*times)).sum(),
        passed,
        rested_after: passed - began,
    }
}

impl Run {
    /// Lets time pass. Whoever is struck meanwhile dies, and comes back.
    pub(crate) async fn passes(&mut self, time: Duration) {
        let until = self.process.clock.passed() + time;
        loop {
            let left = until.saturating_sub(self.process.clock.passed());
            let fate = std::sync::Arc::clone(&self.process.fate);
            let struck = tokio::select! {
                biased;
                struck = fate.is_struck() => Some(struck),
                ended = self.process.ends() => panic!("{ended}"),
                Some(sent) = self.sending.join_next() => {
                    if let Err(error) = sent {
                        std::panic::resume_unwind(error.into_panic());
                    }
                    None
                }
                () = sleep(left) => {
                    self.looks().await;
                    return;
                }
            };
            if let Some(struck) = struck {
                let part = self.process.part(struck.whose);
                trace::line(format!("{part:?} dies at {:?} of {:?}", struck.moment, struck.whose));
                *self.kills.entry(part).or_default() += 1;
                self.process.dies(part).await;
            }
            self.looks().await;
        }
    }

    async fn looks(&mut self) {
        self.oracle.follow(&self.process.log.kept()).await;
        self.process.looks_after_hosts();
        let now = self.process.clock.passed();
        let back = self.returns.iter().find(|(_, at)| **at <= now).map(|(host, _)| *host);
        if let Some(host) = back {
            self.returns.remove(&host);
            trace::line(format!("{host} is back"));
            self.process.site.is_back(host);
        }
    }

    /// Somebody sends a command, and perhaps once more; nobody waits for them.
    pub(crate) fn sends(&mut self, command: carrel_model::wire::Command) {
        let (people, id) = (self.people.clone(), self.people.fresh_id());
        let twice = self.random.chance(SENT_TWICE);
        trace::line(format!("{id} {}", command.name()));
        self.sending.spawn(async move {
            people.send(id, command.clone()).await;
            if twice {
                people.send(id, command).await;
            }
        });
        if self.random.chance(ID_REUSED)
            && let Some(id) = self.people.accepted(self.random.next())
        {
            let people = self.people.clone();
            let other = People::command("CreateGroup", &json!({ "name": format!("g-{id:.8}") }));
            self.sending.spawn(async move { people.reuse(id, other).await });
        }
    }

    /// Whatever is on its way is answered.
    pub(crate) async fn everybody_is_answered(&mut self) {
        while !self.sending.is_empty() {
            self.passes(Duration::from_millis(200)).await;
        }
    }

    /// It is accepted, with nothing going wrong.
    pub(crate) async fn is_given(&mut self, name: &str, data: &serde_json::Value) {
        let (people, id) = (self.people.clone(), self.people.fresh_id());
        let command = People::command(name, data);
        let known = people.send(id, command).await;
        let accepted = matches!(known, crate::people::Known::Accepted(_));
        assert!(accepted, "{name} is not accepted: {known:?}");
        self.passes(Duration::from_millis(500)).await;
    }

    /// Hosts with storage, an initial with an image, children in pools, and people who may use
    /// them.
    async fn is_founded(&mut self) {
        let hosts = 3 + self.random.below(4);
        for number in 1..=hosts {
            let capacity = json!({ "memory_mib": 65_536, "vcpus": 32 });
            let settings = json!({ "capacity": capacity });
            let data = json!({ "name": format!("node{number}"), "settings": settings });
            self.is_given("RegisterHypervisor", &data).await;
        }
        let paths = (1..=hosts).map(|number| (format!("node{number}"), json!("/srv/a")));
        let paths: serde_json::Map<_, _> = paths.collect();
        let roles = json!(["images", "disks", "volatile", "media"]);
        let settings = json!({ "roles": roles, "hosts": paths });
        self.is_given("CreateStorage", &json!({ "name": "main", "settings": settings })).await;
        self.is_given("CreateMachine", &json!({ "name": "gold", "kind": "source" })).await;
        let initial = json!({ "name": "win11", "kind": "initial", "source": "gold" });
        self.is_given("CreateMachine", &initial).await;
        self.is_given("CopyFromSource", &json!({ "initial": "win11" })).await;
        self.passes(Duration::from_secs(60)).await;
        let count = 20 + self.random.below(40);
        self.is_given("Populate", &json!({ "initial": "win11", "count": count })).await;
        self.passes(Duration::from_secs(60)).await;
        for (pool, mode, from, to) in [("room", "floating", 1, 12), ("desk", "sticky", 13, 20)] {
            let settings = json!({ "mode": mode });
            self.is_given("CreatePool", &json!({ "name": pool, "settings": settings })).await;
            let machines: Vec<_> = (from..=to).map(|it| format!("win11-{it:03}")).collect();
            let data = json!({ "pool": pool, "machines": machines });
            self.is_given("AddToPool", &data).await;
        }
        for person in ["anna", "jonas", "ona", "petras"] {
            self.is_given("CreateClient", &json!({ "name": person })).await;
            for pool in ["room", "desk"] {
                let data = json!({ "pool": pool, "client": person });
                self.is_given("EntitlePool", &data).await;
            }
        }
    }
}
