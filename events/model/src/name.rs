//! Short names that appear in records: categories, record types, organisations, methods, and the
//! names of consumers and leases.
//!
//! They are checked when they are made, so that whoever holds one can print it, put it into a file
//! name or a query, and knows its largest size.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

/// Why a text is not a name of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is 1 to {length_max} characters of {alphabet}; got {given:?}")]
pub struct NameError {
    kind: &'static str,
    length_max: usize,
    alphabet: &'static str,
    given: String,
}

/// How much of a bad name an error repeats: enough to recognise it, never enough to fill a log.
const GIVEN_CHARS_MAX: usize = 80;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $kind:literal, $max:literal, $alphabet:literal, $allowed:pat,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            pub const LENGTH_MAX: usize = $max;

            pub fn new(text: &str) -> Result<Self, NameError> {
                let fits = (1..=$max).contains(&text.len());
                if fits && text.bytes().all(|byte| matches!(byte, $allowed)) {
                    return Ok(Self(SmolStr::new(text)));
                }
                Err(NameError {
                    kind: $kind,
                    length_max: $max,
                    alphabet: $alphabet,
                    given: text.chars().take(GIVEN_CHARS_MAX).collect(),
                })
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    )*};
}

names! {
    /// The kind of thing that a stream is about: `machine`, `image`, `operation`.
    Category: "a stream category", 32, "a-z, 0-9 and _", b'a'..=b'z' | b'0'..=b'9' | b'_',
    /// The name of a fact: `machine.started`.
    RecordType: "a record type", 64, "a-z, 0-9, _ and .",
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.',
    /// The organisation that a record belongs to.
    Org: "an organisation", 63, "a-z, 0-9, _ and -", b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-',
    /// How an actor proved who it is: `password`, `token`, `queue`, `system`.
    Method: "a method", 32, "a-z, 0-9, _ and -", b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-',
    /// A consumer of the log, whose place in it is remembered: `relay`, `projector.machines`.
    ConsumerName: "a consumer name", 64, "a-z, 0-9, _, - and .",
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.',
    /// A role that at most one process may play at a time; its epoch fences the others.
    LeaseName: "a lease name", 64, "a-z, 0-9, _, - and .",
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.',
    /// What a snapshot is of: `fleet`.
    SnapshotKind: "a snapshot kind", 32, "a-z, 0-9 and _", b'a'..=b'z' | b'0'..=b'9' | b'_',
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_when_it_is_made() {
        assert_eq!(Category::new("machine").map(|name| name.to_string()), Ok("machine".into()));
        for bad in ["", "Machine", "ma chine", "../etc", "maschine\0", "m\u{fc}ller"] {
            assert!(Category::new(bad).is_err(), "{bad:?}");
        }
        assert!(Category::new(&"x".repeat(Category::LENGTH_MAX)).is_ok());
        assert!(Category::new(&"x".repeat(Category::LENGTH_MAX + 1)).is_err());
    }

    #[test]
    fn the_error_says_what_is_allowed_and_does_not_repeat_a_whole_novel() {
        let error = RecordType::new(&"A".repeat(10_000)).map_err(|error| error.to_string());
        let text = error.expect_err("capitals are not allowed");
        assert!(text.starts_with("a record type is 1 to 64 characters of a-z, 0-9, _ and ."));
        assert!(text.len() < 200);
    }
}
