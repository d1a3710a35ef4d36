//! Ten times as many as it lets in at once ask, each again as soon as it has its answer, be it yes
//! or no; then they go away again.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hdrhistogram::Histogram;
use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use serde_json::json;

use super::command::{lockers, machines};
use super::http::{As, Connection};
use super::server::Server;
use super::turn::{Turns, full, paced};
use super::{CONNECTIONS, Session};
use crate::figures::{Goal, Spread};
use crate::load::{Sample, Writer};
use crate::report::{Section, Table, number};
use crate::{Failure, clock, say};

/// Those who are let in at once are at most 512 of one role (`UNDER_WAY_OF_ADMIN_MAX`).
const CROWD: usize = 5_120;

enum Heard {
    Taken {
        nanos: u64,
    },
    /// Asked to come again, and told when.
    Later {
        nanos: u64,
    },
}

/// One of the crowd.
struct One {
    connection: Connection,
    number: usize,
    /// What it has asked for until now.
    asked: usize,
    heard: Sender<Heard>,
}

impl Writer for One {
    async fn append(&mut self) -> Result<(), Failure> {
        let asked = clock::now();
        self.asked += 1;
        let body = json!({ "name": format!("crowd-{}-{}", self.number, self.asked) });
        let answer = self.connection.post("/v1/commands/CreateGroup", &body).await?;
        let nanos = u64::try_from((clock::now() - asked).as_nanos()).unwrap_or(u64::MAX);
        let heard = match answer.status {
            StatusCode::ACCEPTED => Heard::Taken { nanos },
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
                if answer.headers.contains_key(RETRY_AFTER) =>
            {
                Heard::Later { nanos }
            }
            _ => return answer.must_be(StatusCode::ACCEPTED).map(drop),
        };
        let _ = self.heard.send(heard);
        Ok(())
    }
}

async fn crowd(
    server: &Server,
    admin: &As,
    (round, heard): (u16, &Sender<Heard>),
) -> Result<Vec<One>, Failure> {
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let connection = server.connect(admin).await?;
        let number = usize::from(round) * CROWD + number;
        crowd.push(One { connection, number, asked: 0, heard: heard.clone() });
    }
    Ok(crowd)
}

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (runtime, load) = (session.runtime()?, session.load());
    let dir = session.place.fresh()?;
    let server = session.server(dir.path(), 4)?;
    let admin = runtime.block_on(server.admin())?;
    runtime.block_on(machines(&server, &admin))?;
    let writers = runtime.block_on(lockers(&server, &admin))?;
    let usual = full(&runtime, &load, server.pid(), writers)?.rate;
    let half = |writers| paced(&runtime, &load, (server.pid(), usual / 2.0), writers);
    let mut rounds = Rounds::new(usual);
    for round in 1..=session.rounds() {
        rounds.before.samples.push(half(runtime.block_on(lockers(&server, &admin))?)?);
        let (heard, all) = channel();
        let asking = runtime.block_on(crowd(&server, &admin, (round, &heard)))?;
        drop(heard);
        let sample = full(&runtime, &load, server.pid(), asking)?;
        rounds.crowd(&sample, all)?;
        let gone = clock::now();
        loop {
            let began = clock::now().duration_since(gone);
            let sample = half(runtime.block_on(lockers(&server, &admin))?)?;
            if rounds.is_as_before(&sample) || began > GIVEN_UP_AFTER {
                rounds.recovers(sample, began);
                break;
            }
        }
        say(&format!("round {round}, let in {:.0} ms (p99)", rounds.taken.millis(0.99)));
    }
    Ok(rounds.section())
}

/// After so long nobody waits for it to be as before.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);
/// Slower than this many times what it was, it has not recovered.
const SLOWER_MAX: f64 = 2.0;

/// What was measured, in turn.
struct Rounds {
    /// Requests in a second that it answers.
    usual: f64,
    before: Turns,
    taken: Turns,
    later: Turns,
    after: Turns,
    /// After so many seconds it is as before.
    recovered: Vec<f64>,
    /// Of the crowd, those who were let in.
    shares: Vec<f64>,
}

impl Rounds {
    fn new(usual: f64) -> Self {
        Self {
            usual,
            before: Turns::of("half load, before"),
            taken: Turns::of("those let in, of the crowd"),
            later: Turns::of("those told to come later"),
            after: Turns::of("half load, after"),
            recovered: Vec::new(),
            shares: Vec::new(),
        }
    }

    fn is_as_before(&self, sample: &Sample) -> bool {
        let p99 = sample.waited.value_at_quantile(0.99) as f64 / 1e6;
        p99 <= SLOWER_MAX * self.before.millis(0.99)
    }

    fn recovers(&mut self, sample: Sample, after: Duration) {
        self.after.samples.push(sample);
        self.recovered.push(after.as_secs_f64());
    }

    fn crowd(&mut self, sample: &Sample, all: Receiver<Heard>) -> Result<(), Failure> {
        let (mut taken, mut later) = (Histogram::new(3)?, Histogram::new(3)?);
        for heard in all {
            match heard {
                Heard::Taken { nanos } => taken.record(nanos)?,
                Heard::Later { nanos } => later.record(nanos)?,
            }
        }
        let whole = taken.len() + later.len();
        self.shares.push(taken.len() as f64 / whole as f64);
        let part = |waited: Histogram<u64>| Sample {
            rate: sample.rate * waited.len() as f64 / whole as f64,
            waited,
            ..sample.clone()
        };
        self.taken.samples.push(part(taken));
        self.later.samples.push(part(later));
        Ok(())
    }

    fn section(self) -> Section {
        let Self { usual, before, taken, later, after, recovered, shares } = self;
        let recovered = Spread::of(recovered).median;
        let name = "until p99 at half load is at most twice what it was before the crowd";
        Section {
            name: "overload",
            goals: vec![Goal::at_most(30.0, "s", name, recovered)],
            figures: json!({
                "usual": usual, "before": before.figures(), "crowd": taken.figures(),
                "later": later.figures(), "after": after.figures(),
                "share": Spread::of(shares).median, "recovered_seconds": recovered,
            }),
            tables: vec![Table {
                title: format!("{CROWD} connections ask for commands, each again at once"),
                notes: vec![
                    format!("- {CONNECTIONS} connections get {} requests/s.", number(usual)),
                    String::from(
                        "- Whoever is told to come later gets 429 or 503 with Retry-After; any \
                         other refusal would end the test.",
                    ),
                ],
                columns: Turns::COLUMNS.to_vec(),
                rows: vec![before.row(), taken.row(), later.row(), after.row()],
            }],
        }
    }
}
