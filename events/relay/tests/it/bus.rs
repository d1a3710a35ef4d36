//! A broker that does things twice, late, or not at all, and that can stop at a step.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use carrel_bus::memory::MemoryBus;
use carrel_bus::{
    Address, AskError, Bus, BusError, Consumer, Delivery, Message, Questions, Queue, Receipt,
};
use carrel_model::ids::HypervisorId;
use uuid::Uuid;

/// A moment in which a process may be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Facts are folded, and their orders not sent.
    Order,
    /// Orders are confirmed, and their facts not told.
    Fact,
    /// Facts are told, and the cursor is where it was.
    Cursor,
    /// A report is decided, and the broker doesn't know it.
    Done,
}

pub(crate) const STEPS: [Step; 4] = [Step::Order, Step::Fact, Step::Cursor, Step::Done];

/// What becomes of orders and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Arrives,
    Twice,
    /// Of those that were never sent before, each second one is lost.
    LostOnce,
    /// Each waits until another one has overtaken it.
    Overtaken,
}

#[derive(Debug)]
struct State {
    way: Way,
    stops_at: Option<Step>,
    fails: usize,
    seen: BTreeSet<Uuid>,
    waiting: Option<(Address, Message)>,
    /// Every message that was sent, in order.
    sent: Vec<(Address, Message)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Unruly {
    kept: MemoryBus,
    state: Arc<Mutex<State>>,
}

impl Unruly {
    pub(crate) fn new(way: Way) -> Self {
        let (seen, sent) = (BTreeSet::new(), Vec::new());
        let state = State { way, stops_at: None, fails: 0, seen, waiting: None, sent };
        Self { kept: MemoryBus::new(), state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    pub(crate) fn stops_at(&self, step: Option<Step>) {
        self.state().stops_at = step;
    }

    /// So many messages are refused from now on.
    pub(crate) fn fails(&self, times: usize) {
        self.state().fails = times;
    }

    pub(crate) fn behaves(&self, way: Way) {
        self.state().way = way;
    }

    /// What was sent since the last time that somebody asked.
    pub(crate) fn sent(&self) -> Vec<(Address, Message)> {
        std::mem::take(&mut self.state().sent)
    }

    /// What was held back goes out.
    pub(crate) async fn let_go(&self) -> bool {
        let waiting = self.state().waiting.take();
        let Some((to, message)) = waiting else { return false };
        self.kept.publish(&to, message).await.expect("a queue with room");
        true
    }

    fn stops(&self, step: Step) -> bool {
        self.state().stops_at == Some(step)
    }

    /// What is given on in the place of a message.
    fn instead_of(&self, to: &Address, message: Message) -> Vec<(Address, Message)> {
        let mut state = self.state();
        state.sent.push((to.clone(), message.clone()));
        let sent = (to.clone(), message);
        // The next inventory says the same.
        let is_inventory = sent.1.body.starts_with(b"{\"inventory\"");
        if !matches!(to, Address::Work(..) | Address::Outcomes) || is_inventory {
            return vec![sent];
        }
        match state.way {
            Way::Arrives => vec![sent],
            Way::Twice => vec![sent.clone(), sent],
            Way::LostOnce => {
                let is_new = state.seen.insert(sent.1.id);
                let lost = is_new && state.seen.len().is_multiple_of(2);
                if lost { Vec::new() } else { vec![sent] }
            }
            Way::Overtaken => match state.waiting.take() {
                Some(before) => vec![sent, before],
                None => {
                    state.waiting = Some(sent);
                    Vec::new()
                }
            },
        }
    }
}

#[async_trait]
impl Bus for Unruly {
    async fn publish(&self, to: &Address, message: Message) -> Result<(), BusError> {
        let step = match to {
            Address::Work(..) => Some(Step::Order),
            Address::Event(_) => Some(Step::Fact),
            Address::Command(_) | Address::Outcomes | Address::Progress | Address::Reply(_) => None,
        };
        if step.is_some_and(|step| self.stops(step)) {
            std::future::pending::<()>().await;
        }
        let fails = self.state().fails.checked_sub(1);
        if let Some(left) = fails {
            self.state().fails = left;
            return Err(BusError::Unreachable("the line broke".to_owned()));
        }
        for (to, message) in self.instead_of(to, message) {
            self.kept.publish(&to, message).await?;
        }
        Ok(())
    }

    async fn consume(&self, from: &Queue, ahead: u16) -> Result<Box<dyn Consumer>, BusError> {
        let consumer = self.kept.consume(from, ahead).await?;
        Ok(Box::new(Given { consumer, bus: self.clone() }))
    }

    async fn waiting(&self, queue: &Queue) -> Result<usize, BusError> {
        self.kept.waiting(queue).await
    }

    async fn ask(
        &self,
        host: HypervisorId,
        question: Message,
        within: Duration,
    ) -> Result<Bytes, AskError> {
        self.kept.ask(host, question, within).await
    }

    async fn questions(&self, host: HypervisorId) -> Result<Box<dyn Questions>, BusError> {
        self.kept.questions(host).await
    }
}

#[derive(Debug)]
struct Given {
    consumer: Box<dyn Consumer>,
    bus: Unruly,
}

#[async_trait]
impl Consumer for Given {
    async fn next(&mut self) -> Result<Delivery, BusError> {
        let Delivery { message, attempt, receipt } = self.consumer.next().await?;
        let receipt = Box::new(Kept { receipt, bus: self.bus.clone() });
        Ok(Delivery { message, attempt, receipt })
    }
}

#[derive(Debug)]
struct Kept {
    receipt: Box<dyn Receipt>,
    bus: Unruly,
}

#[async_trait]
impl Receipt for Kept {
    async fn done(self: Box<Self>) -> Result<(), BusError> {
        if self.bus.stops(Step::Done) {
            std::future::pending::<()>().await;
        }
        self.receipt.done().await
    }

    async fn again(self: Box<Self>) -> Result<(), BusError> {
        self.receipt.again().await
    }

    async fn never(self: Box<Self>, reason: &str) -> Result<(), BusError> {
        self.receipt.never(reason).await
    }
}
