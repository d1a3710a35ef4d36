//! The disks of a machine, and what their files stand on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ImageFile;
use super::image::chain_from;
use crate::fleet::Fleet;
use crate::ids::{DiskId, HypervisorId, StorageId};
use crate::machine::{Disk, DiskRole, Format, Machine, Task};
use crate::name::HostPath;
use crate::version::latest::machine::FoundFile;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskSpec {
    pub id: DiskId,
    pub role: DiskRole,
    pub storage: StorageId,
    /// Where the host has that storage; none if it doesn't see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HostPath>,
    /// Which of the disk's files: each new overlay is another one.
    pub overlay_generation: u32,
    pub size_gib: u32,
    pub format: Format,
    /// Below that path, of a disk that was there before Carrel. Where all others are follows from
    /// their ids and which of the disk's files it is. The files that it stands on are only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FoundFile>,
    /// What the overlay stands on, the top file first. Empty for a disk that stands alone. If the
    /// host finds it standing on another file of the same version, the overlay is put onto this one
    /// (they have the same content) while the machine is off, before anything else is done. Before
    /// that is so, the generation is not applied: then the other file may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backing: Vec<BackingFile>,
}

pub type BackingFile = ImageFile;

pub(super) fn path(fleet: &Fleet, storage: StorageId, host: HypervisorId) -> Option<HostPath> {
    fleet.storages.get(storage)?.settings.hosts.get(&host).cloned()
}

/// The disks that the host writes.
pub(super) fn disks(machine: &Machine) -> &[Disk] {
    match machine.task {
        Some(Task::Copying { .. }) => &machine.disks_to_come,
        Some(Task::Sealing { .. } | Task::Migrating { .. }) | None => &machine.disks,
    }
}

/// Disks that it could still go back to: those that a copy will replace, and those that a renewal
/// has replaced.
pub(super) fn kept(machine: &Machine) -> impl Iterator<Item = &Disk> {
    let before = machine.disk_before.as_deref();
    let replaced = machine.disks.iter().chain(before);
    replaced.filter(|disk| !disks(machine).iter().any(|it| is_same_file(it, disk)))
}

/// Where a disk's file is follows from all of this.
fn is_same_file(one: &Disk, other: &Disk) -> bool {
    let file = |disk: &Disk| (disk.id, disk.storage, disk.overlay_generation);
    file(one) == file(other)
}

pub(super) fn describe<'a>(
    fleet: &Fleet,
    machine: &Machine,
    disks: impl IntoIterator<Item = &'a Disk>,
    host: HypervisorId,
) -> Vec<DiskSpec> {
    let system = machine.system_disk();
    let described = disks.into_iter().map(|disk| {
        let is_system = system.is_some_and(|system| is_same_file(system, disk));
        let base = if is_system { machine.base() } else { disk.base() };
        DiskSpec {
            id: disk.id,
            role: disk.role,
            storage: disk.storage,
            path: path(fleet, disk.storage, host),
            overlay_generation: disk.overlay_generation,
            size_gib: disk.size_gib,
            format: disk.format,
            file: disk.file.as_deref().cloned(),
            backing: base.map(|base| chain_from(fleet, base, host)).unwrap_or_default(),
        }
    });
    described.collect()
}
