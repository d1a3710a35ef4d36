//! Bytes on disk for each byte of payload.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use carrel_log::embedded::Layout;
use carrel_log::embedded::chunk::Header;
use serde_json::json;

use super::Session;
use super::big::filled;
use crate::Failure;
use crate::events::PAYLOAD_BYTES;
use crate::figures::Goal;
use crate::ours::Filling;
use crate::place::bytes_on_disk;
use crate::report::{Section, Table, number};

const EVENTS: u64 = 1_000_000;

/// Events of one command, and what may be stored for each byte of payload.
const CASES: [(usize, f64); 2] = [(1, 2.0), (5, 1.5)];

pub(super) fn run(session: &Session<'_>) -> Result<Section, Failure> {
    let (mut rows, mut goals, mut figures) = (vec![], vec![], vec![]);
    for (records, most) in CASES {
        let dir = session.place.fresh()?;
        filled(dir.path(), Filling { events: EVENTS, records, seed: 3 })?;
        let sealed = sealed(dir.path())?;
        let all = bytes_on_disk(dir.path())? as f64 / (EVENTS * PAYLOAD_BYTES as u64) as f64;
        let whole = sealed.chunks + sealed.indexes;
        rows.push(vec![
            records.to_string(),
            number(whole),
            number(sealed.chunks),
            number(sealed.indexes),
            number(all),
        ]);
        goals.push(Goal::at_most(
            most,
            "x",
            format!("bytes stored ÷ bytes of payload, {records} of 400 B in a command"),
            whole,
        ));
        figures.push(json!({
            "records_per_command": records, "sealed_chunks": sealed.chunks,
            "sealed_indexes": sealed.indexes, "everything": all,
        }));
    }
    let table = Table {
        title: String::from("Bytes on disk for each byte of payload"),
        notes: vec![format!(
            "- Everything: {EVENTS} events with the catalogue, the chunk that is written to and the \
             one that waits, of 64 MiB each; both weigh less the longer the log is."
        )],
        columns: vec![
            "events in a command",
            "sealed",
            "of it chunks",
            "of it indexes",
            "everything",
        ],
        rows,
    };
    Ok(Section { name: "size", tables: vec![table], goals, figures: json!(figures) })
}

/// For each byte of payload.
struct Sealed {
    chunks: f64,
    indexes: f64,
}

fn sealed(dir: &Path) -> Result<Sealed, Failure> {
    let layout = Layout::new(dir);
    let active = (1..).take_while(|number| layout.chunk(*number).exists()).last().unwrap_or(1);
    let (mut chunks, mut indexes) = (0, 0);
    for number in 1..active {
        chunks += fs::metadata(layout.chunk(number))?.len();
        indexes += fs::metadata(layout.index(number))?.len();
    }
    let header = Header::read(&Bytes::from(fs::read(layout.chunk(active))?))
        .map_err(|bad| format!("the last chunk: {bad:?}"))?;
    let payload = (header.first.0 - 1) as f64 * PAYLOAD_BYTES as f64;
    Ok(Sealed { chunks: chunks as f64 / payload, indexes: indexes as f64 / payload })
}
