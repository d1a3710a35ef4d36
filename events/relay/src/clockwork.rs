//! Time becomes commands: what is due is sent when it is due, and chores are done in their rounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use carrel_decider::Answer;
use carrel_model::clockwork::{Chores, due, next_time};
use carrel_model::command::Command;
use carrel_model::hash::Fingerprint;
use carrel_model::record::{Position, Timestamp};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::asking::Asking;
use crate::counters::Counters;
use crate::derived;
use crate::limits::{FRUITLESS_SECONDS, LOOK_AT_THE_CLOCK};
use crate::touched::Shown;

pub(crate) struct Clockwork {
    shown: watch::Receiver<Shown>,
    asking: Asking,
    counters: Arc<Counters>,
    chores: Chores,
    /// What came to nothing although it was due, and when it is tried again.
    fruitless: BTreeMap<[u8; 32], Timestamp>,
}

/// A command, and by what it is known again.
#[derive(Clone, Debug)]
struct Due {
    command: Command,
    known_by: Fingerprint,
}

impl Clockwork {
    pub(crate) fn new(
        shown: watch::Receiver<Shown>,
        asking: Asking,
        counters: Arc<Counters>,
    ) -> Self {
        let (chores, fruitless) = (Chores::default(), BTreeMap::new());
        Self { shown, asking, counters, chores, fruitless }
    }

    /// Runs until nobody follows the log any more.
    pub(crate) async fn run(mut self) -> Result<(), JoinError> {
        loop {
            let shown = self.shown.borrow_and_update().clone();
            let now = self.asking.clock().now().max(shown.standing.at);
            let sent = self.due(&shown, now);
            if sent.is_empty() {
                if !self.wait(&shown, now).await {
                    return Ok(());
                }
                continue;
            }
            let upto = self.send(sent, shown.standing.position, now).await?;
            // Before their facts are folded the same would be due again.
            let seen = self.shown.wait_for(|shown| shown.standing.position >= upto).await;
            if seen.is_err() {
                return Ok(());
            }
        }
    }

    /// What is to be sent now.
    fn due(&mut self, shown: &Shown, now: Timestamp) -> Vec<Due> {
        self.fruitless.retain(|_, until| *until > now);
        let fleet = &shown.standing.fleet;
        let mut commands = due(fleet, now);
        commands.extend(self.chores.due(fleet, now));
        let commands = commands.into_iter().map(|command| {
            let json = serde_json::to_vec(&command).unwrap_or_default();
            Due { command, known_by: derived::fingerprint(&json) }
        });
        commands.filter(|it| !self.fruitless.contains_key(&it.known_by.0)).collect()
    }

    /// Sends all of them, and answers how far the log has to be folded to know what came of it.
    async fn send(
        &mut self,
        sent: Vec<Due>,
        looked_at: Position,
        now: Timestamp,
    ) -> Result<Position, JoinError> {
        let mut answers = JoinSet::new();
        for due in sent {
            let (asking, known_by) = (self.asking.clone(), due.known_by);
            let (name, saying) = (due.command.name(), asking.fresh(due.command));
            answers.spawn(async move { (name, known_by, asking.ask(saying).await) });
        }
        let mut upto = looked_at;
        while let Some(answered) = answers.join_next().await {
            let (name, known_by, answer) = answered?;
            self.counters.clockwork_sent();
            match answer {
                Ok(answer) => upto = upto.max(answer.position()),
                Err(ref refused) => {
                    tracing::warn!(%refused, command = name, "what was due came to nothing");
                }
            }
            // Decided on the very fleet that it was due in: the same would come of it again.
            let fruitless = match answer {
                Ok(Answer::Unchanged { at }) => at <= looked_at,
                Ok(Answer::Accepted(_) | Answer::Known(_)) => false,
                Err(_) => true,
            };
            if fruitless {
                self.fruitless.insert(known_by.0, now.plus_seconds(FRUITLESS_SECONDS));
            }
        }
        Ok(upto)
    }

    /// Waits until something may be due. Says whether there will ever be anything.
    async fn wait(&mut self, shown: &Shown, now: Timestamp) -> bool {
        let next = next_time(&shown.standing.fleet);
        let fruitless = self.fruitless.values().min().copied();
        // What is due and came to nothing waits for its next try, not for its time.
        let next = match next {
            Some(next) if next <= now => fruitless,
            Some(_) | None => next.into_iter().chain(fruitless).min(),
        };
        let next = next.into_iter().chain([self.chores.next_time()]).min();
        let sleep = next.map_or(LOOK_AT_THE_CLOCK, |next| until(next, now));
        tokio::select! {
            biased;
            () = tokio::time::sleep(sleep.min(LOOK_AT_THE_CLOCK)) => true,
            changed = self.shown.changed() => changed.is_ok(),
        }
    }
}

fn until(then: Timestamp, now: Timestamp) -> Duration {
    let micros = then.0.saturating_sub(now.0).max(0);
    Duration::from_micros(micros.unsigned_abs())
}
