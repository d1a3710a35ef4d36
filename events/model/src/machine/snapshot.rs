//! The snapshots of a machine: a tree of overlays of its disks, together with its NVRAM and TPM.
//!
//! One is taken, reverted to or deleted.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Kind, Machine};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::{FromUuid, MachineId, SnapshotId};
use crate::image::place_for_files;
use crate::name::Name;
use crate::operation::{self, Begun, Goal, Plan, Targets};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::machine::{OfSnapshot, SnapshotRequested};

/// Each overlay is one more file to look through for every block that is read.
pub const SNAPSHOTS_DEEP_MAX: usize = 8;
/// All of them, on all branches: each keeps a file on the machine's storage.
pub const SNAPSHOTS_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub name: Name,
    pub parent: Option<SnapshotId>,
    pub quiesced: bool,
    pub state: SnapshotState,
}

/// ```text
///   taking --> taken --> reverting --> taken
///     |          |
///     v          +-----> deleting --> (deleted)
///   (failed: gone; what fails later leaves it taken)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotState {
    Taking,
    Taken,
    Reverting,
    Deleting,
}

impl Machine {
    /// One is being taken, reverted to or deleted: its disks are not to be touched meanwhile.
    pub fn snapshot_at_work(&self) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.state != SnapshotState::Taken)
    }

    pub(crate) fn snapshots_are_at_rest(&self) -> Result<(), Rejection> {
        let Some(Snapshot { name, .. }) = self.snapshot_at_work() else { return Ok(()) };
        let (machine, name) = (self.name.clone(), name.clone());
        Err(Refused::SnapshotBusy { machine, name }.into())
    }

    pub fn find_snapshot(&self, id: SnapshotId) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.id == id)
    }

    /// How many snapshots its disks stand on.
    pub fn snapshot_depth(&self) -> usize {
        let mut at = self.snapshot;
        let mut depth = 0;
        while let Some(snapshot) = at.and_then(|id| self.find_snapshot(id))
            && depth < self.snapshots.len()
        {
            depth += 1;
            at = snapshot.parent;
        }
        depth
    }
}

/// Keeps the state of a machine's disks, to come back to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeSnapshot {
    pub machine: Ref<MachineId>,
    pub name: Name,
    /// The machine runs on, and its guest agent holds its file systems still for a moment. Only
    /// simulated hosts can do that yet: on a host with libvirt it fails with `snapshot_while_on`,
    /// and nothing is touched.
    #[serde(default)]
    pub quiesced: bool,
}

impl Decide for TakeSnapshot {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, _) = deciding.find::<Machine>(&self.machine)?;
        let snapshot: SnapshotId = deciding.fresh();
        let (name, quiesced) = (self.name.clone(), self.quiesced);
        operation::start_on(
            deciding,
            Plan::TakeSnapshot { snapshot, name, quiesced },
            Targets::Listed(vec![id]),
        )
    }
}

pub(crate) fn take(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    (snapshot, name): (SnapshotId, &Name),
    quiesced: bool,
) -> Result<Begun, Rejection> {
    machine.files_can_change(&deciding.fleet)?;
    can_have_another(machine, name)?;
    if !machine.at_rest() && !quiesced {
        return Err(Refused::NotQuiesced { machine: machine.name.clone() }.into());
    }
    // A guest that is off holds still by itself.
    let quiesced = quiesced && !machine.at_rest();
    place_for_files(deciding, machine)?;
    let requested = SnapshotRequested { snapshot, name: name.clone(), quiesced };
    deciding.fact(machine.id, Fact::SnapshotRequested(requested));
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

/// Gives a machine that is off the disks that it had then. What was written since is lost, unless
/// it was kept by another snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevertSnapshot {
    pub machine: Ref<MachineId>,
    /// Its id or its name.
    pub snapshot: String,
}

impl Decide for RevertSnapshot {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, machine) = deciding.find::<Machine>(&self.machine)?;
        let snapshot = find_snapshot(&machine, &self.snapshot)?;
        operation::start_on(deciding, Plan::RevertSnapshot { snapshot }, Targets::Listed(vec![id]))
    }
}

pub(crate) fn revert(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    snapshot: SnapshotId,
) -> Result<Begun, Rejection> {
    machine.files_can_change(&deciding.fleet)?;
    machine.is_off()?;
    has(machine, snapshot)?;
    place_for_files(deciding, machine)?;
    deciding.fact(machine.id, Fact::SnapshotRevertRequested(OfSnapshot { snapshot }));
    Ok(Begun::Part(Goal::SnapshotReverted { snapshot }))
}

/// Forgets a snapshot. What stands on it is kept; while the machine runs on that, it waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteSnapshot {
    pub machine: Ref<MachineId>,
    /// Its id or its name.
    pub snapshot: String,
}

impl Decide for DeleteSnapshot {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, machine) = deciding.find::<Machine>(&self.machine)?;
        let snapshot = find_snapshot(&machine, &self.snapshot)?;
        operation::start_on(deciding, Plan::DeleteSnapshot { snapshot }, Targets::Listed(vec![id]))
    }
}

pub(crate) fn delete(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    snapshot: SnapshotId,
) -> Result<Begun, Rejection> {
    machine.files_can_change(&deciding.fleet)?;
    has(machine, snapshot)?;
    place_for_files(deciding, machine)?;
    deciding.fact(machine.id, Fact::SnapshotDeleteRequested(OfSnapshot { snapshot }));
    Ok(Begun::Part(Goal::SnapshotDeleted { snapshot }))
}

fn find_snapshot(machine: &Machine, given: &str) -> Result<SnapshotId, Rejection> {
    let by_id = uuid::Uuid::try_parse(given).ok().map(SnapshotId::from_uuid);
    let found = machine.snapshots.iter().find(|snapshot| match by_id {
        Some(id) => snapshot.id == id,
        None => snapshot.name.as_str() == given,
    });
    found.map(|snapshot| snapshot.id).ok_or_else(|| {
        let given = given.chars().take(Name::LENGTH_MAX).collect();
        Refused::NoSuchSnapshot { machine: machine.name.clone(), given }.into()
    })
}

fn has(machine: &Machine, snapshot: SnapshotId) -> Result<(), Rejection> {
    if machine.find_snapshot(snapshot).is_none() {
        let (machine, given) = (machine.name.clone(), snapshot.to_string());
        return Err(Refused::NoSuchSnapshot { machine, given }.into());
    }
    machine.snapshots_are_at_rest()
}

pub(super) fn evolve(machine: &mut Machine, fact: &Fact) {
    machine.generation += 1;
    if let Fact::SnapshotRequested(snapshot) = fact {
        machine.snapshots.push(Snapshot {
            id: snapshot.snapshot,
            name: snapshot.name.clone(),
            parent: machine.snapshot,
            quiesced: snapshot.quiesced,
            state: SnapshotState::Taking,
        });
    }
    if let Fact::SnapshotTaken(of) | Fact::SnapshotReverted(of) = fact {
        mark(machine, of.snapshot, SnapshotState::Taken);
        machine.snapshot = Some(of.snapshot);
    }
    if let Fact::SnapshotRevertRequested(of) = fact {
        mark(machine, of.snapshot, SnapshotState::Reverting);
    }
    if let Fact::SnapshotDeleteRequested(of) = fact {
        mark(machine, of.snapshot, SnapshotState::Deleting);
    }
    if let Fact::SnapshotDeleted(of) = fact {
        forget(machine, of.snapshot);
    }
    if let Fact::SnapshotFailed(failed) = fact {
        machine.snapshots.retain(|snapshot| {
            snapshot.id != failed.snapshot || snapshot.state != SnapshotState::Taking
        });
        mark(machine, failed.snapshot, SnapshotState::Taken);
        machine.trouble = Some(Arc::new(failed.failure.clone()));
    }
}

/// What stood on it stands on what it stood on.
fn forget(machine: &mut Machine, id: SnapshotId) {
    let parent = machine.find_snapshot(id).and_then(|snapshot| snapshot.parent);
    machine.snapshots.retain(|snapshot| snapshot.id != id);
    for child in machine.snapshots.iter_mut().filter(|child| child.parent == Some(id)) {
        child.parent = parent;
    }
    if machine.snapshot == Some(id) {
        machine.snapshot = parent;
    }
}

fn mark(machine: &mut Machine, id: SnapshotId, state: SnapshotState) {
    for snapshot in machine.snapshots.iter_mut().filter(|snapshot| snapshot.id == id) {
        snapshot.state = state;
    }
}
