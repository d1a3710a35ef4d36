//! A broker between relay and hosts that loses, doubles and delays, and doesn't always answer.
//!
//! What it was given by somebody who thinks that it is kept may be lost all the same: that is more
//! than any broker may do, and what differs is to be found nevertheless.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use carrel_bus::memory::MemoryBus;
use carrel_bus::{
    Address, AskError, Bus, BusError, Consumer, Delivery, Message, Questions, Queue, Receipt,
};
use carrel_model::contract::{Inventory, Report};
use carrel_model::ids::HypervisorId;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::fate::{Fate, Moment, Whose};
use crate::outside::{Clock, locked};
use crate::rates::{DELAY_MAX, DELAYED, DOUBLED, LOST, UNCONFIRMED};

/// Messages on their way, by when they arrive and in which order they were sent.
type Delayed = BTreeMap<(Duration, u64), (Address, Message)>;

/// Clones are one and the same.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    fate: Arc<Fate>,
    clock: Clock,
    state: Arc<Mutex<State>>,
    more: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    kept: MemoryBus,
    delayed: Delayed,
    number: u64,
    /// What each host said last that it has.
    inventories: BTreeMap<HypervisorId, Inventory>,
}

impl Post {
    pub(crate) fn new(fate: Arc<Fate>, clock: Clock) -> Self {
        let state = State {
            kept: MemoryBus::new(),
            delayed: Delayed::new(),
            number: 0,
            inventories: BTreeMap::new(),
        };
        Self { fate, clock, state: Arc::new(Mutex::new(state)), more: Arc::default() }
    }

    fn kept(&self) -> MemoryBus {
        locked(&self.state).kept.clone()
    }

    /// A broker within the process dies with it, and with everything that waited there.
    pub(crate) fn dies(&self) {
        let mut state = locked(&self.state);
        state.kept = MemoryBus::new();
        state.delayed.clear();
    }

    pub(crate) fn inventories(&self) -> BTreeMap<HypervisorId, Inventory> {
        locked(&self.state).inventories.clone()
    }

    pub(crate) fn forgets_inventories(&self) {
        locked(&self.state).inventories.clear();
    }

    pub(crate) fn on_its_way(&self) -> usize {
        locked(&self.state).delayed.len()
    }

    /// Brings what was delayed, until it is dropped.
    pub(crate) async fn carry(self) {
        loop {
            let next = locked(&self.state).delayed.first_key_value().map(|(at, _)| at.0);
            let Some(next) = next else {
                self.more.notified().await;
                continue;
            };
            let left = next.saturating_sub(self.clock.passed());
            tokio::select! {
                biased;
                () = self.more.notified() => {}
                () = sleep(left) => self.arrives().await,
            }
        }
    }

    async fn arrives(&self) {
        let now = self.clock.passed();
        loop {
            let (first, kept) = {
                let mut state = locked(&self.state);
                let due = state.delayed.first_entry().filter(|first| first.key().0 <= now);
                (due.map(OccupiedEntry::remove), state.kept.clone())
            };
            let Some((to, message)) = first else { return };
            // A queue that is full loses it, as it may have been lost before.
            let _ = kept.publish(&to, message).await;
        }
    }

    fn delay(&self, to: &Address, message: Message) {
        let most = u64::try_from(DELAY_MAX.as_millis()).unwrap_or(u64::MAX);
        let by = Duration::from_millis(1 + self.fate.below(most));
        let mut state = locked(&self.state);
        state.number += 1;
        let at = (self.clock.passed() + by, state.number);
        state.delayed.insert(at, (to.clone(), message));
        drop(state);
        self.more.notify_one();
    }

    fn note(&self, message: &Message) {
        if let Ok(Report::Inventory(inventory)) = serde_json::from_slice(&message.body) {
            locked(&self.state).inventories.insert(inventory.hypervisor, inventory);
        }
    }

    /// What is given on in the place of a message.
    async fn give_on(&self, to: &Address, message: Message) -> Result<(), BusError> {
        if self.fate.chance(LOST) {
            return Ok(());
        }
        if self.fate.chance(DOUBLED) {
            self.delay(to, message.clone());
        }
        if self.fate.chance(DELAYED) {
            self.delay(to, message);
            return Ok(());
        }
        self.kept().publish(to, message).await
    }
}

/// Who sends there.
const fn whose(to: &Address) -> Whose {
    match to {
        Address::Work(..) | Address::Event(_) => Whose::Relay,
        Address::Command(_) | Address::Outcomes | Address::Progress | Address::Reply(_) => {
            Whose::Workers
        }
    }
}

/// Who reads there.
const fn of(queue: &Queue) -> Whose {
    match queue {
        Queue::Work(..) => Whose::Workers,
        Queue::Commands
        | Queue::Outcomes
        | Queue::Dead
        | Queue::Events { .. }
        | Queue::Progress { .. }
        | Queue::Reply(_) => Whose::Relay,
    }
}

#[async_trait]
impl Bus for Post {
    async fn publish(&self, to: &Address, message: Message) -> Result<(), BusError> {
        let lasts = match to {
            Address::Work(..) | Address::Outcomes => true,
            Address::Event(_) | Address::Command(_) | Address::Progress | Address::Reply(_) => {
                false
            }
        };
        if *to == Address::Outcomes {
            self.note(&message);
        }
        if !lasts {
            return self.kept().publish(to, message).await;
        }
        self.fate.passes(whose(to), Moment::Publish).await;
        let unconfirmed = self.fate.chance(UNCONFIRMED);
        let broken = || BusError::Unreachable("the line broke".to_owned());
        if unconfirmed && self.fate.below(2) == 0 {
            return Err(broken());
        }
        self.give_on(to, message).await?;
        self.fate.passes(whose(to), Moment::Published).await;
        if unconfirmed { Err(broken()) } else { Ok(()) }
    }

    async fn consume(&self, from: &Queue, ahead: u16) -> Result<Box<dyn Consumer>, BusError> {
        let consumer = self.kept().consume(from, ahead).await?;
        let (whose, fate) = (of(from), Arc::clone(&self.fate));
        Ok(Box::new(Given { consumer, whose, fate }))
    }

    async fn waiting(&self, queue: &Queue) -> Result<usize, BusError> {
        self.kept().waiting(queue).await
    }

    async fn ask(
        &self,
        host: HypervisorId,
        question: Message,
        within: Duration,
    ) -> Result<Bytes, AskError> {
        self.kept().ask(host, question, within).await
    }

    async fn questions(&self, host: HypervisorId) -> Result<Box<dyn Questions>, BusError> {
        self.kept().questions(host).await
    }
}

#[derive(Debug)]
struct Given {
    consumer: Box<dyn Consumer>,
    whose: Whose,
    fate: Arc<Fate>,
}

#[async_trait]
impl Consumer for Given {
    async fn next(&mut self) -> Result<Delivery, BusError> {
        let Delivery { message, attempt, receipt } = self.consumer.next().await?;
        self.fate.passes(self.whose, Moment::Consumed).await;
        let receipt = Box::new(Kept { receipt, whose: self.whose, fate: Arc::clone(&self.fate) });
        Ok(Delivery { message, attempt, receipt })
    }
}

#[derive(Debug)]
struct Kept {
    receipt: Box<dyn Receipt>,
    whose: Whose,
    fate: Arc<Fate>,
}

#[async_trait]
impl Receipt for Kept {
    async fn done(self: Box<Self>) -> Result<(), BusError> {
        self.fate.passes(self.whose, Moment::Done).await;
        self.receipt.done().await
    }

    async fn again(self: Box<Self>) -> Result<(), BusError> {
        self.receipt.again().await
    }

    async fn never(self: Box<Self>, reason: &str) -> Result<(), BusError> {
        self.receipt.never(reason).await
    }
}
