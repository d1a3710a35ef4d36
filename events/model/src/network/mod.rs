//! A network: how machines reach others.
//!
//! ```text
//!   created --> (updated)* --> removed
//! ```

use crate::ids::NetworkId;
use crate::name::Name;
use crate::record::Version;
pub use crate::version::latest::network::{AddressRange, Attachment, Policy, Settings};
use serde::{Deserialize, Serialize};

mod arrange;
mod draft;
pub(crate) mod evolve;
#[cfg(test)]
mod tests;

pub use draft::Draft;

/// The commands of this folder.
pub mod commands {
    pub use super::arrange::{CreateNetwork, RemoveNetwork, UpdateNetwork};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    pub id: NetworkId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
}
