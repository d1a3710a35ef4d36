//! Hears what hosts report, and has it decided.
//!
//! What is said about one thing is decided in the order in which it was said; things don't wait for
//! each other, so that the decider's batches fill. A message is done when the decider has answered,
//! and is given out again if this process ends before that: the command has the message's id.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use carrel_bus::{Bus, BusError, Delivery, Headers, Queue, Receipt};
use carrel_decider::Answer;
use carrel_failpoint::{Point, reached};
use carrel_model::contract::{Inventory, Report};
use carrel_model::ids::{CommandId, HypervisorId};
use carrel_model::machine::Reported;
use carrel_model::machine::commands::ReportOutcome;
use carrel_model::record::Incarnation;
use carrel_model::work::Thing;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use crate::asking::{Asking, By, Refused, Saying};
use crate::back_off::BackOff;
use crate::counters::Counters;
use crate::inventories::Inventories;
use crate::limits::REPORTS_AHEAD;
use crate::orders::operation_of;
use crate::touched::Shown;

pub(crate) struct Reports {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) hearing: Arc<Hearing>,
}

/// What is needed to hear one report.
pub(crate) struct Hearing {
    pub(crate) asking: Asking,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) inventories: Inventories,
    pub(crate) counters: Arc<Counters>,
}

/// What is said about the same is heard in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Thing(Thing),
    Host(HypervisorId),
}

/// A report that was read.
#[derive(Debug)]
struct Heard {
    message: Uuid,
    headers: Headers,
    report: Report,
    receipt: Box<dyn Receipt>,
}

fn about(report: &Report) -> About {
    match report {
        Report::Outcome { outcome, .. } => About::Thing(thing(outcome)),
        Report::Inventory(inventory) => About::Host(inventory.hypervisor),
    }
}

pub(crate) const fn thing(outcome: &ReportOutcome) -> Thing {
    match &outcome.thing {
        Reported::Machine { id, .. } => Thing::Machine(*id),
        Reported::Image { id, .. } => Thing::Image(*id),
    }
}

impl Reports {
    pub(crate) async fn run(self) -> Result<(), JoinError> {
        let mut back_off = BackOff::default();
        loop {
            let error = match self.serve(&mut back_off).await? {
                BusError::Closed => return Ok(()),
                error @ (BusError::Full { .. }
                | BusError::TooLong { .. }
                | BusError::Unreachable(_)) => error,
            };
            if back_off.is_first() {
                tracing::warn!(%error, "reports can't be heard; the relay tries again");
            }
            back_off.wait().await;
        }
    }

    /// Hears until the broker is gone. What is under way then is given out again.
    async fn serve(&self, back_off: &mut BackOff) -> Result<BusError, JoinError> {
        let mut consumer = match self.bus.consume(&Queue::Outcomes, REPORTS_AHEAD).await {
            Ok(consumer) => consumer,
            Err(error) => return Ok(error),
        };
        let mut under_way = JoinSet::new();
        let mut behind: BTreeMap<About, VecDeque<Heard>> = BTreeMap::new();
        loop {
            tokio::select! {
                biased;
                Some(ended) = under_way.join_next() => {
                    let about = ended?;
                    match behind.get_mut(&about).and_then(VecDeque::pop_front) {
                        Some(heard) => self.begin(&mut under_way, about, heard),
                        None => drop(behind.remove(&about)),
                    }
                }
                delivery = consumer.next() => {
                    let delivery = match delivery {
                        Ok(delivery) => delivery,
                        Err(error) => return Ok(error),
                    };
                    *back_off = BackOff::default();
                    let Some(heard) = self.hearing.read(delivery).await else { continue };
                    let about = about(&heard.report);
                    match behind.get_mut(&about) {
                        Some(queue) => queue.push_back(heard),
                        None => {
                            behind.insert(about, VecDeque::new());
                            self.begin(&mut under_way, about, heard);
                        }
                    }
                }
            }
        }
    }

    fn begin(&self, under_way: &mut JoinSet<About>, about: About, heard: Heard) {
        let hearing = Arc::clone(&self.hearing);
        under_way.spawn(async move {
            hearing.hear(heard).await;
            about
        });
    }
}

impl Hearing {
    /// What can't be read is put aside.
    async fn read(&self, delivery: Delivery) -> Option<Heard> {
        let Delivery { message, receipt, .. } = delivery;
        match serde_json::from_slice(&message.body) {
            Ok(report) => {
                Some(Heard { message: message.id, headers: message.headers, report, receipt })
            }
            Err(error) => {
                tracing::error!(%error, message.id = %message.id, "a report can't be read");
                self.counters.malformed();
                told(receipt.never(&format!("it is no report: {error}")).await);
                None
            }
        }
    }

    async fn hear(&self, heard: Heard) {
        let Heard { message, headers, report, receipt } = heard;
        match report {
            Report::Outcome { incarnation, outcome } => {
                self.outcome((message, &headers), (incarnation, outcome), receipt).await;
            }
            Report::Inventory(inventory) => {
                self.inventory(message, inventory).await;
                told(receipt.done().await);
            }
        }
    }

    async fn inventory(&self, message: Uuid, inventory: Inventory) {
        self.counters.inventories();
        let shown = self.shown.borrow().clone();
        self.inventories.hear(&shown, message, inventory).await;
    }

    async fn outcome(
        &self,
        (message, headers): (Uuid, &Headers),
        (incarnation, outcome): (Incarnation, ReportOutcome),
        receipt: Box<dyn Receipt>,
    ) {
        let saying = {
            let shown = self.shown.borrow();
            // It is about a past that was taken back.
            (incarnation == shown.incarnation).then(|| {
                let fleet = &shown.standing.fleet;
                let operation = operation_of(fleet, thing(&outcome), None);
                Saying {
                    id: CommandId::new(message),
                    by: By::Worker(outcome.hypervisor),
                    command: outcome.into(),
                    causation: message,
                    correlation: operation.map_or(message, CommandId::uuid),
                    trace_parent: headers.trace_parent,
                }
            })
        };
        let Some(saying) = saying else {
            self.counters.reports_idle();
            told(receipt.done().await);
            return;
        };
        reached(Point::ReportRead);
        match self.asking.ask(saying).await {
            Ok(Answer::Accepted(_)) => {
                reached(Point::ReportDecided);
                self.counters.reports_decided();
            }
            Ok(Answer::Known(_) | Answer::Unchanged { .. }) => self.counters.reports_idle(),
            Err(refused @ Refused::Rejected(_)) => {
                tracing::warn!(%refused, command.id = %message, "a report was refused");
            }
            Err(refused @ (Refused::IdReused { .. } | Refused::Unaskable(_))) => {
                tracing::error!(%refused, command.id = %message, "a report is put aside");
                self.counters.malformed();
                told(receipt.never(&refused.to_string()).await);
                return;
            }
        }
        told(receipt.done().await);
    }
}

/// A broker that can't be told gives the message out again, and then it is known.
fn told(result: Result<(), BusError>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a message will come again");
    }
}
