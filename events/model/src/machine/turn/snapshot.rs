//! A snapshot is taken, reverted to or deleted.

use super::disk::can_change_files;
use super::place_for_files;
use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::ids::{MachineId, SnapshotId};
use crate::machine::rejection::Rejection as Refused;
use crate::machine::{Kind, Machine, SNAPSHOTS_DEEP_MAX, SNAPSHOTS_MAX};
use crate::name::Name;
use crate::operation::{Begun, Goal};
use crate::rejection::Rejection;
use crate::version::latest::machine::{OfSnapshot, SnapshotRequested};

pub(crate) fn take_snapshot(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    (snapshot, name): (SnapshotId, &Name),
    quiesced: bool,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    can_change_files(deciding, &machine)?;
    can_have_another(&machine, name)?;
    if !machine.at_rest() && !quiesced {
        return Err(Refused::NotQuiesced { machine: machine.name.clone() }.into());
    }
    // A guest that is off holds still by itself.
    let quiesced = quiesced && !machine.at_rest();
    place_for_files(deciding, &machine)?;
    let requested = SnapshotRequested { snapshot, name: name.clone(), quiesced };
    deciding.fact(id, Fact::SnapshotRequested(requested));
    Ok(Begun::Part(Goal::SnapshotTaken { snapshot }))
}

fn can_have_another(machine: &Machine, name: &Name) -> Result<(), Rejection> {
    let machine_name = machine.name.clone();
    if let Kind::Initial { .. } = machine.kind {
        return Err(Refused::InitialHasVersions { machine: machine_name }.into());
    }
    if machine.virtual_snapshot.is_some() {
        return Err(Refused::HasVirtualSnapshot { machine: machine_name }.into());
    }
    machine.snapshots_are_at_rest()?;
    if machine.snapshots.iter().any(|snapshot| snapshot.name == *name) {
        let (machine, name) = (machine_name, name.clone());
        return Err(Refused::SnapshotNameTaken { machine, name }.into());
    }
    let (deep, all) = (machine.snapshot_depth(), machine.snapshots.len());
    if deep >= SNAPSHOTS_DEEP_MAX || all >= SNAPSHOTS_MAX {
        return Err(Refused::TooManySnapshots { machine: machine_name, deep, all }.into());
    }
    Ok(())
}

pub(crate) fn revert_snapshot(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    snapshot: SnapshotId,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    can_change_files(deciding, &machine)?;
    machine.is_off()?;
    has(&machine, snapshot)?;
    place_for_files(deciding, &machine)?;
    deciding.fact(id, Fact::SnapshotRevertRequested(OfSnapshot { snapshot }));
    Ok(Begun::Part(Goal::SnapshotReverted { snapshot }))
}

pub(crate) fn delete_snapshot(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    snapshot: SnapshotId,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    can_change_files(deciding, &machine)?;
    has(&machine, snapshot)?;
    place_for_files(deciding, &machine)?;
    deciding.fact(id, Fact::SnapshotDeleteRequested(OfSnapshot { snapshot }));
    Ok(Begun::Part(Goal::SnapshotDeleted { snapshot }))
}

fn has(machine: &Machine, snapshot: SnapshotId) -> Result<(), Rejection> {
    if machine.find_snapshot(snapshot).is_none() {
        let (machine, given) = (machine.name.clone(), snapshot.to_string());
        return Err(Refused::NoSuchSnapshot { machine, given }.into());
    }
    machine.snapshots_are_at_rest()
}
