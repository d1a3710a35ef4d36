//! Commands are decided in batches of 64 on a clone that others still look at.

use std::time::Duration;

use carrel_model::command::Command;
use carrel_model::context::Context;
use carrel_model::decide::decide;
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ActorId, CommandId};
use carrel_model::name::Method;
use carrel_model::record::{Fingerprint, Timestamp};
use carrel_testkit::random::Random;
use carrel_testkit::site::{self, BEGINNING, Site};
use serde_json::{Value, json};

use super::fold::{as_f64, line};
use crate::figures::{Goal, Spread};
use crate::report::{Section, Table};
use crate::{Failure, clock, say};

/// What the decider puts into one append.
const BATCH: usize = 64;
const BATCHES: usize = 400;

const fn site(machines: u32) -> Site {
    Site {
        hosts: machines / 100,
        machines,
        pools: machines / 500,
        first_pool: 0,
        people: machines,
        one_in_runs: 2,
    }
}

/// A fleet that commands come to, one after the other.
pub(super) struct Desk {
    pub(super) fleet: Fleet,
    site: Site,
    random: Random,
    now: Timestamp,
    decided: u64,
    refused: u64,
}

impl Desk {
    pub(super) fn of(site: Site) -> Self {
        let mut fleet = site.facts().fold(Fleet::default(), |fleet, event| evolve(fleet, &event));
        fleet.pack();
        let random = Random::new(u64::from(site.machines));
        Self { fleet, site, random, now: BEGINNING.plus_seconds(3_600), decided: 0, refused: 0 }
    }

    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.random.below(bound.into())).unwrap_or_default()
    }

    fn context(&mut self) -> Result<Context, Failure> {
        self.now = self.now.plus_seconds(1);
        let entropy = self.random.bytes();
        Ok(Context {
            command_id: CommandId::from_bytes(entropy),
            fingerprint: Fingerprint([7; 32]),
            actor: ActorId::from_bytes([9; 16]),
            method: Method::new("loadtest")?,
            now: self.now,
            entropy,
        })
    }

    /// So many commands, made for the fleet as it is now.
    fn batch(
        &mut self,
        count: usize,
        make: &mut dyn FnMut(&mut Self) -> Value,
    ) -> Result<Vec<Told>, Failure> {
        (0..count).map(|_| Ok((serde_json::from_value(make(self))?, self.context()?))).collect()
    }

    /// How long deciding takes, on a clone, while somebody holds the fleet as it was.
    pub(super) fn decide(
        &mut self,
        count: usize,
        make: &mut dyn FnMut(&mut Self) -> Value,
    ) -> Result<Duration, Failure> {
        let batch = self.batch(count, make)?;
        let mut fleet = self.fleet.clone();
        let (mut decided, mut refused) = (0, 0);
        let (took, ()) = clock::timed(|| {
            for (command, context) in &batch {
                match decide(&fleet, command, context) {
                    Ok(decision) => {
                        fleet = decision.after;
                        decided += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        });
        self.decided += decided;
        self.refused += refused;
        self.fleet = fleet;
        Ok(took)
    }

    fn rate(&mut self, make: &mut dyn FnMut(&mut Self) -> Value) -> Result<f64, Failure> {
        let mut took = Duration::ZERO;
        for _ in 0..BATCHES {
            took += self.decide(BATCH, make)?;
        }
        Ok(as_f64(BATCH * BATCHES) / took.as_secs_f64())
    }
}

type Told = (Command, Context);

#[expect(clippy::needless_pass_by_value, reason = "it becomes part of the command")]
fn command(name: &str, data: Value) -> Value {
    json!({ "type": name, "data": data })
}

/// Somebody asks for a desktop of their pool.
fn request(desk: &mut Desk) -> Value {
    let pool = desk.below(desk.site.pools);
    request_in(desk, pool)
}

/// People are entitled to one pool each, in turn.
pub(super) fn request_in(desk: &mut Desk, pool: u32) -> Value {
    let pools = desk.site.pools;
    let person = desk.below(desk.site.people / pools) * pools + pool;
    let pool = site::pool_of(pool);
    let client = json!({ "id": site::person(person) });
    command("RequestDesktop", json!({ "client": client, "pool": pool }))
}

/// Somebody leaves, if anybody is there.
fn leave(desk: &mut Desk) -> Value {
    let nth = desk.random.index(desk.fleet.sessions.len().clamp(1, 64));
    let session = desk.fleet.sessions.iter().nth(nth).map(|(session, _)| session);
    match session {
        Some(session) => command("EndSession", json!({ "session": session })),
        None => request(desk),
    }
}

/// What a morning is made of: people come and go, machines start and stop, hosts report.
fn mixed(desk: &mut Desk) -> Value {
    let machine = site::machine(desk.below(desk.site.machines));
    let machines = json!([machine]);
    match desk.below(10) {
        0..4 => request(desk),
        4..6 => leave(desk),
        6 => command("StartMachine", json!({ "machines": machines })),
        7 => command("PowerOffMachine", json!({ "machines": machines })),
        8 => {
            command("SetMaintenance", json!({ "machines": machines, "on": desk.random.chance(2) }))
        }
        _ => report(desk),
    }
}

/// A host reports that one of its machines runs.
fn report(desk: &mut Desk) -> Value {
    let id = site::machine(desk.below(desk.site.machines));
    let machine = desk.fleet.machines.get(id);
    let host = machine.and_then(|machine| machine.place).unwrap_or(site::host(0));
    let generation = machine.map_or(0, |machine| machine.generation);
    let boot_epoch = machine.map_or(0, |machine| machine.power.boot_epoch);
    let outcome = json!({ "started": { "boot_epoch": boot_epoch } });
    let thing = json!({ "machine": { "id": id, "outcome": outcome } });
    let data = json!({ "hypervisor": host, "generation": generation, "thing": thing });
    command("ReportOutcome", data)
}

pub(super) fn run(rounds: u16) -> Result<Section, Failure> {
    let (mut small, mut large, mut ratio) = (vec![], vec![], vec![]);
    let mut twenty = Desk::of(site(20_000));
    let mut million = Desk::of(site(1_000_000));
    for round in 1..=rounds {
        small.push(twenty.rate(&mut mixed)?);
        large.push(million.rate(&mut mixed)?);
        ratio.push(large[large.len() - 1] / small[small.len() - 1]);
        let refused = twenty.refused * 100 / (twenty.decided + twenty.refused).max(1);
        say(&format!(
            "round {round}, deciding: {:.0}/s, {refused} % refused",
            small[small.len() - 1]
        ));
    }
    let (small, large, ratio) = (Spread::of(small), Spread::of(large), Spread::of(ratio));
    Ok(Section {
        name: "decide",
        tables: vec![Table {
            title: String::from("Deciding mixed commands, in batches of 64 on a shared clone"),
            notes: vec![String::from(
                "- 40 % ask for a desktop, 20 % leave, 30 % start, stop and maintain machines, 10 % \
                 are reports of hosts. Everything that follows from each is decided with it.",
            )],
            columns: vec!["", "commands/s", "min..max"],
            rows: vec![line("20,000 machines", small), line("1,000,000 machines", large)],
        }],
        goals: vec![
            Goal::at_least(
                50_000.0,
                "commands/s",
                "mixed commands decided, 20,000 machines",
                small.median,
            ),
            Goal::at_least(0.5, "x", "1,000,000 machines against 20,000", ratio.median),
        ],
        figures: json!({ "small": small.median, "large": large.median, "ratio": ratio.median }),
    })
}
