//! What facts make of a host.

use super::Hypervisor;
use crate::event::HypervisorFact as Fact;
use crate::fleet::Fleet;
use crate::ids::HypervisorId;
use crate::record::Version;
use crate::version::latest::Switch;

pub(crate) fn evolve(fleet: &mut Fleet, id: HypervisorId, fact: &Fact) {
    match fact {
        Fact::Registered(host) => fleet.put(
            id,
            Hypervisor {
                id,
                version: Version(1),
                name: host.name.clone(),
                settings: host.settings.clone(),
                maintenance: Default::default(),
            },
        ),
        Fact::Updated(host) => fleet.step::<Hypervisor>(id, |it| {
            it.name = host.name.clone();
            it.settings = host.settings.clone();
        }),
        Fact::MaintenanceChanged(change) => fleet.step::<Hypervisor>(id, |it| {
            match change.switch {
                Switch::On => it.maintenance.insert(change.reason),
                Switch::Off => it.maintenance.remove(&change.reason),
            };
        }),
        Fact::Removed(_) => drop(fleet.take::<Hypervisor>(id)),
    }
}
