//! What is read of a part, and what is said of what can't be read.

use std::str::FromStr;

use crate::text::{HostFile, Label, Name};
use crate::tree::{Element, Malformed};

/// Of what was found as much as tells it from others.
const FOUND_CHARS_MAX: usize = 60;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("no XML: {0}")]
    Malformed(Malformed),
    #[error("no {0}")]
    Missing(&'static str),
    #[error("{what} is {found:?}")]
    Odd { what: &'static str, found: String },
}

pub(super) fn odd(what: &'static str, found: &str) -> Unreadable {
    Unreadable::Odd { what, found: found.chars().take(FOUND_CHARS_MAX).collect() }
}

/// What libvirt calls each of a kind.
pub(crate) type Words<T> = &'static [(T, &'static str)];

/// Every value of a kind is in its list; a test goes through them.
pub(crate) fn word<T: Copy + PartialEq>(words: Words<T>, value: T) -> &'static str {
    words.iter().find(|(it, _)| *it == value).map_or("", |(_, word)| word)
}

pub(super) fn meant<T: Copy>(
    words: Words<T>,
    found: Option<&str>,
    what: &'static str,
) -> Result<T, Unreadable> {
    let found = found.ok_or(Unreadable::Missing(what))?;
    let meant = words.iter().find(|(_, word)| *word == found);
    meant.map(|(it, _)| *it).ok_or_else(|| odd(what, found))
}

pub(super) fn required<'a>(
    from: &'a Element,
    path: &[&str],
    what: &'static str,
) -> Result<&'a Element, Unreadable> {
    from.at(path).ok_or(Unreadable::Missing(what))
}

pub(super) fn attribute<'a>(from: &'a Element, name: &'static str) -> Result<&'a str, Unreadable> {
    from.attribute(name).ok_or(Unreadable::Missing(name))
}

pub(super) fn number<T: FromStr>(found: &str, what: &'static str) -> Result<T, Unreadable> {
    found.trim().parse().map_err(|_| odd(what, found))
}

pub(super) fn text(from: &Element, path: &[&str], what: &'static str) -> Result<Name, Unreadable> {
    let found = &required(from, path, what)?.text;
    Name::new(found).map_err(|_| odd(what, found))
}

pub(super) fn label(found: &str, what: &'static str) -> Result<Label, Unreadable> {
    Label::new(found).map_err(|_| odd(what, found))
}

pub(super) fn file(found: &str, what: &'static str) -> Result<HostFile, Unreadable> {
    HostFile::new(found).map_err(|_| odd(what, found))
}

/// We say MiB, libvirt KiB.
pub(crate) fn memory_mib(domain: &Element) -> Result<u32, Unreadable> {
    let memory = required(domain, &["memory"], "memory")?;
    let amount: u64 = number(&memory.text, "memory")?;
    let bytes = match memory.attribute("unit").unwrap_or("KiB") {
        "b" | "bytes" => Some(amount),
        "KiB" | "k" => amount.checked_mul(1 << 10),
        "MiB" | "M" => amount.checked_mul(1 << 20),
        "GiB" | "G" => amount.checked_mul(1 << 30),
        _ => None,
    };
    let mib = bytes.and_then(|bytes| u32::try_from(bytes >> 20).ok());
    mib.ok_or_else(|| odd("memory", &memory.text))
}
