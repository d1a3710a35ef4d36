//! What hosts say about copies, seals and the files of images. Whoever calls has checked that the
//! host is responsible.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evolve::FIRST_FILE;
use super::tag::{self, default, head};
use super::{File, FileState, Hold, State, flatten};
use crate::decide::EVENTS_MAX;
use crate::deciding::{Deciding, Touched};
use crate::event::{ImageFact, MachineFact};
use crate::fleet::Fleet;
use crate::hash::Digest;
use crate::ids::{HypervisorId, ImageId, MachineId};
use crate::machine::Task;
use crate::operation::Cause;
use crate::version::latest::Nothing;
use crate::version::latest::image::{Failed, FileFailed, FileMade, FileRemoved};
use crate::version::latest::image::{Sealed, Stat, Verified};
use crate::version::latest::machine::{
    Failed as MachineFailed, FilesGone, Sealed as MachineSealed,
};
use crate::version::latest::operation::Failure;

/// What a host says about the files of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    Verified { digest: Digest },
    FileMade { file: u16, digest: Digest, stat: Stat },
    FileFailed { file: u16, failure: Failure },
    FileRemoved { file: u16 },
}

/// Hears a report about a version. Only a host is heard that sees one of its files.
pub(crate) fn hear(
    deciding: &mut Deciding<'_>,
    host: HypervisorId,
    id: ImageId,
    outcome: &Outcome,
) {
    let fleet = &deciding.fleet;
    let Some(image) = fleet.images.get(id) else { return };
    if !image.files.iter().any(|file| fleet.sees(host, file.storage)) {
        return;
    }
    match outcome {
        // Whoever was not asked for it may have read anything.
        Outcome::Verified { .. } if image.verifier(fleet) != Some(host) => {}
        Outcome::Verified { digest } => verified(deciding, id, *digest),
        Outcome::FileMade { file, digest, stat } => {
            let done = FileMade { file: *file, digest: *digest, stat: *stat };
            file_made(deciding, host, id, done);
        }
        Outcome::FileFailed { file, failure } => {
            file_failed(deciding, host, (id, *file), failure);
        }
        Outcome::FileRemoved { file } => file_removed(deciding, host, (id, *file)),
    }
}

/// The disks of an initial are a full copy of its source's.
pub(crate) fn copied(deciding: &mut Deciding<'_>, machine: MachineId) {
    if let Some(Task::Copying { .. }) = task(deciding, machine) {
        deciding.fact(machine, MachineFact::Copied(Nothing {}));
    }
}

/// A machine's copying or sealing can't be done. A version whose file could not be made is gone;
/// its number stays taken.
pub(crate) fn task_failed(deciding: &mut Deciding<'_>, machine: MachineId, failure: &Failure) {
    let failed = MachineFailed { failure: failure.clone() };
    match task(deciding, machine) {
        Some(Task::Copying { .. }) => deciding.fact(machine, MachineFact::CopyFailed(failed)),
        Some(Task::Sealing { image }) => {
            deciding.fact(machine, MachineFact::SealFailed(failed));
            if deciding.fleet.images.contains(image) {
                deciding.fact(image, ImageFact::Failed(Failed { failure: failure.clone() }));
            }
        }
        Some(Task::Migrating { .. }) | None => {}
    }
}

/// An initial's disk is a version now.
pub(crate) fn sealed(deciding: &mut Deciding<'_>, machine: MachineId, stat: Stat) {
    let Some(Task::Sealing { image: id }) = task(deciding, machine) else { return };
    let Some(image) = deciding.fleet.images.shared(id) else { return };
    deciding.fact(id, ImageFact::Sealed(Sealed { file: FIRST_FILE, stat }));
    deciding.fact(machine, MachineFact::Sealed(MachineSealed { image: id }));
    tag::put(deciding, id, &head(), Hold::Movable);
    let first = !deciding.fleet.index.tags.contains_key(&(image.initial, default()));
    if first {
        tag::put(deciding, id, &default(), Hold::Movable);
    }
    for tag in &image.wanted_tags {
        // Somebody may have fixed it elsewhere while the file was being made.
        if tag::can_move(&deciding.fleet, image.initial, tag).is_ok() {
            tag::put(deciding, id, tag, Hold::Movable);
        }
    }
    flatten::ask(deciding, id);
}

/// The version's content is known, and with it whether the files that were made meanwhile have it.
pub(crate) fn verified(deciding: &mut Deciding<'_>, id: ImageId, digest: Digest) {
    let Some(image) = deciding.fleet.images.shared(id) else { return };
    if image.state != State::Sealed {
        return;
    }
    deciding.fact(id, ImageFact::Verified(Verified { digest }));
    for file in &image.files {
        if let FileState::Unverified(other) = file.state
            && other != digest
        {
            other_content(deciding, (id, file.number), other, digest);
        }
    }
}

fn other_content(
    deciding: &mut Deciding<'_>,
    (image, file): (ImageId, u16),
    digest: Digest,
    known: Digest,
) {
    let detail = format!("its content has the digest {digest}, not {known}");
    let failure = Failure::because(Cause::OtherContent, &detail);
    deciding.fact(image, ImageFact::FileFailed(FileFailed { file, failure }));
    flatten::after_failure(deciding, image);
}

/// A further file is there. With another content it is none of this version's, and is removed.
pub(crate) fn file_made(
    deciding: &mut Deciding<'_>,
    host: HypervisorId,
    image: ImageId,
    done: FileMade,
) {
    let FileMade { file, digest, .. } = done;
    if !is_made_by(deciding, host, (image, file)) {
        return;
    }
    deciding.fact(image, ImageFact::FileMade(done));
    let state = deciding.fleet.images.get(image).map(|image| image.state);
    if let Some(State::Verified(known)) = state
        && known != digest
    {
        other_content(deciding, (image, file), digest, known);
    }
}

pub(crate) fn file_failed(
    deciding: &mut Deciding<'_>,
    host: HypervisorId,
    (image, file): (ImageId, u16),
    failure: &Failure,
) {
    if is_made_by(deciding, host, (image, file)) {
        let failure = failure.clone();
        deciding.fact(image, ImageFact::FileFailed(FileFailed { file, failure }));
        flatten::after_failure(deciding, image);
    }
}

/// So many files fail in one decision: with the last one its version may go, and the one below it.
const FILES_LOST_MAX: usize = 16;

/// Nobody is left to make the further files that a lost host was making.
pub(crate) fn host_lost(deciding: &mut Deciding<'_>, host: HypervisorId) {
    let of_it = FileState::Making { hypervisor: Some(host) };
    let files = deciding.fleet.images.iter().flat_map(|(id, image)| {
        image.files.iter().filter(|file| file.state == of_it).map(move |file| (id, file.number))
    });
    let files: Vec<(ImageId, u16)> = files.take(FILES_LOST_MAX).collect();
    leave_room(deciding, !files.is_empty());
    let failure = Failure::because(Cause::HostLost, "the host that was making it is lost");
    for file in files {
        file_failed(deciding, host, file, &failure);
    }
}

/// So many versions lose files in one decision: with each may go those that it stood on.
const GIVEN_UP_MAX: usize = 4;

/// Versions whose files nobody will remove any more are looked at again.
pub(crate) fn files_out_of_sight(deciding: &mut Deciding<'_>) {
    let fleet = &deciding.fleet;
    let out_of_sight = fleet.images.iter().filter(|(_, image)| {
        let mut files = image.files.iter();
        files.any(|file| file.state == FileState::Retired && is_out_of_sight(fleet, file))
    });
    let images: Vec<ImageId> = out_of_sight.map(|(id, _)| id).take(GIVEN_UP_MAX).collect();
    leave_room(deciding, !images.is_empty());
    for image in images {
        deciding.look_at(Touched::Image(image));
    }
}

/// Machines of the lost host have their turns in the same decision.
fn leave_room(deciding: &mut Deciding<'_>, go: bool) {
    if go {
        deciding.leave_room(EVENTS_MAX / 4);
    }
}

/// Only hosts that are lost could see it.
pub(super) fn is_out_of_sight(fleet: &Fleet, file: &File) -> bool {
    fleet.storages.get(file.storage).is_some_and(|storage| storage.is_lost(fleet))
}

/// A file that nothing stood on is gone; with the last one the version is.
pub(crate) fn file_removed(
    deciding: &mut Deciding<'_>,
    host: HypervisorId,
    (image, file): (ImageId, u16),
) {
    let Some(storage) = file_in(deciding, (image, file), |state| state == FileState::Retired)
    else {
        return;
    };
    let sees = deciding.fleet.storages.get(storage);
    if sees.is_none_or(|storage| storage.settings.hosts.contains_key(&host)) {
        let files = FilesGone::Removed;
        deciding.fact(image, ImageFact::FileRemoved(FileRemoved { file, files }));
    }
}

fn task(deciding: &Deciding<'_>, machine: MachineId) -> Option<Task> {
    deciding.fleet.machines.get(machine).and_then(|machine| machine.task)
}

fn is_made_by(deciding: &Deciding<'_>, host: HypervisorId, file: (ImageId, u16)) -> bool {
    let by_it = FileState::Making { hypervisor: Some(host) };
    file_in(deciding, file, |state| state == by_it).is_some()
}

/// Where a file is, if it is in such a state.
fn file_in(
    deciding: &Deciding<'_>,
    (image, number): (ImageId, u16),
    state: impl Fn(FileState) -> bool,
) -> Option<crate::ids::StorageId> {
    let image = deciding.fleet.images.get(image)?;
    let file = image.files.iter().find(|file| file.number == number && state(file.state))?;
    Some(file.storage)
}
