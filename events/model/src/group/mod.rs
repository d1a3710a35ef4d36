//! A group of people.
//!
//! ```text
//!   created --> (updated)* --> deleted
//! ```

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::ids::{ClientId, GroupId, PoolId};
use crate::name::Name;
use crate::pool::Holder;
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub id: GroupId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
    /// Those who were put into it by hand.
    pub members: OrdSet<ClientId>,
}

/// The pools that everybody of a group may use.
fn held_by(fleet: &Fleet, group: GroupId) -> Vec<PoolId> {
    let holder = Holder::Group(group);
    let held = fleet.pools.iter().filter(|(_, pool)| pool.holders.contains(&holder));
    held.map(|(id, _)| id).collect()
}
