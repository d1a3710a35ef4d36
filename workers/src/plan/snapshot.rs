//! A machine's snapshots: one is taken, reverted to or deleted.

use carrel_driver::place::snapshot_file;
use carrel_driver::{Frozen, Step};
use carrel_model::ids::SnapshotId;
use carrel_model::machine::{Outcome, Reported};
use carrel_model::work::{SnapshotShall, SnapshotSpec};

use super::{Case, Fails, Next, Then, doable, files, unseen};

impl Case<'_> {
    pub(super) fn snapshots(&self) -> Option<Next> {
        self.spec.snapshots.iter().find_map(|snapshot| self.snapshot(snapshot))
    }

    fn frozen(&self, snapshot: SnapshotId) -> Option<Vec<Frozen>> {
        let disks = self.spec.disks.iter().map(|disk| {
            let disk_file = files::place(self.machine, disk)?;
            let kept = snapshot_file(self.machine, disk, snapshot)?;
            Some(Frozen { disk: disk_file, kept })
        });
        disks.collect()
    }

    /// It came to nothing, and is not tried again before something newer is asked for.
    fn has_failed(&self, id: SnapshotId) -> bool {
        self.entry.said().any(|said| match &said.what {
            Reported::Machine { outcome: Outcome::SnapshotFailed { snapshot, .. }, .. } => {
                *snapshot == id
            }
            Reported::Machine { .. } | Reported::Image { .. } => false,
        })
    }

    fn snapshot(&self, it: &SnapshotSpec) -> Option<Next> {
        let snapshot = it.id;
        if self.has_failed(snapshot) {
            return None;
        }
        let Some(disks) = self.frozen(snapshot) else { return Some(unseen("a snapshot")) };
        let is_there = disks.iter().all(|frozen| self.seen.has(&frozen.kept));
        let is_left = disks.iter().any(|frozen| self.seen.has(&frozen.kept));
        let does = |step: Step, outcome: Outcome| {
            Some(doable(step, |doable| {
                doable.then = Then::Say(self.reported(outcome));
                doable.fails = Fails::Snapshot(snapshot);
            }))
        };
        match it.shall {
            SnapshotShall::BeThere | SnapshotShall::BeThereQuiesced => {
                let taken = Outcome::SnapshotTaken { snapshot };
                if self.entry.told.snapshots.contains(&snapshot) {
                    None
                } else if is_there {
                    Some(self.say(taken))
                } else {
                    let quiesced = it.shall == SnapshotShall::BeThereQuiesced;
                    does(Step::TakeSnapshot { snapshot, quiesced, disks }, taken)
                }
            }
            SnapshotShall::BeRevertedTo => {
                let reverted = Outcome::SnapshotReverted { snapshot };
                if self.entry.has_said(&self.reported(reverted.clone())) {
                    None
                } else if self.is_on() {
                    Some(Next::Wait("its disks go back to a snapshot when it is off"))
                } else {
                    does(Step::RevertSnapshot { snapshot, disks }, reverted)
                }
            }
            SnapshotShall::BeGone => {
                let deleted = Outcome::SnapshotDeleted { snapshot };
                if is_left {
                    does(Step::DeleteSnapshot { snapshot, disks }, deleted)
                } else {
                    self.say_once(deleted)
                }
            }
        }
    }
}
