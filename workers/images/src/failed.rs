//! Why something could not be done, and whether trying again would help.

use std::io;
use std::path::{Path, PathBuf};

use crate::header::Refused;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hope {
    /// It will be the same again.
    Never,
    /// It may work another time: a lock, a full disk.
    Again,
    /// Nobody wanted it any more.
    Cancelled,
}

/// The text says what is wrong with which file, and what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("{} is not there", .0.display())]
    Missing(PathBuf),
    #[error("{}: {why}", .path.display())]
    Refused { path: PathBuf, why: Refused },
    #[error("{} is there already and is not what was asked for: {what}", .path.display())]
    Differs { path: PathBuf, what: &'static str },
    #[error("{}: {needed_mib} MiB are needed, and {free_mib} MiB are free", .path.display())]
    NoSpace { path: PathBuf, free_mib: u64, needed_mib: u64 },
    #[error("{} is open in another process, perhaps of a running guest", .0.display())]
    InUse(PathBuf),
    #[error("{}: {what}", .path.display())]
    Unfit { path: PathBuf, what: &'static str },
    #[error("{}: its SHA-256 is not the one that was told; send it again", .0.display())]
    OtherBytes(PathBuf),
    #[error("something newer was asked for")]
    Cancelled,
    #[error("qemu-img {verb} was stopped: it took more {what} than it may")]
    ToolLimit { verb: &'static str, what: &'static str },
    #[error("qemu-img {verb}: {detail}")]
    Tool { verb: &'static str, detail: String },
    #[error("{}: {source}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Failed {
    /// Once released it stays the same.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "file_missing",
            Self::Refused { why, .. } => why.code(),
            Self::Differs { .. } => "file_differs",
            Self::NoSpace { .. } => "no_space",
            Self::InUse(_) => "locked",
            Self::Unfit { .. } => "file_unfit",
            Self::OtherBytes(_) => "digest_differs",
            Self::Cancelled => "cancelled",
            Self::ToolLimit { .. } => "tool_limit",
            Self::Tool { .. } => "tool_failed",
            Self::Io { .. } => "file_io",
        }
    }

    pub fn hope(&self) -> Hope {
        match self {
            Self::Missing(_)
            | Self::Refused { .. }
            | Self::Differs { .. }
            | Self::Unfit { .. }
            | Self::OtherBytes(_)
            | Self::ToolLimit { .. } => Hope::Never,
            Self::NoSpace { .. } | Self::InUse(_) | Self::Tool { .. } => Hope::Again,
            Self::Cancelled => Hope::Cancelled,
            Self::Io { source, .. } => of_kind(source.kind()),
        }
    }

    pub(crate) fn io(path: &Path, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.to_owned(), source.into());
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing(path)
        } else {
            Self::Io { path, source }
        }
    }

    /// Says of a full disk how full it is.
    pub(crate) fn with_room(self, free_mib: u64, needed_mib: u64) -> Self {
        if let Self::NoSpace { path, .. } = self {
            Self::NoSpace { path, free_mib, needed_mib }
        } else {
            self
        }
    }

    pub(crate) fn refused(path: &Path, why: Refused) -> Self {
        Self::Refused { path: path.to_owned(), why }
    }

    pub(crate) fn unfit(path: &Path, what: &'static str) -> Self {
        Self::Unfit { path: path.to_owned(), what }
    }
}

fn of_kind(kind: io::ErrorKind) -> Hope {
    let never = [
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::InvalidInput,
        io::ErrorKind::InvalidFilename,
        io::ErrorKind::NotADirectory,
        io::ErrorKind::Unsupported,
        io::ErrorKind::CrossesDevices,
    ];
    if never.contains(&kind) { Hope::Never } else { Hope::Again }
}
