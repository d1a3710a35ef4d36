//! Whether a log gets slower as it grows.

use std::path::Path;

use carrel_log::EventLog;
use serde_json::json;

use super::Session;
use super::big::filled;
use crate::figures::{Bound, Goal, Spread};
use crate::load::Load;
use crate::ours::{Filling, appends_to, open};
use crate::report::{Section, Table, number};
use crate::{Failure, say};

const WRITERS: usize = 128;
const SMALL: u64 = 100_000;

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let big = session.big_log()?;
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for round in 1..=session.rounds() {
        let load = session.load(WRITERS);
        let load = Load { seed: load.seed + 100 + round as u64, ..load };
        let small = session.place.fresh()?;
        filled(small.path(), Filling { events: SMALL, records: 1, seed: 4 })?;
        few.push(appends(small.path(), &load)?);
        many.push(appends(&big, &load)?);
        let (few, many) = (few[round - 1], many[round - 1]);
        say(&format!("round {round}, growth: {few:.0}/s and {many:.0}/s"));
    }
    let times = Spread::of(many.iter().zip(&few).map(|(many, few)| many / few).collect());
    let row = |events: u64, rates: &[f64]| {
        let spread = Spread::of(rates.to_vec());
        let range = format!("{}..{}", number(spread.min), number(spread.max));
        vec![number(events as f64), number(spread.median), range]
    };
    let table = Table {
        title: format!("Appends of {WRITERS} writers to a log that holds so many events"),
        notes: Vec::new(),
        columns: vec!["events before", "events/s", "min..max"],
        rows: vec![row(SMALL, &few), row(session.arguments.events, &many)],
    };
    let goals = vec![Goal {
        what: format!(
            "appends at {} events ÷ at {}",
            number(session.arguments.events as f64),
            number(SMALL as f64)
        ),
        figure: times.median,
        unit: "x",
        bound: Bound::AtLeast(0.9),
    }];
    let figures = json!({ "few_per_second": few, "many_per_second": many });
    Ok(Section { name: "growth", tables: vec![table], goals, figures })
}

fn appends(dir: &Path, load: &Load) -> Result<f64, Failure> {
    let runtime = load.runtime()?;
    let log = open(dir)?;
    runtime.block_on(log.rebuilt())?;
    let sample = appends_to(&log, &runtime, load)?;
    runtime.block_on(log.close())?;
    Ok(sample.rate)
}
