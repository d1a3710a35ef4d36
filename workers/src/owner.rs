//! One thing that has something to do, and the one task that does it.
//!
//! ```text
//!   look --> next --> enter --> step --> look ...      until nothing is left to do
//!     ^                          |
//!     +-- something newer -------+   a step that is not wanted any more has a moment to end
//! ```
//!
//! The queue in front of it is one long: the newest order, which is in the ledger. Nobody else says
//! anything about the thing, so nothing is said of it that is older than what was said before.

use std::sync::Arc;
use std::time::Duration;

use carrel_driver::{Cancel, Doing, Done, Hope, Seen, Step, Trouble};
use carrel_failpoint::{Point, reached};
use carrel_model::contract::Order;
use carrel_model::ids::MachineId;
use carrel_model::image;
use carrel_model::machine::{Outcome, PauseReason, Reported};
use carrel_model::operation::Failure;
use carrel_model::text::Text;
use carrel_model::work::Thing;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::entry::{Age, Change, Entry};
use crate::error::WorkerError;
use crate::lanes::{Width, width};
use crate::limits::{FAST_STEP_MAX, STEPS_MAX, SUPERSEDED_GRACE, TRIES_MAX, UNREACHABLE_AGAIN};
use crate::news::news;
use crate::plan::{self, Doable, Fails, Next};
use crate::shared::Shared;
use crate::wanted::{epoch, is_last, is_told, removed, said, wants_the_same};

pub(crate) struct Owner {
    shared: Arc<Shared>,
    thing: Thing,
    /// Changes when somebody has something for this thing.
    nudged: watch::Receiver<u64>,
    /// Of the step that was tried last.
    tries: u32,
    /// Since the newest order.
    steps: u32,
    age: Option<Age>,
    /// What is entered with whatever is entered next.
    unentered: Vec<Change>,
}

/// Whether the owner goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    /// Nothing is left to do, or it has to wait for something to happen.
    Rests,
}

impl Owner {
    pub(crate) fn new(shared: Arc<Shared>, thing: Thing, nudged: watch::Receiver<u64>) -> Self {
        let unentered = Vec::new();
        Self { shared, thing, nudged, tries: 0, steps: 0, age: None, unentered }
    }

    /// Returns the nudge that it has heeded last.
    pub(crate) async fn run(mut self) -> Result<u64, WorkerError> {
        loop {
            let heeded = *self.nudged.borrow_and_update();
            let goes = if self.shared.is_stopping() { Goes::Rests } else { self.advance().await? };
            if goes == Goes::Rests {
                let left = std::mem::take(&mut self.unentered);
                if !left.is_empty() {
                    self.shared.enter(self.thing, left).await?;
                }
                return Ok(heeded);
            }
        }
    }

    async fn advance(&mut self) -> Result<Goes, WorkerError> {
        let Some(entry) = self.shared.entry(self.thing) else { return Ok(Goes::Rests) };
        if self.age != Some(entry.age()) {
            self.age = Some(entry.age());
            (self.tries, self.steps) = (0, 0);
        }
        let look = plan::look(self.thing, entry.order.as_deref(), &entry);
        let seen = match self.shared.lanes.ask(move |driver| driver.observe(&look)).await {
            Ok(seen) => seen,
            Err(trouble) => return self.trouble(&entry, None, trouble).await,
        };
        if let Some(goes) = self.tell_news(&entry, &seen).await? {
            return Ok(goes);
        }
        let Some(order) = entry.order.as_deref() else { return self.clear_up(&entry, &seen).await };
        self.steps += 1;
        if self.steps > STEPS_MAX {
            let failure = Failure::new("worker", "its work goes round in circles");
            return self.give_up(&entry, Fails::Work, failure).await;
        }
        match plan::next(self.thing, order, (&seen, &entry), &*self.shared) {
            Next::Do(doable) => self.perform(&entry, order, *doable).await,
            Next::Say(what) => {
                let last = is_last(&what).then(|| Change::Settled(entry.age()));
                let and = last.into_iter().collect();
                self.say(&entry, vec![what], and).await?;
                Ok(Goes::On)
            }
            Next::Note(act) => {
                let step = "not_needed".to_owned();
                let note = Change::Begins { step, act: Some(act) };
                self.enter(vec![note, ended()]).await?;
                Ok(Goes::On)
            }
            Next::Wait(what) => {
                tracing::debug!(thing = ?self.thing, what, "work waits");
                Ok(Goes::Rests)
            }
            Next::Fail(failure) => self.give_up(&entry, Fails::Work, failure).await,
            Next::Settled => {
                self.enter(vec![Change::Settled(entry.age())]).await?;
                Ok(Goes::On)
            }
        }
    }

    /// What happened by itself is said before anything is done. While a machine moves or goes away,
    /// its host can't tell an end from a departure.
    async fn tell_news(&mut self, entry: &Entry, seen: &Seen) -> Result<Option<Goes>, WorkerError> {
        let Thing::Machine(id) = self.thing else { return Ok(None) };
        if !is_told(entry.order.as_deref()) {
            return Ok(None);
        }
        let news = news(entry, seen.domain.as_ref());
        if news.is_empty() {
            return Ok(None);
        }
        let stands_still = news.contains(&Outcome::Paused { reason: PauseReason::Io });
        let news = news.into_iter().map(|outcome| Reported::Machine { id, outcome });
        self.say(entry, news.collect(), Vec::new()).await?;
        if stands_still {
            self.raise_alarm(id).await;
        }
        Ok(Some(Goes::On))
    }

    /// Somebody has to make room, or to mend a storage, before the machine can be resumed.
    async fn raise_alarm(&self, id: MachineId) {
        let said = self.shared.lanes.ask(move |driver| driver.guest(id)).await;
        let why = said.map(|guest| guest.disk_errors).unwrap_or_default();
        let why = why.iter().map(Text::as_str).collect::<Vec<_>>().join("; ");
        tracing::error!(machine.id = %id, why, "a guest stands still: its disk has failed it");
    }

    /// What a run has left behind goes also when nobody has asked for anything.
    async fn clear_up(&mut self, entry: &Entry, seen: &Seen) -> Result<Goes, WorkerError> {
        let Some(step) = plan::leftovers(self.thing, seen) else { return Ok(Goes::Rests) };
        if let Err(trouble) = self.clear((self.doing(entry), step)).await {
            tracing::warn!(thing = ?self.thing, error = %trouble, "files were not cleared up");
            return Ok(Goes::Rests);
        }
        Ok(Goes::On)
    }

    /// Nobody has asked for it: whatever is asked for meanwhile goes before.
    async fn clear(&mut self, step: (Doing, Step)) -> Result<Done, Trouble> {
        let (cancel, shared) = (Cancel::new(), Arc::clone(&self.shared));
        let advance = shared.steps.advance(self.thing);
        let cleared = shared.lanes.step(step, advance, cancel.clone());
        tokio::pin!(cleared);
        tokio::select! {
            biased;
            cleared = &mut cleared => return cleared,
            _ = self.nudged.changed() => {}
            () = sleep(FAST_STEP_MAX) => {}
        }
        cancel.cancel();
        cleared.await
    }

    fn doing(&self, entry: &Entry) -> Doing {
        let boot_epoch = entry.order.as_deref().map_or(0, epoch);
        Doing { thing: self.thing, generation: entry.generation, boot_epoch }
    }

    async fn enter(&mut self, changes: Vec<Change>) -> Result<(), WorkerError> {
        let mut all = std::mem::take(&mut self.unentered);
        all.extend(changes);
        self.shared.enter(self.thing, all).await
    }

    async fn say(
        &mut self,
        entry: &Entry,
        what: Vec<Reported>,
        and: Vec<Change>,
    ) -> Result<(), WorkerError> {
        let left = std::mem::take(&mut self.unentered);
        if !left.is_empty() {
            self.shared.ledger.note(self.shared.host, self.thing, left).await?;
        }
        self.shared.say(self.thing, (entry, what), and).await
    }

    async fn perform(
        &mut self,
        entry: &Entry,
        order: &Order,
        doable: Doable,
    ) -> Result<Goes, WorkerError> {
        let Doable { step, act, then, fails, makes } = doable;
        let kind = step.kind();
        let width = width(kind);
        let shared = Arc::clone(&self.shared);
        let place = tokio::select! {
            biased;
            place = shared.lanes.place(width) => place,
            // Something newer may want something else.
            _ = self.nudged.changed() => return Ok(Goes::On),
        };
        let _place = match place {
            Ok(place) => place,
            Err(trouble) => return self.trouble(entry, Some(fails), trouble).await,
        };
        if self.is_superseded(entry, order, width) {
            return Ok(Goes::On);
        }
        let removed = removed(&step);
        self.enter(vec![Change::Begins { step: kind.word().to_owned(), act }]).await?;
        reached(Point::StepEntered);
        if width == Width::Bulk {
            shared.steps.begins(self.thing, kind.word(), order.operation);
        }
        let done = self.do_it((entry, order), step, width).await;
        if width == Width::Bulk {
            shared.steps.ends(self.thing);
        }
        reached(Point::StepDone);
        match done {
            Ok(done) => {
                self.tries = 0;
                let made = makes.into_iter().collect();
                self.unentered.push(Change::Ends { made, removed });
                if let Some(what) = said(self.thing, &then, &done) {
                    self.say(entry, vec![what], Vec::new()).await?;
                }
                Ok(Goes::On)
            }
            Err(trouble) => {
                self.unentered.push(ended());
                if act.is_some() && fails == Fails::Nothing && trouble.hope != Hope::Unreachable {
                    tracing::warn!(thing = ?self.thing, error = %trouble, "it was not done");
                    return Ok(Goes::On);
                }
                self.trouble(entry, Some(fails), trouble).await
            }
        }
    }

    /// Waits for the step, for as long as it is wanted.
    async fn do_it(
        &mut self,
        (entry, order): (&Entry, &Order),
        step: Step,
        width: Width,
    ) -> Result<Done, Trouble> {
        let cancel = Cancel::new();
        let word = step.kind().word();
        let advance = self.shared.steps.advance(self.thing);
        let shared = Arc::clone(&self.shared);
        let doing = (self.doing(entry), step);
        let done = shared.lanes.step(doing, advance, cancel.clone());
        let longest = sleep(width.longest());
        let grace = sleep(Duration::ZERO);
        tokio::pin!(done, longest, grace);
        let (mut is_late, mut superseded) = (false, false);
        loop {
            tokio::select! {
                biased;
                done = &mut done => {
                    return match done {
                        Err(trouble) if trouble.hope == Hope::Cancelled && is_late => {
                            Err(Trouble::again(word, "it took too long, and was given up"))
                        }
                        done => done,
                    };
                }
                () = &mut longest, if !is_late => {
                    is_late = true;
                    cancel.cancel();
                }
                changed = self.nudged.changed(), if !superseded => {
                    superseded = changed.is_err() || self.is_superseded(entry, order, width);
                    grace.set(sleep(SUPERSEDED_GRACE));
                }
                () = &mut grace, if superseded && !cancel.is_cancelled() => cancel.cancel(),
            }
        }
    }

    /// Something newer was asked for. A long step goes on if that wants it as well.
    fn is_superseded(&self, entry: &Entry, order: &Order, width: Width) -> bool {
        self.shared.ledger.look(self.shared.host, self.thing, |now| {
            let Some(now) = now.filter(|now| now.age() != entry.age()) else { return false };
            let wanted = now.order.as_deref().is_some_and(|newer| wants_the_same(order, newer));
            width != Width::Bulk || !wanted
        })
    }

    async fn trouble(
        &mut self,
        entry: &Entry,
        fails: Option<Fails>,
        trouble: Trouble,
    ) -> Result<Goes, WorkerError> {
        let again = match trouble.hope {
            Hope::Cancelled => return Ok(Goes::On),
            Hope::Unreachable => Some(UNREACHABLE_AGAIN),
            Hope::Again => {
                self.tries += 1;
                (self.tries < TRIES_MAX).then(|| Duration::from_secs(1 << (self.tries - 1)))
            }
            Hope::Never => None,
        };
        match (again, fails) {
            (Some(pause), _) => {
                tracing::debug!(thing = ?self.thing, error = %trouble, "tried again later");
                self.pause(pause).await;
                Ok(Goes::On)
            }
            (None, Some(fails)) => self.give_up(entry, fails, trouble.failure).await,
            // It can't even be looked at.
            (None, None) if entry.order.is_some() => {
                self.give_up(entry, Fails::Work, trouble.failure).await
            }
            (None, None) => Ok(Goes::Rests),
        }
    }

    /// Something newer, or the end, is not kept waiting.
    async fn pause(&mut self, at_most: Duration) {
        let mut stop = self.shared.stop.clone();
        tokio::select! {
            biased;
            () = sleep(at_most) => {}
            _ = self.nudged.changed() => {}
            _ = stop.changed() => {}
        }
    }

    async fn give_up(
        &mut self,
        entry: &Entry,
        fails: Fails,
        failure: Failure,
    ) -> Result<Goes, WorkerError> {
        tracing::warn!(thing = ?self.thing, generation = entry.generation,
            code = %failure.code, detail = %failure.detail, "work failed");
        self.tries = 0;
        let gave_up = || vec![Change::GaveUp(entry.age())];
        let (what, and) = match (self.thing, fails) {
            (Thing::Machine(id), Fails::Snapshot(snapshot)) => {
                let outcome = Outcome::SnapshotFailed { snapshot, failure };
                (vec![Reported::Machine { id, outcome }], Vec::new())
            }
            (Thing::Machine(id), Fails::Migration) => {
                let outcome = Outcome::MigrationFailed { failure };
                (vec![Reported::Machine { id, outcome }], Vec::new())
            }
            (Thing::Machine(id), Fails::Work | Fails::ImageFile(_) | Fails::Nothing) => {
                // Nobody waits for a snapshot that can't be looked after any more.
                let snapshot = plan::snapshot_at_work(entry);
                let failed = snapshot.map(|snapshot| {
                    let failure = failure.clone();
                    Outcome::SnapshotFailed { snapshot, failure }
                });
                let outcomes = failed.into_iter().chain([Outcome::Failed { failure }]);
                (outcomes.map(|outcome| Reported::Machine { id, outcome }).collect(), gave_up())
            }
            (Thing::Image(id), Fails::ImageFile(file)) => {
                let outcome = image::Outcome::FileFailed { file, failure };
                (vec![Reported::Image { id, outcome }], Vec::new())
            }
            // Nobody is told: it is ordered again as long as something is awaited.
            (
                Thing::Image(_),
                Fails::Work | Fails::Nothing | Fails::Snapshot(_) | Fails::Migration,
            ) => (Vec::new(), gave_up()),
        };
        if what.is_empty() {
            self.enter(and).await?;
        } else {
            self.say(entry, what, and).await?;
        }
        Ok(Goes::On)
    }
}

const fn ended() -> Change {
    Change::Ends { made: Vec::new(), removed: Vec::new() }
}
