//! When a process is killed: at any step from one durable thing to the next.

use std::sync::Mutex;

use carrel_testkit::random::Random;
use tokio::sync::Notify;

use crate::outside::locked;
use crate::rates::MOMENTS_BETWEEN_KILLS;

/// Whose step it is, so that whoever is stuck at it is among those who are killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    Decider,
    Relay,
    Workers,
}

/// A step. Some have a moment before and one after what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    Append,
    Appended,
    Publish,
    Published,
    Cursor,
    CursorSaved,
    Consumed,
    Done,
    Ledger,
    Entered,
    Step,
    Stepped,
}

/// A kill that is to come about now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    pub whose: Whose,
    pub moment: Moment,
}

#[derive(Debug)]
pub(crate) struct Fate {
    state: Mutex<State>,
    struck: Notify,
}

#[derive(Debug)]
struct State {
    random: Random,
    /// Nothing goes wrong any more, or not yet.
    calm: bool,
    left: u64,
    struck: Option<Struck>,
}

impl Fate {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let left = 1 + random.below(MOMENTS_BETWEEN_KILLS);
        let state = State { random, calm: true, left, struck: None };
        Self { state: Mutex::new(state), struck: Notify::new() }
    }

    pub(crate) fn calms(&self, calm: bool) {
        locked(&self.state).calm = calm;
    }

    /// One in so many, unless nothing goes wrong.
    pub(crate) fn chance(&self, one_in: u64) -> bool {
        let mut state = locked(&self.state);
        !state.calm && state.random.chance(one_in)
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        locked(&self.state).random.below(bound)
    }

    /// Whether somebody is killed at this moment.
    pub(crate) fn strikes(&self, whose: Whose, moment: Moment) -> bool {
        let mut state = locked(&self.state);
        if state.calm || state.struck.is_some() {
            return false;
        }
        state.left -= 1;
        if state.left > 0 {
            return false;
        }
        state.left = 1 + state.random.below(MOMENTS_BETWEEN_KILLS);
        state.struck = Some(Struck { whose, moment });
        drop(state);
        self.struck.notify_one();
        true
    }

    /// Who is killed here never comes back.
    pub(crate) async fn passes(&self, whose: Whose, moment: Moment) {
        if self.strikes(whose, moment) {
            std::future::pending::<()>().await;
        }
    }

    /// Returns when somebody is to be killed.
    pub(crate) async fn is_struck(&self) -> Struck {
        loop {
            let struck = locked(&self.state).struck;
            match struck {
                Some(struck) => return struck,
                None => self.struck.notified().await,
            }
        }
    }

    /// They are dead.
    pub(crate) fn is_done(&self) {
        locked(&self.state).struck = None;
    }
}
