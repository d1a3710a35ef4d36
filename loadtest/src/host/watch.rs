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
/// In each round.
const POWER_OFFS: usize = 4;

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
    let mut seen = Times::of("a power-off, until it is read over HTTP");
    for round in 1..=session.rounds() {
        many.push(watched(session, &site)?);
        runtime.block_on(site.greet())?;
        for nth in 0..POWER_OFFS {
            let number = usize::from(round - 1) * POWER_OFFS + nth + 1;
            seen.turns.push(runtime.block_on(off(&mut site, &host, &desktop(number)))?);
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

/// Seconds from the moment when it is off.
async fn off(site: &mut Site<'_>, host: &Host, machine: &str) -> Result<f64, Failure> {
    host.lab.virsh(&["destroy", machine]);
    let begun = clock::now();
    site.until_off(machine).await?;
    Ok((clock::now() - begun).as_secs_f64())
}

fn section(alone: &Spread, many: &Spread, seen: &Times) -> Section {
    let row = |what: String, of: &Spread| {
        vec![what, number(of.median), format!("{}..{}", number(of.min), number(of.max))]
    };
    Section {
        name: "watch",
        goals: vec![
            Goal::at_most(3.0, "%", "of a core, to watch 150 domains", many.median),
            Goal::at_most(2.0, "s", "until a power-off is seen, at most", seen.spread().max),
        ],
        figures: json!({
            "alone_percent": alone.median, "percent": many.median, "seen": seen.figures(),
        }),
        tables: vec![Table {
            title: format!("{DOMAINS} domains are watched"),
            notes: vec![String::from(
                "- The server's CPU in a share of one core, while nobody asks it anything.",
            )],
            columns: vec!["", "", "min..max"],
            rows: vec![
                row(String::from("% of a core, no desktop"), alone),
                row(format!("% of a core, {DOMAINS} paused desktops"), many),
                row(String::from("s until a power-off is read over HTTP"), &seen.spread()),
            ],
        }],
    }
}
