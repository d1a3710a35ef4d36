//! What all tasks of one host's worker have in common.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrel_bus::Bus;
use carrel_driver::{Listing, Trouble};
use carrel_failpoint::{Point, reached};
use carrel_keys::{HostKey, VerifyingKeys};
use carrel_model::ids::{HypervisorId, MachineId, SessionId};
use carrel_model::machine::Reported;
use carrel_model::sealed::Secret;
use carrel_model::work::Thing;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::entry::{Change, Entry, Said};
use crate::error::WorkerError;
use crate::lanes::Lanes;
use crate::ledger::Ledger;
use crate::outside::Ids;
use crate::plan::Passwords;
use crate::signs::LongSteps;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) host: HypervisorId,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) ledger: Ledger,
    pub(crate) lanes: Lanes,
    pub(crate) ids: Ids,
    pub(crate) work_keys: watch::Receiver<VerifyingKeys>,
    pub(crate) host_key: Option<HostKey>,
    pub(crate) steps: LongSteps,
    /// Outcomes that the bus has yet to take, in order.
    pub(crate) to_report: Waiting<(Thing, Uuid)>,
    /// Something may have to be done for a thing.
    pub(crate) nudged: Waiting<Thing>,
    /// Things that have an owner now.
    pub(crate) owned: Mutex<BTreeSet<Thing>>,
    /// Set when the worker is to end.
    pub(crate) stop: watch::Receiver<bool>,
}

/// What waits for its turn, each once.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    waiting: Mutex<(VecDeque<T>, BTreeSet<T>)>,
    more: Notify,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), more: Notify::new() }
    }
}

impl<T: Copy + Ord> Waiting<T> {
    fn waiting(&self) -> MutexGuard<'_, (VecDeque<T>, BTreeSet<T>)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, it: T) {
        let mut waiting = self.waiting();
        if waiting.1.insert(it) {
            waiting.0.push_back(it);
        }
        drop(waiting);
        self.more.notify_one();
    }

    pub(crate) fn try_next(&self) -> Option<T> {
        let mut waiting = self.waiting();
        let next = waiting.0.pop_front()?;
        waiting.1.remove(&next);
        Some(next)
    }

    /// Dropping the future loses none.
    pub(crate) async fn next(&self) -> T {
        loop {
            let more = self.more.notified();
            if let Some(next) = self.try_next() {
                return next;
            }
            more.await;
        }
    }
}

impl Shared {
    pub(crate) fn entry(&self, thing: Thing) -> Option<Entry> {
        self.ledger.entry(self.host, thing)
    }

    pub(crate) async fn enter(
        &self,
        thing: Thing,
        changes: Vec<Change>,
    ) -> Result<(), WorkerError> {
        Ok(self.ledger.enter(self.host, thing, changes).await?)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub(crate) fn owned(&self) -> MutexGuard<'_, BTreeSet<Thing>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters what is to be said of a thing, and has it published. What is about work that is not
    /// the newest any more is said all the same: whoever hears it knows what it is worth.
    pub(crate) async fn say(
        &self,
        thing: Thing,
        (about, what): (&Entry, Vec<Reported>),
        and: Vec<Change>,
    ) -> Result<(), WorkerError> {
        let mut changes = Vec::with_capacity(what.len() + and.len());
        let mut ids = Vec::with_capacity(what.len());
        for what in what {
            let id = self.ids.fresh()?;
            ids.push(id);
            changes.push(Change::Says(Box::new(Said {
                id,
                incarnation: about.incarnation,
                generation: about.generation,
                what,
                confirmed: false,
            })));
        }
        changes.extend(and);
        self.enter(thing, changes).await?;
        reached(Point::ReportEntered);
        for id in ids {
            self.to_report.add((thing, id));
        }
        Ok(())
    }

    /// Says again what was said in this generation, by the same ids.
    pub(crate) fn repeat(&self, thing: Thing) {
        let ids = self.ledger.look(self.host, thing, |entry| {
            let said = entry.into_iter().flat_map(Entry::said);
            said.map(|said| said.id).collect::<Vec<_>>()
        });
        for id in ids {
            self.to_report.add((thing, id));
        }
    }

    pub(crate) async fn list(&self) -> Result<Listing, Trouble> {
        self.lanes.ask(|hypervisor| hypervisor.list()).await
    }
}

impl Passwords for Shared {
    fn password(&self, session: SessionId, machine: MachineId, ticket: u32) -> Option<Secret> {
        let key = self.host_key.as_ref()?;
        Some(key.display_password(session, machine, ticket))
    }
}
