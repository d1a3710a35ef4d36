//! A version has at most so many files that stand on each other. Of one that has more, a file is
//! made that stands alone, and what stood on the others is put onto it.
//!
//! ```text
//!   done     --- a version that is too deep is sealed ---> asked
//!   asked    --- image.flatten_delayed: it could not be made ---> again
//!   again    --- image.file_requested ---> asked
//!   asked    --- image.file_made, with the same content ---> rebasing
//!   rebasing --- image.rebase_advanced: all machines that are off know it ---> done
//! ```
//!
//! What runs meanwhile, or can't be told for another reason, is told as soon as it can be. With the
//! last disk and the last version that stood on the deep file, that file goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evolve::FIRST_FILE;
use super::{Base, FILES_DEEP_MAX, File, FileState, Image, file_work_on, place_for_files};
use crate::clockwork::doubled;
use crate::deciding::{Decide, Deciding};
use crate::event::{ImageFact, MachineFact};
use crate::fleet::{AT_ONCE, Fleet};
use crate::ids::{ImageId, MachineId};
use crate::machine::{Format, Machine};
use crate::record::Timestamp;
use crate::rejection::Rejection;
use crate::version::latest::image::{FileRequested, FileRetired, FlattenDelayed, RebaseAdvanced};
use crate::version::latest::machine::Rebased;

/// How far a version is with a file that stands alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flattening {
    /// Few enough files stand on each other, or everything stands on the one that stands alone.
    #[default]
    Done,
    /// It is being made. So many tries came to nothing before.
    Asked { failed: u16 },
    /// It could not be made, and will be asked for again.
    Again { at: Timestamp, failed: u16 },
    /// It is there. Machines up to this one know it.
    Rebasing { upto: Option<MachineId> },
}

/// After a failure it is asked for again after so long, and after each further one twice as long: a
/// storage that is full is seldom emptied within minutes.
const AGAIN_SECONDS: u32 = 600;
/// But at least once a day: until the file is there, nothing can be sealed on top of the version.
const AGAIN_SECONDS_MAX: u32 = 86_400;
/// So many machines are told in one decision, with room for what may follow.
const REBASED_AT_ONCE: usize = 64;

impl Flattening {
    pub(super) const fn failed(self) -> u16 {
        match self {
            Self::Asked { failed } | Self::Again { failed, .. } => failed,
            Self::Done | Self::Rebasing { .. } => 0,
        }
    }

    /// When it goes on by itself.
    pub(crate) const fn due(self) -> Option<Timestamp> {
        match self {
            Self::Again { at, .. } => Some(at),
            Self::Rebasing { .. } => Some(AT_ONCE),
            Self::Done | Self::Asked { .. } => None,
        }
    }

    /// Its name in the diagram.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Asked { .. } => "asked",
            Self::Again { .. } => "again",
            Self::Rebasing { .. } => "rebasing",
        }
    }
}

impl Image {
    /// More files stand on each other than may.
    pub(super) fn is_too_deep(&self) -> bool {
        let first = self.files.iter().find(|file| file.number == FIRST_FILE);
        first.is_some_and(|file| file.depth > FILES_DEEP_MAX)
    }

    /// The file that stands alone, if it is there or is being made.
    fn flat(&self) -> Option<&File> {
        let alone = |file: &&File| file.depth == 1 && file.state != FileState::Retired;
        self.files.iter().find(alone)
    }

    /// A file is there that is to be stood on instead of the first one.
    pub(super) fn has_become_flat(&self) -> bool {
        self.is_too_deep() && self.flat().is_some_and(|file| file.state == FileState::There)
    }
}

/// Of the system: it is time to ask once more for a file that stands alone, or one is there and
/// machines are to be put onto it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlattenImage {
    pub image: ImageId,
}

impl Decide for FlattenImage {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let Some(image) = deciding.fleet.images.get(self.image) else { return Ok(()) };
        match image.flattening {
            Flattening::Again { at, .. } if at <= deciding.now() => ask(deciding, self.image),
            Flattening::Rebasing { upto } => rebase(deciding, self.image, upto),
            Flattening::Again { .. } | Flattening::Done | Flattening::Asked { .. } => {}
        }
        Ok(())
    }
}

/// Asks for a file that stands alone, if too many stand on each other.
pub(super) fn ask(deciding: &mut Deciding<'_>, id: ImageId) {
    let Some(image) = deciding.fleet.images.shared(id) else { return };
    let Some(first) = image.files.iter().find(|file| file.number == FIRST_FILE) else { return };
    if !image.is_too_deep() || !image.is_usable() || image.flat().is_some() {
        return;
    }
    let Some(hypervisor) = image.reader(&deciding.fleet) else { return delay(deciding, id) };
    let (file, storage) = (image.files_made, first.storage);
    let format = Format::Qcow2;
    let requested = FileRequested { file, storage, format, depth: 1, hypervisor };
    deciding.fact(id, ImageFact::FileRequested(requested));
}

/// A file could not be made. If it was the one that stands alone, there will be another try.
pub(super) fn after_failure(deciding: &mut Deciding<'_>, id: ImageId) {
    let Some(image) = deciding.fleet.images.get(id) else { return };
    let asked = matches!(image.flattening, Flattening::Asked { .. });
    if asked && image.is_usable() && image.flat().is_none() {
        delay(deciding, id);
    }
}

fn delay(deciding: &mut Deciding<'_>, id: ImageId) {
    let failed = deciding.fleet.images.get(id).map_or(0, |image| image.flattening.failed());
    let seconds = doubled(AGAIN_SECONDS, failed.into(), AGAIN_SECONDS_MAX);
    let until = deciding.now().plus_seconds(seconds);
    deciding.fact(id, ImageFact::FlattenDelayed(FlattenDelayed { until }));
}

/// Tells the hosts of machines that are off. Who runs is told when it is off.
fn rebase(deciding: &mut Deciding<'_>, id: ImageId, upto: Option<MachineId>) {
    let on_it = deciding.fleet.index.on_image.after(id, upto);
    let some: Vec<MachineId> = on_it.take(REBASED_AT_ONCE).collect();
    for machine in &some {
        place_for_rebase(deciding, *machine);
        follow_machine(deciding, *machine);
    }
    let upto = some.last().copied().filter(|_| some.len() == REBASED_AT_ONCE);
    deciding.fact(id, ImageFact::RebaseAdvanced(RebaseAdvanced { upto }));
}

/// Nobody may be responsible for a machine that was not used for long. If no host can take it, it
/// is put onto the better file after it was used the next time.
fn place_for_rebase(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    let fleet = &deciding.fleet;
    let nowhere = machine.has_files && machine.place.is_none();
    if nowhere && can_be_rebased(fleet, &machine) && better_file(fleet, &machine).is_some() {
        // No host for it is no fault of anybody's.
        let _ = place_for_files(deciding, &machine);
    }
}

/// A disk for which there is a better file is put onto that, as soon as it can be; and when its
/// host has said so, it stands there. Of one that no host has ever made nothing stands anywhere
/// yet.
pub(crate) fn follow_machine(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    if let Some(file) = machine.rebasing_to {
        if machine.applied >= machine.generation {
            deciding.fact(id, MachineFact::Rebased(Rebased { file }));
        }
        return;
    }
    let Some(file) = better_file(&deciding.fleet, &machine) else { return };
    if !machine.has_files {
        deciding.fact(id, MachineFact::Rebased(Rebased { file }));
    } else if machine.place.is_some() && can_be_rebased(&deciding.fleet, &machine) {
        deciding.fact(id, MachineFact::RebaseRequested(Rebased { file }));
    }
}

/// A file of the same version that has fewer under it than the one that its disk stands on.
fn better_file(fleet: &Fleet, machine: &Machine) -> Option<u16> {
    let base = machine.base()?;
    let image = fleet.images.get(base.image).filter(|image| image.has_become_flat())?;
    let nearest = match machine.place {
        Some(host) => image.nearest_file(fleet, host)?,
        None => image.file(image.base_for_new(fleet)?.file)?,
    };
    let own = image.file(base.file)?;
    (nearest.depth < own.depth).then_some(nearest.number)
}

/// Nobody reads or writes its disks, and nothing else is asked for of them. One that waits for
/// fresh disks is told with those, or when they will not come.
fn can_be_rebased(fleet: &Fleet, machine: &Machine) -> bool {
    machine.is_known_off()
        && machine.renewal.is_none()
        && machine.snapshot_at_work().is_none()
        && file_work_on(fleet, machine.id).is_none()
        && !machine.deleting
}

/// A file that is too deep goes when nothing stands on it any more. Whoever sees it sees the one
/// that takes its place, which lies beside it.
pub(super) fn let_go(deciding: &mut Deciding<'_>, id: ImageId) {
    let Some(image) = deciding.fleet.images.shared(id) else { return };
    if !image.is_usable() || !image.has_become_flat() {
        return;
    }
    let beside = image.flat().map(|flat| flat.storage);
    for file in image.files_there().filter(|file| file.depth > FILES_DEEP_MAX) {
        let base = Base { image: id, file: file.number };
        if Some(file.storage) == beside && !deciding.fleet.is_stood_on(base) {
            deciding.fact(id, ImageFact::FileRetired(FileRetired { file: file.number }));
        }
    }
}
