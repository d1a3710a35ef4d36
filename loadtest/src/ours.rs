//! Carrel's log.

use std::path::Path;
use std::sync::Arc;

use carrel_log::disk::OsDisk;
use carrel_log::embedded::{CHUNK_BYTES_DEFAULT, EmbeddedLog, Options, RESERVE_BYTES_DEFAULT};
use carrel_log::{EventLog, Expected};
use carrel_model::ids::LogId;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Failure;
use crate::events::Source;
use crate::load::{Load, Sample, Writer, metered, together};
use crate::place::Place;
use crate::store::Store;

/// Opens as the server does.
pub(crate) fn open(dir: &Path) -> Result<Arc<EmbeddedLog>, Failure> {
    let options = Options {
        new_log_id: LogId::new(Uuid::from_u128(1)),
        chunk_bytes: CHUNK_BYTES_DEFAULT,
        reserve_bytes: RESERVE_BYTES_DEFAULT,
        owner: String::from("the load test"),
        catalogue: None,
    };
    Ok(Arc::new(EmbeddedLog::open(Arc::new(OsDisk), dir, options)?))
}

#[derive(Debug)]
pub(crate) struct Ours;

impl Store for Ours {
    fn name(&self) -> &'static str {
        "Carrel"
    }

    fn does(&self) -> &'static str {
        "checks the command id, gives position and version, chains SHA-256, indexes; one fdatasync \
         for all that gathered meanwhile"
    }

    fn appends(&self, load: &Load, place: &Place) -> Result<Sample, Failure> {
        let dir = place.fresh()?;
        let runtime = load.runtime()?;
        let log = open(dir.path())?;
        let sample = appends_to(&log, &runtime, load)?;
        runtime.block_on(log.close())?;
        Ok(sample)
    }
}

/// Has writers append to a log that may hold events already.
pub(crate) fn appends_to(
    log: &Arc<EmbeddedLog>,
    runtime: &Runtime,
    load: &Load,
) -> Result<Sample, Failure> {
    let mut source = Source::new(load.seed)?;
    let writers = (0..load.writers)
        .map(|_| Appender { log: Arc::clone(log), source: source.split() })
        .collect();
    let before = log.activity().syncs;
    let mut all = 0;
    let sample = metered(&Load { count_syncs: false, ..*load }, None, |span| {
        let tally = runtime.block_on(together(span, writers))?;
        all = tally.all;
        Ok(tally)
    })?;
    let syncs = (log.activity().syncs - before) as f64 / all as f64;
    Ok(Sample { syncs: Some(syncs), ..sample })
}

struct Appender {
    log: Arc<EmbeddedLog>,
    source: Source,
}

impl Writer for Appender {
    async fn append(&mut self) -> Result<(), Failure> {
        let unit = self.source.unit(1);
        self.log.append(Expected::Any, vec![unit]).await?;
        Ok(())
    }
}

/// What to fill a log with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling {
    pub(crate) events: u64,
    /// Events of one command.
    pub(crate) records: usize,
    pub(crate) seed: u64,
}

/// Appends the largest batches that the log takes, two at a time, so that one is encoded while the
/// other is made durable.
pub(crate) async fn fill(log: &Arc<EmbeddedLog>, filling: Filling) -> Result<(), Failure> {
    const FILLERS: u64 = 2;
    let mut source = Source::new(filling.seed)?;
    let mut tasks = JoinSet::new();
    for nth in 0..FILLERS {
        let (log, mut source) = (Arc::clone(log), source.split());
        let mut left = filling.events / FILLERS + u64::from(nth < filling.events % FILLERS);
        tasks.spawn(async move {
            while left > 0 {
                let units = source.batch(left, filling.records);
                let events: usize = units.iter().map(|unit| unit.records.len()).sum();
                left = left.saturating_sub(events as u64);
                log.append(Expected::Any, units).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(filled) = tasks.join_next().await {
        filled??;
    }
    Ok(())
}

/// How many bytes the log writes for one event.
pub(crate) fn frame_bytes(place: &Place) -> Result<usize, Failure> {
    let dir = place.fresh()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let log = open(dir.path())?;
    let unit = Source::new(0)?.unit(1);
    runtime.block_on(log.append(Expected::Any, vec![unit]))?;
    let bytes = log.activity().bytes;
    runtime.block_on(log.close())?;
    Ok(usize::try_from(bytes)?)
}
