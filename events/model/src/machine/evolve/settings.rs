//! How what is set on a machine changes.

use std::sync::Arc;

use crate::machine::{Machine, Reason};
use crate::version::latest::Switch;
use crate::version::latest::machine::{MaintenanceChanged, Updated};

pub(super) fn updated(machine: &mut Machine, updated: &Updated) {
    machine.name = updated.name.clone();
    machine.settings = Arc::new(updated.settings.clone());
    machine.generation += 1;
}

pub(super) fn maintenance_changed(machine: &mut Machine, changed: &MaintenanceChanged) {
    match changed.switch {
        Switch::On => machine.maintenance.insert(changed.reason),
        Switch::Off => machine.maintenance.remove(&changed.reason),
    };
    if changed.reason == Reason::Quarantine && changed.switch == Switch::Off {
        machine.failures.clear();
    }
}
