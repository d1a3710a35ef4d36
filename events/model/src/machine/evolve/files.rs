//! How a machine's disks change, and whose traces are on them.

use std::sync::Arc;

use crate::fleet::Fleet;
use crate::ids::MachineId;
use crate::image::FIRST_FILE;
use crate::machine::{Base, Disk, DiskRole, DiskSource, Format, Kind, Machine, Task};
use crate::version::latest::machine::{
    CopyRequested, DiskResized, HandedOn, Rebased, SealRequested, Sealed,
};
use crate::version::latest::operation::Failure;

/// It stays what it is, with other disks. An initial takes its next copy from the same source; one
/// that is a clone of another initial takes it from where that one did.
pub(super) fn copied(fleet: &mut Fleet, id: MachineId) {
    let task = fleet.machines.get(id).and_then(|machine| machine.task);
    let copied = match task {
        Some(Task::Copying { source }) => fleet.machines.get(source),
        Some(Task::Sealing { .. } | Task::Migrating { .. }) | None => None,
    };
    let upkeep = copied.is_some_and(|copied| copied.upkeep);
    let half_made = copied.is_some_and(|copied| copied.half_made);
    let source = copied.filter(|copied| copied.kind == Kind::Source).map(|copied| copied.id);
    fleet.step::<Machine>(id, |machine| {
        machine.generation += 1;
        let Some(Task::Copying { .. }) = machine.task else { return };
        machine.task = None;
        machine.disks = std::mem::take(&mut machine.disks_to_come);
        machine.rebasing_to = None;
        machine.disk_before = None;
        machine.upkeep = upkeep;
        machine.half_made = half_made;
        take_traces(machine);
        if let Kind::Initial { source: last } = &mut machine.kind {
            *last = source.or(*last);
            machine.unsealed = true;
        }
    });
}

/// Nobody gets a source or an initial, so it doesn't matter whose traces are on it. Who has the
/// machine already goes on having it.
fn take_traces(machine: &mut Machine) {
    let traces = machine.traces_to_come.take();
    if let Kind::Source | Kind::Initial { .. } = machine.kind {
        return;
    }
    let holder = machine.written.filter(|_| !machine.leases.is_empty());
    machine.written = traces.or(holder);
    machine.kept = traces;
}

/// Its system disk is a new overlay on a file of a version.
pub(super) fn overlaid(machine: &mut Machine, base: Base) {
    machine.rebasing_to = None;
    for disk in machine.disks.iter_mut().filter(|disk| disk.role == DiskRole::System) {
        disk.source = DiskSource::Overlay(base);
        disk.overlay_generation += 1;
        disk.format = Format::Qcow2;
        disk.file = None;
    }
}

pub(super) fn handed_on(machine: &mut Machine, handed: &HandedOn) {
    machine.written = Some(handed.to);
    machine.kept = Some(handed.to);
}

pub(super) fn copy_requested(machine: &mut Machine, copy: &CopyRequested) {
    // A clone has nothing until it has its copy. Others keep what they have until then.
    machine.half_made |= match machine.kind {
        Kind::Simple | Kind::Vdi { .. } | Kind::External(_) => true,
        Kind::Source | Kind::Initial { .. } => false,
    };
    machine.task = Some(Task::Copying { source: copy.source });
    machine.task_since = machine.generation + 1;
    machine.disks_to_come = copy.disks.iter().cloned().collect();
    machine.traces_to_come = copy.traces;
    machine.generation += 1;
}

pub(super) fn seal_requested(machine: &mut Machine, seal: &SealRequested) {
    machine.task = Some(Task::Sealing { image: seal.image });
    machine.versions_made = machine.versions_made.max(seal.number);
    machine.task_since = machine.generation + 1;
    machine.generation += 1;
}

pub(super) fn sealed(machine: &mut Machine, sealed: &Sealed) {
    machine.task = None;
    // What it wrote so far is in the first file, and what it writes from now on is on top of that.
    overlaid(machine, Base { image: sealed.image, file: FIRST_FILE });
    machine.written = None;
    machine.kept = None;
    machine.unsealed = false;
    machine.generation += 1;
}

/// What its disk stands on is told with the next generation.
pub(super) fn rebase_requested(machine: &mut Machine, asked: &Rebased) {
    machine.rebasing_to = Some(asked.file);
    machine.generation += 1;
}

/// Its host was told already, or there is none.
pub(super) fn rebased(machine: &mut Machine, rebased: &Rebased) {
    machine.rebasing_to = None;
    let base = machine.system_disk().and_then(Disk::base);
    let Some(base) = base.map(|base| Base { file: rebased.file, ..base }) else { return };
    for disk in machine.disks.iter_mut().filter(|disk| disk.role == DiskRole::System) {
        disk.source = DiskSource::Overlay(base);
    }
}

pub(super) fn disk_resized(machine: &mut Machine, resized: &DiskResized) {
    for disk in machine.disks.iter_mut().filter(|disk| disk.id == resized.disk) {
        disk.size_gib = resized.size_gib;
    }
    machine.generation += 1;
}

pub(super) fn task_failed(machine: &mut Machine, failure: &Failure) {
    machine.task = None;
    machine.disks_to_come.clear();
    machine.traces_to_come = None;
    machine.trouble = Some(Arc::new(failure.clone()));
    machine.failed = machine.generation;
    machine.generation += 1;
}
