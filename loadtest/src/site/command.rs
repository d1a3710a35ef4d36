//! Commands over HTTP: read, allowed, decided, durable, answered; while read models follow and the
//! relay tells of each. Beside it a handler that reads the same body and answers.

use std::net::SocketAddr;

use hyper::StatusCode;
use serde_json::json;

use super::http::{As, Connection};
use super::server::{Server, done};
use super::turn::{Turns, full, paced};
use super::{CONNECTIONS, Session};
use crate::figures::Goal;
use crate::load::Writer;
use crate::report::{Section, Table};
use crate::{Failure, say};

/// Locks a machine and unlocks it again: one fact each, and no host has to do anything.
pub(super) struct Locker {
    connection: Connection,
    machine: String,
    locked: bool,
}

impl Locker {
    /// The position of the fact that it became.
    pub(super) async fn once(&mut self) -> Result<u64, Failure> {
        let name = if self.locked { "UnlockMachine" } else { "LockMachine" };
        let path = format!("/v1/commands/{name}");
        let answer = self.connection.post(&path, &json!({ "machine": self.machine })).await?;
        self.locked = !self.locked;
        let taken = answer.must_be(StatusCode::ACCEPTED)?.json()?;
        taken["position"].as_u64().ok_or_else(|| "no position".into())
    }

    pub(super) fn machine(&self) -> &str {
        &self.machine
    }

    pub(super) const fn is_locked(&self) -> bool {
        self.locked
    }
}

impl Writer for Locker {
    async fn append(&mut self) -> Result<(), Failure> {
        self.once().await.map(drop)
    }
}

struct Bare(Connection);

impl Writer for Bare {
    async fn append(&mut self) -> Result<(), Failure> {
        let answer = self.0.post("/lock", &json!({ "machine": "load-001" })).await?;
        answer.must_be(StatusCode::ACCEPTED).map(drop)
    }
}

pub(super) fn machine(number: usize) -> String {
    format!("load-{number:03}")
}

/// Machines that nobody starts.
pub(super) async fn machines(server: &Server, admin: &As) -> Result<(), Failure> {
    let mut connection = server.connect(admin).await?;
    for number in 0..CONNECTIONS {
        let data = json!({ "name": machine(number), "kind": "source" });
        done(&mut connection, "CreateMachine", &data).await?;
    }
    Ok(())
}

/// Each has a machine of its own.
pub(super) async fn lockers(server: &Server, admin: &As) -> Result<Vec<Locker>, Failure> {
    let mut lockers = Vec::new();
    for number in 0..CONNECTIONS {
        let machine = machine(number);
        let mut connection = server.connect(admin).await?;
        let seen = connection.get(&format!("/v1/machines/{machine}")).await?;
        let locked = seen.must_be(StatusCode::OK)?.json()?["locked"].as_bool().unwrap_or(false);
        lockers.push(Locker { connection, machine, locked });
    }
    Ok(lockers)
}

async fn bares(to: SocketAddr) -> Result<Vec<Bare>, Failure> {
    let mut bares = Vec::new();
    for _ in 0..CONNECTIONS {
        bares.push(Bare(Connection::open(to, As::Nobody).await?));
    }
    Ok(bares)
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (runtime, load) = (session.runtime()?, session.load());
    let dir = session.place.fresh()?;
    let server = session.server(dir.path(), 4)?;
    let bare = super::bare::Bare::start()?;
    let admin = runtime.block_on(server.admin())?;
    runtime.block_on(machines(&server, &admin))?;
    let mut ours = Turns::of("Carrel: a durable command");
    let mut theirs = Turns::of("a bare handler, of the same body");
    let mut half = Turns::of("Carrel, at half of what it can take");
    for round in 1..=session.rounds() {
        let writers = runtime.block_on(bares(bare.address))?;
        theirs.samples.push(full(&runtime, &load, bare.pid(), writers)?);
        let writers = runtime.block_on(lockers(&server, &admin))?;
        ours.samples.push(full(&runtime, &load, server.pid(), writers)?);
        let rate = ours.samples[ours.samples.len() - 1].rate / 2.0;
        let writers = runtime.block_on(lockers(&server, &admin))?;
        half.samples.push(paced(&runtime, &load, (server.pid(), rate), writers)?);
        say(&format!(
            "round {round}, commands: {:.0}/s, half {:.2} ms",
            rate * 2.0,
            half.millis(0.99)
        ));
    }
    let times = ours.times(&theirs);
    Ok(Section {
        name: "command",
        goals: vec![
            Goal::at_least(0.25, "x", "commands over HTTP ÷ a bare handler", times.median),
            Goal::at_most(5.0, "ms", "p99 of a command at half load", half.millis(0.99)),
        ],
        figures: json!([ours.figures(), theirs.figures(), half.figures()]),
        tables: vec![Table {
            title: format!("A command over HTTP, {CONNECTIONS} connections"),
            notes: vec![String::from(
                "- LockMachine and UnlockMachine in turn, each connection with a machine of its \
                 own; read models and relay follow meanwhile.",
            )],
            columns: Turns::COLUMNS.to_vec(),
            rows: vec![ours.row(), half.row(), theirs.row()],
        }],
    })
}
