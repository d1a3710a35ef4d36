//! Keeps what hosts say all the time: that they live, who looks at which desktop, how far long
//! steps are. None of it is worth anything later, and so none is tried again.

use std::sync::Arc;

use carrel_bus::{Beat, Bus, BusError, Progress, Pulse, Queue};
use carrel_model::contract::{LongStep, Signs as Told};
use carrel_model::fleet::{Fleet, Silence};
use carrel_model::ids::{HypervisorId, MachineId, SessionId};
use carrel_model::session::Session;
use tokio::sync::watch;

use crate::back_off::BackOff;
use crate::counters::Counters;
use crate::limits::SIGNS_AHEAD;
use crate::touched::Shown;

/// The name under which the relay listens.
const SUBSCRIBER: &str = "relay";

pub(crate) struct Signs {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) pulse: Arc<dyn Pulse>,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) counters: Arc<Counters>,
}

impl Signs {
    pub(crate) async fn run(self) {
        let mut back_off = BackOff::default();
        loop {
            match self.serve(&mut back_off).await {
                Ok(()) | Err(BusError::Closed) => return,
                Err(error) => {
                    if back_off.is_first() {
                        tracing::warn!(%error, "signs of hosts can't be heard");
                    }
                    back_off.wait().await;
                }
            }
        }
    }

    async fn serve(&self, back_off: &mut BackOff) -> Result<(), BusError> {
        let queue = Queue::Progress { subscriber: SUBSCRIBER.to_owned() };
        let mut consumer = self.bus.consume(&queue, SIGNS_AHEAD).await?;
        loop {
            let delivery = consumer.next().await?;
            *back_off = BackOff::default();
            match serde_json::from_slice::<Told>(&delivery.message.body) {
                Ok(told) => {
                    if let Err(error) = self.hear(told).await {
                        tracing::debug!(%error, "signs of a host are not kept");
                    }
                    delivery.receipt.done().await?;
                }
                Err(error) => {
                    self.counters.malformed();
                    delivery.receipt.never(&format!("these are no signs: {error}")).await?;
                }
            }
        }
    }

    async fn hear(&self, told: Told) -> Result<(), BusError> {
        let fleet = self.shown.borrow().standing.fleet.clone();
        let host = told.hypervisor;
        if !fleet.hypervisors.contains(host) {
            self.counters.malformed();
            return Ok(());
        }
        self.pulse.beat(Beat::Of(Silence::Worker(host))).await?;
        for session in told.viewers.into_iter().filter(|it| is_seen_there(&fleet, *it, host)) {
            self.pulse.beat(Beat::Of(Silence::Lease(session))).await?;
        }
        for machine in told.agents.into_iter().filter(|it| is_on(&fleet, *it, host)) {
            self.pulse.beat(Beat::Agent(machine)).await?;
        }
        for step in told.steps {
            self.step(step).await?;
        }
        Ok(())
    }

    async fn step(&self, step: LongStep) -> Result<(), BusError> {
        let LongStep { thing, step, done_bytes, of_bytes, operation, ended } = step;
        let step = step.to_string();
        let progress = Progress { step, done_bytes, of_bytes, operation };
        self.pulse.progress(thing, (!ended).then_some(progress)).await
    }
}

/// A host speaks for what is its own.
fn is_on(fleet: &Fleet, machine: MachineId, host: HypervisorId) -> bool {
    fleet.index.on_host.contains(host, &machine)
}

fn is_seen_there(fleet: &Fleet, session: SessionId, host: HypervisorId) -> bool {
    let machine = fleet.sessions.get(session).and_then(Session::machine);
    machine.is_some_and(|machine| is_on(fleet, machine, host))
}
