//! The snapshots of a machine: a tree of overlays of its disks, together with its NVRAM and TPM.

use std::sync::Arc;

use super::Machine;
use super::rejection::Rejection as Refused;
use crate::event::MachineFact as Fact;
use crate::ids::SnapshotId;
use crate::name::Name;
use crate::rejection::Rejection;

/// Each overlay is one more file to look through for every block that is read.
pub const SNAPSHOTS_DEEP_MAX: usize = 8;
/// All of them, on all branches: each keeps a file on the machine's storage.
pub const SNAPSHOTS_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
