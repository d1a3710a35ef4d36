//! What has to be done elsewhere, derived from what is so.
//!
//! Work is not stored: it is a thing's whole desired state on a host, made from the fleet whenever
//! it is asked for. Each carries the thing's generation; what a host has heard once it does not do
//! again, and an older one it refuses.
//!
//! A machine's work changes when its generation does. What it borrows from other things (the
//! properties of its pool, the attachment of its networks, the paths of storages, the files of its
//! image) is read when it is published and reaches a host with the machine's next generation. What
//! a guest or its viewers would notice is fixed at power-on and stays as it was: the machine's
//! settings, and the display policy of its pool.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet::Fleet;
use crate::ids::{HypervisorId, ImageId, MachineId};

mod disk;
mod guest;
mod image;
mod machine;
#[cfg(test)]
mod tests;

pub use disk::{BackingFile, DiskSpec};
pub use image::{ImageFile, ImageSpec, NewFile, OldFile};
pub(crate) use image::{storages_of, storages_of_new};
pub use machine::{
    FileTask, FirstBootSpec, MachineSpec, MediumSpec, Message, NetworkSpec, PowerSpec,
    SnapshotShall, SnapshotSpec, Throwaway, Ticket,
};

/// Something that work is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    Machine(MachineId),
    Image(ImageId),
}

/// What a thing shall be on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Work {
    pub hypervisor: HypervisorId,
    pub thing: Thing,
    /// Older ones are refused.
    pub generation: u64,
    pub lane: Lane,
    pub shall: Shall,
}

/// What takes long has a lane of its own, so that it can't hold up a start.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    Fast,
    /// Copies, seals, further files of images, migrations.
    Bulk,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shall {
    /// The domain is there as described.
    Present(Box<MachineSpec>),
    /// An external machine is woken, once for each epoch.
    Woken { mac: crate::mac::Mac, boot_epoch: u64 },
    /// The domain is not defined; its files are left alone.
    Released,
    /// Neither the domain nor files of its own are there.
    Absent { disks: Vec<DiskSpec> },
    /// Files of a version are made and removed.
    Files(ImageSpec),
}

/// The newest work of a thing, if a host has anything to do with it.
pub fn work(fleet: &Fleet, thing: Thing) -> Option<Work> {
    match thing {
        Thing::Machine(id) => machine::work(fleet, fleet.machines.get(id)?),
        Thing::Image(id) => image::work(fleet, fleet.images.get(id)?),
    }
}
