//! Is a log what it says? Reads all of it and checks what can be checked: positions, every stream's
//! versions, every command once, the chain to its end.
//!
//! [`over_port`] asks any adapter; [`crate::embedded::verify`] looks into the files as well.
//! Neither changes anything that the log's content or its readers depend on.
//!
//! Memory: at most 100 bytes for each stream and 24 for each command, and for a directory the index
//! of one chunk, about twice the chunk's size. A log of ten million events in three million streams
//! by five million commands takes about half a gigabyte.

mod account;
mod port;

use std::fmt;
use std::path::PathBuf;

use carrel_model::record::Position;

pub(crate) use self::account::Account;
pub use self::port::over_port;

use crate::error::Damage;
use crate::port::Head;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Made from the log, and wrong: it can be made again, and mostly is at the next start.
    Stale,
    /// Something of the log itself is wrong or gone.
    Damage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Where there are files.
    pub path: Option<PathBuf>,
    pub offset: Option<u64>,
    /// The first position that is affected.
    pub position: Option<Position>,
    pub what: String,
}

impl Finding {
    pub(crate) fn new(severity: Severity, what: impl Into<String>) -> Self {
        Self { severity, path: None, offset: None, position: None, what: what.into() }
    }

    pub(crate) fn damage(damage: Damage) -> Self {
        Self {
            severity: Severity::Damage,
            path: Some(damage.path),
            offset: Some(damage.offset),
            position: Some(damage.position),
            what: damage.what,
        }
    }

    pub(crate) fn at(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }

    pub(crate) fn of(self, path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    pub(crate) fn from(self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}", path.display())?;
        }
        if let Some(offset) = self.offset {
            write!(f, ", offset {offset}")?;
        }
        match (self.position, &self.path) {
            (Some(position), Some(_)) => write!(f, " (position {position}): ")?,
            (Some(position), None) => write!(f, "position {position}: ")?,
            (None, Some(_)) => f.write_str(": ")?,
            (None, None) => {}
        }
        f.write_str(&self.what)
    }
}

/// More are counted and not listed: who has a thousand knows enough.
pub const FINDINGS_MAX: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The log's end, as far as it could be read.
    pub head: Option<Head>,
    pub records: u64,
    pub units: u64,
    pub streams: u64,
    /// Files of records, if the log has such, and how many of them are in an archive.
    pub chunks: u64,
    pub archived: u64,
    pub bytes: u64,
    /// The end of the last batch before any damage; nothing if there is none.
    pub trusted: Option<Position>,
    pub findings: Vec<Finding>,
    pub findings_left_out: u64,
    /// What was not looked at, and why.
    pub unchecked: Vec<String>,
}

impl Report {
    pub(crate) fn found(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.findings_left_out += 1;
        }
    }

    pub fn is_damaged(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Damage)
    }

    /// Remembers up to where the log can be trusted, once there is damage. `whole` is the end of
    /// the last batch that was read by then.
    pub(crate) fn trust(&mut self, whole: Position) {
        if self.trusted.is_none()
            && let Some(bad) = self.first_bad()
        {
            let before = bad.position.map_or(whole, |bad| Position(bad.0.saturating_sub(1)));
            self.trusted = Some(whole.min(before));
        }
    }

    /// The damage with the lowest position.
    pub fn first_bad(&self) -> Option<&Finding> {
        let damages = self.findings.iter().filter(|it| it.severity == Severity::Damage);
        damages.min_by_key(|finding| finding.position.unwrap_or(Position(u64::MAX)))
    }
}

/// How far it has come: in bytes where there are files, in records otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}
