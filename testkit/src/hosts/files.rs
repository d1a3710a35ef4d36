//! Which file stands on which, as it is on the storages: hosts put overlays where they are told to.

use std::collections::BTreeMap;

use carrel_model::ids::{DiskId, ImageId, MachineId};
use carrel_model::machine::Base;
use carrel_model::work::{DiskSpec, FileTask, MachineSpec};

/// Which of a disk's files it is.
type Overlay = (DiskId, u32);

/// Something that stands on a file of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Overlay { machine: MachineId, disk: DiskId, overlay_generation: u32 },
    Version(ImageId),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    overlays: BTreeMap<MachineId, BTreeMap<Overlay, Base>>,
    versions: BTreeMap<ImageId, Base>,
}

fn overlay(disk: &DiskSpec) -> Overlay {
    (disk.id, disk.overlay_generation)
}

impl Files {
    /// A machine's files are as they shall be; others of it go.
    ///
    /// # Panics
    /// If a disk is to be put onto another file while its guest writes to it.
    pub(super) fn are(&mut self, machine: MachineId, spec: &MachineSpec, runs_on: bool) {
        let before = self.overlays.remove(&machine).unwrap_or_default();
        let mut now = BTreeMap::new();
        for disk in spec.disks.iter().chain(&spec.keep) {
            let Some(top) = disk.backing.first() else { continue };
            let told = Base { image: top.image, file: top.file };
            let had = before.get(&overlay(disk));
            let is_moved = had.is_some_and(|had| *had != told);
            assert!(!is_moved || !runs_on, "{machine} runs on {had:?}, and is to be on {told:?}");
            now.insert(overlay(disk), told);
        }
        if let Some(FileTask::Sealing { image, .. }) = spec.task {
            let sealed = spec.disks.first().and_then(|disk| now.get(&overlay(disk)));
            self.versions.extend(sealed.map(|base| (image, *base)));
        }
        self.overlays.insert(machine, now);
    }

    pub(super) fn standing_on(&self, base: Base) -> impl Iterator<Item = Standing> {
        let overlays = self.overlays.iter().flat_map(|(machine, overlays)| {
            overlays.iter().map(move |((disk, generation), on)| {
                let (machine, disk, overlay_generation) = (*machine, *disk, *generation);
                (Standing::Overlay { machine, disk, overlay_generation }, *on)
            })
        });
        let versions = self.versions.iter().map(|(id, on)| (Standing::Version(*id), *on));
        overlays.chain(versions).filter(move |(_, on)| *on == base).map(|(it, _)| it)
    }
}
