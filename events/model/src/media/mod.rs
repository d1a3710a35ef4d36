//! A file that was uploaded: an ISO, drivers, or a disk that becomes an image.
//!
//! ```text
//!   added --> removed
//! ```

use crate::hash::Digest;
use crate::ids::{MediaId, StorageId};
use crate::name::Name;
use crate::record::Version;
use crate::version::latest::machine;
pub use crate::version::latest::media::{Format, Kind};
use crate::version::latest::{Labels, Properties};
use serde::{Deserialize, Serialize};

mod add;
pub(crate) mod evolve;
#[cfg(test)]
mod tests;

/// The commands of this folder.
pub mod commands {
    pub use super::add::{AddMedia, RemoveMedia};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media {
    pub id: MediaId,
    pub version: Version,
    pub name: Name,
    pub kind: Kind,
    pub format: Format,
    pub storage: StorageId,
    pub size_bytes: u64,
    pub digest: Digest,
    pub labels: Labels,
    pub properties: Properties,
}

impl Format {
    /// The same of a disk, if one of Carrel's can be in it: a guest is given what was sent.
    pub const fn of_disk(self) -> Option<machine::Format> {
        match self {
            Self::Raw => Some(machine::Format::Raw),
            Self::Qcow2 => Some(machine::Format::Qcow2),
            Self::Vmdk | Self::Vhd | Self::Vhdx => None,
        }
    }

    /// What an import makes of it: everything that no disk is in becomes qcow2.
    pub fn imported(self) -> machine::Format {
        self.of_disk().unwrap_or(machine::Format::Qcow2)
    }
}
