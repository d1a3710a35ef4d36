//! Durable appends: so many writers, one event each at a time.

use serde_json::{Value, json};

use super::Session;
use crate::Failure;
use crate::bare::Bare;
use crate::figures::{Goal, Spread};
use crate::ours::{Ours, frame_bytes};
use crate::peer;
use crate::peer::postgres::{PgBench, Server, SqlxClient};
use crate::report::{Section, Table, number};
use crate::store::{Standing, Store, contest};

pub(super) fn run(session: &Session<'_>, writers: usize) -> Result<Section, Failure> {
    let stores = stores(session)?;
    let load = session.load(writers);
    let standings = contest(&stores, &load, session.rounds(), &session.place)?;
    let name = match writers {
        1 => "append-1",
        32 => "append-32",
        _ => "append-128",
    };
    let table = Table {
        title: format!(
            "Durable appends, {writers} {}",
            if writers == 1 { "writer" } else { "writers at once" }
        ),
        notes: notes(&standings),
        columns: vec![
            "store",
            "events/s",
            "min..max",
            "p50 µs",
            "p95 µs",
            "p99 µs",
            "p99.9 µs",
            "CPU µs/event",
            "syncs/event",
            "Carrel ÷ it",
        ],
        rows: rows(&standings)?,
    };
    let goals = goals(writers, &standings);
    Ok(Section { name, goals, figures: figures(writers, &standings)?, tables: vec![table] })
}

/// Ours first: goals compare with it.
fn stores(session: &Session<'_>) -> Result<Vec<Box<dyn Store>>, Failure> {
    let place = &session.place;
    let bare = Bare { frame_bytes: frame_bytes(place)? };
    let server = Server::start(place)?;
    let stores: [Box<dyn Store>; 4] = [
        Box::new(Ours),
        Box::new(bare),
        Box::new(PgBench(server.clone())),
        Box::new(SqlxClient(server)),
    ];
    Ok(stores.into_iter().chain(peer::others(session.arguments.peers.as_deref())?).collect())
}

const BARE: &str = "bare loop";
const POSTGRES: &str = "PostgreSQL";

fn ours(standings: &[Standing]) -> &Standing {
    &standings[0]
}

/// The fastest of those whose names start so.
fn fastest<'a>(standings: &'a [Standing], name: &str) -> Option<&'a Standing> {
    let named = standings.iter().filter(|standing| standing.name.starts_with(name));
    named.max_by(|one, other| one.rates().median.total_cmp(&other.rates().median))
}

fn goals(writers: usize, standings: &[Standing]) -> Vec<Goal> {
    let times =
        |peer: Option<&Standing>| peer.map_or(f64::NAN, |peer| ours(standings).times(peer).median);
    let who = if writers == 1 { String::from("1 writer") } else { format!("{writers} writers") };
    let goal = |peer: &str, against: f64, least: f64| {
        Goal::at_least(least, "x", format!("appends of {who} ÷ those of {peer}"), against)
    };
    let postgres = times(fastest(standings, POSTGRES));
    let bare = times(fastest(standings, BARE));
    let mut goals = match writers {
        1 => vec![goal("a write and fdatasync for each", bare, 0.9)],
        32 => vec![
            goal(POSTGRES, postgres, 2.5),
            goal("a bare loop with the same group commit", bare, 0.7),
        ],
        _ => vec![goal(POSTGRES, postgres, 4.0)],
    };
    let peers = standings[1..].iter().filter(|standing| standing.name != BARE);
    let nearest = peers.min_by(|one, other| {
        ours(standings).times(one).median.total_cmp(&ours(standings).times(other).median)
    });
    if let Some(nearest) = nearest {
        let peer = format!("the fastest peer ({})", nearest.name);
        goals.push(goal(&peer, times(Some(nearest)), 1.0));
    }
    goals
}

fn rows(standings: &[Standing]) -> Result<Vec<Vec<String>>, Failure> {
    let row = |standing: &Standing| {
        let (rates, waited) = (standing.rates(), standing.waited()?);
        let micros = |quantile: f64| number(waited.value_at_quantile(quantile) as f64 / 1_000.0);
        let times = ours(standings).times(standing);
        Ok(vec![
            standing.name.to_owned(),
            number(rates.median),
            range(&rates),
            micros(0.50),
            micros(0.95),
            micros(0.99),
            micros(0.999),
            number(standing.cpu().as_secs_f64() * 1_000_000.0),
            standing.syncs().map_or_else(|| String::from("-"), |syncs| format!("{syncs:.3}")),
            if standing.name == ours(standings).name {
                String::from("1")
            } else {
                format!("{} ({})", number(times.median), range(&times))
            },
        ])
    };
    standings.iter().map(row).collect()
}

fn range(spread: &Spread) -> String {
    format!("{}..{}", number(spread.min), number(spread.max))
}

fn notes(standings: &[Standing]) -> Vec<String> {
    let mut said: Vec<&str> = Vec::new();
    let mut notes = Vec::new();
    for standing in standings {
        if !said.contains(&standing.does) {
            said.push(standing.does);
            let name = if standing.name.starts_with(POSTGRES) { POSTGRES } else { standing.name };
            notes.push(format!("- {name}: {}.", standing.does));
        }
    }
    notes
}

fn figures(writers: usize, standings: &[Standing]) -> Result<Value, Failure> {
    let store = |standing: &Standing| {
        let waited = standing.waited()?;
        let micros = |quantile: f64| waited.value_at_quantile(quantile) as f64 / 1_000.0;
        let rates: Vec<f64> = standing.samples.iter().map(|sample| sample.rate).collect();
        let pairs = ours(standings).samples.iter().zip(&standing.samples);
        let times: Vec<f64> = pairs.map(|(ours, its)| ours.rate / its.rate).collect();
        Ok(json!({
            "store": standing.name,
            "does": standing.does,
            "events_per_second": rates,
            "micros": {
                "p50": micros(0.5), "p95": micros(0.95), "p99": micros(0.99),
                "p99.9": micros(0.999), "max": micros(1.0),
            },
            "cpu_micros_per_event": standing.cpu().as_secs_f64() * 1_000_000.0,
            "syncs_per_event": standing.syncs(),
            "ours_to_its_rate": times,
        }))
    };
    let stores: Result<Vec<Value>, Failure> = standings.iter().map(store).collect();
    Ok(json!({ "writers": writers, "stores": stores? }))
}
