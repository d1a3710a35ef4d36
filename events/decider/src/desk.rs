//! The one task that decides. While a batch is on its way to the disk, the next one gathers.

use std::sync::Arc;

use carrel_log::{Answer as First, AppendError, EventLog};
use carrel_model::command::Command;
use carrel_model::context::Context;
use carrel_model::decide::{Decision, decide};
use carrel_model::rejection::Rejection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::ask::{Accepted, Answer, Ask, Refusal};
use crate::batch::{Batch, Fresh, Verdict};
use crate::fold::{FoldError, Standing};
use crate::limits::{BATCH_COMMANDS_MAX, TRIES_MAX, WAITING_MAX};
use crate::outside::{Clock, Entropy};

/// A handle on the desk. The desk ends when all handles are gone.
#[derive(Clone, Debug)]
pub struct Decider {
    asks: mpsc::Sender<Waiting>,
    standing: watch::Receiver<Standing>,
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    answer: oneshot::Sender<Result<Answer, Refusal>>,
}

/// Folds the log, and opens the desk. Whoever starts it drives its [`Desk::run`].
pub async fn open(
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    entropy: Box<dyn Entropy>,
) -> Result<(Decider, Desk), FoldError> {
    let standing = Standing::of(&*log).await?;
    let (asks, waiting) = mpsc::channel(WAITING_MAX);
    let (shown, seen) = watch::channel(standing.clone());
    let desk = Desk { log, clock, entropy, standing, waiting, shown };
    Ok((Decider { asks, standing: seen }, desk))
}

impl Decider {
    /// Asks for a command to be decided. Dropping the future gives up waiting, not the command.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Waiting { ask, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::Busy { waiting: WAITING_MAX },
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answered.await.unwrap_or(Err(Refusal::OutcomeUnknown))
    }

    /// What is in the log, and nothing that may not come to be there.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Tells of each new standing.
    pub fn follow(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// What would be decided now. Nothing is written.
    pub fn try_out(&self, command: &Command, context: &Context) -> Result<Decision, Rejection> {
        let standing = self.standing();
        let now = context.now.max(standing.at);
        decide(&standing.fleet, command, &Context { now, ..context.clone() })
    }
}

fn closed() -> Refusal {
    Refusal::Unavailable("nobody decides any more; the process is ending".to_owned())
}

pub struct Desk {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    entropy: Box<dyn Entropy>,
    standing: Standing,
    waiting: mpsc::Receiver<Waiting>,
    shown: watch::Sender<Standing>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("position", &self.standing.position).finish_non_exhaustive()
    }
}

impl Desk {
    /// Decides until all handles are gone. An error is a log that this version can't follow.
    pub async fn run(mut self) -> Result<(), FoldError> {
        let mut gathered = Vec::with_capacity(BATCH_COMMANDS_MAX);
        loop {
            if gathered.is_empty()
                && self.waiting.recv_many(&mut gathered, BATCH_COMMANDS_MAX).await == 0
            {
                return Ok(());
            }
            while gathered.len() < BATCH_COMMANDS_MAX
                && let Ok(waiting) = self.waiting.try_recv()
            {
                gathered.push(waiting);
            }
            let verdicts = self.serve(&gathered).await?;
            for (waiting, verdict) in gathered.drain(..verdicts.len()).zip(verdicts) {
                // Whoever has stopped waiting asks again with the same id.
                let _ = waiting.answer.send(verdict);
            }
        }
    }

    /// Decides as many of those who wait as fit into a batch, at least one.
    async fn serve(
        &mut self,
        gathered: &[Waiting],
    ) -> Result<Vec<Result<Answer, Refusal>>, FoldError> {
        let log = Arc::clone(&self.log);
        let mut tries = 0;
        loop {
            tries += 1;
            let turn = match log.turn(self.standing.position).await {
                Ok(turn) => turn,
                // What others wrote is more than a turn hands over.
                Err(AppendError::TooLarge(_)) if tries < TRIES_MAX => {
                    self.standing.catch_up(&*log).await?;
                    continue;
                }
                Err(error) => return Ok(all_refused(gathered, &error)),
            };
            self.standing.follow(turn.since())?;
            self.show();
            let first = match known(&*log, gathered).await {
                Ok(first) => first,
                Err(refusal) => return Ok(vec![Err(refusal); gathered.len()]),
            };
            let mut batch = self.decide(gathered, first);
            let units = std::mem::take(&mut batch.units);
            if units.is_empty() {
                drop(turn);
                return Ok(self.answers(&batch, &[]));
            }
            match turn.append(units, None).await {
                Ok(appended) => {
                    let last = appended.last().map_or(self.standing.position, |it| it.last);
                    self.standing = Standing { position: last, ..batch.standing.clone() };
                    self.show();
                    return Ok(self.answers(&batch, &appended));
                }
                Err(AppendError::Conflict { .. }) if tries < TRIES_MAX => {}
                Err(error) => return Ok(refused_after(&batch, &error)),
            }
        }
    }

    fn decide(&mut self, gathered: &[Waiting], first: Vec<Option<First>>) -> Batch {
        let now = self.clock.now();
        let mut batch = Batch::on(&self.standing);
        for (waiting, first) in gathered.iter().zip(first) {
            if batch.is_full() {
                break;
            }
            let fresh = Fresh { now, things: self.entropy.draw(), events: self.entropy.draw() };
            batch.take(&waiting.ask, first, fresh);
        }
        batch
    }

    /// Nobody is woken for what they have seen.
    fn show(&self) {
        self.shown.send_if_modified(|shown| {
            let new = shown.position != self.standing.position;
            if new {
                *shown = self.standing.clone();
            }
            new
        });
    }

    fn answers(&self, batch: &Batch, appended: &[First]) -> Vec<Result<Answer, Refusal>> {
        let accepted = |unit: usize| {
            let answer = appended.get(unit).ok_or(Refusal::OutcomeUnknown)?;
            let First { command_id, first, last, .. } = *answer;
            Ok(Accepted { command_id, first, last })
        };
        let answer = |(verdict, _): &(Verdict, usize)| match verdict {
            Verdict::Unit(unit) => accepted(*unit).map(Answer::Accepted),
            Verdict::Again(unit) => accepted(*unit).map(Answer::Known),
            Verdict::Known(accepted) => Ok(Answer::Known(*accepted)),
            Verdict::Unchanged => Ok(Answer::Unchanged { at: self.standing.position }),
            Verdict::Refused(refusal) => Err(refusal.clone()),
        };
        batch.verdicts.iter().map(answer).collect()
    }
}

/// What the log knows of each id.
async fn known(log: &dyn EventLog, gathered: &[Waiting]) -> Result<Vec<Option<First>>, Refusal> {
    let mut known = Vec::with_capacity(gathered.len());
    for waiting in gathered {
        known.push(log.lookup(waiting.ask.command_id).await?);
    }
    Ok(known)
}

fn all_refused(gathered: &[Waiting], error: &AppendError) -> Vec<Result<Answer, Refusal>> {
    vec![Err(error.clone().into()); gathered.len()]
}

/// The batch is not in the log, or may not be. What was decided on top of its facts is worth
/// nothing.
fn refused_after(batch: &Batch, error: &AppendError) -> Vec<Result<Answer, Refusal>> {
    let on_top = || Refusal::Unavailable(error.to_string());
    let answer = |(verdict, before): &(Verdict, usize)| match verdict {
        Verdict::Unit(_) | Verdict::Again(_) => Err(error.clone().into()),
        Verdict::Known(accepted) => Ok(Answer::Known(*accepted)),
        Verdict::Refused(Refusal::Rejected(_)) | Verdict::Unchanged if *before > 0 => Err(on_top()),
        Verdict::Unchanged => Ok(Answer::Unchanged { at: batch.standing.position }),
        Verdict::Refused(refusal) => Err(refusal.clone()),
    };
    batch.verdicts.iter().map(answer).collect()
}
