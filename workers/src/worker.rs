//! One host's worker: the tasks that it consists of, and how they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use carrel_bus::Bus;
use carrel_driver::Hypervisor;
use carrel_keys::{HostKey, VerifyingKeys};
use carrel_model::ids::HypervisorId;
use carrel_model::work::{Lane, Thing};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;

use crate::consume::consume;
use crate::error::WorkerError;
use crate::lanes::{AtOnce, Lanes, Pool};
use crate::ledger::Ledger;
use crate::limits::DRAIN_MAX;
use crate::outside::Ids;
use crate::owner::Owner;
use crate::questions::answer;
use crate::report::{remember, report, report_rest};
use crate::shared::{Shared, Waiting};
use crate::signs::LongSteps;

/// What a worker is made from.
#[derive(Debug)]
pub struct Setup {
    pub host: HypervisorId,
    pub hypervisor: Arc<dyn Hypervisor>,
    pub bus: Arc<dyn Bus>,
    pub ledger: Ledger,
    /// The public halves of what work is signed with. They change when keys are rotated.
    pub work_keys: watch::Receiver<VerifyingKeys>,
    /// From which display passwords are derived. None: displays take no tickets.
    pub host_key: Option<HostKey>,
    pub ids: Ids,
    /// Shared by all workers of a process.
    pub pool: Pool,
    pub at_once: AtOnce,
}

#[derive(Debug)]
pub struct Worker {
    setup: Setup,
}

impl Worker {
    pub fn new(setup: Setup) -> Self {
        Self { setup }
    }

    /// Works until it is told to stop. Steps that are under way then are waited for; what is not
    /// done by [`DRAIN_MAX`] is found by the next worker.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), WorkerError> {
        let Setup { host, hypervisor, bus, ledger, work_keys, host_key, ids, pool, at_once } =
            self.setup;
        let shared = Arc::new(Shared {
            host,
            bus,
            ledger,
            lanes: Lanes::new(hypervisor, pool, at_once),
            ids,
            work_keys,
            host_key,
            steps: LongSteps::default(),
            to_report: Waiting::default(),
            nudged: Waiting::default(),
            owned: std::sync::Mutex::default(),
            stop: stop.clone(),
        });
        remember(&shared);
        take_up(&shared);
        let mut services = JoinSet::new();
        services.spawn(consume(Arc::clone(&shared), Lane::Fast));
        services.spawn(consume(Arc::clone(&shared), Lane::Bulk));
        services.spawn(report(Arc::clone(&shared)));
        services.spawn(crate::watch::watch(Arc::clone(&shared)));
        services.spawn(answer(Arc::clone(&shared)));
        let mut owners = Owners::new(Arc::clone(&shared));
        let ended = work(&mut owners, &mut services, stop).await;
        services.shutdown().await;
        if ended.is_ok() {
            owners.drain().await?;
            report_rest(&shared).await?;
        }
        ended
    }
}

/// What a former worker had begun.
fn take_up(shared: &Shared) {
    let mut open = Vec::new();
    shared.ledger.each(shared.host, |thing, entry| {
        if !entry.is_settled() {
            open.push(thing);
        }
    });
    for thing in open {
        shared.nudged.add(thing);
    }
}

async fn work(
    owners: &mut Owners,
    services: &mut JoinSet<Result<(), WorkerError>>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), WorkerError> {
    let shared = Arc::clone(&owners.shared);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            Some(ended) = services.join_next() => match ended {
                // A consumer ends when the worker shall, and the rest never does by itself.
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error),
                Err(error) => return Err(panicked(&error)),
            },
            Some(ended) = owners.next() => owners.heed(ended)?,
            thing = shared.nudged.next() => owners.nudge(thing),
        }
    }
}

fn panicked(error: &JoinError) -> WorkerError {
    WorkerError::Panicked(error.to_string())
}

/// An owner has ended: by itself, having heeded so many nudges, or by a panic.
type Ended = Result<(Id, Result<u64, WorkerError>), JoinError>;

/// Those things that have something to do, each with the task that does it.
struct Owners {
    shared: Arc<Shared>,
    tasks: JoinSet<Result<u64, WorkerError>>,
    things: BTreeMap<Id, Thing>,
    nudges: BTreeMap<Thing, watch::Sender<u64>>,
}

impl Owners {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, tasks: JoinSet::new(), things: BTreeMap::new(), nudges: BTreeMap::new() }
    }

    fn nudge(&mut self, thing: Thing) {
        if let Some(nudges) = self.nudges.get(&thing) {
            nudges.send_modify(|nudges| *nudges += 1);
            return;
        }
        let (nudges, nudged) = watch::channel(0);
        self.nudges.insert(thing, nudges);
        self.shared.owned().insert(thing);
        let owner = Owner::new(Arc::clone(&self.shared), thing, nudged);
        let task = self.tasks.spawn(owner.run());
        self.things.insert(task.id(), thing);
    }

    async fn next(&mut self) -> Option<Ended> {
        self.tasks.join_next_with_id().await
    }

    /// What came while it was ending has an owner of its own.
    fn heed(&mut self, ended: Ended) -> Result<(), WorkerError> {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => return Err(panicked(&error)),
        };
        let heeded = result?;
        let Some(thing) = self.things.remove(&id) else { return Ok(()) };
        self.shared.owned().remove(&thing);
        let nudges = self.nudges.remove(&thing).map(|nudges| *nudges.borrow());
        if nudges.is_some_and(|nudges| nudges != heeded) {
            self.nudge(thing);
        }
        Ok(())
    }

    /// Each ends after the step that it is at.
    async fn drain(mut self) -> Result<(), WorkerError> {
        let drained = timeout(DRAIN_MAX, async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.map_err(|error| panicked(&error))??;
            }
            Ok(())
        });
        match drained.await {
            Ok(result) => result,
            Err(_) => {
                let left = self.tasks.len();
                tracing::warn!(left, "steps are under way; the next worker goes on from there");
                Ok(())
            }
        }
    }
}
