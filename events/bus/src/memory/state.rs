//! Queues, and who has what of them. Nothing here waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use carrel_model::ids::HypervisorId;
use tokio::sync::{Notify, mpsc};

use crate::limits::{ATTEMPTS_MAX, QUEUE_MESSAGES_MAX, TRANSIENT_MESSAGES_MAX};
use crate::message::{Dead, Message};
use crate::port::{BusError, Question};
use crate::topology::{Address, Queue};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConsumerId(u64);

#[derive(Debug, Default)]
pub(super) struct State {
    queues: BTreeMap<Queue, Waiting>,
    /// Those of them that are transient. All others are found by their address.
    listening: BTreeSet<Queue>,
    /// Who answers for a host.
    pub(super) asked: BTreeMap<HypervisorId, mpsc::Sender<Question>>,
    /// Of messages and consumers: none of either is like another.
    numbers: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Given>,
    consumers: BTreeMap<ConsumerId, Consuming>,
    /// There may be something for a consumer.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Consuming {
    ahead: u16,
    /// What it was given and has not finished, in the order of the queue.
    given: BTreeMap<u64, Given>,
}

/// A message of a queue, as often as it was given out.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) message: Message,
    pub(super) attempt: u32,
    /// Its place among all.
    pub(super) number: u64,
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Puts a message into the queue that its address leads to, or into those of all who listen.
    pub(super) fn publish(&mut self, to: &Address, message: Message) -> Result<(), BusError> {
        let Some(queue) = Queue::of(to) else {
            let hearing = self.listening.iter().filter(|queue| queue.hears(to));
            let hearing: Vec<Queue> = hearing.cloned().collect();
            hearing.into_iter().for_each(|queue| self.put(queue, message.clone()));
            return Ok(());
        };
        let messages = self.waiting(&queue);
        if messages >= QUEUE_MESSAGES_MAX {
            return Err(BusError::Full { queue: queue.to_string(), messages });
        }
        self.put(queue, message);
        Ok(())
    }

    fn put(&mut self, queue: Queue, message: Message) {
        let number = self.number();
        let drops = queue.is_transient();
        let waiting = self.queues.entry(queue).or_default();
        if drops && waiting.messages.len() >= TRANSIENT_MESSAGES_MAX {
            waiting.messages.pop_front();
        }
        waiting.messages.push_back(Given { message, attempt: 0, number });
        waiting.changed.notify_waiters();
    }

    /// A new consumer, and what tells it that there may be something for it.
    pub(super) fn attach(&mut self, queue: &Queue, ahead: u16) -> (ConsumerId, Arc<Notify>) {
        let id = ConsumerId(self.number());
        let consuming = Consuming { ahead, given: BTreeMap::new() };
        if queue.is_transient() {
            self.listening.insert(queue.clone());
        }
        let waiting = self.queues.entry(queue.clone()).or_default();
        waiting.consumers.insert(id, consuming);
        (id, Arc::clone(&waiting.changed))
    }

    /// What it has not finished goes back to where it was.
    pub(super) fn detach(&mut self, queue: &Queue, id: ConsumerId) {
        let Some(waiting) = self.queues.get_mut(queue) else { return };
        let Some(gone) = waiting.consumers.remove(&id) else { return };
        if queue.is_transient() && waiting.consumers.is_empty() {
            self.queues.remove(queue);
            self.listening.remove(queue);
            return;
        }
        for (_, given) in gone.given.into_iter().rev() {
            self.back(queue, given);
        }
    }

    pub(super) fn waiting(&self, queue: &Queue) -> usize {
        self.queues.get(queue).map_or(0, |waiting| waiting.messages.len())
    }

    pub(super) fn give(&mut self, queue: &Queue, id: ConsumerId) -> Option<Given> {
        let waiting = self.queues.get_mut(queue)?;
        let consuming = waiting.consumers.get_mut(&id)?;
        if consuming.given.len() >= usize::from(consuming.ahead) {
            return None;
        }
        let mut given = waiting.messages.pop_front()?;
        given.attempt += 1;
        consuming.given.insert(given.number, given.clone());
        Some(given)
    }

    /// Takes a message from a consumer, which has room for another one then.
    fn taken(&mut self, queue: &Queue, id: ConsumerId, number: u64) -> Option<Given> {
        let waiting = self.queues.get_mut(queue)?;
        let given = waiting.consumers.get_mut(&id)?.given.remove(&number);
        waiting.changed.notify_waiters();
        given
    }

    pub(super) fn done(&mut self, queue: &Queue, id: ConsumerId, number: u64) {
        self.taken(queue, id, number);
    }

    pub(super) fn again(&mut self, queue: &Queue, id: ConsumerId, number: u64) {
        if let Some(given) = self.taken(queue, id, number) {
            self.back(queue, given);
        }
    }

    pub(super) fn never(&mut self, queue: &Queue, id: ConsumerId, number: u64, reason: &str) {
        if let Some(given) = self.taken(queue, id, number) {
            self.put_aside(queue, given.message, reason);
        }
    }

    /// Goes back to its place, unless it was given out often enough.
    fn back(&mut self, queue: &Queue, given: Given) {
        if given.attempt >= ATTEMPTS_MAX {
            let reason = format!("it was given out {ATTEMPTS_MAX} times and never came to an end");
            self.put_aside(queue, given.message, &reason);
            return;
        }
        let waiting = self.queues.entry(queue.clone()).or_default();
        let place = waiting.messages.partition_point(|other| other.number < given.number);
        waiting.messages.insert(place, given);
        waiting.changed.notify_waiters();
    }

    /// What is put aside must not grow without end either: the oldest goes.
    fn put_aside(&mut self, queue: &Queue, mut message: Message, reason: &str) {
        message.headers.dead = Some(Dead { queue: queue.to_string(), reason: reason.to_owned() });
        if self.waiting(&Queue::Dead) >= QUEUE_MESSAGES_MAX
            && let Some(dead) = self.queues.get_mut(&Queue::Dead)
        {
            dead.messages.pop_front();
        }
        self.put(Queue::Dead, message);
    }
}
