//! What a machine takes of memory, everything included: its share of the indexes, its pool, and the
//! person who uses it.

use std::process::Command;

use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_testkit::site::Site;
use serde_json::{Value, json};

use super::fold::line;
use crate::figures::{Bound, Goal, Spread};
use crate::report::{self, Section, Table};
use crate::{Failure, machine};

const MACHINES: u32 = 1_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    machines: u32,
}

/// The other process: prints its findings as one line of JSON.
pub(crate) fn run_alone(arguments: &Arguments) -> Result<(), Failure> {
    let machines = arguments.machines;
    let site = Site {
        hosts: 1_000,
        machines,
        pools: 100,
        first_pool: 0,
        people: machines,
        one_in_runs: 2,
    };
    let before = machine::resident()?.0;
    let fleet = site.facts().fold(Fleet::default(), |fleet, event| evolve(fleet, &event));
    let bytes = machine::resident()?.0 - before;
    let each = f64::from(u32::try_from(bytes >> 10)?) * 1024.0 / f64::from(machines);
    let findings = json!({ "bytes_each": each, "machines": fleet.machines.len() });
    report::print(&format!("{findings}\n"));
    Ok(())
}

pub(super) fn run(rounds: u16) -> Result<Section, Failure> {
    let mut each = Vec::new();
    for _ in 0..rounds {
        let machines = MACHINES.to_string();
        let output =
            Command::new(std::env::current_exe()?).args(["resident", &machines]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let findings: Value = serde_json::from_slice(&output.stdout)?;
        each.push(findings["bytes_each"].as_f64().unwrap_or(f64::NAN));
    }
    let each = Spread::of(each);
    Ok(Section {
        name: "memory",
        tables: vec![Table {
            title: String::from("Memory of a fleet of 1,000,000 machines and as many people"),
            notes: vec![String::from("- Half of the machines run.")],
            columns: vec!["", "bytes", "min..max"],
            rows: vec![line("a machine, all included", each)],
        }],
        goals: vec![Goal {
            what: String::from("memory of a machine, all included"),
            figure: each.median,
            unit: "B",
            bound: Bound::AtMost(1536.0),
        }],
        figures: json!({ "bytes_each": each.median }),
    })
}
