//! A message: a body that the bus doesn't read, and what must be known without reading it.

use bytes::Bytes;
use carrel_model::record::Position;
use carrel_model::trace::TraceParent;
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same for each copy of it, so that whoever has seen it knows it again.
    pub id: Uuid,
    pub headers: Headers,
    pub body: Bytes,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// The trace that it is part of.
    pub trace_parent: Option<TraceParent>,
    /// Of a fact: where it is in the log.
    pub position: Option<Position>,
    /// Of work: who vouches for the body. A key's id and a signature, as the keys make them.
    pub signature: Option<Bytes>,
    /// Of a command: the queue in which its answer is expected.
    pub reply_to: Option<String>,
    /// Of what was put aside: where it was, and why nobody could handle it.
    pub dead: Option<Dead>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    pub queue: String,
    pub reason: String,
}

impl Message {
    pub fn new(id: Uuid, body: impl Into<Bytes>) -> Self {
        Self { id, headers: Headers::default(), body: body.into() }
    }
}
