//! Reading everything in order.

use carrel_log::{EventLog, each_page};
use carrel_model::record::Position;
use serde_json::json;

use super::Session;
use super::big::filled;
use crate::figures::{Goal, Spread};
use crate::load::cpu_of;
use crate::ours::{Filling, open};
use crate::peer::postgres::{Format, Server, copy_in, copy_out};
use crate::report::{Section, Table, number};
use crate::{Failure, clock, say};

const EVENTS: u64 = 1_000_000;

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let server = Server::start(&session.place)?;
    copy_in(&server, EVENTS, 2)?;
    let dir = session.place.fresh()?;
    filled(dir.path(), Filling { events: EVENTS, records: 1, seed: 2 })?;

    let (mut ours, mut cpu, mut text, mut binary) = (vec![], vec![], vec![], vec![]);
    for round in 1..=session.rounds() {
        let (rate, micros) = read_all(dir.path())?;
        ours.push(rate);
        cpu.push(micros);
        text.push(EVENTS as f64 / copy_out(&server, Format::Text)?.as_secs_f64());
        binary.push(EVENTS as f64 / copy_out(&server, Format::Binary)?.as_secs_f64());
        say(&format!("round {round}, reading: {rate:.0}/s"));
    }

    let rates = [("Carrel", &ours), ("COPY, text", &text), ("COPY, binary", &binary)];
    let times =
        |peer: &[f64]| Spread::of(ours.iter().zip(peer).map(|(ours, its)| ours / its).collect());
    let row = |(name, rates): &(&str, &Vec<f64>)| {
        let (rate, times) = (Spread::of((*rates).clone()), times(rates));
        let range = format!("{}..{}", number(rate.min), number(rate.max));
        vec![String::from(*name), number(rate.median), range, number(times.median)]
    };
    let table = Table {
        title: String::from("Reading a million events in order"),
        notes: vec![
            String::from(
                "- Carrel: pages of 10,000 through the port, one page ahead; every frame's checksum \
                 checked, every record decoded; one reader.",
            ),
            format!("- CPU of Carrel: {} µs/event.", number(Spread::of(cpu.clone()).median)),
            String::from(
                "- COPY: `COPY (SELECT ... ORDER BY position) TO STDOUT` of PostgreSQL, from its \
                 own memory, by psql into nothing; nobody decodes.",
            ),
        ],
        columns: vec!["reader", "events/s", "min..max", "Carrel ÷ it"],
        rows: rates.iter().map(row).collect(),
    };
    // COPY's default; its binary form, which nobody can read without decoding it, is in the table.
    let goals = vec![Goal::at_least(
        2.0,
        "x",
        "reading everything ÷ PostgreSQL's COPY",
        times(&text).median,
    )];
    let figures = json!({
        "events": EVENTS, "ours_per_second": ours, "cpu_micros_per_event": cpu,
        "copy_text_per_second": text, "copy_binary_per_second": binary,
    });
    Ok(Section { name: "read", tables: vec![table], goals, figures })
}

/// Events a second, and CPU microseconds for one.
fn read_all(dir: &std::path::Path) -> Result<(f64, f64), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let log = open(dir)?;
    let before = cpu_of(None);
    let (took, read) = clock::timed(|| {
        runtime.block_on(async {
            let mut read = 0;
            each_page(&*log, Position::START, |page| {
                read += page.records.len() as u64;
                Ok::<_, Failure>(true)
            })
            .await?;
            Ok::<_, Failure>(read)
        })
    });
    let spent = cpu_of(None).saturating_sub(before);
    runtime.block_on(log.close())?;
    let read = read? as f64;
    if read < EVENTS as f64 {
        return Err(format!("{read} events were read of {EVENTS}").into());
    }
    Ok((read / took.as_secs_f64(), spent.as_secs_f64() * 1_000_000.0 / read))
}
