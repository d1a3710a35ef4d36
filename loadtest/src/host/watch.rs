//! A host of many domains is watched, while nothing happens; then one after the other goes off
//! behind Carrel's back.

use std::time::Duration;

use serde_json::json;

use super::site::{INITIAL, Site, desktop};
use super::times::Times;
use super::{Host, Session};
use crate::figures::{Goal, Spread};
use crate::report::{Section, Table, number};
use crate::{Failure, clock, cpu, say};

const DOMAINS: usize = 150;
const WATCHED: Duration = Duration::from_secs(30);
/// A host starts eight at a time, and each has to be there two minutes after it was asked for.
const AT_ONCE: usize = 25;
/// Of each kind in each round.
const POWER_OFFS: usize = 2;
/// The port of a q35 by which a guest powers itself off, and what it writes there (ACPI, PM1a).
const POWER_PORT: &str = "0x604";
const POWER_OFF: &str = "0x2000";

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (host, runtime) = (session.host()?, session.runtime()?);
    let mut site = runtime.block_on(Site::start(session, &host))?;
    let (mut alone, mut many) = (Vec::new(), Vec::new());
    for _ in 0..session.rounds() {
        alone.push(watched(session, &site)?);
    }
    runtime.block_on(async {
        site.greet().await?;
        let made = site.make(DOMAINS).await?;
        say(&format!("{DOMAINS} made in {made:.1} s"));
        // Disks that are kept are read by the kernel's AIO, which by default is enough for 64.
        site.does("EnableVirtualSnapshot", &json!({ "children_of": INITIAL })).await?;
        for first in (1..=DOMAINS).step_by(AT_ONCE) {
            site.hold(first..(first + AT_ONCE).min(DOMAINS + 1)).await?;
        }
        Ok::<_, Failure>(())
    })?;
    let there = host.lab.virsh(&["list", "--state-paused", "--name"]).split_whitespace().count();
    if there != DOMAINS {
        return Err(format!("{there} of {DOMAINS} are paused").into());
    }
    let mut seen = ENDS.map(|end| (end, Times::of(end.what())));
    let mut desktops = (1..=DOMAINS).map(desktop);
    for round in 1..=session.rounds() {
        many.push(watched(session, &site)?);
        runtime.block_on(site.greet())?;
        for _ in 0..POWER_OFFS {
            for (end, times) in &mut seen {
                let machine = desktops.next().ok_or("there are too few desktops")?;
                times.turns.push(runtime.block_on(off(&mut site, &host, &machine, *end))?);
            }
        }
        say(&format!("round {round}: {:.2} % of a core", many[many.len() - 1]));
    }
    Ok(section(&Spread::of(alone), &Spread::of(many), &seen))
}

/// Per cent of a core.
fn watched(session: &Session<'_>, site: &Site<'_>) -> Result<f64, Failure> {
    let (before, begun) = (cpu::of_process(site.server.pid()), clock::now());
    session.stop.pause(WATCHED)?;
    let spent = cpu::of_process(site.server.pid()).saturating_sub(before);
    Ok(spent.as_secs_f64() / (clock::now() - begun).as_secs_f64() * 100.0)
}

/// Of whom it comes that a machine goes off.
#[derive(Clone, Copy)]
enum End {
    Guest,
    Crash,
    Cut,
}

const ENDS: [End; 3] = [End::Guest, End::Crash, End::Cut];

impl End {
    const fn what(self) -> &'static str {
        match self {
            Self::Guest => "s until a guest's own power-off is read over HTTP",
            Self::Crash => "s until a crash is read over HTTP",
            Self::Cut => "s until a power cut is read over HTTP",
        }
    }
}

/// Seconds from the moment when it is off.
async fn off(site: &mut Site<'_>, host: &Host, machine: &str, end: End) -> Result<f64, Failure> {
    let begun = match end {
        End::Guest => {
            site.does("ResumeMachine", &json!({ "machines": [machine] })).await?;
            site.until(|| has_power_port(host, machine)).await?;
            monitor(host, machine, &format!("o /w {POWER_PORT} {POWER_OFF}"));
            clock::now()
        }
        End::Crash => {
            host.lab.tell(&format!("qemu KILL {machine}"));
            clock::now()
        }
        End::Cut => {
            host.lab.virsh(&["destroy", machine]);
            clock::now()
        }
    };
    site.until_off(machine).await?;
    Ok((clock::now() - begun).as_secs_f64())
}

/// Its firmware has come so far: where there is no port, all bits are set.
fn has_power_port(host: &Host, machine: &str) -> bool {
    !monitor(host, machine, &format!("i /w {POWER_PORT}")).trim_end().ends_with("ffff")
}

fn monitor(host: &Host, machine: &str, line: &str) -> String {
    host.lab.virsh(&["qemu-monitor-command", "--hmp", machine, line])
}

fn section(alone: &Spread, many: &Spread, seen: &[(End, Times)]) -> Section {
    let row = |what: String, of: &Spread| {
        vec![what, number(of.median), format!("{}..{}", number(of.min), number(of.max))]
    };
    let longest = seen.iter().map(|(_, times)| times.spread().max).fold(0.0, f64::max);
    let mut rows = vec![
        row(String::from("% of a core, no desktop"), alone),
        row(format!("% of a core, {DOMAINS} paused desktops"), many),
    ];
    rows.extend(seen.iter().map(|(end, times)| row(end.what().to_owned(), &times.spread())));
    Section {
        name: "watch",
        goals: vec![
            Goal::at_most(3.0, "%", "of a core, to watch 150 domains", many.median),
            Goal::at_most(2.0, "s", "until a power-off of any kind is seen, at most", longest),
        ],
        figures: json!({
            "alone_percent": alone.median, "percent": many.median,
            "seen": seen.iter().map(|(_, times)| times.figures()).collect::<Vec<_>>(),
        }),
        tables: vec![Table {
            title: format!("{DOMAINS} domains are watched"),
            notes: vec![String::from(
                "- The server's CPU in a share of one core, while nobody asks it anything.",
            )],
            columns: vec!["", "", "min..max"],
            rows,
        }],
    }
}
