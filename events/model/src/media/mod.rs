//! An ISO or driver image.
//!
//! ```text
//!   added --> removed
//! ```

use crate::hash::Digest;
use crate::ids::{MediaId, StorageId};
use crate::name::Name;
use crate::record::Version;
use crate::version::latest::machine::Format;
pub use crate::version::latest::media::Kind;
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
