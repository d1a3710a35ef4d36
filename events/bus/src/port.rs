//! The port: what every adapter promises.
//!
//! - [`Bus::publish`] returns when the broker answers for the message: it is in every durable queue
//!   that its address leads to, and survives what the adapter survives. If it fails, the message
//!   may have arrived nevertheless; whoever sends it again sends the same id.
//! - A message is given out until its receipt is handed in. A consumer that is dropped gives back
//!   what it has not finished. What is given out again says so by its attempt.
//! - Messages of one queue come in the order in which they were published, but for those that are
//!   given out again, and for those of several consumers.
//! - Nobody is given more at once than they asked for.
//! - What was given out [`ATTEMPTS_MAX`](crate::limits::ATTEMPTS_MAX) times without an end is put
//!   aside, into [`Queue::Dead`], with the reason.
//! - A queue that is full refuses. What is transient drops the oldest.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use carrel_model::ids::HypervisorId;

use crate::message::Message;
use crate::topology::{Address, Queue};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    #[error("the queue {queue} is full with {messages} messages")]
    Full { queue: String, messages: usize },
    #[error("a body of {given} bytes is longer than {max}")]
    TooLong { given: usize, max: usize },
    /// Whether the message arrived is not known.
    #[error("the broker can't be reached: {0}")]
    Unreachable(String),
    #[error("the bus is closed")]
    Closed,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("the host's worker is not there, or too busy to be asked")]
    NobodyThere,
    #[error("the host's worker did not answer in time")]
    Late,
    #[error(transparent)]
    Bus(#[from] BusError),
}

#[async_trait]
pub trait Bus: Send + Sync + Debug {
    async fn publish(&self, to: &Address, message: Message) -> Result<(), BusError>;

    /// Takes messages from a queue, so many at once at most. The queue is made if it isn't there.
    async fn consume(&self, from: &Queue, ahead: u16) -> Result<Box<dyn Consumer>, BusError>;

    /// How many messages wait, those that are given out not included.
    async fn waiting(&self, queue: &Queue) -> Result<usize, BusError>;

    /// Asks a host's worker something that is worth nothing later.
    async fn ask(
        &self,
        host: HypervisorId,
        question: Message,
        within: Duration,
    ) -> Result<Bytes, AskError>;

    /// What a host's worker is asked. Whoever calls it last hears it.
    async fn questions(&self, host: HypervisorId) -> Result<Box<dyn Questions>, BusError>;
}

#[async_trait]
pub trait Consumer: Send + Debug {
    /// The next message, as soon as there is one. Dropping the future loses none.
    async fn next(&mut self) -> Result<Delivery, BusError>;
}

#[derive(Debug)]
pub struct Delivery {
    pub message: Message,
    /// The first time is 1.
    pub attempt: u32,
    pub receipt: Box<dyn Receipt>,
}

/// Tells the broker what became of a message. Dropped, it tells nothing: the message stays with the
/// consumer, and goes back with it.
#[async_trait]
pub trait Receipt: Send + Debug {
    /// It is done, and nobody gets it again.
    async fn done(self: Box<Self>) -> Result<(), BusError>;

    /// It can't be done now. It is given out again, to whoever comes.
    async fn again(self: Box<Self>) -> Result<(), BusError>;

    /// It can never be done. It is put aside.
    async fn never(self: Box<Self>, reason: &str) -> Result<(), BusError>;
}

#[async_trait]
pub trait Questions: Send + Debug {
    async fn next(&mut self) -> Result<Question, BusError>;
}

/// Something that is asked. Dropped without an answer, whoever asks waits until they give up.
#[derive(Debug)]
pub struct Question {
    pub message: Message,
    pub(crate) answer: tokio::sync::oneshot::Sender<Bytes>,
}

impl Question {
    /// An adapter makes these.
    pub fn new(message: Message, answer: tokio::sync::oneshot::Sender<Bytes>) -> Self {
        Self { message, answer }
    }

    /// Whoever asked may have given up.
    pub fn answer(self, with: impl Into<Bytes>) {
        let _ = self.answer.send(with.into());
    }
}
