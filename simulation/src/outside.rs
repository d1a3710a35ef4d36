//! What comes in from outside: a clock that goes with the runtime's time, and bytes from a seed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use carrel_driver::sim::Timer;
use carrel_driver::{Cancel, Waited};
use carrel_keys::entropy::EntropyError;
use carrel_model::record::Timestamp;
use carrel_testkit::random::Random;
use carrel_testkit::site::BEGINNING;
use tokio::time::Instant;

/// What nobody can have left half-way.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When a run begins: made-up commands name times of the first day, and most are over by then, so
/// that few of them keep anything waiting for hours.
const BEGINS_AFTER_SECONDS: u32 = 22 * 3_600;

/// Time of a run, which passes only while nobody has anything to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    begun: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the runtime's time is the run's")]
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now() }
    }

    pub(crate) fn passed(self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn now(self) -> Timestamp {
        let passed = i64::try_from(self.passed().as_micros()).unwrap_or(i64::MAX);
        Timestamp(BEGINNING.plus_seconds(BEGINS_AFTER_SECONDS).0.saturating_add(passed))
    }

    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.now().0 / 1_000).unwrap_or_default()
    }
}

impl carrel_decider::Clock for Clock {
    fn now(&self) -> Timestamp {
        (*self).now()
    }
}

impl Timer for Clock {
    fn now(&self) -> Duration {
        self.passed()
    }

    /// Nobody waits here: steps take their time before they are begun.
    fn wait_until(&self, _: Duration, _: &Cancel) -> Waited {
        Waited::Over
    }
}

/// Bytes from a seed. Clones draw from one and the same source.
#[derive(Clone, Debug)]
pub(crate) struct Seeded(Arc<Mutex<Random>>);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Random::new(seed))))
    }
}

impl carrel_decider::Entropy for Seeded {
    fn draw(&mut self) -> [u8; 16] {
        locked(&self.0).bytes()
    }
}

impl carrel_keys::Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut random = locked(&self.0);
        for part in bytes.chunks_mut(16) {
            part.copy_from_slice(&random.bytes()[..part.len()]);
        }
        Ok(())
    }
}
