//! One version of an image: content that never changes, and the files that have it.
//!
//! ```text
//!   sealing ----> sealed
//!   sealing ----> failed
//!   sealed -----> verified
//!   sealed -----> retired
//!   verified ---> retired
//!   retired ----> removed
//! ```
//!
//! The states of a file:
//!
//! ```text
//!   making -----> there
//!   making -----> unverified
//!   making -----> failed
//!   unverified -> there
//!   unverified -> retired
//!   there ------> retired
//!   retired ----> removed
//! ```
//!
//! The way of a change to people's desktops: `copy.rs` copies a source's disks to an initial,
//! `seal.rs` makes the initial's disk the next version, `populate.rs` puts children on it, and
//! the folder `renewal` says what one child's way is.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hash::Digest;
use crate::ids::{CommandId, HypervisorId, ImageId, MachineId, StorageId};
use crate::name::Name;
use crate::record::Version;
use crate::version::latest::image::Stat;
pub use crate::version::latest::image::{Hold, Origin};
pub use crate::version::latest::machine::Base;
use crate::version::latest::machine::{Format, Settings};

pub(crate) mod children;
pub(crate) mod copy;
pub(crate) mod evolve;
mod files;
mod flatten;
pub(crate) mod import;
mod keeps;
pub(crate) mod outcome;
pub(crate) mod populate;
mod reference;
pub mod rejection;
pub(crate) mod retire;
pub(crate) mod seal;
mod tag;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod virtual_snapshot;

pub(crate) use children::{make_children, name_reserved};
pub(crate) use evolve::FIRST_FILE;
pub use files::{FILES_DEEP_MAX, FileWork};
pub(crate) use files::{chain_of, file_work_on, host_for_files, place_for_files};
pub(crate) use flatten::follow_machine;
pub use flatten::{FlattenImage, Flattening};
pub use keeps::Keeps;
pub(crate) use keeps::{keeps_nothing, would_lose};
pub use outcome::Outcome;
pub use populate::CHILDREN_MADE_MAX;
pub use reference::{ImageName, ImageRef};
pub(crate) use retire::{facts_of_going_versions, follow, follow_initial};
pub use tag::{DEFAULT, HEAD};
pub(crate) use tag::{follows, missed};

/// The commands of this folder.
pub mod commands {
    pub use super::copy::CopyFromSource;
    pub use super::flatten::FlattenImage;
    pub use super::import::ImportImage;
    pub use super::populate::Populate;
    pub use super::retire::RetireImage;
    pub use super::seal::SealImage;
    pub use super::tag::TagImage;
    pub use super::virtual_snapshot::{DisableVirtualSnapshot, EnableVirtualSnapshot};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    pub id: ImageId,
    pub version: Version,
    /// Whose image it is: `<initial>@<number>`.
    pub initial: MachineId,
    pub number: u32,
    pub origin: Origin,
    /// The command that asked for it.
    pub by: CommandId,
    pub state: State,
    pub settings: Arc<Settings>,
    pub size_gib: u32,
    /// What its first file stands on.
    pub base: Option<Base>,
    /// Tags that it gets when it is sealed.
    pub wanted_tags: Vec<Name>,
    pub tags: BTreeMap<Name, Hold>,
    pub files: Vec<File>,
    /// How many were ever asked for. Each has a number of its own, also those that failed or are
    /// gone: what is said late of one is said of no other.
    pub files_made: u16,
    pub flattening: Flattening,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Sealing,
    Sealed,
    /// Its digest is known.
    Verified(Digest),
    /// Nothing new may stand on it.
    Retired,
}

/// One file with the content of a version. Its path follows from the version and its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub number: u16,
    pub storage: StorageId,
    pub format: Format,
    /// How many files stand on each other, this one included.
    pub depth: u8,
    pub state: FileState,
    /// Of a file that is made.
    pub stat: Option<Stat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileState {
    /// The initial's host makes the first one; a host is named for each further one.
    Making {
        hypervisor: Option<HypervisorId>,
    },
    /// It was made before the version's digest was known. Nothing stands on it before both were
    /// compared.
    Unverified(Digest),
    There,
    Retired,
}

impl State {
    /// Its name in the diagram.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sealing => "sealing",
            Self::Sealed => "sealed",
            Self::Verified(_) => "verified",
            Self::Retired => "retired",
        }
    }
}

impl FileState {
    /// Its name in the diagram.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Making { .. } => "making",
            Self::Unverified(_) => "unverified",
            Self::There => "there",
            Self::Retired => "retired",
        }
    }
}

impl Image {
    /// Something may be put on it.
    pub fn is_usable(&self) -> bool {
        matches!(self.state, State::Sealed | State::Verified(_))
    }

    /// Of what a guest reads from it.
    pub(crate) fn digest(&self) -> Option<Digest> {
        match self.state {
            State::Verified(digest) => Some(digest),
            State::Sealing | State::Sealed | State::Retired => None,
        }
    }

    pub fn file(&self, number: u16) -> Option<&File> {
        self.files.iter().find(|file| file.number == number)
    }

    /// One of its files stands on another version's.
    pub fn stands_on(&self) -> Option<Base> {
        self.base.filter(|_| self.files.iter().any(|file| file.depth > 1))
    }

    /// The files that an overlay can stand on.
    pub fn files_there(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.state == FileState::There)
    }
}
