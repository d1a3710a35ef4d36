//! A group of people.
//!
//! ```text
//!   created --> (updated)* --> deleted
//! ```

use imbl::OrdSet;

use crate::ids::{ClientId, GroupId};
use crate::name::Name;
use crate::record::Version;
pub use crate::version::latest::group::Settings;

pub(crate) mod evolve;
mod settings;
#[cfg(test)]
mod tests;

/// The commands of this folder.
pub mod commands {
    pub use super::settings::{CreateGroup, DeleteGroup, UpdateGroup};
}

#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub id: GroupId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
    /// Those who were put into it by hand.
    pub members: OrdSet<ClientId>,
}
