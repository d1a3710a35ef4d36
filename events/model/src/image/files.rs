//! Where the files of images and machines are, and what work on them is under way.

use super::{Base, File, FileState, Image, State};
use crate::deciding::Deciding;
use crate::event::MachineFact;
use crate::fleet::Fleet;
use crate::ids::{HypervisorId, MachineId};
use crate::machine::{Machine, Task};
use crate::placement;
use crate::rejection::Rejection;
use crate::version::latest::machine::Placed;

/// Each file in a chain is one more place where a read may have to look. Four are not felt; beyond
/// that a file that stands alone is made of the same version.
pub const FILES_DEEP_MAX: u8 = 4;

/// Work on a machine's files that keeps it from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileWork {
    /// Another machine's disks are copied to it.
    Copying,
    /// Its disks are copied to another machine.
    CopiedFrom,
    /// Its disk becomes a version.
    Sealing,
}

/// What is being done with a machine's files, as the end or as the beginning of a copy, or as what
/// becomes a version.
pub(crate) fn file_work_on(fleet: &Fleet, machine: MachineId) -> Option<FileWork> {
    let task = fleet.machines.get(machine).and_then(|machine| machine.task);
    match task {
        Some(Task::Copying { .. }) => return Some(FileWork::Copying),
        Some(Task::Sealing { .. }) => return Some(FileWork::Sealing),
        Some(Task::Migrating { .. }) | None => {}
    }
    fleet.copies_of(machine).next().map(|_| FileWork::CopiedFrom)
}

/// A machine whose files are to be worked on is off and stays so, and nobody else works on them.
pub(super) fn can_be_worked_on(fleet: &Fleet, machine: &Machine) -> Result<(), Rejection> {
    machine.is_left_alone(fleet)?;
    machine.is_not_locked()?;
    machine.is_off()
}

/// The host for work on a machine's files, and how it gets there if another one than is responsible
/// now has to be. While it is on, nobody but its own can work on them.
pub(crate) fn host_for_files(
    fleet: &Fleet,
    machine: &Machine,
) -> Result<(HypervisorId, Option<Placed>), Rejection> {
    if let Some(own) = machine.place.filter(|_| !machine.at_rest()) {
        return Ok((own, None));
    }
    let placed = placement::for_files(fleet, machine)?;
    let host = placed.hypervisor;
    Ok((host, (machine.place != Some(host)).then_some(placed)))
}

/// Somebody is responsible for its files from now on who can work on them.
pub(crate) fn place_for_files(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
) -> Result<(), Rejection> {
    let (_, placed) = host_for_files(&deciding.fleet, machine)?;
    if let Some(placed) = placed {
        deciding.fact(machine.id, MachineFact::Placed(placed));
    }
    Ok(())
}

impl Image {
    /// The file that a new overlay on this host stands on: of those that the host sees together
    /// with all files under them, the one with the fewest.
    pub fn nearest_file(&self, fleet: &Fleet, host: HypervisorId) -> Option<&File> {
        self.nearest(fleet, |file| fleet.sees(host, file.storage))
    }

    /// The file that a new overlay stands on whose host is not known yet.
    pub(crate) fn base_for_new(&self, fleet: &Fleet) -> Option<Base> {
        let nearest = self.nearest(fleet, |_| true)?;
        Some(Base { image: self.id, file: nearest.number })
    }

    fn nearest(&self, fleet: &Fleet, sees: impl Fn(&File) -> bool) -> Option<&File> {
        let seen_down_to_the_ground = |file: &&File| {
            let chain = self.chain(fleet, file);
            chain.is_some_and(|chain| chain.iter().all(|(_, file)| sees(file)))
        };
        let files = self.files_there().filter(seen_down_to_the_ground);
        files.min_by_key(|file| (file.depth, file.number))
    }

    /// The host that reads the whole content when that has to be done: the initial's own, which has
    /// sealed it, or else any that sees all files.
    pub(crate) fn reader(&self, fleet: &Fleet) -> Option<HypervisorId> {
        let own = fleet.machines.get(self.initial).and_then(|initial| initial.place);
        let all = fleet.hypervisors.iter().map(|(id, _)| id);
        own.into_iter()
            .chain(all)
            .find(|host| fleet.is_enabled(*host) && self.nearest_file(fleet, *host).is_some())
    }

    /// The host that was chosen for a further file which is being made.
    pub(crate) fn maker(&self) -> Option<HypervisorId> {
        self.files.iter().find_map(|file| match file.state {
            FileState::Making { hypervisor } => hypervisor,
            FileState::Unverified(_) | FileState::There | FileState::Retired => None,
        })
    }

    /// The host that is to compute the digest, for as long as nobody has: whoever is at work on the
    /// version anyway. Only its word is taken.
    pub(crate) fn verifier(&self, fleet: &Fleet) -> Option<HypervisorId> {
        if self.state != State::Sealed {
            return None;
        }
        let maker = self.maker().filter(|host| self.nearest_file(fleet, *host).is_some());
        maker.or_else(|| self.reader(fleet))
    }

    /// A file of this version and those that it stands on, the top one first. None: one of them is
    /// missing.
    pub(crate) fn chain<'a>(
        &'a self,
        fleet: &'a Fleet,
        top: &'a File,
    ) -> Option<Vec<(&'a Self, &'a File)>> {
        let mut chain = vec![(self, top)];
        let (mut image, mut depth) = (self, top.depth);
        while depth > 1 {
            depth -= 1;
            let base = image.base?;
            image = fleet.images.get(base.image)?;
            let below = image.files_there().find(|file| file.number == base.file)?;
            chain.push((image, below));
        }
        Some(chain)
    }
}

/// A file of a version and those under it.
pub(crate) fn chain_of(fleet: &Fleet, base: Base) -> Option<Vec<(&Image, &File)>> {
    let image = fleet.images.get(base.image)?;
    image.chain(fleet, image.file(base.file)?)
}
