//! One record, as JSON and as a line for people.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carrel_model::record::Record;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::text;

/// The fields that the HTTP interface gives out for an event, and where it belongs.
#[derive(Debug, Serialize)]
pub(super) struct Json<'a> {
    position: u64,
    stream: String,
    version: u64,
    event_id: String,
    r#type: &'a str,
    schema: u16,
    command_id: String,
    causation_id: String,
    correlation_id: String,
    actor: Actor<'a>,
    traceparent: Option<String>,
    at: String,
    data: Data,
    org: &'a str,
    incarnation: u32,
}

#[derive(Debug, Serialize)]
struct Actor<'a> {
    id: String,
    method: &'a str,
}

/// The log carries bytes; by convention they are JSON.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Data {
    Json(Box<RawValue>),
    Bytes { base64: String },
}

impl Data {
    fn of(bytes: &[u8]) -> Self {
        // Line breaks in JSON stand between its parts only; without them it stays on one line.
        let text = std::str::from_utf8(bytes).map(|text| text.replace(['\n', '\r'], " "));
        let json = text.ok().and_then(|text| RawValue::from_string(text).ok());
        json.map_or_else(|| Self::Bytes { base64: STANDARD.encode(bytes) }, Self::Json)
    }
}

impl<'a> Json<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        let origin = &record.unit.origin;
        Self {
            position: record.position.0,
            stream: record.stream.to_string(),
            version: record.version.0,
            event_id: record.event_id.to_string(),
            r#type: record.kind.as_str(),
            schema: record.schema,
            command_id: record.unit.command_id.to_string(),
            causation_id: origin.causation_id.to_string(),
            correlation_id: origin.correlation_id.to_string(),
            actor: Actor { id: origin.actor.id.to_string(), method: origin.actor.method.as_str() },
            traceparent: origin.trace_parent.map(|trace| trace.to_string()),
            at: origin.at.to_string(),
            data: Data::of(&record.data),
            org: origin.org.as_str(),
            incarnation: record.unit.incarnation.0,
        }
    }
}

/// One line, shortened to a width.
pub(super) fn line(record: &Record, width: Option<usize>) -> String {
    let origin = &record.unit.origin;
    let line = format!(
        "{:>8}  {}  {}  {}  v{}  {}  {}",
        record.position,
        origin.at,
        record.kind,
        record.stream,
        record.version,
        origin.actor.method,
        text::one_line(&record.data),
    );
    text::shortened(&line, width)
}

/// Data for people: indented if it is JSON.
pub(super) fn pretty(data: &[u8]) -> String {
    let pretty = serde_json::from_slice::<serde_json::Value>(data)
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    // Between the parts there are line breaks; within them nothing may command the terminal.
    let harmless = |char: char| if char.is_control() && char != '\n' { ' ' } else { char };
    let pretty = pretty.map(|text| text.chars().map(harmless).collect());
    pretty.unwrap_or_else(|| match std::str::from_utf8(data) {
        Ok(_) => text::one_line(data),
        Err(_) => format!("base64: {}", STANDARD.encode(data)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_stays_as_it_was_written_and_on_one_line() {
        let json = |data: &[u8]| serde_json::to_string(&Data::of(data)).unwrap();
        assert_eq!(json(b"{\"a\": 1.50}"), "{\"a\": 1.50}");
        assert_eq!(
            json(b"{\n\"b\": 12345678901234567890123}"),
            "{ \"b\": 12345678901234567890123}"
        );
        assert_eq!(json(b"not json"), "{\"base64\":\"bm90IGpzb24=\"}");
        assert_eq!(json(b"\xff"), "{\"base64\":\"/w==\"}");
        assert_eq!(json(b""), "{\"base64\":\"\"}");
    }
}
