//! What a site of one real host needs for desktops: to make them, to start them, and to remove them
//! while they run.

use serde_json::json;

use super::site::{INITIAL, Site};
use super::times::Times;
use super::{Host, Session};
use crate::figures::{Goal, Spread};
use crate::report::{Section, Table, number};
use crate::{Failure, clock, cpu, say};

const DESKTOPS: usize = 20;
/// What is there when they have gone: the golden machine, its source and what the site is made of.
const OTHERS: usize = 2;

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (host, runtime) = (session.host()?, session.runtime()?);
    let mut site = runtime.block_on(Site::start(session, &host))?;
    let mut told = Told {
        made: Times::of("made (Populate)"),
        started: Times::of("started (StartMachine)"),
        removed: Times::of("removed while they run (DeleteMachine)"),
        cpu: Vec::new(),
    };
    // The first start of all finds out what QEMU can do.
    for round in 0..=session.rounds() {
        let turn = runtime.block_on(turn(&mut site, &host))?;
        if round > 0 {
            told.add(turn);
            say(&format!(
                "round {round}, {DESKTOPS} desktops: made in {:.2} s, started in {:.2} s, removed \
                 in {:.2} s, {:.1} ms of CPU each",
                turn.made, turn.started, turn.removed, turn.cpu
            ));
        }
    }
    Ok(section(&told))
}

#[derive(Clone, Copy)]
struct Turn {
    made: f64,
    started: f64,
    removed: f64,
    /// Milliseconds of the server's, for each.
    cpu: f64,
}

async fn turn(site: &mut Site<'_>, host: &Host) -> Result<Turn, Failure> {
    let pid = site.server.pid();
    let before = cpu::of_process(pid);
    let (made, started) = site.desktops(DESKTOPS).await?;
    let spent = cpu::of_process(pid).saturating_sub(before);
    let run = host.lab.virsh(&["list", "--name"]).split_whitespace().count();
    if run != DESKTOPS {
        return Err(format!("{run} of {DESKTOPS} run").into());
    }
    let removed = remove(site).await?;
    let left = host.lab.virsh(&["list", "--all", "--name"]).split_whitespace().count();
    if left > OTHERS {
        return Err(format!("{left} domains are left").into());
    }
    let cpu = spent.as_secs_f64() * 1e3 / DESKTOPS as f64;
    Ok(Turn { made, started, removed, cpu })
}

async fn remove(site: &mut Site<'_>) -> Result<f64, Failure> {
    let all = json!({ "children_of": INITIAL, "force": true });
    let begun = clock::now();
    site.does("DeleteMachine", &all).await?;
    Ok((clock::now() - begun).as_secs_f64())
}

struct Told {
    made: Times,
    started: Times,
    removed: Times,
    cpu: Vec<f64>,
}

impl Told {
    fn add(&mut self, turn: Turn) {
        self.made.turns.push(turn.made);
        self.started.turns.push(turn.started);
        self.removed.turns.push(turn.removed);
        self.cpu.push(turn.cpu);
    }
}

fn section(told: &Told) -> Section {
    let cpu = Spread::of(told.cpu.clone());
    let all = [&told.made, &told.started, &told.removed];
    Section {
        name: "desktops",
        goals: vec![
            Goal::at_most(4.0, "s", "20 running desktops removed", told.removed.spread().median),
            Goal::at_most(5.0, "ms", "Carrel's CPU for each, made and started", cpu.median),
        ],
        figures: json!({
            "times": all.map(Times::figures), "cpu_ms": told.cpu,
        }),
        tables: vec![Table {
            title: format!("A site of one host and {DESKTOPS} desktops"),
            notes: vec![format!(
                "- The server's CPU for each that is made and started: {} ms ({}..{}).",
                number(cpu.median),
                number(cpu.min),
                number(cpu.max)
            )],
            columns: Times::COLUMNS.to_vec(),
            rows: all.map(Times::row).to_vec(),
        }],
    }
}
