//! `carrel log stats`

use std::collections::HashMap;

use carrel_log::embedded::{ChunkState, Inventory};
use carrel_log::{Cursor, EventLog, Head, PageLimit, each_page};
use carrel_model::name::{ConsumerName, RecordType};
use carrel_model::record::{Position, Timestamp};
use serde::Serialize;

use super::target::{Log, Target};
use crate::arguments::Stats;
use crate::failure::{Failure, Outcome};
use crate::output::{Counted, Form, Output, progress_bar};

/// Shown to people; programs get all.
const TYPES_SHOWN: usize = 20;

#[derive(Debug, Serialize)]
struct Json {
    log_id: String,
    incarnation: u32,
    position: u64,
    link: String,
    oldest: Option<String>,
    newest: Option<String>,
    files: Option<Files>,
    cursors: Vec<JsonCursor>,
    types: Option<Vec<Count>>,
}

#[derive(Debug, Serialize)]
struct Files {
    bytes: u64,
    chunks: u64,
    sealed: u64,
    archived: u64,
    archived_bytes: u64,
    indexes: u64,
    index_bytes: u64,
    leases: Vec<Lease>,
    snapshots: Vec<Snapshot>,
    damage: Option<String>,
}

#[derive(Debug, Serialize)]
struct Lease {
    name: String,
    epoch: u64,
}

#[derive(Debug, Serialize)]
struct Snapshot {
    name: String,
    position: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct JsonCursor {
    name: String,
    position: u64,
    lag: u64,
    epoch: u64,
    incarnation: u32,
}

#[derive(Debug, Serialize)]
struct Count {
    r#type: String,
    records: u64,
}

pub(super) async fn run(
    target: &Target,
    what: &Stats,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let log = target.read().await?;
    let port = log.port();
    let head = port.head().await?;
    let files = match &log {
        Log::Directory(reader) => Some(files(&reader.inventory().await?)),
        #[cfg(feature = "postgres")]
        Log::Postgres(_) => None,
    };
    let types = if what.types { Some(types(port, &head).await?) } else { None };
    let json = Json {
        log_id: head.log_id.to_string(),
        incarnation: head.incarnation.0,
        position: head.position.0,
        link: head.link.to_string(),
        oldest: time_at(port, Position(1)).await?.map(|at| at.to_string()),
        newest: time_at(port, head.position).await?.map(|at| at.to_string()),
        files,
        cursors: port.cursors().await?.iter().map(|(name, it)| cursor(name, it, &head)).collect(),
        types,
    };
    match output.form() {
        Form::Json => output.json(&json)?,
        Form::People => people(&json, output)?,
    }
    Ok(Outcome::Fine)
}

async fn time_at(log: &dyn EventLog, position: Position) -> Result<Option<Timestamp>, Failure> {
    let Some(before) = position.0.checked_sub(1) else { return Ok(None) };
    let page = log.read(Position(before), PageLimit::records(1)).await?;
    Ok(page.records.first().map(|record| record.unit.origin.at))
}

fn cursor(name: &ConsumerName, cursor: &Cursor, head: &Head) -> JsonCursor {
    JsonCursor {
        name: name.to_string(),
        position: cursor.position.0,
        lag: head.position.0.saturating_sub(cursor.position.0),
        epoch: cursor.epoch.0,
        incarnation: cursor.incarnation.0,
    }
}

fn files(inventory: &Inventory) -> Files {
    let of = |state: ChunkState| inventory.chunks.iter().filter(move |it| it.state == state);
    let indexes = inventory.chunks.iter().filter_map(|chunk| chunk.index_bytes);
    let leases = inventory.leases.iter();
    let snapshots = inventory.snapshots.iter();
    Files {
        bytes: inventory.chunks.iter().map(|chunk| chunk.bytes).sum(),
        chunks: inventory.chunks.len() as u64,
        sealed: of(ChunkState::Sealed).count() as u64,
        archived: of(ChunkState::Archived).count() as u64,
        archived_bytes: of(ChunkState::Archived).map(|chunk| chunk.bytes).sum(),
        indexes: indexes.clone().count() as u64,
        index_bytes: indexes.sum(),
        leases: leases
            .map(|(name, epoch)| Lease { name: name.to_string(), epoch: epoch.0 })
            .collect(),
        snapshots: snapshots
            .map(|it| Snapshot { name: it.name.clone(), position: it.position.0, bytes: it.bytes })
            .collect(),
        damage: inventory.damage.as_ref().map(ToString::to_string),
    }
}

/// Reads the whole log. The most frequent come first.
async fn types(log: &dyn EventLog, head: &Head) -> Result<Vec<Count>, Failure> {
    let bar = progress_bar(Counted::Records, "counting");
    bar.set_length(head.position.0);
    let mut counts: HashMap<RecordType, u64> = HashMap::new();
    each_page(log, Position::START, |page| {
        let last = page.records.last().map_or(head.position, |record| record.position);
        for record in page.records {
            *counts.entry(record.kind).or_default() += 1;
        }
        bar.set_position(last.0);
        Ok::<_, Failure>(last < head.position)
    })
    .await?;
    bar.finish_and_clear();
    let mut counts: Vec<_> = counts
        .into_iter()
        .map(|(name, records)| Count { r#type: name.to_string(), records })
        .collect();
    counts.sort_by(|one, other| {
        other.records.cmp(&one.records).then_with(|| one.r#type.cmp(&other.r#type))
    });
    Ok(counts)
}

fn people(json: &Json, output: &mut Output) -> std::io::Result<()> {
    output.field("log", &json.log_id)?;
    output.field("incarnation", json.incarnation)?;
    output.field("ends at", format!("position {}, link {}", json.position, json.link))?;
    output.field("oldest", json.oldest.as_deref().unwrap_or("-"))?;
    output.field("newest", json.newest.as_deref().unwrap_or("-"))?;
    if let Some(files) = &json.files {
        people_files(files, output)?;
    }
    for cursor in &json.cursors {
        let mut line = format!("{} at {}, {} behind", cursor.name, cursor.position, cursor.lag);
        if cursor.incarnation != json.incarnation {
            line.push_str(&format!(", of incarnation {}", cursor.incarnation));
        }
        output.field("cursor", line)?;
    }
    for count in json.types.iter().flatten().take(TYPES_SHOWN) {
        output.field("type", format!("{:>10}  {}", count.records, count.r#type))?;
    }
    let more = json.types.as_ref().map_or(0, Vec::len).saturating_sub(TYPES_SHOWN);
    if more > 0 {
        output.field("type", format!("and {more} more types"))?;
    }
    Ok(())
}

fn people_files(files: &Files, output: &mut Output) -> std::io::Result<()> {
    let human = indicatif::HumanBytes;
    let chunks = format!(
        "{}: {} sealed, {} archived ({}), 1 active; {} in all",
        files.chunks,
        files.sealed,
        files.archived,
        human(files.archived_bytes),
        human(files.bytes)
    );
    output.field("chunks", chunks)?;
    let expected = files.sealed + files.archived;
    let indexes = format!("{} of {expected}, {}", files.indexes, human(files.index_bytes));
    output.field("indexes", indexes)?;
    for lease in &files.leases {
        output.field("lease", format!("{} at epoch {}", lease.name, lease.epoch))?;
    }
    for snapshot in &files.snapshots {
        output.field("snapshot", format!("{}, {}", snapshot.name, human(snapshot.bytes)))?;
    }
    if let Some(damage) = &files.damage {
        output.field("damage", damage)?;
    }
    Ok(())
}
