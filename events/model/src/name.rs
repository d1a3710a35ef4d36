//! Short names: of things that people arrange, and those that appear in records.
//!
//! They are checked when they are made, so that whoever holds one can print it, put it into a file
//! name or a query, and knows its largest size.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;
use uuid::Uuid;

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
    ($($(#[$doc:meta])* $name:ident: $kind:literal, $max:literal, $alphabet:literal, $pattern:literal,
        $example:literal, $allowed:pat $(=> unless $refused:path)?,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            pub const LENGTH_MAX: usize = $max;

            pub fn new(text: &str) -> Result<Self, NameError> {
                let fits = (1..=$max).contains(&text.len()) $(&& !$refused(text))?;
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

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(from)?;
                Self::new(&text).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $max,
                    "pattern": concat!("^[", $pattern, "]+$"),
                    "examples": [$example],
                })
            }
        }
    )*

    #[cfg(test)]
    const EXAMPLES: &[fn()] = &[$(|| {
        assert!($name::new($example).is_ok(), "{} is no {}", $example, $kind);
    },)*];
    };
}

/// Every place that takes an id also takes a name, so no name may look like an id.
fn is_an_id(text: &str) -> bool {
    Uuid::try_parse(text).is_ok()
}

/// RFC 1123, section 2.1: no hyphen at either end. Only digits would be taken for an address.
fn is_no_host_name(text: &str) -> bool {
    text.starts_with('-') || text.ends_with('-') || text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Exactly one place for the number, so that names differ.
fn is_no_pattern(text: &str) -> bool {
    text.matches("{n}").count() != 1 || text.replace("{n}", "").contains(['{', '}'])
}

fn is_no_host_path(text: &str) -> bool {
    !text.starts_with('/') || text.split('/').any(|step| step == "..")
}

/// Every step has to be the name of something, so that one file has one path.
fn is_no_file_path(text: &str) -> bool {
    text.split('/').any(|step| matches!(step, "" | "." | ".."))
}

names! {
    /// The name of a thing that people arrange; unique within its kind.
    Name: "a name", 63, "letters, digits, '.', '_' and '-', and not a UUID", "A-Za-z0-9._-", "win11",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => unless is_an_id,
    /// The key of a label or of a property: `site`, `example.org/room`.
    Label: "a label", 63, "letters, digits, '.', '_', '-' and '/'", "A-Za-z0-9._/-", "site",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/',
    /// Something that a host has only so many of: `gpu/nvidia-a16-4q`.
    Counter: "a counter", 63, "a-z, 0-9, '.', '_', '-' and '/'", "a-z0-9._/-", "gpu/nvidia-a16-4q",
        b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/',
    /// What a guest calls itself. Windows takes no more than 15 characters (NetBIOS).
    Hostname: "a host name in a guest", 15, "letters, digits and inner '-', not digits alone", "A-Za-z0-9-", "win11-001",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => unless is_no_host_name,
    /// A DNS name or an IP address, without a port.
    HostAddress: "an address", 253, "letters, digits, '.', '-' and ':'", "A-Za-z0-9.:-", "node1.example.org",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b':',
    /// A machine type, a CPU model, a bridge, a libvirt network: what libvirt and Linux call
    /// things.
    PlatformName: "a name of the platform", 63, "letters, digits, '.', '_', '-' and '+'", "A-Za-z0-9._+-", "pc-q35-9.0",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'+',
    /// Where a host keeps the files of a storage: absolute, and without a step upwards.
    HostPath: "a path on a host", 255, "'/', letters, digits, '.', '_' and '-', from the root, without '..'",
        "A-Za-z0-9._/-", "/srv/carrel",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => unless is_no_host_path,
    /// Where a file is below the path of its storage: relative, and without a step upwards.
    FilePath: "a path of a file", 255, "'/', letters, digits, '.', '_' and '-', not from the root, without '..'",
        "A-Za-z0-9._/-", "mail/disk0.qcow2",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => unless is_no_file_path,
    /// A name with `{n}` where a number goes: `win11-{n}`.
    NamePattern: "a name pattern", 60, "letters, digits, '.', '_', '-' and one '{n}'", "A-Za-z0-9._{}-", "win11-{n}",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'{' | b'}' => unless is_no_pattern,
    /// A time zone of the IANA database: `Europe/Vilnius`.
    TimeZoneName: "a time zone", 63, "letters, digits, '/', '_', '+' and '-'", "A-Za-z0-9/_+-", "Europe/Vilnius",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'_' | b'+' | b'-',
    /// What a terminal calls itself: a MAC, an IP address, or any other string.
    TerminalLabel: "a terminal's id", 63, "letters, digits, '.', '_', '-' and ':'", "A-Za-z0-9._:-", "00:16:3e:00:00:01",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b':',
    /// The kind of thing that a stream is about: `machine`, `image`, `operation`.
    Category: "a stream category", 32, "a-z, 0-9 and _", "a-z0-9_", "machine", b'a'..=b'z' | b'0'..=b'9' | b'_',
    /// The name of a fact: `machine.started`.
    RecordType: "a record type", 64, "a-z, 0-9, _ and .", "a-z0-9_.", "machine.started",
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.',
    /// The organisation that a record belongs to.
    Org: "an organisation", 63, "a-z, 0-9, _ and -", "a-z0-9_-", "main", b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-',
    /// How an actor proved who it is: `password`, `token`, `queue`, `system`.
    Method: "a method", 32, "a-z, 0-9, _ and -", "a-z0-9_-", "password", b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-',
    /// A consumer of the log, whose place in it is remembered: `relay`, `projector.machines`.
    ConsumerName: "a consumer name", 64, "a-z, 0-9, _, - and .", "a-z0-9_.-", "relay",
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.',
    /// A role that at most one process may play at a time; its epoch fences the others.
    LeaseName: "a lease name", 64, "a-z, 0-9, _, - and .", "a-z0-9_.-", "relay",
        b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.',
    /// What a snapshot is of: `fleet`.
    SnapshotKind: "a snapshot kind", 32, "a-z, 0-9 and _", "a-z0-9_", "fleet", b'a'..=b'z' | b'0'..=b'9' | b'_',
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
    fn a_path_of_a_file_never_leaves_its_storage() {
        for good in ["disk0.raw", "mail/disk0.qcow2", "a/..b"] {
            assert!(FilePath::new(good).is_ok(), "{good:?}");
        }
        for bad in ["/etc/shadow", "..", "../x", "a/../x", "a/..", "a//x", "./x", "a/", "a x"] {
            assert!(FilePath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn examples_are_examples() {
        EXAMPLES.iter().for_each(|check| check());
    }

    #[test]
    fn the_error_says_what_is_allowed_and_does_not_repeat_a_whole_novel() {
        let error = RecordType::new(&"A".repeat(10_000)).map_err(|error| error.to_string());
        let text = error.expect_err("capitals are not allowed");
        assert!(text.starts_with("a record type is 1 to 64 characters of a-z, 0-9, _ and ."));
        assert!(text.len() < 200);
    }
}
