//! Opening the large log, in a process that did nothing else: how long it takes, what it leaves in
//! memory, and how fast everything is rebuilt that can be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use carrel_log::EventLog;
use carrel_log::embedded::Layout;
use serde_json::{Value, json};

use super::Session;
use crate::figures::{Goal, Spread};
use crate::place::{evict, files};
use crate::report::{self, Section, Table, number};
use crate::{Failure, clock, machine, ours, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    dir: PathBuf,
}

/// The other process: prints its findings as one line of JSON.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (opened, log) = clock::timed(|| ours::open(&arguments.dir));
    let log = log?;
    let after_open = machine::resident()?;
    let (waited, rebuilt) = clock::timed(|| runtime.block_on(log.rebuilt()));
    rebuilt?;
    let position = runtime.block_on(log.head())?.position;
    let findings = json!({
        "open_seconds": opened.as_secs_f64(),
        "ready_seconds": (opened + waited).as_secs_f64(),
        "resident_bytes": after_open.0,
        "resident_bytes_max": machine::resident()?.1,
        "rebuilt": log.report().rebuilding.len(),
        "events": position.0,
    });
    runtime.block_on(log.close())?;
    report::print(&format!("{findings}\n"));
    Ok(())
}

pub(super) fn row(session: &Session<'_>) -> Result<Section, Failure> {
    let dir = session.big_log()?;
    let (mut warm, mut cold, mut rebuilt) = (vec![], vec![], vec![]);
    for round in 1..=session.rounds() {
        warm.push(in_another_process(&dir)?);
        evict(&dir)?;
        cold.push(in_another_process(&dir)?);
        lose_what_can_be_rebuilt(&dir)?;
        rebuilt.push(in_another_process(&dir)?);
        say(&format!("round {round}, opening: {}", cold[round - 1]["open_seconds"]));
    }
    let of = |findings: &[Value], name: &str| {
        Spread::of(findings.iter().filter_map(|finding| finding[name].as_f64()).collect())
    };
    let events = of(&warm, "events").median;
    let rebuilding = of(&rebuilt, "ready_seconds");
    let rate = Spread {
        median: events / rebuilding.median,
        min: events / rebuilding.max,
        max: events / rebuilding.min,
    };
    let table = Table {
        title: format!("Opening a log of {} events", number(events)),
        notes: vec![
            String::from(
                "- Evicted: the kernel was made to forget the files before, as after a start of \
                 the machine.",
            ),
            String::from(
                "- Rebuilt: all indexes and the catalogue were removed before; reading works after \
                 the time to open, appending once all is there again.",
            ),
        ],
        columns: vec!["", "median", "min..max"],
        rows: vec![
            line("open after a clean stop, s", of(&warm, "open_seconds"), 1.0),
            line("open after a clean stop, evicted, s", of(&cold, "open_seconds"), 1.0),
            line("resident when open, MB", of(&cold, "resident_bytes"), 1e-6),
            line("resident at most, MB", of(&cold, "resident_bytes_max"), 1e-6),
            line("open with indexes and catalogue lost, s", of(&rebuilt, "open_seconds"), 1.0),
            line("rebuilt, events/s", rate, 1.0),
            line("resident at most while rebuilding, MB", of(&rebuilt, "resident_bytes_max"), 1e-6),
        ],
    };
    let at = format!("{} events", number(events));
    let goals = vec![
        Goal::at_most(
            1.0,
            "s",
            format!("open after a clean stop, evicted, {at}"),
            of(&cold, "open_seconds").median,
        ),
        Goal::at_most(
            200.0,
            "MB",
            format!("resident memory, {at}"),
            of(&cold, "resident_bytes_max").median * 1e-6,
        ),
        Goal::at_least(
            500_000.0,
            "events/s",
            format!("everything but the chunks rebuilt, {at}"),
            rate.median,
        ),
    ];
    let figures = json!({ "warm": warm, "evicted": cold, "rebuilt": rebuilt });
    Ok(Section { name: "open", tables: vec![table], goals, figures })
}

fn line(what: &str, spread: Spread, unit: f64) -> Vec<String> {
    let range = format!("{}..{}", number(spread.min * unit), number(spread.max * unit));
    vec![what.to_owned(), number(spread.median * unit), range]
}

fn in_another_process(dir: &Path) -> Result<Value, Failure> {
    let output = Command::new(std::env::current_exe()?).arg("open").arg(dir).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn lose_what_can_be_rebuilt(dir: &Path) -> Result<(), Failure> {
    let layout = Layout::new(dir);
    fs::remove_dir_all(layout.catalogue())?;
    for path in files(&layout.chunks())? {
        if path.extension().is_some_and(|extension| extension == "index") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
