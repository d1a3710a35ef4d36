//! What takes part in a contest.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::figures::Spread;
use crate::load::{Load, Sample};
use crate::place::Place;
use crate::{Failure, say};

/// Something that keeps events durably.
pub(crate) trait Store {
    fn name(&self) -> &'static str;

    /// What it does with an event before it acknowledges it.
    fn does(&self) -> &'static str;

    /// Has so many writers append to a new, empty store for a while.
    fn appends(&self, load: &Load, place: &Place) -> Result<Sample, Failure>;
}

/// What a store did in all rounds.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) name: &'static str,
    pub(crate) does: &'static str,
    pub(crate) samples: Vec<Sample>,
    /// For one event, if they were counted in a turn of their own.
    syncs: Option<f64>,
}

impl Standing {
    pub(crate) fn rates(&self) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample.rate).collect())
    }

    /// How many times the rate of another, round by round.
    pub(crate) fn times(&self, other: &Self) -> Spread {
        let pairs = self.samples.iter().zip(&other.samples);
        Spread::of(pairs.map(|(mine, theirs)| mine.rate / theirs.rate).collect())
    }

    pub(crate) fn waited(&self) -> Result<Histogram<u64>, Failure> {
        let mut all = Histogram::new(3)?;
        for sample in &self.samples {
            all.add(&sample.waited)?;
        }
        Ok(all)
    }

    pub(crate) fn cpu(&self) -> Duration {
        let cpu = self.samples.iter().map(|sample| sample.cpu.as_secs_f64()).collect();
        Duration::from_secs_f64(Spread::of(cpu).median)
    }

    pub(crate) fn syncs(&self) -> Option<f64> {
        let own: Option<Vec<f64>> = self.samples.iter().map(|sample| sample.syncs).collect();
        own.map(|syncs| Spread::of(syncs).median).or(self.syncs)
    }
}

/// Each in turn, round after round, so that what the machine does meanwhile meets all of them.
/// Syncs are counted in a turn after that, because whoever is traced is slow.
pub(crate) fn contest(
    stores: &[Box<dyn Store>],
    load: &Load,
    rounds: usize,
    place: &Place,
) -> Result<Vec<Standing>, Failure> {
    let mut standings: Vec<Standing> = stores
        .iter()
        .map(|store| Standing {
            name: store.name(),
            does: store.does(),
            samples: Vec::new(),
            syncs: None,
        })
        .collect();
    for round in 1..=rounds {
        for (store, standing) in stores.iter().zip(&mut standings) {
            let seed = load.seed + round as u64;
            let sample = store
                .appends(&Load { seed, count_syncs: false, ..*load }, place)
                .map_err(|error| format!("{}: {error}", store.name()))?;
            let (writers, name) = (load.writers, store.name());
            say(&format!(
                "round {round}/{rounds}, {writers} writers, {name}: {:.0}/s",
                sample.rate
            ));
            standing.samples.push(sample);
        }
    }
    for (store, standing) in stores.iter().zip(&mut standings).filter(|_| load.count_syncs) {
        standing.syncs = store.appends(load, place)?.syncs;
    }
    Ok(standings)
}
