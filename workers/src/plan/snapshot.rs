//! A machine's snapshots: one is taken, reverted to or deleted.

use carrel_driver::place::{machine_folder, snapshot_file};
use carrel_driver::{Frozen, Place, Step};
use carrel_model::ids::SnapshotId;
use carrel_model::machine::{Outcome, Reported};
use carrel_model::work::{DiskSpec, Shall, SnapshotShall, SnapshotSpec};

use crate::entry::Entry;

use super::{Case, Fails, Next, Then, doable, files, unseen};

/// The snapshot for which something is yet to be done and to be said.
pub fn snapshot_at_work(entry: &Entry) -> Option<SnapshotId> {
    let Shall::Present(spec) = &entry.order.as_deref()?.work.shall else { return None };
    let says = |snapshot: SnapshotId, shall: SnapshotShall| match shall {
        SnapshotShall::BeThere | SnapshotShall::BeThereQuiesced => {
            entry.told.snapshots.contains(&snapshot)
        }
        SnapshotShall::BeRevertedTo | SnapshotShall::BeGone => entry.said().any(|said| {
            matches!(
                &said.what,
                Reported::Machine {
                    outcome: Outcome::SnapshotReverted { snapshot: it }
                        | Outcome::SnapshotDeleted { snapshot: it },
                    ..
                } if *it == snapshot
            )
        }),
    };
    let at_work =
        spec.snapshots.iter().find(|it| !has_failed(entry, it.id) && !says(it.id, it.shall));
    at_work.map(|it| it.id)
}

/// It came to nothing, and is not tried again before something newer is asked for.
fn has_failed(entry: &Entry, id: SnapshotId) -> bool {
    entry.said().any(|said| match &said.what {
        Reported::Machine { outcome: Outcome::SnapshotFailed { snapshot, .. }, .. } => {
            *snapshot == id
        }
        Reported::Machine { .. } | Reported::Image { .. } => false,
    })
}

impl Case<'_> {
    pub(super) fn snapshots(&self) -> Option<Next> {
        self.spec.snapshots.iter().find_map(|snapshot| self.snapshot(snapshot))
    }

    fn is_to_be_taken(&self, it: &SnapshotSpec) -> bool {
        let shall_be_there = match it.shall {
            SnapshotShall::BeThere | SnapshotShall::BeThereQuiesced => true,
            SnapshotShall::BeRevertedTo | SnapshotShall::BeGone => false,
        };
        shall_be_there && !self.is_told(it.id) && !has_failed(self.entry, it.id)
    }

    fn is_told(&self, snapshot: SnapshotId) -> bool {
        self.entry.told.snapshots.contains(&snapshot)
    }

    /// Its file is what a snapshot keeps now, and nothing has its name yet: whoever took that was
    /// stopped in between, and nothing is lost.
    pub(super) fn is_being_taken(&self, disk: &DiskSpec) -> bool {
        let at_work = self.spec.snapshots.iter().filter(|it| self.is_to_be_taken(it));
        let mut kept = at_work.filter_map(|it| snapshot_file(self.machine, disk, it.id));
        kept.any(|kept| self.seen.has(&kept))
    }

    /// Of any snapshot, also of one that nobody knows any more.
    pub(super) fn kept_of(&self, disk: &DiskSpec) -> impl Iterator<Item = &Place> {
        let (folder, ending) = (machine_folder(self.machine), format!(".{}.qcow2", disk.id));
        let files = self.seen.files.iter().map(|file| &file.place);
        files.filter(move |it| {
            it.file.as_str().starts_with(&folder) && it.file.as_str().ends_with(&ending)
        })
    }

    fn frozen(&self, snapshot: SnapshotId) -> Option<Vec<Frozen>> {
        let disks = self.spec.disks.iter().map(|disk| {
            let disk_file = files::place(self.machine, disk)?;
            let kept = snapshot_file(self.machine, disk, snapshot)?;
            Some(Frozen { disk: disk_file, format: disk.format, kept })
        });
        disks.collect()
    }

    fn snapshot(&self, it: &SnapshotSpec) -> Option<Next> {
        let snapshot = it.id;
        if has_failed(self.entry, snapshot) {
            return None;
        }
        let Some(disks) = self.frozen(snapshot) else { return Some(unseen("a snapshot")) };
        let is_there = |it: &Frozen| self.seen.has(&it.kept) && self.seen.has(&it.disk);
        let is_there = disks.iter().all(is_there);
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
                if self.is_told(snapshot) {
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
                if disks.iter().any(|frozen| self.is_read(&frozen.kept)) {
                    Some(Next::Wait("what its disk stands on is merged when it is off"))
                } else if is_left {
                    does(Step::DeleteSnapshot { snapshot, disks }, deleted)
                } else {
                    self.say_once(deleted)
                }
            }
        }
    }
}
