//! How a command ends, and what people are told when it could not do what it should.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::process::ExitCode;

use carrel_log::embedded::OpenError;
use carrel_log::{AppendError, ReadError};

/// A command that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Fine,
    /// verify found something.
    Findings,
}

impl Outcome {
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Self::Fine => ExitCode::SUCCESS,
            Self::Findings => ExitCode::from(1),
        }
    }
}

/// What went wrong, why, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: Option<String>,
    next: Option<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usage,
    CouldNot,
    /// Nothing could be looked at, so that nothing was found either.
    Unseen,
    /// Whoever read the output has had enough: no failure at all.
    NobodyReads,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))?;
        self.next.iter().try_for_each(|next| write!(f, "; {next}"))
    }
}

impl Failure {
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, next: None, kind: Kind::Usage }
    }

    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, next: None, kind: Kind::CouldNot }
    }

    pub(crate) fn because(self, why: impl Display) -> Self {
        Self { why: Some(why.to_string()), ..self }
    }

    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// For whoever asks whether there is anything: neither yes nor no.
    #[cfg(feature = "libvirt")]
    pub(crate) fn unseen(self) -> Self {
        match self.kind {
            Kind::NobodyReads => self,
            Kind::Usage | Kind::CouldNot | Kind::Unseen => Self { kind: Kind::Unseen, ..self },
        }
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.kind == Kind::NobodyReads
    }

    pub(crate) fn code(&self) -> ExitCode {
        match self.kind {
            Kind::Usage | Kind::Unseen => ExitCode::from(2),
            Kind::CouldNot => ExitCode::from(3),
            Kind::NobodyReads => ExitCode::SUCCESS,
        }
    }

    /// There is nobody to tell when this can't be written either.
    pub(crate) fn tell(&self) {
        if self.kind == Kind::NobodyReads {
            return;
        }
        let mut text = format!("error: {}\n", self.what);
        if let Some(why) = &self.why {
            text.push_str(&format!("  why: {why}\n"));
        }
        if let Some(next) = &self.next {
            text.push_str(&format!("  next: {next}\n"));
        }
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    pub(crate) fn reading(error: &ReadError) -> Self {
        let failure = Self::new("the log can't be read").because(error);
        match error {
            ReadError::Damaged(_) | ReadError::Corrupt(_) => {
                failure.next("`carrel log verify` finds all damage, and says what can be trusted")
            }
            ReadError::Io { .. } | ReadError::Over => failure,
            ReadError::Unreachable(_) => {
                failure.next("check the URL, the server, and the password in PGPASSFILE")
            }
        }
    }

    pub(crate) fn opening(error: &OpenError) -> Self {
        let failure = Self::new("the log can't be opened").because(error);
        match error {
            OpenError::InUse { .. } => failure.next(
                "stop that process, or use what only reads: tail, show, verify, stats, export",
            ),
            OpenError::NoLog(_) => failure.next("name the log with --log, or in CARREL_LOG"),
            OpenError::Newer { .. } => failure.next("use that version of Carrel, or a later one"),
            OpenError::Read(error) => Self::reading(error),
            OpenError::MissingChunk { .. }
            | OpenError::RepairUnfinished { .. }
            | OpenError::Catalogue(_)
            | OpenError::Thread(_) => failure,
        }
    }

    pub(crate) fn appending(error: &AppendError) -> Self {
        Self::new("the log can't be written").because(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let unread = error.kind() == io::ErrorKind::BrokenPipe;
        let kind = if unread { Kind::NobodyReads } else { Kind::CouldNot };
        Self { kind, ..Self::new("input or output failed").because(error) }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::reading(&error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::opening(&error)
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        Self::appending(&error)
    }
}
