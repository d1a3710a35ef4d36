//! The pulse: what changes all the time and is never logged.
//!
//! - When somebody or something was heard last. A sign is a counter that only grows: how long it
//!   has stood still is measured by whoever looks, on their own clock.
//! - How far long steps are.
//!
//! Nothing here is anybody's truth. All of it may be lost; a restart counts as a fresh sign.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use carrel_model::fleet::Silence;
use carrel_model::ids::{CommandId, MachineId, TerminalId};
use carrel_model::work::Thing;

use crate::port::BusError;

/// Of whom or what a sign was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beat {
    /// Of those whose silence means something.
    Of(Silence),
    Terminal(TerminalId),
    /// The agent in a machine's guest.
    Agent(MachineId),
}

/// How far a step is that takes long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// In words: what is being done.
    pub step: String,
    pub done_bytes: u64,
    /// None: nobody knows yet.
    pub of_bytes: Option<u64>,
    /// The operation that it belongs to, if it does to one.
    pub operation: Option<CommandId>,
}

#[async_trait]
pub trait Pulse: Send + Sync + Debug {
    /// Somebody was heard.
    async fn beat(&self, of: Beat) -> Result<(), BusError>;

    /// How often each of these was heard. None: never since the pulse began.
    async fn beats(&self, of: &[Beat]) -> Result<Vec<Option<u64>>, BusError>;

    /// Nobody will ask about them any more.
    async fn forget(&self, of: &[Beat]) -> Result<(), BusError>;

    /// How far a thing is now. None: it has nothing long to do any more.
    async fn progress(&self, of: Thing, is: Option<Progress>) -> Result<(), BusError>;

    async fn progress_of(&self, of: &[Thing]) -> Result<Vec<Option<Progress>>, BusError>;
}

/// The pulse within one process.
#[derive(Debug, Default)]
pub struct MemoryPulse {
    beats: Mutex<BTreeMap<Beat, u64>>,
    progress: Mutex<BTreeMap<Thing, Progress>>,
}

/// Nothing that holds it can panic half-way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Pulse for MemoryPulse {
    async fn beat(&self, of: Beat) -> Result<(), BusError> {
        let mut beats = locked(&self.beats);
        let heard = beats.entry(of).or_default();
        *heard = heard.wrapping_add(1);
        Ok(())
    }

    async fn beats(&self, of: &[Beat]) -> Result<Vec<Option<u64>>, BusError> {
        let beats = locked(&self.beats);
        Ok(of.iter().map(|of| beats.get(of).copied()).collect())
    }

    async fn forget(&self, of: &[Beat]) -> Result<(), BusError> {
        let mut beats = locked(&self.beats);
        for it in of {
            beats.remove(it);
        }
        Ok(())
    }

    async fn progress(&self, of: Thing, is: Option<Progress>) -> Result<(), BusError> {
        let mut progress = locked(&self.progress);
        match is {
            Some(is) => drop(progress.insert(of, is)),
            None => drop(progress.remove(&of)),
        }
        Ok(())
    }

    async fn progress_of(&self, of: &[Thing]) -> Result<Vec<Option<Progress>>, BusError> {
        let progress = locked(&self.progress);
        Ok(of.iter().map(|of| progress.get(of).cloned()).collect())
    }
}
