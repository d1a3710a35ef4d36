//! What a decision needs from outside: what time it is, and bytes that nobody can foresee.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use carrel_model::record::Timestamp;
use uuid::{Builder, Uuid};

/// The wall clock. It may be set back; the decider never goes back with it.
pub trait Clock: Send + Sync + Debug {
    fn now(&self) -> Timestamp;
}

/// Where fresh ids come from.
pub trait Entropy: Send + Debug {
    fn draw(&mut self) -> [u8; 16];
}

/// One source for all who draw from it.
#[derive(Clone, Debug)]
pub(crate) struct SharedEntropy(Arc<Mutex<Box<dyn Entropy>>>);

impl SharedEntropy {
    pub(crate) fn new(entropy: Box<dyn Entropy>) -> Self {
        Self(Arc::new(Mutex::new(entropy)))
    }

    pub(crate) fn draw(&self) -> [u8; 16] {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }
}

/// An id of version 7. Those of one draw are told apart by their number, and sort by it.
pub(crate) fn fresh_id(now: Timestamp, drawn: [u8; 16], number: u16) -> Uuid {
    let millis = u64::try_from(now.0 / 1_000).unwrap_or_default();
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    bytes[2..].copy_from_slice(&drawn[..8]);
    Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
}
