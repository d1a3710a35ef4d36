//! A driver in front of the hosts' own, which notes when a step is begun.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use carrel_driver::{
    Advance, Cancel, Doing, Done, Hypervisor, Listener, Listing, Look, Root, Seen, Step, Trouble,
};
use carrel_model::contract::{Guest, Taken};
use carrel_model::foreign::ForeignDomain;
use carrel_model::ids::MachineId;
use carrel_model::name::HostPath;
use carrel_model::work::Thing;

use crate::clock;

/// What a worker is told: a machine, and which of its generations.
pub(super) type Told = (MachineId, u64);
pub(super) type Times = Arc<Mutex<BTreeMap<Told, Instant>>>;

/// A host that notes when the first step for something is begun.
#[derive(Debug)]
pub(super) struct Noting(pub(super) Arc<dyn Hypervisor>, pub(super) Times);

impl Hypervisor for Noting {
    fn observe(&self, look: &Look) -> Result<Seen, Trouble> {
        self.0.observe(look)
    }

    fn list(&self) -> Result<Listing, Trouble> {
        self.0.list()
    }

    fn step(
        &self,
        doing: &Doing,
        step: &Step,
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble> {
        if let Thing::Machine(machine) = doing.thing {
            note(&self.1, (machine, doing.generation));
        }
        self.0.step(doing, step, advance, cancel)
    }

    fn answers_at_once(&self) -> bool {
        self.0.answers_at_once()
    }

    fn screenshot(&self, machine: MachineId) -> Result<Vec<u8>, Trouble> {
        self.0.screenshot(machine)
    }

    fn guest(&self, machine: MachineId) -> Result<Guest, Trouble> {
        self.0.guest(machine)
    }

    fn foreign(&self) -> Result<Vec<ForeignDomain>, Trouble> {
        self.0.foreign()
    }

    fn taken(&self, machines: &[MachineId], storages: &[HostPath]) -> Result<Vec<Taken>, Trouble> {
        self.0.taken(machines, storages)
    }

    fn tells(&self, listener: Listener) {
        self.0.tells(listener);
    }

    fn free_mib(&self, storage: &Root) -> Result<u64, Trouble> {
        self.0.free_mib(storage)
    }
}

/// The first time counts.
fn note(times: &Times, told: Told) {
    let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
    times.entry(told).or_insert_with(clock::now);
}
