//! From a command's answer to a read that shows what became of it: whoever has sent one asks at
//! once, with the position that was answered.

use hyper::StatusCode;
use serde_json::json;

use super::Session;
use super::command::{Locker, lockers, machines};
use super::http::Connection;
use super::turn::{Turns, paced};
use crate::figures::Goal;
use crate::load::{Sample, Writer};
use crate::report::{Section, Table};
use crate::{Failure, clock, say};

/// Facts in a second.
const RATE: f64 = 500.0;

/// Sends a command, and reads its machine until it shows it. Only the read is counted.
struct Follower {
    locker: Locker,
    reads: Connection,
    waited: std::sync::mpsc::Sender<u64>,
}

impl Writer for Follower {
    async fn append(&mut self) -> Result<(), Failure> {
        let position = self.locker.once().await?;
        let asked = clock::now();
        let path = format!("/v1/machines/{}?min_position={position}", self.locker.machine());
        let seen = self.reads.get(&path).await?.must_be(StatusCode::OK)?.json()?;
        let nanos = u64::try_from((clock::now() - asked).as_nanos()).unwrap_or(u64::MAX);
        if seen["locked"].as_bool() != Some(self.locker.is_locked()) {
            return Err(format!("position {position} is not to be seen: {seen}").into());
        }
        let _ = self.waited.send(nanos);
        Ok(())
    }
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (runtime, load) = (session.runtime()?, session.load());
    let dir = session.place.fresh()?;
    let server = session.server(dir.path(), 4)?;
    let admin = runtime.block_on(server.admin())?;
    runtime.block_on(machines(&server, &admin))?;
    let mut turns = Turns::of("the read that shows it");
    for round in 1..=session.rounds() {
        let (waited, all) = std::sync::mpsc::channel();
        let followers = runtime.block_on(async {
            let mut followers = Vec::new();
            for locker in lockers(&server, &admin).await? {
                let reads = server.connect(&admin).await?;
                followers.push(Follower { locker, reads, waited: waited.clone() });
            }
            Ok::<_, Failure>(followers)
        })?;
        drop(waited);
        let sample = paced(&runtime, &load, (server.pid(), RATE), followers)?;
        let mut histogram = hdrhistogram::Histogram::new(3)?;
        for nanos in all {
            histogram.record(nanos)?;
        }
        turns.samples.push(Sample { waited: histogram, ..sample });
        say(&format!("round {round}, seen after {:.2} ms (p99)", turns.millis(0.99)));
    }
    Ok(Section {
        name: "seen",
        goals: vec![Goal::at_most(
            50.0,
            "ms",
            "p99 of a fact until a read shows it, at 500 facts/s",
            turns.millis(0.99),
        )],
        figures: json!(turns.figures()),
        tables: vec![Table {
            title: String::from("From a durable fact to a read that shows it"),
            notes: vec![String::from(
                "- Counted from the command's answer to the answer of a read with its position, \
                 over HTTP; the CPU is of both requests.",
            )],
            columns: Turns::COLUMNS.to_vec(),
            rows: vec![turns.row()],
        }],
    })
}
