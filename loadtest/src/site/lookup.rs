//! What a thin client asks first: which desktops are mine. Beside it a bare server that says hello,
//! and the page that KVM-VDI makes of the same question.

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::http::As;
use super::php::Php;
use super::server::{Server, done, over};
use super::turn::{Turns, full, readers};
use super::{CONNECTIONS, Session};
use crate::figures::Goal;
use crate::report::{Section, Table};
use crate::{Failure, say};

const POOLS: usize = 20;
pub(super) const POOLS_OF_CLIENT: usize = 2;
const MACHINES: usize = 1_000;
const FEW: usize = 1_000;
const MANY: usize = 200_000;
/// Commands in one request; a tenth of what the API takes.
const AT_ONCE: usize = 100;
const PASSWORD: &str = "correct horse battery staple";

fn client(number: usize) -> String {
    format!("person-{number:06}")
}

fn pool(number: usize) -> String {
    format!("room-{:02}", number % POOLS)
}

/// Pools with machines, and the first clients, of whom some can sign in.
async fn site(server: &Server, admin: &As) -> Result<(), Failure> {
    let mut connection = server.connect(admin).await?;
    let on = &mut connection;
    for (name, data) in [
        ("CreateMachine", json!({ "name": "gold", "kind": "source" })),
        ("CreateMachine", json!({ "name": "win11", "kind": "initial", "source": "gold" })),
    ] {
        let taken = done(on, name, &data).await?;
        over(on, &taken).await?;
    }
    let taken = done(on, "CopyFromSource", &json!({ "initial": "win11" })).await?;
    over(on, &taken).await?;
    let populate = json!({ "initial": "win11", "count": MACHINES });
    let taken = done(on, "Populate", &populate).await?;
    over(on, &taken).await?;
    let share = MACHINES / POOLS;
    for number in 0..POOLS {
        done(on, "CreatePool", &json!({ "name": pool(number) })).await?;
        let first = number * share + 1;
        let machines: Vec<String> =
            (first..first + share).map(|nth| format!("win11-{nth:04}")).collect();
        done(on, "AddToPool", &json!({ "pool": pool(number), "machines": machines })).await?;
    }
    for number in 0..CONNECTIONS {
        let data = json!({ "name": client(number), "password": PASSWORD });
        done(on, "CreateClient", &data).await?;
    }
    clients(server, admin, CONNECTIONS, FEW).await?;
    // The pools of the first ones.
    for number in 0..FEW {
        entitle(on, number).await?;
    }
    Ok(())
}

async fn entitle(on: &mut super::http::Connection, number: usize) -> Result<(), Failure> {
    for nth in 0..POOLS_OF_CLIENT {
        let data = json!({ "client": client(number), "pool": pool(number + nth * 7) });
        done(on, "AssignClient", &data).await?;
    }
    Ok(())
}

/// Without a password: these don't sign in here. Each is entitled to as many pools as the others.
async fn clients(server: &Server, admin: &As, from: usize, to: usize) -> Result<(), Failure> {
    const AT_ONCE_REQUESTS: usize = 8;
    let mut tasks = JoinSet::new();
    for lane in 0..AT_ONCE_REQUESTS {
        let mut connection = server.connect(admin).await?;
        tasks.spawn(async move {
            for first in (from + lane * AT_ONCE..to).step_by(AT_ONCE * AT_ONCE_REQUESTS) {
                let commands: Vec<Value> = (first..to.min(first + AT_ONCE))
                    .map(|number| json!({ "type": "CreateClient", "data": { "name": client(number) } }))
                    .collect();
                let answer = connection.post("/v1/commands", &Value::Array(commands)).await?;
                if !answer.status.is_success() {
                    let said = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(Failure::from(said));
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (runtime, load) = (session.runtime()?, session.load());
    let dir = session.place.fresh()?;
    let server = session.server(dir.path(), 4)?;
    let bare = super::bare::Bare::start()?;
    let who = runtime.block_on(async {
        let admin = server.admin().await?;
        site(&server, &admin).await?;
        let mut who = Vec::new();
        for number in 0..CONNECTIONS {
            who.push(server.sign_in(&client(number), PASSWORD).await?);
        }
        let mut first = server.connect(&who[0]).await?;
        let seen = first.get("/v1/me/desktops").await?.must_be(StatusCode::OK)?.json()?;
        let count = seen["items"].as_array().or(seen.as_array()).map_or(0, Vec::len);
        if count != POOLS_OF_CLIENT {
            return Err(format!("{POOLS_OF_CLIENT} desktops were to be seen: {seen}").into());
        }
        Ok::<_, Failure>(who)
    })?;
    let php = Php::start(&session.place)?;
    let mut few = Turns::of("Carrel, 1,000 clients");
    let mut many = Turns::of("Carrel, 200,000 clients");
    let mut hello = Turns::of("a bare server that says hello");
    let mut page = Turns::of("PHP and MariaDB, as KVM-VDI asks");
    let nobody = || vec![As::Nobody; CONNECTIONS];
    for round in 1..=session.rounds() {
        let asking = runtime.block_on(readers(bare.address, nobody(), "/hello"))?;
        hello.samples.push(full(&runtime, &load, bare.pid(), asking)?);
        let asking = runtime.block_on(readers(server.address, who.clone(), "/v1/me/desktops"))?;
        few.samples.push(full(&runtime, &load, server.pid(), asking)?);
        if let Some(php) = &php {
            let sessions = runtime.block_on(php.sessions(CONNECTIONS))?;
            let asking = runtime.block_on(readers(php.address, sessions, "/pools.php"))?;
            page.samples.push(full(&runtime, &load, php.pid(), asking)?);
        }
        say(&format!("round {round}, lookups: {:.0}/s", few.rate().max));
    }
    runtime.block_on(async { clients(&server, &server.admin().await?, FEW, MANY).await })?;
    for round in 1..=session.rounds() {
        let asking = runtime.block_on(readers(server.address, who.clone(), "/v1/me/desktops"))?;
        many.samples.push(full(&runtime, &load, server.pid(), asking)?);
        say(&format!("round {round}, lookups of many: {:.0}/s", many.rate().max));
    }
    Ok(section(&[few, many, hello, page]))
}

fn section(turns: &[Turns; 4]) -> Section {
    let [few, many, hello, page] = turns;
    Section {
        name: "lookup",
        goals: vec![
            Goal::at_least(0.6, "x", "a lookup ÷ a bare hello", few.times(hello).median),
            Goal::at_least(
                0.9,
                "x",
                "a lookup with 200,000 clients ÷ with 1,000",
                many.times(few).median,
            ),
            Goal::at_least(
                20.0,
                "x",
                "a lookup ÷ a page of PHP and MariaDB",
                few.times(page).median,
            ),
        ],
        figures: turns.iter().map(Turns::figures).collect(),
        tables: vec![Table {
            title: format!("Which desktops are mine, {CONNECTIONS} connections"),
            notes: vec![
                format!(
                    "- Each connection is somebody else, signed in, with {POOLS_OF_CLIENT} of \
                     {POOLS} pools, in which are {MACHINES} machines."
                ),
                String::from(
                    "- PHP 8.2 (FPM, opcache) behind nginx, MariaDB on a socket: a session, the \
                     person's pools, and three counts for each, on one connection to the database.",
                ),
            ],
            columns: Turns::COLUMNS.to_vec(),
            rows: turns.iter().filter(|it| !it.samples.is_empty()).map(Turns::row).collect(),
        }],
    }
}
