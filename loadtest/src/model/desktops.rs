//! Asking for a desktop costs the same, however many machines a pool has.

use std::time::Duration;

use carrel_testkit::site::Site;
use serde_json::json;

use super::decide::{Desk, request_in};
use super::fold::line;
use crate::Failure;
use crate::figures::{Goal, Spread};
use crate::report::{Section, Table};

/// Of one turn.
const TIMES: u32 = 2_000;

/// A pool of 10 machines and one of 100,000, in one fleet: what differs is the pool alone.
const SITE: Site = Site {
    hosts: 100,
    machines: 100_010,
    pools: 2,
    first_pool: 10,
    people: 100_000,
    one_in_runs: 1,
};

/// Microseconds for each request of one turn. What came of one is dropped before the next, so that
/// all of them find the pool as it was.
fn turn(desk: &mut Desk, pool: u32) -> Result<f64, Failure> {
    let mut took = Duration::ZERO;
    let fleet = desk.fleet.clone();
    for _ in 0..TIMES {
        took += desk.decide(1, &mut |desk| request_in(desk, pool))?;
        desk.fleet = fleet.clone();
    }
    Ok(took.as_secs_f64() * 1e6 / f64::from(TIMES))
}

pub(super) fn run(rounds: u16) -> Result<Section, Failure> {
    let mut desk = Desk::of(SITE);
    let (mut small, mut large, mut ratio) = (vec![], vec![], vec![]);
    for _ in 0..rounds {
        small.push(turn(&mut desk, 0)?);
        large.push(turn(&mut desk, 1)?);
        ratio.push(large[large.len() - 1] / small[small.len() - 1]);
    }
    let (small, large, ratio) = (Spread::of(small), Spread::of(large), Spread::of(ratio));
    Ok(Section {
        name: "desktops",
        tables: vec![Table {
            title: String::from("RequestDesktop in a small and a large pool"),
            notes: vec![],
            columns: vec!["", "µs", "min..max"],
            rows: vec![line("10 machines", small), line("100,000 machines", large)],
        }],
        goals: vec![Goal::at_most(
            2.0,
            "x",
            "RequestDesktop with 100,000 machines against 10",
            ratio.median,
        )],
        figures: json!({ "small": small.median, "large": large.median, "ratio": ratio.median }),
    })
}
