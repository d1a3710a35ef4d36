//! Appends that don't mind each other share a transaction.
//!
//! Whoever comes first finds nobody at work and sets a leader to it. The leader takes the writer's
//! place, and only then looks who is waiting: all who came meanwhile, while it waited for its turn
//! or for the disk, go in one transaction. Each gets an answer of its own, and one that is refused
//! leaves no trace in the others' transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carrel_model::record::CommandUnit;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Shared;
use super::draft::Draft;
use super::write::Writing;
use crate::error::AppendError;
use crate::format::unit::encoded_len;
use crate::limits::{BATCH_BYTES_MAX, BATCH_UNITS_MAX};
use crate::port::Answer;

pub(super) type Outcome = Result<Vec<Answer>, AppendError>;

/// Appends that wait at once in one process; further ones wait to be let in. At a few thousand
/// commands a second, this is a second's worth.
pub(super) const WAITING_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) units: Vec<CommandUnit>,
    pub(super) answer: oneshot::Sender<Outcome>,
    /// Its place among [`WAITING_MAX`].
    pub(super) admitted: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    led: bool,
}

impl Queue {
    /// True when the caller has to set a leader to work.
    #[must_use]
    pub(super) fn push(&self, waiting: Waiting) -> bool {
        let mut state = self.state();
        state.waiting.push_back(waiting);
        !std::mem::replace(&mut state.led, true)
    }

    /// Those who go next: as many as one batch may have, and one at least.
    fn next_group(&self) -> Vec<Waiting> {
        let mut state = self.state();
        let (mut units, mut bytes) = (0, 0);
        let fits = |next: &&Waiting| {
            units += next.units.len();
            bytes += next.units.iter().map(encoded_len).sum::<usize>();
            units <= BATCH_UNITS_MAX && bytes <= BATCH_BYTES_MAX
        };
        let count = state.waiting.iter().take_while(fits).count();
        let count = count.max(1).min(state.waiting.len());
        state.waiting.drain(..count).collect()
    }

    /// True when nobody waits; then the next one to come sets a new leader to work.
    fn is_done(&self) -> bool {
        let mut state = self.state();
        state.led = !state.waiting.is_empty();
        !state.led
    }

    /// No code panics while it holds the lock half-way through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works until nobody waits.
pub(super) async fn lead(shared: Arc<Shared>) {
    while !shared.queue.is_done() {
        let place = Arc::clone(&shared.place).lock_owned().await;
        match Writing::begin(Arc::clone(&shared), place).await {
            Ok(writing) => write(writing, shared.queue.next_group()).await,
            Err(error) => refuse(shared.queue.next_group(), &error),
        }
    }
}

async fn write(mut writing: Writing, group: Vec<Waiting>) {
    let units = group.iter().flat_map(|waiting| &waiting.units);
    let draft = writing.draft(units).await;
    let mut draft = match draft {
        Ok(draft) => draft,
        Err(error) => return refuse(group, &error),
    };
    let drafted: Vec<_> =
        group.into_iter().map(|waiting| Drafted::new(waiting, &mut draft)).collect();
    let committed = writing.commit(&draft).await;
    for Drafted { answer, outcome, admitted } in drafted {
        // Whoever was refused is, whatever became of the others. Nobody may be waiting any more.
        let outcome = outcome.and_then(|answers| committed.clone().map(|()| answers));
        let _ = answer.send(outcome);
        drop(admitted);
    }
}

fn refuse(group: Vec<Waiting>, error: &AppendError) {
    for waiting in group {
        let _ = waiting.answer.send(Err(error.clone()));
    }
}

struct Drafted {
    answer: oneshot::Sender<Outcome>,
    outcome: Outcome,
    admitted: OwnedSemaphorePermit,
}

impl Drafted {
    fn new(waiting: Waiting, draft: &mut Draft) -> Self {
        let Waiting { units, answer, admitted } = waiting;
        Self { answer, outcome: draft.append(units), admitted }
    }
}
