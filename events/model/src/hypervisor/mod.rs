//! A host with libvirt.
//!
//! ```text
//!   registered --> enabled <--> in maintenance (admin, drain, silent, lost)
//!                                     |
//!                                  removed
//! ```
//!
//! Each reason has a cause of its own and none takes another away, but for one command: an operator
//! who takes a host out of maintenance means it, and so clears all that operators have set (admin,
//! drain, lost). `DrainHypervisor` with `on: false` clears drain alone. Silent goes when the host
//! is heard.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use crate::ids::HypervisorId;
use crate::name::Name;
use crate::record::Version;
pub use crate::version::latest::hypervisor::{Capacity, Overcommit, Reason, Settings};

pub(crate) mod drain;
pub(crate) mod evolve;
pub(crate) mod lost;
mod maintenance;
mod register;
pub mod rejection;
mod signs;
#[cfg(test)]
mod tests;

/// The commands of this folder.
pub mod commands {
    pub use super::drain::DrainHypervisor;
    pub use super::lost::ConfirmHypervisorLost;
    pub use super::maintenance::SetHypervisorMaintenance;
    pub use super::register::{RegisterHypervisor, RemoveHypervisor, UpdateHypervisor};
    pub use super::signs::{ReportHostHeard, ReportHostSilent, ReportStorageSpace};
}

/// A worker that is silent for three of its inventories has a problem.
pub const WORKER_SILENCE_SECONDS: u32 = 45;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hypervisor {
    pub id: HypervisorId,
    pub version: Version,
    pub name: Name,
    pub settings: Settings,
    pub maintenance: BTreeSet<Reason>,
}

impl Hypervisor {
    /// Gets new machines.
    pub fn enabled(&self) -> bool {
        self.maintenance.is_empty()
    }

    /// What may be promised of its memory, in MiB.
    pub fn memory_mib(&self) -> u64 {
        percent(self.settings.capacity.memory_mib, self.settings.overcommit.memory_percent)
    }

    pub fn vcpus(&self) -> u64 {
        percent(self.settings.capacity.vcpus.into(), self.settings.overcommit.vcpus_percent)
    }
}

fn percent(of: u64, percent: u16) -> u64 {
    of.saturating_mul(percent.into()) / 100
}
