//! Silence becomes commands: of leases, of places in queues, of hosts.
//!
//! Signs are counted elsewhere, and nobody has to be told when one comes: each is looked at a few
//! times within its allowance, and whoever has the same count as the last time was still since.
//! How long is counted in ticks, so that a process that was stopped for an hour has heard an hour
//! of nothing from nobody. A restart counts as a fresh sign.
//!
//! If many are still at once, it is rather the network that is silent than they. Then all are held
//! until signs come again, but not for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use carrel_bus::{Beat, BusError, Pulse};
use carrel_decider::Answer;
use carrel_model::clockwork::lapsed;
use carrel_model::fleet::Silence;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::asking::Asking;
use crate::counters::Counters;
use crate::limits::{
    HELD_TICKS, HELD_TICKS_MOST, LAPSES_AT_ONCE, LOOKS_PER_ALLOWANCE, STILL_FEW, STILL_PART, TICK,
};
use crate::touched::Shown;

pub(crate) struct Silences {
    shown: watch::Receiver<Shown>,
    pulse: Arc<dyn Pulse>,
    asking: Asking,
    counters: Arc<Counters>,
    listening: Listening,
}

impl Silences {
    pub(crate) fn new(
        shown: watch::Receiver<Shown>,
        pulse: Arc<dyn Pulse>,
        asking: Asking,
        counters: Arc<Counters>,
    ) -> Self {
        Self { shown, pulse, asking, counters, listening: Listening::default() }
    }

    pub(crate) async fn run(mut self) -> Result<(), JoinError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.tick().await? {
                // Whoever was not looked at in this tick is looked at in the next one.
                tracing::debug!(%error, "signs can't be read");
            }
        }
    }

    async fn tick(&mut self) -> Result<Result<(), BusError>, JoinError> {
        let silences = self.shown.borrow_and_update().standing.fleet.index.silences.clone();
        let over: Vec<Beat> = self.listening.follow(&silences).into_iter().map(Beat::Of).collect();
        if !over.is_empty()
            && let Err(error) = self.pulse.forget(&over).await
        {
            return Ok(Err(error));
        }
        let looked_at = self.listening.next_tick();
        if looked_at.is_empty() {
            return Ok(Ok(()));
        }
        let beats: Vec<Beat> = looked_at.iter().copied().map(Beat::Of).collect();
        let counts = match self.pulse.beats(&beats).await {
            Ok(counts) => counts,
            Err(error) => {
                self.listening.look_again(&looked_at);
                return Ok(Err(error));
            }
        };
        let ended = self.listening.look(looked_at.into_iter().zip(counts));
        for kind in &ended.held {
            self.counters.alarms();
            tracing::error!(
                kind = ?kind, alarm = true,
                "more than a fifth is silent at once: nothing is concluded from it for now"
            );
        }
        (0..ended.waiting).for_each(|_| self.counters.held());
        self.send(ended.lapsed).await.map(Ok)
    }

    async fn send(&mut self, silences: Vec<Silence>) -> Result<(), JoinError> {
        let mut answers = JoinSet::new();
        for silence in silences {
            let asking = self.asking.clone();
            let saying = asking.fresh(lapsed(silence));
            answers.spawn(async move { (silence, asking.ask(saying).await) });
        }
        while let Some(answered) = answers.join_next().await {
            let (silence, answer) = answered?;
            self.counters.clockwork_sent();
            match answer {
                // It ends with the fact, or has changed meanwhile, and is listened to as before.
                Ok(Answer::Accepted(_) | Answer::Known(_) | Answer::Unchanged { .. }) => {}
                Err(refused) => {
                    tracing::warn!(%refused, ?silence, "a silence came to nothing");
                }
            }
        }
        Ok(())
    }
}

/// Of what silence is. Those of one kind fall silent together, when something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Lease,
    Place,
    Worker,
}

const fn kind(silence: Silence) -> Kind {
    match silence {
        Silence::Lease(_) => Kind::Lease,
        Silence::Place(_) => Kind::Place,
        Silence::Worker(_) => Kind::Worker,
    }
}

/// Who is listened to, and for how long each was still. Nothing here waits or is read from
/// anywhere.
#[derive(Debug, Default)]
struct Listening {
    tick: u64,
    /// As the fleet last had them.
    known: OrdMap<Silence, u32>,
    each: BTreeMap<Silence, Still>,
    /// When each is looked at next.
    looks: BTreeSet<(u64, Silence)>,
    kinds: BTreeMap<Kind, OfKind>,
}

#[derive(Clone, Copy, Debug)]
struct Still {
    allowance: u64,
    /// What was counted at the last look. Nothing before the first.
    count: Option<Option<u64>>,
    since: u64,
    look: u64,
    /// It was still for more than half of its allowance at the last look.
    long: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfKind {
    all: usize,
    long: usize,
    /// Since when all of the kind are held.
    held_since: Option<u64>,
}

/// What came of a look.
#[derive(Debug, Default)]
struct Ended {
    lapsed: Vec<Silence>,
    /// Kinds that are held from now on.
    held: Vec<Kind>,
    /// So many would have lapsed.
    waiting: usize,
}

impl OfKind {
    fn are_suspiciously_still(self) -> bool {
        self.long > STILL_FEW && self.long > self.all / STILL_PART
    }
}

impl Listening {
    /// Takes over what the fleet listens to now, and answers those who are no longer listened to.
    fn follow(&mut self, silences: &OrdMap<Silence, u32>) -> Vec<Silence> {
        let before = std::mem::replace(&mut self.known, silences.clone());
        let mut over = Vec::new();
        for change in before.diff(silences) {
            match change {
                DiffItem::Add(silence, allowance) => self.begin(*silence, *allowance),
                DiffItem::Update { old: _, new: (silence, allowance) } => {
                    self.end(*silence);
                    self.begin(*silence, *allowance);
                }
                DiffItem::Remove(silence, _) => {
                    self.end(*silence);
                    over.push(*silence);
                }
            }
        }
        over
    }

    fn begin(&mut self, silence: Silence, allowance: u32) {
        let (allowance, since) = (u64::from(allowance.max(1)), self.tick);
        let look = since + step(allowance);
        self.each.insert(silence, Still { allowance, count: None, since, look, long: false });
        self.looks.insert((look, silence));
        self.kinds.entry(kind(silence)).or_default().all += 1;
    }

    fn end(&mut self, silence: Silence) {
        let Some(still) = self.each.remove(&silence) else { return };
        self.looks.remove(&(still.look, silence));
        let of_kind = self.kinds.entry(kind(silence)).or_default();
        of_kind.all -= 1;
        of_kind.long -= usize::from(still.long);
    }

    /// A tick later: those who are to be looked at now.
    fn next_tick(&mut self) -> Vec<Silence> {
        self.tick += 1;
        let mut now = Vec::new();
        while let Some((look, silence)) = self.looks.first().copied()
            && look <= self.tick
        {
            self.looks.pop_first();
            now.push(silence);
        }
        now
    }

    /// They could not be looked at.
    fn look_again(&mut self, silences: &[Silence]) {
        silences.iter().for_each(|silence| self.look_in(*silence, 1));
    }

    fn look_in(&mut self, silence: Silence, ticks: u64) {
        let look = self.tick + ticks;
        if let Some(still) = self.each.get_mut(&silence) {
            still.look = look;
            self.looks.insert((look, silence));
        }
    }

    /// Looks at what was counted of each, and says who was still for too long.
    fn look(&mut self, counted: impl Iterator<Item = (Silence, Option<u64>)>) -> Ended {
        let still_too_long: Vec<Silence> = counted
            .filter(|(silence, count)| self.is_too_long(*silence, *count))
            .map(|(silence, _)| silence)
            .collect();
        let mut ended = Ended::default();
        for kind in [Kind::Lease, Kind::Place, Kind::Worker] {
            self.hold(kind, &mut ended);
        }
        for silence in still_too_long {
            if self.is_held(kind(silence)) {
                ended.waiting += 1;
                self.look_in(silence, HELD_TICKS);
            } else if ended.lapsed.len() >= LAPSES_AT_ONCE {
                self.look_in(silence, 1);
            } else {
                // If nothing comes of it, as for one that was just heard.
                self.heard(silence);
                ended.lapsed.push(silence);
            }
        }
        ended
    }

    fn is_too_long(&mut self, silence: Silence, count: Option<u64>) -> bool {
        let Some(still) = self.each.get_mut(&silence) else { return false };
        // What was counted before anybody looked says nothing about when.
        if still.count != Some(count) {
            still.count = Some(count);
            self.heard(silence);
            return false;
        }
        let ticks = self.tick - still.since;
        let (allowance, was_long) = (still.allowance, still.long);
        still.long = ticks * 2 > allowance;
        if still.long && !was_long {
            self.kinds.entry(kind(silence)).or_default().long += 1;
        }
        if ticks < allowance {
            self.look_in(silence, step(allowance).min(allowance - ticks));
        }
        ticks >= allowance
    }

    fn heard(&mut self, silence: Silence) {
        let tick = self.tick;
        let Some(still) = self.each.get_mut(&silence) else { return };
        let (was_long, allowance) = (still.long, still.allowance);
        (still.since, still.long) = (tick, false);
        if was_long {
            self.kinds.entry(kind(silence)).or_default().long -= 1;
        }
        self.look_in(silence, step(allowance));
    }

    /// Begins to hold a kind, goes on, or ends.
    fn hold(&mut self, kind: Kind, ended: &mut Ended) {
        let tick = self.tick;
        let Some(of_kind) = self.kinds.get_mut(&kind) else { return };
        if !of_kind.are_suspiciously_still() {
            of_kind.held_since = None;
        } else if of_kind.held_since.is_none() {
            of_kind.held_since = Some(tick);
            ended.held.push(kind);
        }
    }

    fn is_held(&self, kind: Kind) -> bool {
        let since = self.kinds.get(&kind).and_then(|of_kind| of_kind.held_since);
        since.is_some_and(|since| self.tick - since < HELD_TICKS_MOST)
    }
}

/// The ticks between two looks.
fn step(allowance: u64) -> u64 {
    (allowance / u64::from(LOOKS_PER_ALLOWANCE)).max(1)
}

#[cfg(test)]
mod tests;
