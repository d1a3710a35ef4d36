//! Time as simulated hosts see it: the real one, or one that a test steps by hand.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cancel::{Cancel, Waited};

pub trait Timer: Send + Sync + Debug {
    /// Since it began.
    fn now(&self) -> Duration;

    /// Blocks until then, or until it is cancelled.
    fn wait_until(&self, then: Duration, cancel: &Cancel) -> Waited;
}

/// The real one.
#[derive(Clone, Copy, Debug)]
pub struct OsTimer {
    began: Instant,
    at: Duration,
}

impl OsTimer {
    pub fn begin() -> Self {
        Self::begin_at(Duration::ZERO)
    }

    /// Goes on from where another one was.
    #[expect(clippy::disallowed_methods, reason = "this is where real time comes in")]
    pub fn begin_at(at: Duration) -> Self {
        Self { began: Instant::now(), at }
    }
}

impl Timer for OsTimer {
    #[expect(clippy::disallowed_methods, reason = "this is where real time comes in")]
    fn now(&self) -> Duration {
        self.at + self.began.elapsed()
    }

    fn wait_until(&self, then: Duration, cancel: &Cancel) -> Waited {
        loop {
            let left = then.saturating_sub(self.now());
            if left.is_zero() {
                return Waited::Over;
            }
            if cancel.wait_for(left) == Waited::Cancelled {
                return Waited::Cancelled;
            }
        }
    }
}

/// Stands still until somebody steps it.
#[derive(Debug, Default)]
pub struct SteppedTimer(Mutex<Stepped>);

#[derive(Debug, Default)]
struct Stepped {
    now: Duration,
    waiting: Vec<Cancel>,
}

impl SteppedTimer {
    fn state(&self) -> MutexGuard<'_, Stepped> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn step(&self, by: Duration) {
        let waiting = {
            let mut state = self.state();
            state.now += by;
            std::mem::take(&mut state.waiting)
        };
        for cancel in &waiting {
            cancel.wake();
        }
    }
}

impl Timer for SteppedTimer {
    fn now(&self) -> Duration {
        self.state().now
    }

    fn wait_until(&self, then: Duration, cancel: &Cancel) -> Waited {
        cancel.wait_until(|| {
            let mut state = self.state();
            let over = state.now >= then;
            if !over {
                state.waiting.push(cancel.clone());
            }
            over
        })
    }
}
