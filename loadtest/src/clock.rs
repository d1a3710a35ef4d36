//! The one place that asks for the time.

use std::thread;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// For what happens in other processes, which can only be looked at again and again.
#[expect(clippy::disallowed_methods, reason = "other processes don't say when they are ready")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

/// How long something took, and what came of it.
pub(crate) fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let started = now();
    let result = run();
    (now() - started, result)
}
