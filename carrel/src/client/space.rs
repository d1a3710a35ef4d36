//! `carrel space`: what machines take on their storages now.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde_json::Value;

use super::arguments::{Shape, Space};
use super::get::escaped;
use super::session;
use crate::failure::{Failure, Outcome};
use crate::output::printed;

pub(crate) fn run(space: &Space) -> Result<Outcome, Failure> {
    let http = session::signed_in(&space.server)?;
    let path = match (&space.of.pool, &space.of.machine) {
        (Some(pool), _) => format!("/v1/pools/{}/space", escaped(pool)),
        (None, machine) => {
            format!("/v1/machines/{}/space", escaped(machine.as_deref().unwrap_or_default()))
        }
    };
    let said = http.get(&path, &[])?.fine()?;
    if space.output != Shape::Table {
        printed(&said, space.output == Shape::Yaml)?;
        return Ok(Outcome::Fine);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", table(&said))?;
    let unknown = said["unknown"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let unknown: Vec<_> = unknown.collect();
    if !unknown.is_empty() {
        writeln!(out, "not counted, their hosts have no answer: {}", unknown.join(", "))?;
    }
    Ok(Outcome::Fine)
}

fn table(said: &Value) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["NAME", "KEPT MIB", "THROWN AWAY MIB"]);
    let mib = |of: &Value, name: &str| {
        of[name].as_u64().unwrap_or_default().div_ceil(1 << 20).to_string()
    };
    let machines = said["machines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |name: &str, of: &Value| {
        [name.to_owned(), mib(of, "kept_bytes"), mib(of, "thrown_away_bytes")]
    };
    for machine in machines {
        table.add_row(row(machine["name"].as_str().unwrap_or_default(), machine));
    }
    if machines.len() != 1 {
        table.add_row(row("all", said));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
