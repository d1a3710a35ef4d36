//! How a machine's disks change.

use crate::fleet::Fleet;
use crate::ids::{ImageId, MachineId};
use crate::machine::{DiskRole, DiskSource, Format, Kind, Machine, Task};

/// It stays what it is, with other disks. An initial takes its next copy from the same source; one
/// that is a clone of another initial takes it from where that one did.
pub(super) fn copied(fleet: &mut Fleet, id: MachineId) {
    let task = fleet.machines.get(id).and_then(|machine| machine.task);
    let copied = match task {
        Some(Task::Copying { source }) => fleet.machines.get(source),
        Some(Task::Sealing { .. } | Task::Migrating { .. }) | None => None,
    };
    let upkeep = copied.is_some_and(|copied| copied.upkeep);
    let source = copied.filter(|copied| copied.kind == Kind::Source).map(|copied| copied.id);
    fleet.step::<Machine>(id, |machine| {
        machine.generation += 1;
        let Some(Task::Copying { .. }) = machine.task else { return };
        machine.task = None;
        machine.disks = std::mem::take(&mut machine.disks_to_come);
        machine.disk_before = None;
        machine.upkeep = upkeep;
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

/// Its system disk is a new overlay on a version.
pub(super) fn overlaid(machine: &mut Machine, image: ImageId) {
    for disk in machine.disks.iter_mut().filter(|disk| disk.role == DiskRole::System) {
        disk.source = DiskSource::Image(image);
        disk.overlay_generation += 1;
        disk.format = Format::Qcow2;
        disk.file = None;
    }
}
