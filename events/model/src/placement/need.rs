//! What a machine needs of a host.

use crate::fleet::Fleet;
use crate::ids::StorageId;
use crate::machine::{Disk, Machine, Reservation, Settings, Writes};
use crate::storage::Storage;
use crate::version::latest::machine::Volatile;
use crate::version::latest::storage::Medium;

/// How much of its system disk a machine with a virtual snapshot may write between two starts: a
/// day's work writes less than a quarter of a usual disk, most of it to the page file.
const THROWAWAY_PERCENT: u64 = 25;
const MIB_PER_GIB: u64 = 1024;

pub(super) struct Need<'a> {
    /// What it runs with. None: it does not run there.
    pub(super) runs: Option<&'a Settings>,
    /// The size of its throwaway overlay, if it gets one.
    pub(super) throwaway_mib: Option<u64>,
    /// Storages that the host has to see, each once.
    pub(super) storages: Vec<&'a Storage>,
    /// Storages of what its disks stand on, for each disk. None: something of that is missing. Of
    /// what a disk is being put onto, nothing lies elsewhere.
    pub(super) below: Vec<Option<Vec<StorageId>>>,
}

impl<'a> Need<'a> {
    pub(super) fn of_start(fleet: &'a Fleet, machine: &'a Machine, writes: Writes) -> Self {
        let mut need = Self::of_files(fleet, machine.disks.iter());
        if machine.is_external() {
            // A host sends the packet that wakes it, and that is all.
            return need;
        }
        need.runs = Some(&machine.settings);
        need.throwaway_mib = (writes == Writes::ThrownAway).then(|| {
            let size = machine.system_disk().map_or(0, |disk| disk.size_gib);
            u64::from(size) * MIB_PER_GIB * THROWAWAY_PERCENT / 100
        });
        need
    }

    /// It goes on with what it runs with; its throwaway overlay stays where it is.
    pub(super) fn of_migration(fleet: &'a Fleet, machine: &'a Machine) -> Self {
        let mut need = Self::of_files(fleet, machine.disks.iter());
        need.runs = Some(machine.running_with.as_deref().unwrap_or(&machine.settings));
        let overlay = machine.reserved.volatile.as_ref();
        let overlay = overlay.and_then(|volatile| fleet.storages.get(volatile.storage));
        need.storages.extend(overlay);
        need
    }

    pub(super) fn of_files(fleet: &'a Fleet, disks: impl Iterator<Item = &'a Disk>) -> Self {
        let mut need =
            Self { runs: None, throwaway_mib: None, storages: Vec::new(), below: Vec::new() };
        for disk in disks {
            if let Some(storage) = fleet.storages.get(disk.storage)
                && !need.storages.iter().any(|it| it.id == storage.id)
            {
                need.storages.push(storage);
            }
            if let Some(base) = disk.base() {
                need.below.push(crate::work::storages_of(fleet, base));
            }
        }
        let seen_anyway = |id: &StorageId| need.storages.iter().any(|storage| storage.id == *id);
        let needless =
            |it: &Option<Vec<_>>| it.as_ref().is_some_and(|it| it.iter().all(seen_anyway));
        need.below.retain(|storages| !needless(storages));
        need
    }

    pub(super) fn reservation(&self, volatile: Option<&Storage>) -> Reservation {
        let Some(settings) = self.runs else { return Reservation::default() };
        let hardware = &settings.hardware;
        Reservation {
            memory_mib: self.memory_mib(volatile),
            vcpus: hardware.cpu.vcpus(),
            counters: hardware.counters.clone(),
            volatile: self
                .throwaway_mib
                .zip(volatile)
                .map(|(size_mib, storage)| Volatile { storage: storage.id, size_mib }),
        }
    }

    /// What is written to a tmpfs is memory of the host.
    pub(super) fn memory_mib(&self, volatile: Option<&Storage>) -> u64 {
        let memory = self.runs.map_or(0, |settings| u64::from(settings.hardware.memory_mib));
        let in_memory = volatile.is_some_and(|it| it.settings.medium == Medium::Memory);
        memory + if in_memory { self.throwaway_mib.unwrap_or_default() } else { 0 }
    }

    pub(super) fn vcpus(&self) -> u64 {
        self.runs.map_or(0, |settings| settings.hardware.cpu.vcpus().into())
    }
}
