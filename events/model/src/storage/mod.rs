//! A storage: where files live.
//!
//! ```text
//!   created --> usable <--> low on space --> removed
//! ```

use crate::fleet::Fleet;
use crate::hypervisor::Reason;
use crate::ids::{HypervisorId, StorageId};
use crate::name::Name;
use crate::record::Version;
pub use crate::version::latest::storage::{Medium, Role, Settings};
use serde::{Deserialize, Serialize};

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

/// What Carrel keeps lies in these folders of a storage.
pub const OWN_FOLDERS: &[&str] =
    &["consoles", "images", "lost+found-carrel", "machines", "media", "throwaway"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Storage {
    pub id: StorageId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
    /// It has little room: nothing new is put there.
    pub low_on_space: bool,
    /// What is free, as far as its hosts have said so. It changes with large steps only.
    pub free_mib: Option<u64>,
}

impl Storage {
    /// All hosts that see it are confirmed as lost, so that nobody sees its files any more.
    pub(crate) fn is_lost(&self, fleet: &Fleet) -> bool {
        let hosts = &self.settings.hosts;
        let is_lost = |host: &HypervisorId| {
            let host = fleet.hypervisors.get(*host);
            host.is_none_or(|host| host.maintenance.contains(&Reason::Lost))
        };
        !hosts.is_empty() && hosts.keys().all(is_lost)
    }

    /// A throwaway overlay of this size can be promised there. What running machines were promised
    /// counts whole, although they have written some of it already and that is no longer free:
    /// rather one desktop too few than one whose writes fail. In memory it is the host's memory
    /// that counts.
    pub(crate) fn has_volatile_room(&self, fleet: &Fleet, size_mib: u64) -> bool {
        let promised = fleet.index.volatile.get(&self.id).copied().unwrap_or_default();
        let enough = match (self.settings.medium, self.free_mib) {
            (Medium::Disk, Some(free)) => promised.saturating_add(size_mib) <= free,
            (Medium::Disk, None) | (Medium::Memory, _) => true,
        };
        enough && !self.low_on_space && self.settings.roles.contains(&Role::Volatile)
    }
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Images, Self::Disks, Self::Volatile, Self::Media];
}
