//! Between the log and the hosts: work out, outcomes in, and what time brings about.
//!
//! ```text
//!              +-----------------------------------------------------------------+
//!   log -----> | tail ---> touched ---> orders ---> (confirmed) ---> facts        | ---> cursor
//!              |   |          ^            |                           |          |
//!              +---|----------|------------|---------------------------|----------+
//!                  |          |            v                           v
//!                fleet        |     work.<host>.<lane>          carrel.events
//!                  |          |
//!                  |     [ inventories ] <---- [ reports ] <---- carrel.outcomes
//!                  |          |                     |
//!                  |          v                     v
//!                  |       [ asking: the same id until there is an answer ] ---> decider
//!                  |                                ^
//!                  +--> [ clockwork ] --------------+
//!                  +--> [ silences ] ---------------+      pulse <---- [ signs ] <---- progress
//! ```
//!
//! Everything is done at least once, and nothing of it harms when it is done twice: an order is
//! known by thing and generation, a report by its message's id, a fact by its own. What is lost on
//! the way is found by comparing what hosts have with the fleet.
//!
//! This crate must never know HTTP, a hypervisor, or how anything is read by people.
//!
//! Start reading at [`Relay::start`], then `tail.rs` and `reports.rs`.

mod asking;
mod back_off;
mod clockwork;
mod counters;
mod derived;
mod facts;
mod inventories;
pub mod limits;
mod orders;
mod reports;
mod send;
mod signs;
mod silences;
mod tail;
mod touched;

use std::sync::Arc;

use carrel_bus::{Bus, Pulse};
use carrel_decider::{Clock, Decider, Entropy, FoldError, Snapshots};
use carrel_keys::Keys;
use carrel_log::{CursorError, EventLog, ReadError};
use carrel_model::name::{ConsumerName, LeaseName, NameError};
use carrel_model::record::Epoch;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::asking::Asking;
use crate::clockwork::Clockwork;
pub use crate::counters::{Counters, Counts};
use crate::facts::Facts;
use crate::inventories::Inventories;
use crate::orders::Orders;
use crate::reports::{Hearing, Reports};
use crate::signs::Signs;
use crate::silences::Silences;
use crate::tail::{Started, Tail};

/// The cursor, and the lease whose epoch guards it.
pub const NAME: &str = "relay";

/// What the relay stands between.
pub struct Parts {
    pub log: Arc<dyn EventLog>,
    pub bus: Arc<dyn Bus>,
    pub pulse: Arc<dyn Pulse>,
    pub keys: Keys,
    pub decider: Decider,
    pub clock: Arc<dyn Clock>,
    pub entropy: Box<dyn Entropy>,
    /// What the decider keeps of the fleet, so that not all of the log has to be folded.
    pub snapshots: Option<Snapshots>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("snapshots", &self.snapshots).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error(transparent)]
    Fold(#[from] FoldError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error("another relay has taken over: this one has epoch {given}, that one {current}")]
    Superseded { given: Epoch, current: Epoch },
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("a part of the relay has ended without saying why: {0}")]
    Task(#[from] JoinError),
}

/// Everything that runs between log and hosts. There is one of it at a time: whoever starts a
/// second one ends the first.
pub struct Relay {
    tail: Tail,
    orders: Orders,
    facts: Facts,
    reports: Reports,
    signs: Signs,
    clockwork: Clockwork,
    silences: Silences,
    counters: Arc<Counters>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Relay {
    /// Takes over from whoever was the relay before, and folds the log.
    pub async fn start(parts: Parts) -> Result<Self, RelayError> {
        let Parts { log, bus, pulse, keys, decider, clock, entropy, snapshots } = parts;
        let (lease, cursor) = (LeaseName::new(NAME)?, ConsumerName::new(NAME)?);
        let epoch = log.raise_epoch(&lease).await?;
        let before = log.cursor(&cursor).await?;
        let Started { tail, shown, touched, told } =
            tail::start(Arc::clone(&log), snapshots.as_ref(), before).await?;
        let counters = Arc::new(Counters::default());
        let counted = || Arc::clone(&counters);
        let asking = Asking::new(decider, clock, entropy)?;
        let (orders, ordered) =
            Orders::new((Arc::clone(&bus), keys), Arc::clone(&touched), counted());
        let facts = Facts {
            log,
            bus: Arc::clone(&bus),
            counters: counted(),
            cursor,
            epoch,
            told,
            kept: told,
            ordered,
        };
        let inventories = Inventories::new(asking.clone(), Arc::clone(&pulse), touched, counted());
        let hearing = Hearing {
            asking: asking.clone(),
            shown: shown.clone(),
            inventories,
            counters: counted(),
        };
        Ok(Self {
            tail,
            orders,
            facts,
            reports: Reports { bus: Arc::clone(&bus), hearing: Arc::new(hearing) },
            signs: Signs {
                bus,
                pulse: Arc::clone(&pulse),
                shown: shown.clone(),
                counters: counted(),
            },
            clockwork: Clockwork::new(shown.clone(), asking.clone(), counted()),
            silences: Silences::new(shown, pulse, asking, counted()),
            counters,
        })
    }

    /// What it has done, to be read at any time.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Runs until it is told to end, whoever tells it is gone, or the log is closed. What is under
    /// way then is done again by the next one.
    pub async fn run(self, mut ending: watch::Receiver<bool>) -> Result<(), RelayError> {
        let mut tasks = JoinSet::new();
        let Self { tail, orders, facts, reports, signs, clockwork, silences, counters: _ } = self;
        tasks.spawn(async move { Ok(tail.run().await?) });
        tasks.spawn(async move { Ok(orders.run().await?) });
        tasks.spawn(facts.run());
        tasks.spawn(async move { Ok(reports.run().await?) });
        tasks.spawn(async move {
            signs.run().await;
            Ok(())
        });
        tasks.spawn(async move { Ok(clockwork.run().await?) });
        tasks.spawn(async move { Ok(silences.run().await?) });
        let ended = tokio::select! {
            biased;
            // One of them never ends alone while the others have something to do.
            Some(ended) = tasks.join_next() => ended,
            _ = ending.wait_for(|ending| *ending) => Ok(Ok(())),
        };
        tasks.shutdown().await;
        ended?
    }
}
