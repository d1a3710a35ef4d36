//! What calls are made with, and what they answer.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::content::Digest;

/// What Carrel's own disks are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    Raw,
    Qcow2,
}

impl Format {
    /// As QEMU calls the driver.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }

    /// By the ending that Carrel gives: what is not called `.qcow2` is raw. Content has no say,
    /// because a guest writes what it likes into a raw disk.
    pub fn of_name(path: &Path) -> Self {
        if path.extension() == Some(OsStr::new("qcow2")) { Self::Qcow2 } else { Self::Raw }
    }

    pub(crate) fn of_word(word: &[u8]) -> Option<Self> {
        [Self::Raw, Self::Qcow2].into_iter().find(|format| format.word().as_bytes() == word)
    }
}

/// What somebody says that their file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    Raw,
    Qcow2,
    Vmdk,
    Vhd,
    Vhdx,
}

impl Claim {
    pub const ALL: &[Self] = &[Self::Raw, Self::Qcow2, Self::Vmdk, Self::Vhd, Self::Vhdx];

    /// As QEMU calls the driver.
    pub const fn driver(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vpc",
            Self::Vhdx => "vhdx",
        }
    }

    /// As people call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "VMDK",
            Self::Vhd => "VHD",
            Self::Vhdx => "VHDX",
        }
    }
}

impl From<Format> for Claim {
    fn from(format: Format) -> Self {
        match format {
            Format::Raw => Self::Raw,
            Format::Qcow2 => Self::Qcow2,
        }
    }
}

/// A file, by an absolute path, and what it is written in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskFile {
    pub path: PathBuf,
    pub format: Format,
}

impl DiskFile {
    pub fn new(path: impl Into<PathBuf>, format: Format) -> Self {
        Self { path: path.into(), format }
    }

    /// One that has its name from Carrel.
    pub fn named(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { format: Format::of_name(&path), path }
    }
}

/// What somebody has sent, and what they say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub path: PathBuf,
    pub claim: Claim,
    /// The SHA-256 of its bytes, if it is known: a file that has another one is not imported.
    pub sha256: Option<[u8; 32]>,
}

/// A disk, and where a snapshot keeps what it held: under a name of Carrel's, so it is qcow2, and
/// so has the disk to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    pub disk: DiskFile,
    pub kept: PathBuf,
}

/// By what a file that nobody writes to is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Of the file, not of the disk in it.
    pub size_bytes: u64,
    /// Microseconds since 1970 (UTC), rounded down.
    pub modified_micros: i64,
    pub inode: u64,
}

impl Stat {
    pub(crate) fn of(meta: &Metadata) -> Self {
        let micros = meta.mtime().saturating_mul(1_000_000);
        Self {
            size_bytes: meta.len(),
            modified_micros: micros.saturating_add(meta.mtime_nsec() / 1_000),
            inode: meta.ino(),
        }
    }
}

/// A further file of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    pub digest: Digest,
    pub stat: Stat,
}
