//! Read models are built from a million facts: folded in memory, each changed row written once a
//! batch. Beside it what is done as a rule: each fact's row written, with the position, before the
//! next fact is looked at.

use std::path::Path;
use std::sync::Arc;

use carrel_keys::KeysError;
use carrel_log::EventLog;
use carrel_log::embedded::EmbeddedLog;
use carrel_model::event::Event;
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::sealed::{Purpose, SealedBox};
use carrel_projections::{Open, Sources};
use carrel_testkit::site::Site;
use rusqlite::{Connection, params};
use serde_json::json;

use super::{Session, facts};
use crate::figures::{Goal, Spread};
use crate::report::{Section, Table, number};
use crate::{Failure, clock, say};

const SITE: Site =
    Site { hosts: 40, machines: 20_000, pools: 20, first_pool: 0, people: 20_000, one_in_runs: 0 };
const FACTS: usize = 1_000_000;
/// Row by row a million would take minutes each time: the rate of so many stands for all.
const FACTS_ROW_BY_ROW: usize = 200_000;

/// The boxes of these people were never closed.
struct Plain;

impl Open for Plain {
    fn open(&self, _: Purpose, sealed: &SealedBox) -> Result<Option<String>, KeysError> {
        Ok(Some(sealed.data.to_string()))
    }
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let runtime = session.runtime()?;
    let dir = session.place.fresh()?;
    let log = runtime.block_on(facts::fill(&dir.path().join("log"), facts::of(SITE, FACTS)))?;
    let (mut ours, mut rows, mut times) = (vec![], vec![], vec![]);
    for round in 1..=session.rounds() {
        let read = session.place.fresh()?;
        ours.push(runtime.block_on(built(&log, read.path()))?);
        let read = session.place.fresh()?;
        rows.push(row_by_row(&read.path().join("rows.sqlite"))?);
        let (own, its) = (ours[ours.len() - 1], rows[rows.len() - 1]);
        times.push(own / its);
        say(&format!("round {round}, built: {own:.0} facts/s, row by row {its:.0}"));
    }
    runtime.block_on(log.close())?;
    let (ours, rows, times) = (Spread::of(ours), Spread::of(rows), Spread::of(times));
    let line = |who: &str, it: Spread| {
        vec![who.to_owned(), number(it.median), format!("{}..{}", number(it.min), number(it.max))]
    };
    Ok(Section {
        name: "rebuild",
        goals: vec![
            Goal::at_least(
                100_000.0,
                "facts/s",
                "read models built from a million facts",
                ours.median,
            ),
            Goal::at_least(10.0, "x", "building read models ÷ row by row", times.median),
        ],
        figures: json!({ "ours": ours.median, "row_by_row": rows.median, "times": times.median }),
        tables: vec![Table {
            title: String::from("Read models of 20,000 machines are built from a million facts"),
            notes: vec![String::from(
                "- Row by row: the same fold; then, for each fact, one transaction with the row of \
                 its machine and the position (SQLite, WAL, synchronous NORMAL), without reading \
                 the log, and with one table and no index.",
            )],
            columns: vec!["", "facts/s", "min..max"],
            rows: vec![line("Carrel", ours), line("row by row", rows)],
        }],
    })
}

/// Facts a second, from the log to rows that can be asked.
async fn built(log: &Arc<EmbeddedLog>, dir: &Path) -> Result<f64, Failure> {
    let sources = Sources { log: Arc::clone(log) as _, open: Arc::new(Plain), snapshots: None };
    let begun = clock::now();
    let (models, projector) = carrel_projections::open(sources, dir).await?;
    let took = clock::now() - begun;
    drop((models, projector));
    Ok(FACTS as f64 / took.as_secs_f64())
}

fn row_by_row(file: &Path) -> Result<f64, Failure> {
    let facts: Vec<Event> = facts::of(SITE, FACTS_ROW_BY_ROW).collect();
    let mut database = Connection::open(file)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE machine (id BLOB PRIMARY KEY, doc BLOB NOT NULL) WITHOUT ROWID;
         CREATE TABLE position (only INTEGER PRIMARY KEY, at INTEGER NOT NULL);",
    )?;
    let begun = clock::now();
    let mut fleet = Fleet::default();
    for (position, fact) in facts.iter().enumerate() {
        fleet = evolve(fleet, fact);
        let (_, id) = fact.stream();
        let transaction = database.transaction()?;
        if let Event::Machine(machine, _) = fact {
            let doc = serde_json::to_vec(&fleet.machines.get(*machine))?;
            transaction
                .prepare_cached("INSERT OR REPLACE INTO machine VALUES (?1, ?2)")?
                .execute(params![id.as_bytes(), doc])?;
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO position VALUES (0, ?1)")?
            .execute(params![i64::try_from(position)?])?;
        transaction.commit()?;
    }
    let took = clock::now() - begun;
    Ok(facts.len() as f64 / took.as_secs_f64())
}
