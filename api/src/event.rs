//! The log, for those who may see everything: page by page, or followed as it grows.

use axum::Json;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use carrel_log::{EventLog, PageLimit, ReadError};
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId};
use carrel_model::name::RecordType;
use carrel_model::record::{Position, Record, StreamId, Timestamp, Version};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::body::{Parameters, bad_request, header};
use crate::edge::Edge;
use crate::fault::Fault;
use crate::follower::follow;
use crate::guard::Asking;
use crate::limits::{EVENTS_PAGE, EVENTS_PAGE_MAX, EVENTS_SEEN_MAX};
use crate::problem::Problem;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Of as many digits as every number of them can be read.
const POSITION_MAX: u64 = 9_999_999_999_999_999_999;

/// One fact in its place.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    pub position: u64,
    /// `machine/0198c0de-0000-7000-8000-000000000001`
    pub stream: String,
    /// Its place in the stream.
    pub version: u64,
    pub event_id: EventId,
    #[serde(rename = "type")]
    pub kind: String,
    /// Of `data`: schemas/events has each.
    pub schema: u16,
    pub command_id: CommandId,
    pub causation_id: CausationId,
    pub correlation_id: CorrelationId,
    pub actor: Actor,
    pub traceparent: Option<String>,
    pub at: Timestamp,
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub data: Box<RawValue>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    pub id: ActorId,
    pub method: String,
}

/// Facts in order.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    pub items: Vec<Event>,
    /// What to ask `after` next. Null: that was all there is now.
    pub next: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    after: Option<u64>,
    stream: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    limit: Option<usize>,
}

/// Which facts are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    stream: Option<StreamId>,
    kind: Option<RecordType>,
}

impl Filter {
    pub(crate) fn wants(&self, record: &Record) -> bool {
        self.stream.as_ref().is_none_or(|stream| record.stream == *stream)
            && self.kind.as_ref().is_none_or(|kind| record.kind == *kind)
    }
}

/// `GET /v1/events`.
pub async fn get(
    State(edge): State<Edge>,
    asking: Asking,
    Parameters(asked): Parameters<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let limit = asked.limit.unwrap_or(EVENTS_PAGE);
    if !(1..=EVENTS_PAGE_MAX).contains(&limit) {
        return Err(bad_request(&format!("limit is a number from 1 to {EVENTS_PAGE_MAX}")));
    }
    let is_said = |text: &String| !text.is_empty();
    let stream = asked.stream.filter(is_said).as_deref().map(str::parse).transpose();
    let stream = stream.map_err(|error| bad_request(&format!("stream: {error}")))?;
    let kind = asked.kind.filter(is_said).as_deref().map(str::parse).transpose();
    let kind = kind.map_err(|error| bad_request(&format!("type: {error}")))?;
    let filter = Filter { stream, kind };
    let after = Position(asked.after.unwrap_or_default());
    let accepts = header(&headers, &ACCEPT)?.unwrap_or_default();
    let last = header(&headers, &LAST_EVENT_ID)?.filter(|last| !last.is_empty());
    let last = match last.map(str::parse::<u64>) {
        None => None,
        Some(Ok(last)) if last <= POSITION_MAX => Some(last),
        Some(_) => return Err(bad_request("Last-Event-ID is a position")),
    };
    if accepts.contains("text/event-stream") {
        return follow(edge, &asking, filter, last.map_or(after, Position));
    }
    let (records, next) =
        page(&*edge.ports.log, &filter, after, limit).await.map_err(|error| unread(&error))?;
    let items = records.iter().map(event).collect::<Result<_, Problem>>()?;
    Ok(Json(Events { items, next: next.map(|position| position.0) }).into_response())
}

pub(crate) fn unread(error: &ReadError) -> Problem {
    tracing::error!(error = %error, "the log can't be read");
    Problem::new(Fault::Unavailable, "the log can't be read now")
}

/// At most so many that are wanted, and behind which to look next.
async fn page(
    log: &dyn EventLog,
    filter: &Filter,
    after: Position,
    limit: usize,
) -> Result<(Vec<Record>, Option<Position>), ReadError> {
    match &filter.stream {
        Some(stream) => stream_page(log, stream, filter, (after, limit)).await,
        None => {
            let seen = if filter.kind.is_some() { EVENTS_SEEN_MAX } else { limit };
            let page = log.read(after, PageLimit::records(seen)).await?;
            Ok(chosen(page.records, filter, page.at_end, limit))
        }
    }
}

/// A stream is short, so it is read from its beginning until it is past the position.
async fn stream_page(
    log: &dyn EventLog,
    stream: &StreamId,
    filter: &Filter,
    (after, limit): (Position, usize),
) -> Result<(Vec<Record>, Option<Position>), ReadError> {
    let mut version = Version::NONE;
    loop {
        let page = log.read_stream(stream, version, PageLimit::records(EVENTS_SEEN_MAX)).await?;
        let last = page.records.last().map(|record| (record.version, record.position));
        match last {
            Some((last, position)) if position <= after && !page.at_end => version = last,
            Some(_) | None => {
                let behind = |record: &Record| record.position > after;
                let records = page.records.into_iter().filter(behind).collect();
                return Ok(chosen(records, filter, page.at_end, limit));
            }
        }
    }
}

fn chosen(
    records: Vec<Record>,
    filter: &Filter,
    at_end: bool,
    limit: usize,
) -> (Vec<Record>, Option<Position>) {
    let last = records.last().map(|record| record.position);
    let mut wanted: Vec<Record> = records.into_iter().filter(|it| filter.wants(it)).collect();
    if wanted.len() > limit {
        wanted.truncate(limit);
        let next = wanted.last().map(|record| record.position);
        return (wanted, next);
    }
    let next = if at_end { None } else { last };
    (wanted, next)
}

pub(crate) fn event(record: &Record) -> Result<Event, Problem> {
    let unit = &record.unit;
    let data = serde_json::from_slice(&record.data).map_err(|error| Problem::internal(&error))?;
    Ok(Event {
        position: record.position.0,
        stream: record.stream.to_string(),
        version: record.version.0,
        event_id: record.event_id,
        kind: record.kind.to_string(),
        schema: record.schema,
        command_id: unit.command_id,
        causation_id: unit.origin.causation_id,
        correlation_id: unit.origin.correlation_id,
        actor: Actor { id: unit.origin.actor.id, method: unit.origin.actor.method.to_string() },
        traceparent: unit.origin.trace_parent.map(|trace| trace.to_string()),
        at: unit.origin.at,
        data,
    })
}
