//! The first page of a million machines.

use carrel_log::EventLog;
use carrel_testkit::site::Site;
use serde_json::json;

use super::{Session, facts, page};
use crate::figures::Goal;
use crate::report::Section;
use crate::{Failure, say};

/// None of them runs: nobody has such hosts, and what is measured is the page.
const SITE: Site = Site {
    hosts: 100,
    machines: 1_000_000,
    pools: 200,
    first_pool: 0,
    people: 1_000,
    one_in_runs: 0,
};

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let runtime = session.runtime()?;
    let dir = session.place.fresh()?;
    runtime.block_on(async {
        let log = facts::fill(&dir.path().join("log"), SITE.facts()).await?;
        Ok::<_, Failure>(log.close().await?)
    })?;
    let server = session.server(dir.path(), 1)?;
    say(&format!("a million machines are there after {:.1} s", server.started_in.as_secs_f64()));
    let admin = runtime.block_on(server.admin())?;
    let turns = page::turns(session, &server, &admin, "1,000,000 machines")?;
    Ok(Section {
        name: "million",
        goals: vec![Goal::at_most(
            20.0,
            "ms",
            "p99 of the first of 1,000,000 machines, 300/s",
            turns.millis(0.99),
        )],
        figures: json!({ "page": turns.figures(), "resident": server.resident()?.0 }),
        tables: vec![page::table("The first page of 1,000,000 machines, 300 requests/s", &turns)],
    })
}
