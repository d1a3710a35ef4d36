//! Long work on a machine's disks: copies, seals, imports. Meanwhile it is off.

use carrel_driver::place::{FIRST_FILE, root_of, version_file};
use carrel_driver::{Place, Step};
use carrel_model::ids::MachineId;
use carrel_model::machine::{DiskRole, Outcome};
use carrel_model::operation::Failure;
use carrel_model::work::{DiskSpec, FileTask, MachineSpec};

use super::{Case, Next, doable, files, step, unseen};

/// The file that a machine's disk, or an upload, becomes.
pub(super) fn first_file(machine: MachineId, spec: &MachineSpec, version: u32) -> Option<Place> {
    let disk = spec.disks.iter().find(|disk| disk.role == DiskRole::System)?;
    let format = match &spec.task {
        Some(FileTask::Importing { medium, .. }) => medium.format.imported(),
        Some(FileTask::Copying { .. } | FileTask::Sealing { .. } | FileTask::Migrating { .. })
        | None => disk.format,
    };
    version_file(&root_of(disk)?, machine, (version, FIRST_FILE), format)
}

impl Case<'_> {
    pub(super) fn task(&self) -> Option<Next> {
        match self.spec.task.as_ref()? {
            FileTask::Copying { source, from } => self.copying(*source, from),
            FileTask::Sealing { version, .. } => self.sealing(*version),
            FileTask::Importing { version, .. } => self.importing(*version),
            FileTask::Migrating { .. } => None,
        }
    }

    fn copying(&self, source: MachineId, from: &[DiskSpec]) -> Option<Next> {
        if self.is_on() {
            return Some(Next::Wait("its disks are copied when it is off"));
        }
        for (disk, from) in self.spec.disks.iter().zip(from) {
            let ours = files::place(self.machine, disk);
            let theirs = files::place(source, from);
            let (Some(to), Some(from)) = (ours, theirs) else {
                return Some(unseen(&format!("disk {}", disk.id)));
            };
            if !self.seen.has(&to) {
                let (makes, format) = (Some(to.clone()), disk.format);
                return Some(doable(Step::Copy { from, to, format }, |it| it.makes = makes));
            }
        }
        self.say_once(Outcome::Copied)
    }

    fn sealing(&self, version: u32) -> Option<Next> {
        if self.is_on() {
            return Some(Next::Wait("its disk is sealed when it is off"));
        }
        let disk = self.system_disk()?;
        let to = first_file(self.machine, self.spec, version);
        let (Some(from), Some(to)) = (files::place(self.machine, disk), to) else {
            return Some(unseen(&format!("disk {}", disk.id)));
        };
        if let Some(there) = self.seen.file(&to).filter(|file| file.sealed) {
            return self.say_once(Outcome::Sealed { stat: there.stat });
        }
        if self.seen.has(&from) {
            return Some(step(Step::Seal { from, to }));
        }
        let detail = format!("the disk's file {from} is gone");
        Some(Next::Fail(Failure::new("file_missing", &detail)))
    }

    fn importing(&self, version: u32) -> Option<Next> {
        let Some(FileTask::Importing { medium, .. }) = &self.spec.task else { return None };
        let Some(to) = first_file(self.machine, self.spec, version) else {
            return Some(unseen("its disk"));
        };
        if let Some(there) = self.seen.file(&to).filter(|file| file.sealed) {
            return self.say_once(Outcome::Sealed { stat: there.stat });
        }
        Some(step(Step::Import { medium: Box::new(medium.clone()), to }))
    }
}
