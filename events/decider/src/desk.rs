//! The one task that decides. While a batch is on its way to the disk, the next one gathers.

use std::sync::Arc;

use carrel_failpoint::{Point, reached};
use carrel_keys::Keys;
use carrel_log::{Answer as First, AppendError, EventLog};
use carrel_model::command::Command;
use carrel_model::context::Context;
use carrel_model::decide::{Decision, decide};
use carrel_model::record::Position;
use carrel_model::rejection::Rejection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::ask::{Accepted, Answer, Ask, Refusal};
use crate::batch::{Batch, Fresh, Verdict};
use crate::entrance::Entrance;
use crate::fold::{FoldError, Standing};
use crate::limits::{BATCH_COMMANDS_MAX, TRIES_MAX, WAITING_MAX};
use crate::newcomers::Newcomers;
use crate::outside::{Clock, Entropy, SharedEntropy};
use crate::snapshot::{Keeper, Snapshots};

/// A handle on the desk. The desk ends when all handles are gone.
#[derive(Clone, Debug)]
pub struct Decider {
    pub(crate) entrance: Arc<Entrance>,
    asks: mpsc::Sender<Waiting>,
    standing: watch::Receiver<Standing>,
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    newcomers: Newcomers,
    answer: oneshot::Sender<(Result<Answer, Refusal>, Newcomers)>,
}

/// Reads the newest snapshot, folds what the log has behind it, and opens the desk. Whoever starts
/// it drives its [`Desk::run`].
pub async fn open(
    log: Arc<dyn EventLog>,
    keys: Keys,
    clock: Arc<dyn Clock>,
    entropy: Box<dyn Entropy>,
    snapshots: Option<Snapshots>,
) -> Result<(Decider, Desk), FoldError> {
    let (standing, newest) = match &snapshots {
        Some(snapshots) => snapshots.folded(&*log).await?,
        None => (Standing::of(&*log).await?, Position::START),
    };
    let keeper = Keeper::new(snapshots, newest);
    let entropy = SharedEntropy::new(entropy);
    let (asks, waiting) = mpsc::channel(WAITING_MAX);
    let (shown, seen) = watch::channel(standing.clone());
    let entrance = Entrance::new(Arc::clone(&log), keys, Arc::clone(&clock), entropy.clone());
    let desk = Desk { log, clock, entropy, standing, waiting, shown, keeper };
    Ok((Decider { entrance: Arc::new(entrance), asks, standing: seen }, desk))
}

impl Decider {
    /// Asks for a command to be decided. Dropping the future gives up waiting, not the command.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Refusal> {
        self.ask_with(ask, Newcomers::nobody()).await
    }

    pub(crate) async fn ask_with(&self, ask: Ask, newcomers: Newcomers) -> Result<Answer, Refusal> {
        let (answer, answered) = oneshot::channel();
        if let Err(error) = self.asks.try_send(Waiting { ask, newcomers, answer }) {
            let (refusal, waiting) = match error {
                TrySendError::Full(waiting) => (Refusal::Busy { waiting: WAITING_MAX }, waiting),
                TrySendError::Closed(waiting) => (closed(), waiting),
            };
            waiting.newcomers.settle().await;
            return Err(refusal);
        }
        let Ok((verdict, newcomers)) = answered.await else {
            return Err(Refusal::OutcomeUnknown);
        };
        newcomers.settle().await;
        verdict
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
    entropy: SharedEntropy,
    standing: Standing,
    waiting: mpsc::Receiver<Waiting>,
    shown: watch::Sender<Standing>,
    keeper: Keeper,
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
            self.keeper.offer(&self.log, &self.standing);
            if gathered.is_empty()
                && self.waiting.recv_many(&mut gathered, BATCH_COMMANDS_MAX).await == 0
            {
                self.keeper.finish().await;
                return Ok(());
            }
            while gathered.len() < BATCH_COMMANDS_MAX
                && let Ok(waiting) = self.waiting.try_recv()
            {
                gathered.push(waiting);
            }
            let verdicts = self.serve(&mut gathered).await?;
            for (waiting, verdict) in gathered.drain(..verdicts.len()).zip(verdicts) {
                let Waiting { mut newcomers, answer, .. } = waiting;
                newcomers.may_be_logged(may_be_logged(&verdict));
                // Whoever has stopped waiting asks again with the same id.
                let _ = answer.send((verdict, newcomers));
            }
        }
    }

    /// Decides as many of those who wait as fit into a batch, at least one.
    async fn serve(
        &mut self,
        gathered: &mut [Waiting],
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
            // An append goes on when nobody waits for it any more.
            for waiting in &mut gathered[..batch.verdicts.len()] {
                waiting.newcomers.may_be_logged(true);
            }
            match turn.append(units, None).await {
                Ok(appended) => {
                    reached(Point::Appended);
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

fn may_be_logged(verdict: &Result<Answer, Refusal>) -> bool {
    matches!(verdict, Ok(Answer::Accepted(_)) | Err(Refusal::OutcomeUnknown))
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
