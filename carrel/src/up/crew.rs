//! A worker for each host that there is: those of hosts that come while Carrel runs begin then, and
//! those of hosts that go end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use carrel_bus::Bus;
use carrel_decider::Decider;
use carrel_driver::Hypervisor;
use carrel_keys::{DrawnAhead, Keys, VerifyingKeys};
use carrel_model::ids::HypervisorId;
use carrel_workers::{AtOnce, Ids, Ledger, Pool, Setup, Worker};
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};

use super::outside::millis;

/// Hosts seldom come and go, and other facts come by the thousand.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What makes a host do things. Nothing: it is none of this process's.
pub(super) type Drives = dyn Fn(HypervisorId) -> Option<Arc<dyn Hypervisor>> + Send + Sync;

pub(super) struct Crew {
    pub(super) decider: Decider,
    pub(super) drives: Box<Drives>,
    /// Told when more hosts can do things than before.
    pub(super) more: Arc<Notify>,
    pub(super) keys: Keys,
    /// Workers hear of a new pair by it.
    pub(super) work_keys: watch::Sender<VerifyingKeys>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) ledger: Ledger,
}

impl Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crew(..)")
    }
}

type Ended = Result<(Id, Result<(), String>), JoinError>;

/// Those that work now.
#[derive(Default)]
struct AtWork {
    tasks: JoinSet<Result<(), String>>,
    hosts: BTreeMap<Id, HypervisorId>,
    stops: BTreeMap<HypervisorId, watch::Sender<bool>>,
    pool: Pool,
    drawn: Arc<DrawnAhead>,
}

impl Crew {
    /// Until it is told to stop, or a worker ends that shouldn't.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) -> Result<(), String> {
        let mut at_work = AtWork::default();
        let mut standing = self.decider.follow();
        let ended = loop {
            let hosts: BTreeSet<_> =
                standing.borrow_and_update().fleet.hypervisors.iter().map(|(id, _)| id).collect();
            if let Err(why) = self.change(&mut at_work, &hosts) {
                break Err(why);
            }
            let news = async {
                tokio::time::sleep(LOOK_EVERY).await;
                standing.changed().await
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break Ok(()),
                Some(ended) = at_work.tasks.join_next_with_id() => {
                    if let Err(why) = at_work.heed(ended) {
                        break Err(why);
                    }
                }
                () = self.more.notified() => {}
                news = news => if news.is_err() {
                    break Ok(());
                },
            }
        };
        at_work.end().await.and(ended)
    }

    fn change(&self, at_work: &mut AtWork, hosts: &BTreeSet<HypervisorId>) -> Result<(), String> {
        at_work.stops.retain(|host, stop| {
            let stays = hosts.contains(host);
            if !stays {
                stop.send_replace(true);
            }
            stays
        });
        for host in hosts {
            if at_work.stops.contains_key(host) || at_work.hosts.values().any(|it| it == host) {
                continue;
            }
            if let Some(hypervisor) = (self.drives)(*host) {
                self.begin(at_work, *host, hypervisor)?;
            }
        }
        Ok(())
    }

    fn begin(
        &self,
        at_work: &mut AtWork,
        host: HypervisorId,
        hypervisor: Arc<dyn Hypervisor>,
    ) -> Result<(), String> {
        let key = self.keys.enrol_host(host);
        let key = key.map_err(|why| format!("a host can't be enrolled: {why}"))?;
        let worker = Worker::new(Setup {
            host,
            hypervisor,
            bus: Arc::clone(&self.bus),
            ledger: self.ledger.clone(),
            work_keys: self.work_keys.subscribe(),
            host_key: Some(key),
            ids: Ids::new(Arc::new(millis), Arc::clone(&at_work.drawn) as _),
            pool: at_work.pool.clone(),
            at_once: AtOnce::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let works = async move { worker.run(stopped).await.map_err(|why| why.to_string()) };
        at_work.hosts.insert(at_work.tasks.spawn(works).id(), host);
        at_work.stops.insert(host, stop);
        Ok(())
    }
}

impl AtWork {
    fn heed(&mut self, ended: Ended) -> Result<(), String> {
        let (id, result) = ended.map_err(|panic| panic.to_string())?;
        let host = self.hosts.remove(&id);
        result?;
        match host {
            Some(host) if self.stops.contains_key(&host) => {
                Err(format!("the worker of host {host} has ended"))
            }
            _ => Ok(()),
        }
    }

    async fn end(mut self) -> Result<(), String> {
        for stop in self.stops.values() {
            stop.send_replace(true);
        }
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|panic| panic.to_string())??;
        }
        Ok(())
    }
}
