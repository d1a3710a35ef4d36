//! How a step that nobody wants any more is told so.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<(Mutex<bool>, Condvar)>);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is so, or the time is over.
    Over,
    Cancelled,
}

impl Cancel {
    pub fn new() -> Self {
        Self::default()
    }

    fn flag(&self) -> MutexGuard<'_, bool> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For good.
    pub fn cancel(&self) {
        *self.flag() = true;
        self.0.1.notify_all();
    }

    pub fn is_cancelled(&self) -> bool {
        *self.flag()
    }

    /// Lets whoever waits look again.
    pub fn wake(&self) {
        // Held for a moment, so that nobody is between looking and waiting.
        drop(self.flag());
        self.0.1.notify_all();
    }

    /// Waits until this is so. Whoever makes it so calls [`Cancel::wake`].
    pub fn wait_until(&self, mut so: impl FnMut() -> bool) -> Waited {
        let mut flag = self.flag();
        loop {
            if *flag {
                return Waited::Cancelled;
            }
            if so() {
                return Waited::Over;
            }
            flag = self.0.1.wait(flag).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits so long at most; somebody may have woken it before.
    pub fn wait_for(&self, at_most: Duration) -> Waited {
        let flag = self.flag();
        if *flag {
            return Waited::Cancelled;
        }
        let waited = self.0.1.wait_timeout(flag, at_most);
        let (flag, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *flag { Waited::Cancelled } else { Waited::Over }
    }
}
