//! Whether a log gets slower as it grows.

use std::path::Path;

use carrel_log::EventLog;
use serde_json::json;

use super::Session;
use super::big::filled;
use crate::figures::{Goal, Spread};
use crate::load::{Load, Sample};
use crate::ours::{Filling, appends_to, open};
use crate::report::{Section, Table, number};
use crate::{Failure, say};

const WRITERS: usize = 128;
const SMALL: u64 = 100_000;

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let big = session.big_log()?;
    let (mut few, mut many) = (Turns::default(), Turns::default());
    for round in 1..=session.rounds() {
        let load = session.load(WRITERS);
        let load = Load { seed: load.seed + 100 + round as u64, ..load };
        let small = session.place.fresh()?;
        filled(small.path(), Filling { events: SMALL, records: 1, seed: 4 })?;
        // Whoever comes second finds the disk busier.
        if round % 2 == 1 {
            few.add(&appends(small.path(), &load)?);
        }
        many.add(&appends(&big, &load)?);
        if round % 2 == 0 {
            few.add(&appends(small.path(), &load)?);
        }
        let (few, many) = (few.rates[round - 1], many.rates[round - 1]);
        say(&format!("round {round}, growth: {few:.0}/s and {many:.0}/s"));
    }
    let pairs = many.rates.iter().zip(&few.rates);
    let times = Spread::of(pairs.map(|(many, few)| many / few).collect());
    let row = |events: u64, turns: &Turns| {
        let (rates, cpu) = (Spread::of(turns.rates.clone()), Spread::of(turns.cpu_micros.clone()));
        let range = format!("{}..{}", number(rates.min), number(rates.max));
        vec![number(events as f64), number(rates.median), range, number(cpu.median)]
    };
    let table = Table {
        title: format!("Appends of {WRITERS} writers to a log that holds so many events"),
        notes: Vec::new(),
        columns: vec!["events before", "events/s", "min..max", "CPU µs/event"],
        rows: vec![row(SMALL, &few), row(session.arguments.events, &many)],
    };
    let goals = vec![Goal::at_least(
        0.9,
        "x",
        format!(
            "appends at {} events ÷ at {}",
            number(session.arguments.events as f64),
            number(SMALL as f64)
        ),
        times.median,
    )];
    let figures = json!({
        "few_per_second": few.rates, "many_per_second": many.rates,
        "few_cpu_micros_per_event": few.cpu_micros, "many_cpu_micros_per_event": many.cpu_micros,
    });
    Ok(Section { name: "growth", tables: vec![table], goals, figures })
}

#[derive(Debug, Default)]
struct Turns {
    rates: Vec<f64>,
    cpu_micros: Vec<f64>,
}

impl Turns {
    fn add(&mut self, sample: &Sample) {
        self.rates.push(sample.rate);
        self.cpu_micros.push(sample.cpu.as_secs_f64() * 1_000_000.0);
    }
}

fn appends(dir: &Path, load: &Load) -> Result<Sample, Failure> {
    let runtime = load.runtime()?;
    let log = open(dir)?;
    runtime.block_on(log.rebuilt())?;
    let sample = appends_to(&log, &runtime, load)?;
    runtime.block_on(log.close())?;
    Ok(sample)
}
