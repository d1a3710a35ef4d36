//! The life of a large site: 20,000 desktops are made on 40 hosts, started, looked at, switched off
//! and on until a million things have happened; then it is started anew.

use std::fs;

use serde_json::{Value, json};

use super::Session;
use super::http::{As, Connection};
use super::page;
use super::server::{Server, done, over};
use super::turn::Turns;
use crate::figures::{Goal, Spread};
use crate::report::{Section, Table, number};
use crate::{Failure, clock, place, say};

const HOSTS: u16 = 40;
const MACHINES: u32 = 20_000;
/// Of a simulated host: a start takes 300 ms, one in 64 of them four times as long, and eight go at
/// once.
const START_SECONDS: f64 = 0.3 * (1.0 + 3.0 / 64.0);
const STARTS_AT_ONCE: f64 = 8.0;
const FACTS: u64 = 1_000_000;
/// How often it is started anew, with a snapshot and without.
const STARTS: usize = 3;

/// The shortest time in which the hosts can start so many, each its share.
fn shortest() -> f64 {
    f64::from(MACHINES) / f64::from(HOSTS) / STARTS_AT_ONCE * START_SECONDS
}

struct Told {
    populated: f64,
    started: f64,
    resident: (u64, u64),
    page: Turns,
    facts: u64,
    with: Spread,
    without: Spread,
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let runtime = session.runtime()?;
    let dir = session.place.fresh()?;
    let server = session.server(dir.path(), HOSTS)?;
    let admin = runtime.block_on(server.admin())?;
    let (populated, started) = runtime.block_on(desktops(&server, &admin))?;
    let resident = server.resident()?;
    say(&format!(
        "{populated:.1} s to populate, {started:.1} s to start, {} MB",
        resident.0 / 1_000_000
    ));
    let page = page::turns(session, &server, &admin, "20,000 machines")?;
    let facts = runtime.block_on(grow(&server, &admin))?;
    server.end()?;
    let (mut with, mut without) = (vec![], vec![]);
    for _ in 0..STARTS {
        with.push(anew(session, dir.path())?);
        fs::remove_dir_all(dir.path().join("snapshots"))?;
        without.push(anew(session, dir.path())?);
    }
    let (with, without) = (Spread::of(with), Spread::of(without));
    Ok(section(&Told { populated, started, resident, page, facts, with, without }))
}

/// Seconds to make them all, and to start them all.
async fn desktops(server: &Server, admin: &As) -> Result<(f64, f64), Failure> {
    let mut connection = server.connect(admin).await?;
    let on = &mut connection;
    let gold = json!({ "name": "gold", "kind": "source" });
    let initial = json!({ "name": "win11", "kind": "initial", "source": "gold" });
    whole(on, "CreateMachine", &gold).await?;
    whole(on, "CreateMachine", &initial).await?;
    whole(on, "CopyFromSource", &json!({ "initial": "win11" })).await?;
    let populate = json!({ "initial": "win11", "count": MACHINES });
    let populated = whole(on, "Populate", &populate).await?;
    let start = json!({ "children_of": "win11" });
    let started = whole(on, "StartMachine", &start).await?;
    Ok((populated, started))
}

/// Seconds until the operation is over.
async fn whole(on: &mut Connection, name: &str, data: &Value) -> Result<f64, Failure> {
    let begun = clock::now();
    let taken = done(on, name, data).await?;
    over(on, &taken).await?;
    Ok((clock::now() - begun).as_secs_f64())
}

/// Switches them off and on until there are enough facts; how many there are then.
async fn grow(server: &Server, admin: &As) -> Result<u64, Failure> {
    let mut connection = server.connect(admin).await?;
    let on = &mut connection;
    let all = json!({ "children_of": "win11" });
    loop {
        for name in ["PowerOffMachine", "StartMachine"] {
            let taken = done(on, name, &all).await?;
            over(on, &taken).await?;
            let facts = taken["position"].as_u64().ok_or("no position")?;
            say(&format!("{facts} facts"));
            if facts >= FACTS {
                return Ok(facts);
            }
        }
    }
}

/// Seconds from the start of a process, to whom the disk is new, until it lets people in.
fn anew(session: &Session<'_>, data: &std::path::Path) -> Result<f64, Failure> {
    place::evict(data)?;
    let server = session.server(data, HOSTS)?;
    let took = server.started_in.as_secs_f64();
    server.end()?;
    say(&format!("started in {took:.2} s"));
    Ok(took)
}

fn section(told: &Told) -> Section {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let resident = megabytes(told.resident.0);
    let rows = [
        ("20,000 desktops made (Populate)", told.populated, "s"),
        ("all of them started (StartMachine)", told.started, "s"),
        ("the shortest time in which the hosts can start them", shortest(), "s"),
        ("resident memory with all of them running", resident, "MB"),
        ("its peak", megabytes(told.resident.1), "MB"),
        ("a start with a snapshot, nothing cached", told.with.median, "s"),
        ("a start without, nothing cached", told.without.median, "s"),
    ];
    let row = |(what, figure, unit): (&str, f64, &str)| {
        vec![what.to_owned(), number(figure), unit.to_owned()]
    };
    Section {
        name: "life",
        goals: vec![
            Goal::at_most(
                1.2,
                "x",
                "starting 20,000 ÷ what 40 hosts need at least",
                told.started / shortest(),
            ),
            Goal::at_most(250.0, "MB", "memory with 20,000 desktops", resident),
            Goal::at_most(
                20.0,
                "ms",
                "p99 of the first of 20,000 machines, 300/s",
                told.page.millis(0.99),
            ),
            Goal::at_most(1.0, "s", "a start with a snapshot, a million facts", told.with.median),
            Goal::at_most(5.0, "s", "a start without one, a million facts", told.without.median),
        ],
        figures: json!({
            "populated": told.populated, "started": told.started, "shortest": shortest(),
            "resident": told.resident.0, "peak": told.resident.1, "facts": told.facts,
            "start_with": told.with.median, "start_without": told.without.median,
            "page": told.page.figures(),
        }),
        tables: vec![
            Table {
                title: String::from("The life of a site of 20,000 desktops"),
                notes: vec![format!(
                    "- {HOSTS} simulated hosts; a start takes them 300 ms, now and then 1.2 s, and \
                     each does eight at once. The starts are with {} facts in the log.",
                    number(told.facts as f64)
                )],
                columns: vec!["", "", ""],
                rows: rows.into_iter().map(row).collect(),
            },
            page::table("The first page of 20,000 machines, 300 requests/s", &told.page),
        ],
    }
}
