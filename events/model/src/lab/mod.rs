//! A lab: a room with terminals, and the pools that are offered there.
//!
//! ```text
//!   created --> (updated)* --> deleted
//! ```

use crate::ids::LabId;
use crate::name::Name;
use crate::record::Version;
pub use crate::version::latest::lab::{Launcher, Settings};
use serde::{Deserialize, Serialize};

mod arrange;
mod draft;
pub(crate) mod evolve;
mod keep;
pub mod rejection;
#[cfg(test)]
pub(crate) mod tests;

pub use draft::{CLASSES_MAX, Draft, POOLS_MAX};
pub use keep::STARTS_MAX;
pub(crate) use keep::{has_room, has_room_beside, in_the_way_of};

/// The commands of this folder.
pub mod commands {
    pub use super::arrange::{CreateLab, DeleteLab, UpdateLab};
    pub use super::keep::{KeepLab, RestartAged};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lab {
    pub id: LabId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
}
