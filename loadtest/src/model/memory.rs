//! What a machine takes of memory, everything included: its share of the indexes, its pool, and the
//! person who uses it.

use std::process::Command;

use serde_json::{Value, json};

use super::fold::line;
use crate::Failure;
use crate::figures::{Goal, Spread};
use crate::report::{Section, Table};

const MACHINES: u32 = 1_000_000;
/// The program that stands beside this one.
const PROGRAM: &str = "loadtest-memory";

fn findings() -> Result<Value, Failure> {
    let program = std::env::current_exe()?.with_file_name(PROGRAM);
    let output = Command::new(&program).arg(MACHINES.to_string()).output().map_err(|error| {
        format!("{}: {error}; cargo build --release -p carrel-loadtest makes it", program.display())
    })?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(super) fn run(rounds: u16) -> Result<Section, Failure> {
    let found = (0..rounds).map(|_| findings()).collect::<Result<Vec<_>, _>>()?;
    let each = |name: &str| {
        let bytes = found.iter().map(|it| it[name].as_f64().unwrap_or(f64::NAN));
        Spread::of(bytes.map(|bytes| bytes / f64::from(MACHINES)).collect())
    };
    let (folded, packed, resident) = (each("folded"), each("packed"), each("resident"));
    Ok(Section {
        name: "memory",
        tables: vec![Table {
            title: String::from("Memory of a fleet of 1,000,000 machines and as many people"),
            notes: vec![String::from(
                "- Half of the machines run. All figures are bytes for each machine.\n\
                 - Packed: the leaves of the trees are full, as a start leaves them.\n\
                 - Resident: what the process has, with the holes that packing left. New machines \
                 go into them.",
            )],
            columns: vec!["", "bytes", "min..max"],
            rows: vec![
                line("folded", folded),
                line("packed", packed),
                line("resident after both", resident),
            ],
        }],
        goals: vec![Goal::at_most(1536.0, "B", "memory of a machine, all included", packed.median)],
        figures: json!({
            "folded": folded.median, "packed": packed.median, "resident": resident.median,
        }),
    })
}
