//! The first page of machines, as the dashboard of every administrator asks for it.

use super::http::As;
use super::server::Server;
use super::turn::{Turns, paced, readers};
use super::{CONNECTIONS, Session};
use crate::report::Table;
use crate::{Failure, say};

/// Ten times what OpenNebula's figures are of: 1.27 s for 20,000 machines, at 30 requests/s.
const RATE: f64 = 300.0;
const PATH: &str = "/v1/machines?limit=100";

pub(super) fn turns(
    session: &Session<'_>,
    server: &Server,
    admin: &As,
    who: &str,
) -> Result<Turns, Failure> {
    let (runtime, load) = (session.runtime()?, session.load());
    let mut turns = Turns::of(who);
    for round in 1..=session.rounds() {
        let admins = vec![admin.clone(); CONNECTIONS];
        let asking = runtime.block_on(readers(server.address, admins, PATH))?;
        turns.samples.push(paced(&runtime, &load, (server.pid(), RATE), asking)?);
        say(&format!("round {round}, first pages: {:.2} ms (p99)", turns.millis(0.99)));
    }
    Ok(turns)
}

pub(super) fn table(title: &str, turns: &Turns) -> Table {
    Table {
        title: title.into(),
        notes: vec![String::from("- `GET /v1/machines?limit=100`: a hundred whole machines.")],
        columns: Turns::COLUMNS.to_vec(),
        rows: vec![turns.row()],
    }
}
