//! `carrel log show`

use carrel_log::embedded::RecordPlace;
use carrel_log::{EventLog, PageLimit};
use carrel_model::record::{Position, Record};
use serde::Serialize;

use super::record::{self, Json};
use super::target::{Log, Target};
use crate::arguments::Show;
use crate::failure::{Failure, Outcome};
use crate::output::{Form, Output};

#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    record: Json<'a>,
    fingerprint: String,
    /// The records of its command.
    unit: Unit,
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Unit {
    first: u64,
    last: u64,
}

#[derive(Debug, Serialize)]
struct Place {
    path: String,
    chunk: u64,
    offset: u64,
    bytes: u64,
    group_start: u64,
    /// The chain link after the unit.
    link: String,
}

impl From<RecordPlace> for Place {
    fn from(place: RecordPlace) -> Self {
        Self {
            path: place.path.display().to_string(),
            chunk: place.chunk,
            offset: place.offset,
            bytes: place.frame_bytes,
            group_start: place.group_start,
            link: place.link.to_string(),
        }
    }
}

pub(super) async fn run(
    target: &Target,
    what: &Show,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let log = target.read().await?;
    let record = find(log.port(), what.position).await?;
    let answer = log.port().lookup(record.unit.command_id).await?;
    let unit =
        answer.map_or(Unit { first: record.position.0, last: record.position.0 }, |answer| Unit {
            first: answer.first.0,
            last: answer.last.0,
        });
    let place = match &log {
        Log::Directory(reader) => reader.place_of(what.position).await?.map(Place::from),
        #[cfg(feature = "postgres")]
        Log::Postgres(_) => None,
    };
    match output.form() {
        Form::Json => {
            let fingerprint = record.unit.fingerprint.to_string();
            output.json(&Shown { record: Json::of(&record), fingerprint, unit, place })?;
        }
        Form::People => people(&record, unit, place.as_ref(), output)?,
    }
    Ok(Outcome::Fine)
}

async fn find(log: &dyn EventLog, position: Position) -> Result<Record, Failure> {
    let end = log.head().await?.position;
    if position > Position::START && position <= end {
        let page = log.read(Position(position.0 - 1), PageLimit::records(1)).await?;
        if let Some(record) = page.records.into_iter().next() {
            return Ok(record);
        }
    }
    let there = match end {
        Position::START => String::from("the log is empty"),
        end => format!("the log has positions 1 to {end}"),
    };
    Err(Failure::new(format!("there is no record at position {position}")).because(there))
}

fn people(
    record: &Record,
    unit: Unit,
    place: Option<&Place>,
    output: &mut Output,
) -> std::io::Result<()> {
    let origin = &record.unit.origin;
    output.field("position", record.position)?;
    output.field("time", origin.at)?;
    output.field("type", format!("{}, schema {}", record.kind, record.schema))?;
    output.field("stream", format!("{}, version {}", record.stream, record.version))?;
    output.field("event", record.event_id)?;
    output.field("command", record.unit.command_id)?;
    output.field("fingerprint", record.unit.fingerprint)?;
    output.field("caused by", origin.causation_id)?;
    output.field("correlation", origin.correlation_id)?;
    output.field("actor", format!("{}, by {}", origin.actor.id, origin.actor.method))?;
    output.field("organisation", &origin.org)?;
    output.field("incarnation", record.unit.incarnation)?;
    let trace = origin.trace_parent.map_or_else(|| String::from("-"), |trace| trace.to_string());
    output.field("trace", trace)?;
    output.field("unit", format!("positions {} to {}", unit.first, unit.last))?;
    if let Some(place) = place {
        output.field("file", &place.path)?;
        let frame = format!(
            "offset {}, {} bytes, in the group from {}",
            place.offset, place.bytes, place.group_start
        );
        output.field("frame", frame)?;
        output.field("link", &place.link)?;
    }
    output.field("data", format!("{} bytes", record.data.len()))?;
    output.line(&record::pretty(&record.data))
}
