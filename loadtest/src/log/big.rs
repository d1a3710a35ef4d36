//! The large log, which takes a while to fill: it is made for the first row that needs it.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use carrel_log::EventLog;
use tempfile::TempDir;

use super::Session;
use crate::ours::{Filling, fill, open};
use crate::{Failure, clock, say};

/// Bytes on disk of one event at most, indexes and the next chunks included.
const BYTES_PER_EVENT_MAX: u64 = 1_000;
/// For everything else on that disk.
const RESERVE_BYTES: u64 = 4 * 1024 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Big(OnceCell<TempDir>);

impl Session<'_> {
    /// Where it is, closed in order.
    pub(super) fn big_log(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = self.big.0.get() {
            return Ok(dir.path().to_owned());
        }
        let events = self.arguments.events;
        self.place.needs(events * BYTES_PER_EVENT_MAX + RESERVE_BYTES)?;
        say(&format!("filling a log with {events} events"));
        let dir = self.place.fresh()?;
        let (took, filled) =
            clock::timed(|| filled(dir.path(), Filling { events, records: 1, seed: 1 }));
        filled?;
        let rate = events as f64 / took.as_secs_f64();
        say(&format!("filled in {:.0} s: {rate:.0} events/s", took.as_secs_f64()));
        Ok(self.big.0.get_or_init(|| dir).path().to_owned())
    }
}

/// Makes a log and closes it.
pub(super) fn filled(dir: &Path, filling: Filling) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let log = open(dir)?;
    runtime.block_on(async {
        fill(&log, filling).await?;
        Ok(log.close().await?)
    })
}
