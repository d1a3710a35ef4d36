//! Which hosts can't take a machine, and for which reason: the first that applies.
//!
//! This is asked for many hosts at each start, so it makes nothing on its way.

use super::need::Need;
use super::policy::Room;
use crate::fleet::{Fleet, Usage};
use crate::hypervisor::Hypervisor;
use crate::ids::{HypervisorId, StorageId};
use crate::machine::Machine;
use crate::name::Counter;
use crate::storage::Storage;

pub(super) struct Filters<'a> {
    fleet: &'a Fleet,
    machine: &'a Machine,
    need: &'a Need<'a>,
    pub(super) storages: Vec<Seen<'a>>,
    volatile: Vec<&'a Storage>,
    pub(super) counters: Vec<(&'a Counter, u32, u32)>,
    pub(super) considered: u32,
    pub(super) disabled: u32,
    pub(super) labels: u32,
    pub(super) image: u32,
    pub(super) throwaway: u32,
    pub(super) memory: u32,
    pub(super) vcpus: u32,
}

/// A storage that is needed, and how many hosts fell out because they don't see it.
pub(super) struct Seen<'a> {
    pub(super) storage: &'a Storage,
    pub(super) refused: u32,
}

impl<'a> Filters<'a> {
    pub(super) fn new(fleet: &'a Fleet, machine: &'a Machine, need: &'a Need<'a>) -> Self {
        let seen = |storage: &&'a Storage| Seen { storage, refused: 0 };
        let volatile = match need.throwaway_mib {
            Some(size) => {
                let all = fleet.storages.iter().map(|(_, storage)| storage);
                all.filter(|storage| storage.has_volatile_room(fleet, size)).collect()
            }
            None => Vec::new(),
        };
        let counters = need.runs.map(|settings| &settings.hardware.counters);
        let counters = counters.into_iter().flatten();
        Self {
            fleet,
            machine,
            need,
            storages: need.storages.iter().map(seen).collect(),
            volatile,
            counters: counters.map(|(counter, count)| (counter, *count, 0)).collect(),
            considered: 0,
            disabled: 0,
            labels: 0,
            image: 0,
            throwaway: 0,
            memory: 0,
            vcpus: 0,
        }
    }

    /// So many hosts get no new machines at all.
    pub(super) fn not_enabled(&mut self, hosts: u32) {
        self.considered += hosts;
        self.disabled += hosts;
    }

    /// What would be left on a host with the machine on it.
    pub(super) fn room_on(&mut self, id: HypervisorId, host: &'a Hypervisor) -> Option<Room<'a>> {
        let volatile = self.suits(id, host)?;
        self.room(host, self.fleet.index.usage.get(&id), volatile)
    }

    /// A host takes the machine if it has room, and its throwaway overlay, if there is one, goes to
    /// this storage.
    pub(super) fn suits(
        &mut self,
        id: HypervisorId,
        host: &Hypervisor,
    ) -> Option<Option<&'a Storage>> {
        self.considered += 1;
        if !host.enabled() {
            self.disabled += 1;
            return None;
        }
        if !self.has_labels(host) {
            self.labels += 1;
            return None;
        }
        let unseen = |seen: &&mut Seen<'_>| !seen.storage.settings.hosts.contains_key(&id);
        if let Some(unseen) = self.storages.iter_mut().find(unseen) {
            unseen.refused += 1;
            return None;
        }
        if !self.sees_image(id) {
            self.image += 1;
            return None;
        }
        let volatile = self.volatile.iter().find(|it| it.settings.hosts.contains_key(&id)).copied();
        if self.need.throwaway_mib.is_some() && volatile.is_none() {
            self.throwaway += 1;
            return None;
        }
        Some(volatile)
    }

    fn room(
        &mut self,
        host: &'a Hypervisor,
        usage: Option<&Usage>,
        volatile: Option<&'a Storage>,
    ) -> Option<Room<'a>> {
        let (memory_used, vcpus_used) =
            usage.map_or((0, 0), |usage| (usage.memory_mib, usage.vcpus));
        let left = |all: u64, used: u64, more: u64| all.checked_sub(used.saturating_add(more));
        let (memory_mib, vcpus) = (host.memory_mib(), host.vcpus());
        let runs = self.need.runs.is_some();
        let memory_left = left(memory_mib, memory_used, self.need.memory_mib(volatile));
        if runs && memory_left.is_none() {
            self.memory += 1;
            return None;
        }
        let vcpus_left = left(vcpus, vcpus_used, self.need.vcpus());
        if runs && vcpus_left.is_none() {
            self.vcpus += 1;
            return None;
        }
        for (counter, count, refused) in &mut self.counters {
            let has = host.settings.capacity.counters.get(*counter).copied().unwrap_or_default();
            let used = usage.and_then(|usage| usage.counters.get(*counter)).copied();
            if left(has.into(), used.unwrap_or_default(), (*count).into()).is_none() {
                *refused += 1;
                return None;
            }
        }
        Some(Room {
            host,
            here: self.machine.place == Some(host.id),
            volatile,
            memory_mib,
            memory_left_mib: memory_left.unwrap_or_default(),
            vcpus,
            vcpus_left: vcpus_left.unwrap_or_default(),
        })
    }

    fn has_labels(&self, host: &Hypervisor) -> bool {
        let wanted = &self.machine.settings.host_labels;
        wanted.iter().all(|(key, value)| host.settings.labels.get(key) == Some(value))
    }

    fn sees_image(&self, id: HypervisorId) -> bool {
        let sees = |storage: &StorageId| self.fleet.sees(id, *storage);
        self.need
            .below
            .iter()
            .all(|storages| storages.as_ref().is_some_and(|it| it.iter().all(sees)))
    }
}
