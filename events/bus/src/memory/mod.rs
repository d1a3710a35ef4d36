//! The bus within one process. What waits in it is gone with the process, and comes again: work is
//! derived from the log, outcomes from what hosts see.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use carrel_failpoint::{Point, reached};
use carrel_model::ids::HypervisorId;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::limits::{AHEAD_MAX, ASK_SECONDS_MAX, BODY_BYTES_MAX, QUESTIONS_MAX};
use crate::message::Message;
use crate::port::{AskError, Bus, BusError, Consumer, Delivery, Question, Questions, Receipt};
use crate::topology::{Address, Queue};

mod state;

use state::{ConsumerId, Given, State};

#[derive(Clone, Default)]
pub struct MemoryBus {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

impl Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").finish_non_exhaustive()
    }
}

impl Shared {
    /// Nothing that holds it can panic half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryBus {
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, to: &Address, message: Message) -> Result<(), BusError> {
        let given = message.body.len();
        if given > BODY_BYTES_MAX {
            return Err(BusError::TooLong { given, max: BODY_BYTES_MAX });
        }
        self.shared.state().publish(to, message)?;
        queued(to);
        Ok(())
    }

    async fn consume(&self, from: &Queue, ahead: u16) -> Result<Box<dyn Consumer>, BusError> {
        let (id, changed) = self.shared.state().attach(from, ahead.clamp(1, AHEAD_MAX));
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(MemoryConsumer { shared, queue: from.clone(), id, changed }))
    }

    async fn waiting(&self, queue: &Queue) -> Result<usize, BusError> {
        Ok(self.shared.state().waiting(queue))
    }

    async fn ask(
        &self,
        host: HypervisorId,
        question: Message,
        within: Duration,
    ) -> Result<Bytes, AskError> {
        let within = within.min(Duration::from_secs(ASK_SECONDS_MAX));
        let (answer, answered) = oneshot::channel();
        let asked = self.shared.state().asked.get(&host).cloned().ok_or(AskError::NobodyThere)?;
        let question = Question::new(question, answer);
        asked.try_send(question).map_err(|_| AskError::NobodyThere)?;
        match tokio::time::timeout(within, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            // Whoever was asked has dropped the question, which is no answer either.
            Ok(Err(_)) | Err(_) => Err(AskError::Late),
        }
    }

    async fn questions(&self, host: HypervisorId) -> Result<Box<dyn Questions>, BusError> {
        let (ask, asked) = mpsc::channel(QUESTIONS_MAX);
        self.shared.state().asked.insert(host, ask);
        Ok(Box::new(MemoryQuestions { asked }))
    }
}

/// A message is where it shall be, and whoever published it does not know yet.
fn queued(to: &Address) {
    match to {
        Address::Work(..) => reached(Point::OrderQueued),
        Address::Outcomes => reached(Point::ReportQueued),
        Address::Event(_) => reached(Point::FactQueued),
        Address::Command(_) | Address::Progress | Address::Reply(_) => {}
    }
}

#[derive(Debug)]
struct MemoryQuestions {
    asked: mpsc::Receiver<Question>,
}

#[async_trait]
impl Questions for MemoryQuestions {
    async fn next(&mut self) -> Result<Question, BusError> {
        self.asked.recv().await.ok_or(BusError::Closed)
    }
}

struct MemoryConsumer {
    shared: Arc<Shared>,
    queue: Queue,
    id: ConsumerId,
    changed: Arc<Notify>,
}

impl Debug for MemoryConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryConsumer").field("queue", &self.queue).finish_non_exhaustive()
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn next(&mut self) -> Result<Delivery, BusError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on nothing is missed, also if it comes before the wait.
            changed.as_mut().enable();
            let given = self.shared.state().give(&self.queue, self.id);
            if let Some(given) = given {
                let Given { message, attempt, number } = given;
                let shared = Arc::clone(&self.shared);
                let queue = self.queue.clone();
                let receipt = MemoryReceipt { shared, queue, consumer: self.id, number };
                return Ok(Delivery { message, attempt, receipt: Box::new(receipt) });
            }
            changed.await;
        }
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.shared.state().detach(&self.queue, self.id);
    }
}

struct MemoryReceipt {
    shared: Arc<Shared>,
    queue: Queue,
    consumer: ConsumerId,
    number: u64,
}

impl Debug for MemoryReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReceipt").field("number", &self.number).finish_non_exhaustive()
    }
}

#[async_trait]
impl Receipt for MemoryReceipt {
    async fn done(self: Box<Self>) -> Result<(), BusError> {
        self.shared.state().done(&self.queue, self.consumer, self.number);
        Ok(())
    }

    async fn again(self: Box<Self>) -> Result<(), BusError> {
        self.shared.state().again(&self.queue, self.consumer, self.number);
        Ok(())
    }

    async fn never(self: Box<Self>, reason: &str) -> Result<(), BusError> {
        self.shared.state().never(&self.queue, self.consumer, self.number, reason);
        Ok(())
    }
}
