//! Whose work may have changed, and the fleet that it is to be read from.
//!
//! One end folds facts, the other sends orders. However far the other one is behind, a thing is
//! here once, and what is sent of it is the newest: nobody is told to do what is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use carrel_decider::Standing;
use carrel_model::ids::{CommandId, CorrelationId};
use carrel_model::record::{Incarnation, Record};
use carrel_model::trace::TraceParent;
use carrel_model::work::Thing;
use tokio::sync::Notify;

/// The fleet as far as it is folded, and the incarnation of the log that it was folded from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) standing: Standing,
    pub(crate) incarnation: Incarnation,
}

/// The command whose fact touched a thing last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    pub(crate) command: CommandId,
    pub(crate) correlation: CorrelationId,
    pub(crate) trace_parent: Option<TraceParent>,
}

impl From<&Record> for Cause {
    fn from(record: &Record) -> Self {
        let origin = &record.unit.origin;
        Self {
            command: record.unit.command_id,
            correlation: origin.correlation_id,
            trace_parent: origin.trace_parent,
        }
    }
}

/// Why a thing's work is to be sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Touch {
    pub(crate) cause: Option<Cause>,
    pub(crate) said: Said,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Said {
    /// If it is new.
    #[default]
    Once,
    /// Also if it was sent: it may have been lost.
    Again,
}

/// What is taken in one go.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) shown: Shown,
    pub(crate) things: BTreeMap<Thing, Touch>,
}

#[derive(Debug, Default)]
pub(crate) struct Touched {
    taken: Mutex<Taken>,
    more: Notify,
}

impl Touched {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Facts were folded. Those who take it get the things and the fleet together.
    pub(crate) fn folded(&self, shown: &Shown, things: BTreeMap<Thing, Cause>) {
        let mut taken = self.taken();
        taken.shown = shown.clone();
        for (thing, cause) in things {
            taken.things.entry(thing).or_default().cause = Some(cause);
        }
        drop(taken);
        self.more.notify_one();
    }

    pub(crate) fn again(&self, things: impl IntoIterator<Item = Thing>) {
        let mut taken = self.taken();
        for thing in things {
            taken.things.entry(thing).or_default().said = Said::Again;
        }
        drop(taken);
        self.more.notify_one();
    }

    /// As soon as there may be something.
    pub(crate) async fn take(&self) -> Taken {
        self.more.notified().await;
        let mut taken = self.taken();
        Taken { shown: taken.shown.clone(), things: std::mem::take(&mut taken.things) }
    }
}
