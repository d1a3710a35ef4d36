//! How what is set on a machine changes.

use std::sync::Arc;

use crate::machine::{Machine, Reason};
use crate::version::latest::Switch;
use crate::version::latest::machine::{MaintenanceChanged, Updated, VirtualSnapshotChanged};

pub(super) fn updated(machine: &mut Machine, updated: &Updated) {
    machine.name = updated.name.clone();
    machine.settings = Arc::new(updated.settings.clone());
    machine.generation += 1;
}

/// Whoever makes it anew as it was makes it with what was set last.
pub(super) fn virtual_snapshot_changed(machine: &mut Machine, changed: &VirtualSnapshotChanged) {
    machine.virtual_snapshot = changed.setting.clone();
    let then = &mut Arc::make_mut(machine.recipe.get_or_insert_default()).then;
    then.virtual_snapshot = changed.setting.is_some();
    then.on_reboot = changed.setting.as_ref().map(|setting| setting.on_reboot).or(then.on_reboot);
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
