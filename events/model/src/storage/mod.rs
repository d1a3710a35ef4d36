//! A storage: where files live.
//!
//! ```text
//!   created --> usable <--> low on space --> removed
//! ```

use crate::ids::StorageId;
use crate::name::Name;
use crate::record::Version;
pub use crate::version::latest::storage::{Medium, Role, Settings};

mod arrange;
mod draft;
pub(crate) mod evolve;
mod holds;
pub mod rejection;
#[cfg(test)]
mod tests;

pub use draft::Draft;

/// The commands of this folder.
pub mod commands {
    pub use super::arrange::{CreateStorage, RemoveStorage, UpdateStorage};
}

#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub id: StorageId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
    /// It has little room: nothing new is put there.
    pub low_on_space: bool,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Images, Self::Disks, Self::Volatile, Self::Media];
}
