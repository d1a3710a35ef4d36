//! A moment, as RFC 3339 writes it: `2026-01-31T07:45:00.000000Z`, always in UTC and always with
//! microseconds, so that what is later also sorts later.

use std::borrow::Cow;
use std::fmt;

use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted. For people: the log's order
/// is its positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
const PARSER: DateTimeParser = DateTimeParser::new();
const OUTSIDE: &str = "a moment outside of the years 0 to 9999";

impl Timestamp {
    /// The beginning of the year 0, and the last moment of the year 9999 that has four digits in
    /// every zone.
    pub const MIN: Self = Self(-62_167_219_200_000_000);
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// Never past the end of what can be told.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        let later = self.0.saturating_add(seconds as i64 * 1_000_000);
        Self(if later > Self::MAX.0 { Self::MAX.0 } else { later })
    }

    #[must_use]
    pub const fn minus_seconds(self, seconds: u32) -> Self {
        let earlier = self.0.saturating_sub(seconds as i64 * 1_000_000);
        Self(if earlier < Self::MIN.0 { Self::MIN.0 } else { earlier })
    }

    const fn can_be_told(self) -> bool {
        Self::MIN.0 <= self.0 && self.0 <= Self::MAX.0
    }

    fn in_calendar(self) -> Option<jiff::Timestamp> {
        if !self.can_be_told() {
            return None;
        }
        jiff::Timestamp::from_microsecond(self.0).ok()
    }
}

/// What the calendar can't tell is shown as its number of microseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.in_calendar() {
            Some(at) => f.write_str(&PRINTER.timestamp_to_string(&at)),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = self.in_calendar().ok_or_else(|| S::Error::custom(OUTSIDE))?;
        serializer.serialize_str(&PRINTER.timestamp_to_string(&at))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Rfc3339)
    }
}

struct Rfc3339;

impl Visitor<'_> for Rfc3339 {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moment as RFC 3339 writes it, like 2026-01-31T07:45:00Z")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
        let at = PARSER.parse_timestamp(text).map_err(E::custom)?;
        let at = Timestamp(at.as_microsecond());
        if at.can_be_told() { Ok(at) } else { Err(E::custom(OUTSIDE)) }
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A moment as RFC 3339 writes it.",
            "type": "string",
            "format": "date-time",
            "examples": ["2026-01-31T07:45:00.000000Z"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    fn read(text: &str) -> Option<Timestamp> {
        serde_json::from_value(text.into()).ok()
    }

    #[test]
    fn it_is_written_in_utc_with_microseconds() {
        let written = |at: i64| serde_json::to_value(Timestamp(at)).expect("can be told");
        assert_eq!(written(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(1_767_225_600_000_001), "2026-01-01T00:00:00.000001Z");
        assert_eq!(written(Timestamp::MIN.0), "0000-01-01T00:00:00.000000Z");
        assert_eq!(written(Timestamp::MAX.0), "9999-12-30T22:00:00.000000Z");
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        assert_eq!(Timestamp(1_760_000_000_123_456).to_string(), "2025-10-09T08:53:20.123456Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "9223372036854775807us");
    }

    #[test]
    fn what_is_written_is_read() {
        for at in [Timestamp::MIN.0, -1, 0, 1_767_225_600_000_001, Timestamp::MAX.0] {
            let json = serde_json::to_string(&Timestamp(at)).expect("can be told");
            assert_eq!(serde_json::from_str::<Timestamp>(&json).ok(), Some(Timestamp(at)));
        }
    }

    #[test]
    fn other_zones_and_shorter_fractions_are_read() {
        let noon = Some(Timestamp(1_767_268_800_000_000));
        assert_eq!(read("2026-01-01T12:00:00Z"), noon);
        assert_eq!(read("2026-01-01T13:00:00.0+01:00"), noon);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "now", "2026-01-01", "2026-01-01T12:00:00", "1767268800"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(serde_json::from_str::<Timestamp>("1767268800").is_err());
        assert!(serde_json::to_string(&Timestamp(i64::MAX)).is_err());
    }

    #[test]
    fn adding_stays_within_what_can_be_told() {
        assert_eq!(Timestamp::MAX.plus_seconds(1), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus_seconds(1), Timestamp::MIN);
        assert_eq!(Timestamp(0).plus_seconds(2), Timestamp(2_000_000));
    }
}
