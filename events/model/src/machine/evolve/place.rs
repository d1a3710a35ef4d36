//! How a machine's place changes, and what its hosts have made of what they were told.

use std::sync::Arc;

use super::files::task_failed;
use crate::ids::HypervisorId;
use crate::machine::{Machine, Rest, Task};
use crate::version::latest::machine::{
    Applied, Migrated, MigrationFailed, MigrationRequested, Placed, Released, WorkFailed,
};

/// The host learns of it with the generation that follows.
pub(super) fn leave(machine: &mut Machine, host: Option<HypervisorId>) {
    machine.leaving = host;
    machine.leaving_since = machine.generation + 1;
}

pub(super) fn placed(machine: &mut Machine, placed: &Placed) {
    let host = Some(placed.hypervisor);
    // Whoever sends a packet to an external machine keeps nothing of it.
    if machine.place != host && !machine.is_external() {
        leave(machine, machine.place.or(machine.leaving).filter(|old| Some(*old) != host));
    }
    machine.place = host;
    machine.reserved = Arc::new(placed.reserved.clone());
    machine.has_files = true;
    machine.generation += 1;
}

pub(super) fn release_requested(machine: &mut Machine) {
    leave(machine, machine.place.or(machine.leaving));
    machine.place = None;
    machine.generation += 1;
}

pub(super) fn released(machine: &mut Machine, released: &Released) {
    if machine.leaving == Some(released.hypervisor) {
        machine.leaving = None;
    } else if machine.place == Some(released.hypervisor) {
        machine.place = None;
    }
    // Nobody is left who could run it.
    if machine.place.is_none() && machine.leaving.is_none() {
        machine.power.rest = Rest::Confirmed;
    }
    machine.generation += 1;
}

pub(super) fn applied(machine: &mut Machine, applied: &Applied) {
    machine.applied = machine.applied.max(applied.generation);
    if machine.at_rest() && applied.generation >= machine.power.since {
        machine.power.rest = Rest::Confirmed;
    }
    machine.trouble = None;
}

pub(super) fn work_failed(machine: &mut Machine, failed: &WorkFailed) {
    machine.failed = machine.failed.max(failed.generation);
    machine.trouble = Some(Arc::new(failed.failure.clone()));
}

pub(super) fn migration_requested(machine: &mut Machine, migration: &MigrationRequested) {
    machine.task = Some(Task::Migrating { to: migration.to });
    machine.task_since = machine.generation + 1;
    machine.generation += 1;
}

pub(super) fn migrated(machine: &mut Machine, migrated: &Migrated) {
    machine.task = None;
    machine.place = Some(migrated.to);
    leave(machine, Some(migrated.from));
    machine.generation += 1;
}

/// Its own host has it until it has handed it over, so it is its own host that says whether it
/// still has. The other one may see that differently: it has to let go of whatever it has before
/// the machine starts anywhere, and is not believed if it says later that the machine has arrived.
/// To believe it would be right only as long as nothing was asked of its own host since, and a
/// guest that has been started anew would run twice.
pub(super) fn migration_failed(machine: &mut Machine, failed: &MigrationFailed) {
    leave(machine, Some(failed.to));
    task_failed(machine, &failed.failure);
}
