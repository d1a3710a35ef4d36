//! The table of facts, with facts whose shape has changed.
#![expect(unreachable_pub, reason = "the table makes everything public, and here nobody sees it")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::*;
use crate::ids::FromUuid;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LampId(Uuid);

impl LampId {
    pub(crate) const fn uuid(self) -> Uuid {
        self.0
    }
}

impl FromUuid for LampId {
    fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lit {}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LitByPercent {
    percent: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LitInColour {
    percent: u8,
    colour: String,
}

impl From<Lit> for LitByPercent {
    fn from(_: Lit) -> Self {
        Self { percent: 100 }
    }
}

impl From<LitByPercent> for LitInColour {
    fn from(lit: LitByPercent) -> Self {
        Self { percent: lit.percent, colour: "white".to_owned() }
    }
}

/// What has a colour can't be said without one.
impl TryFrom<LitInColour> for LitByPercent {
    type Error = ();

    fn try_from(lit: LitInColour) -> Result<Self, ()> {
        (lit.colour == "white").then_some(Self { percent: lit.percent }).ok_or(())
    }
}

facts! {
    Lamp(LampId, LampFact) "lamp" {
        Lit "lamp.lit": 3 => LitInColour,
            was 1 => Lit, then LitByPercent; 2 => LitByPercent, until 7;
    }
}

fn stream() -> (&'static str, Uuid) {
    ("lamp", Uuid::nil())
}

fn lit(percent: u8, colour: &str) -> Event {
    let colour = colour.to_owned();
    LampId(Uuid::nil()).event(LampFact::Lit(LitInColour { percent, colour }))
}

#[test]
fn an_old_record_is_read_as_what_it_always_meant() {
    let read = |schema, data: &str| Event::decode("lamp.lit", schema, stream(), data.as_bytes());
    assert_eq!(read(1, "{}").expect("schema 1"), lit(100, "white"));
    assert_eq!(read(2, r#"{"percent":7}"#).expect("schema 2"), lit(7, "white"));
    assert_eq!(read(3, r#"{"percent":7,"colour":"red"}"#).expect("schema 3"), lit(7, "red"));
}

#[test]
fn what_this_version_cant_read_is_not_guessed() {
    let read = |kind: &str, schema, stream, data: &str| {
        Event::decode(kind, schema, stream, data.as_bytes()).expect_err("unreadable")
    };
    let later = read("lamp.lit", 4, stream(), "{}");
    assert!(matches!(later, Undecodable::Unknown { schema: 4, .. }));
    assert!(matches!(read("lamp.dimmed", 1, stream(), "{}"), Undecodable::Unknown { .. }));
    let more = read("lamp.lit", 1, stream(), r#"{"percent":7}"#);
    assert!(matches!(more, Undecodable::Malformed { .. }));
    let elsewhere = read("lamp.lit", 1, ("machine", Uuid::nil()), "{}");
    assert!(matches!(elsewhere, Undecodable::Misplaced { .. }));
}

#[test]
fn a_new_shape_is_written_when_everybody_reads_it() {
    let written = |event: Event, level| {
        let written = event.written(level)?.expect("JSON");
        Some((written.schema, String::from_utf8(written.data.to_vec()).expect("UTF-8")))
    };
    let before = written(lit(7, "white"), 6);
    assert_eq!(before, Some((2, r#"{"percent":7}"#.to_owned())));
    let after = written(lit(7, "white"), 7);
    assert_eq!(after, Some((3, r#"{"percent":7,"colour":"white"}"#.to_owned())));
    assert_eq!(written(lit(7, "red"), 6), None, "nobody could read it yet");
    assert!(lit(7, "white").is_readable_at(6) && !lit(7, "red").is_readable_at(6));
    assert_eq!((lit(7, "red").kind(), lit(7, "red").stream()), ("lamp.lit", stream()));
}

#[test]
fn every_schema_is_known_with_its_own_shape() {
    let known: Vec<(&str, u16)> = KNOWN.iter().map(|known| (known.kind, known.schema)).collect();
    assert_eq!(known, [("lamp.lit", 3), ("lamp.lit", 1), ("lamp.lit", 2)]);
    let again = (KNOWN[2].reread)(br#"{"percent":7}"#).expect("schema 2");
    assert!(!String::from_utf8_lossy(&again).contains("colour"));
    assert!((KNOWN[1].reread)(br#"{"percent":7}"#).is_err());
}
