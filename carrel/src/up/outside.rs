//! The world outside of the process, for parts that may not look at it themselves.

use std::time::{SystemTime, UNIX_EPOCH};

use carrel_decider::{Clock, Entropy};
use carrel_keys::{DrawnAhead, Entropy as _};
use carrel_model::record::Timestamp;
use uuid::{Builder, Uuid};

/// The machine's wall clock.
#[derive(Debug)]
pub(super) struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is the composition root")]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |it| -it),
        };
        Timestamp(micros)
    }
}

/// What the operating system draws.
#[derive(Debug, Default)]
pub(super) struct Drawn(DrawnAhead);

impl Entropy for Drawn {
    fn draw(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        // Without it no id is new, and nothing can be decided: rather no Carrel than a wrong one.
        if let Err(error) = self.0.fill(&mut bytes) {
            tracing::error!(%error, "the operating system gives no random bytes");
            std::process::abort();
        }
        bytes
    }
}

impl Drawn {
    pub(super) fn seed() -> u64 {
        let bytes = Self::default().draw();
        u64::from_be_bytes(std::array::from_fn(|at| bytes[at]))
    }
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn millis() -> u64 {
    u64::try_from(WallClock.now().0 / 1_000).unwrap_or_default()
}

/// Of version 7.
pub(super) fn fresh_id() -> Uuid {
    let drawn = Drawn::default().draw();
    let bytes = std::array::from_fn(|at| drawn[at]);
    Builder::from_unix_timestamp_millis(millis(), &bytes).into_uuid()
}
