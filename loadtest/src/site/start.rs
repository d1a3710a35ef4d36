//! From a command that was accepted to the worker that begins with it: decider, relay, bus and
//! workers in this process, the log on a disk, and hosts on which nothing takes any time.

mod noting;
mod site;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use carrel_model::ids::MachineId;
use hdrhistogram::Histogram;
use serde_json::json;

use self::noting::{Times, Told};
use self::site::{Desk, MACHINES, Site};
use super::Session;
use super::turn::Turns;
use crate::figures::Goal;
use crate::load::{Sample, Writer, at_rate, metered};
use crate::report::{Section, Table};
use crate::{Failure, clock, say};

/// Commands in a second.
const RATE: f64 = 500.0;
const WRITERS: usize = 50;
/// What was accepted last begins within that, or not at all.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);

/// Switches its machines on and off, one after the other.
struct Switcher {
    desk: Desk,
    machines: Vec<(MachineId, bool)>,
    next: usize,
    accepted: Times,
}

impl Writer for Switcher {
    async fn append(&mut self) -> Result<(), Failure> {
        let at = self.next % self.machines.len();
        self.next += 1;
        let (machine, on) = &mut self.machines[at];
        let name = if *on { "PowerOffMachine" } else { "StartMachine" };
        *on = !*on;
        let (machine, data) = (*machine, json!({ "machines": [machine.to_string()] }));
        self.desk.ask(name, &data).await?;
        let now = clock::now();
        let fleet = self.desk.decider.standing().fleet;
        let generation = fleet.machines.get(machine).ok_or("it is gone")?.generation;
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert((machine, generation), now);
        Ok(())
    }
}

fn switchers(site: &Site, accepted: &Times) -> Vec<Switcher> {
    let fleet = site.desk.decider.standing().fleet;
    let share = site.machines.chunks(MACHINES / WRITERS);
    let is_on = |id: &MachineId| {
        fleet.machines.get(*id).is_some_and(|machine| !machine.power.wish.is_off())
    };
    let switcher = |machines: &[MachineId]| Switcher {
        desk: site.desk.clone(),
        machines: machines.iter().map(|id| (*id, is_on(id))).collect(),
        next: 0,
        accepted: Arc::clone(accepted),
    };
    share.map(switcher).collect()
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (runtime, load) = (session.runtime()?, session.load());
    let dir = session.place.fresh()?;
    let site = runtime.block_on(Site::open(dir.path()))?;
    let mut turns = Turns::of("begun");
    for round in 1..=session.rounds() {
        site.begun.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let accepted = Times::default();
        let switchers = switchers(&site, &accepted);
        let sample = metered(&load, None, |span| runtime.block_on(at_rate(span, RATE, switchers)))?;
        let accepted =
            std::mem::take(&mut *accepted.lock().unwrap_or_else(PoisonError::into_inner));
        let waited = runtime.block_on(begun(&site.begun, &accepted))?;
        turns.samples.push(Sample { waited, ..sample });
        say(&format!("round {round}, begun after {:.2} ms (p50)", turns.millis(0.5)));
    }
    Ok(Section {
        name: "start",
        goals: vec![
            Goal::at_most(
                1.0,
                "ms",
                "p50 from accepted to begun, 500 commands/s",
                turns.millis(0.5),
            ),
            Goal::at_most(
                5.0,
                "ms",
                "p99 from accepted to begun, 500 commands/s",
                turns.millis(0.99),
            ),
        ],
        figures: turns.figures(),
        tables: vec![Table {
            title: String::from("From a command that was accepted to its host's first step"),
            notes: vec![String::from(
                "- StartMachine and PowerOffMachine in turn, of 1,000 machines on 8 hosts that take \
                 no time, in one process with the log on disk: the order is signed, goes over the \
                 bus, is verified, and is durable in the worker's ledger before the step. What else \
                 follows (outcomes, facts) runs meanwhile. A step that began before its command was \
                 answered counts as 0.",
            )],
            columns: Turns::COLUMNS.to_vec(),
            rows: vec![turns.row()],
        }],
    })
}

/// How long each waited for its first step.
async fn begun(
    begun: &Times,
    accepted: &BTreeMap<Told, Instant>,
) -> Result<Histogram<u64>, Failure> {
    let deadline = clock::now() + BEGINS_WITHIN;
    loop {
        let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut histogram = Histogram::new(3)?;
        let mut missing = 0;
        for (told, at) in accepted {
            match begun.get(told) {
                Some(begun) => {
                    let nanos = begun.saturating_duration_since(*at).as_nanos();
                    histogram.record(u64::try_from(nanos).unwrap_or(u64::MAX))?;
                }
                None => missing += 1,
            }
        }
        match missing {
            0 => return Ok(histogram),
            missing if clock::now() > deadline => {
                return Err(format!("{missing} commands were never begun with").into());
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
