//! How one of several possible hosts is chosen.

use crate::hypervisor::Hypervisor;
use crate::storage::Storage;

/// A host with the machine on it.
#[derive(Clone, Debug)]
pub(super) struct Room<'a> {
    pub(super) host: &'a Hypervisor,
    /// It is responsible for the machine already.
    pub(super) here: bool,
    /// Where its throwaway overlay goes.
    pub(super) volatile: Option<&'a Storage>,
    pub(super) memory_mib: u64,
    pub(super) memory_left_mib: u64,
    pub(super) vcpus: u64,
    pub(super) vcpus_left: u64,
}

/// A host has so many parts; what is left is counted in them.
pub(super) const WHOLE: u64 = 1_000_000;

impl Room<'_> {
    /// What is left of what is scarcest there, in parts of [`WHOLE`].
    pub(super) fn scarcest_left(&self) -> u64 {
        let part = |left: u64, all: u64| left.saturating_mul(WHOLE) / all.max(1);
        let memory = part(self.memory_left_mib, self.memory_mib);
        memory.min(part(self.vcpus_left, self.vcpus))
    }

    /// `41 of 64 GiB and 12 of 16 vCPUs free after this start`
    pub(super) fn words(&self) -> String {
        format!(
            "{} of {} GiB and {} of {} vCPUs free after this start",
            self.memory_left_mib / 1024,
            self.memory_mib / 1024,
            self.vcpus_left,
            self.vcpus
        )
    }
}

pub(super) trait Policy: Sync {
    fn name(&self) -> &'static str;
    /// The host with the largest weight is chosen.
    fn weigh(&self, room: &Room<'_>) -> u64;
    /// Why it was, for people.
    fn because(&self, room: &Room<'_>) -> String;
}
