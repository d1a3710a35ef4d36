//! A version goes: nothing new may stand on it, and its files are removed when nothing does.
//!
//! No command takes away what is still used: that is refused, and says by whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::is_out_of_sight;
use super::reference::{self, ImageName, ImageRef};
use super::rejection::Rejection as Refused;
use super::tag::{self, DEFAULT, HEAD};
use super::{FileState, Hold, Image, State, flatten};
use crate::decide::EVENTS_MAX;
use crate::deciding::{Decide, Deciding};
use crate::event::ImageFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{ImageId, MachineId};
use crate::name::Name;
use crate::operation::{self, Begun, Goal, Plan, Targets};
use crate::rejection::{Kind, Rejection, general};
use crate::text::Text;
use crate::version::latest::Nothing;
use crate::version::latest::image::{FileRemoved, FileRetired};
use crate::version::latest::machine::FilesGone;

/// Retires a version on which no machine stands. Its tags `head` and `default` go to the newest
/// other version; other tags are gone with it. Its files stay for as long as later versions stand
/// on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireImage {
    pub image: ImageRef,
}

impl Decide for RetireImage {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, image) = reference::find(deciding, &self.image)?;
        let plan = Plan::RetireImage { image: id };
        operation::start_on(deciding, plan, Targets::Listed(vec![image.initial]))
    }
}

pub(crate) fn turn(deciding: &mut Deciding<'_>, id: ImageId) -> Result<Begun, Rejection> {
    let Some(image) = deciding.fleet.images.shared(id) else {
        let (kind, given) = (Kind("version"), id.to_string());
        return Err(general::Rejection::NoSuch { kind, given }.into());
    };
    is_usable(&deciding.fleet, &image)?;
    is_unused(&deciding.fleet, &image)?;
    let handed_on = tags_to_hand_on(&deciding.fleet, &image)?;
    for (tag, successor) in handed_on {
        tag::put(deciding, successor, &tag, Hold::Movable);
    }
    deciding.fact(id, Fact::Retired(Nothing {}));
    follow(deciding, id);
    let going = deciding
        .fleet
        .images
        .get(id)
        .is_some_and(|image| image.files.iter().any(|file| file.state == FileState::Retired));
    // What later versions need goes with the last of them; nobody has to wait for that.
    Ok(if going { Begun::Part(Goal::FilesRemoved { image: id }) } else { Begun::Done })
}

pub(super) fn is_usable(fleet: &Fleet, image: &Image) -> Result<(), Rejection> {
    if image.is_usable() {
        return Ok(());
    }
    let (image, state) = (ImageName::of(fleet, image), image.state.name());
    Err(Refused::NotUsable { image, state }.into())
}

/// No machine stands on it, or waits for it, or keeps its disk before on it, or will be put on it.
fn is_unused(fleet: &Fleet, image: &Image) -> Result<(), Rejection> {
    let machine = fleet.on_image(image.id).next();
    let waits = fleet.awaiting_image(image.id).next();
    let name = |id: MachineId| fleet.machines.get(id).map(|machine| machine.name.clone());
    let used_by = match (machine.and_then(name), waits.and_then(name)) {
        (Some(_), _) if is_its_initials_alone(fleet, image) => {
            "the disk of its own initial stands on it, and nothing else does".to_owned()
        }
        (Some(machine), _) => {
            let all = fleet.on_image(image.id).count();
            format!("{machine} stands on it, of {all} machines in all")
        }
        (None, Some(machine)) => format!("{machine} is on its way to it or away from it"),
        (None, None) => match populating(fleet, image.id) {
            Some(operation) => format!("the operation {operation} populates machines from it"),
            None => return Ok(()),
        },
    };
    let used_by = Text::new(&used_by).unwrap_or_default();
    Err(Refused::StillUsed { image: ImageName::of(fleet, image), used_by }.into())
}

fn is_its_initials_alone(fleet: &Fleet, image: &Image) -> bool {
    let others = fleet.on_image(image.id).chain(fleet.awaiting_image(image.id));
    others.into_iter().all(|machine| machine == image.initial)
}

fn populating(fleet: &Fleet, image: ImageId) -> Option<crate::ids::CommandId> {
    let of_it = fleet.operations.iter().find(|(_, operation)| {
        let ended = matches!(operation.state, operation::State::Ended { .. });
        let plan = &operation.task.plan;
        !ended && matches!(plan, Plan::Populate(populate) if populate.image == image)
    });
    of_it.map(|(id, _)| id)
}

/// Tags that have to be on some version, each with the one that gets it.
fn tags_to_hand_on(fleet: &Fleet, image: &Image) -> Result<Vec<(Name, ImageId)>, Rejection> {
    let successor = fleet.usable_versions_of(image.initial).find(|other| *other != image.id);
    let mut handed_on = Vec::new();
    for tag in image.tags.keys() {
        let name = || ImageName::of(fleet, image);
        match successor {
            _ if tag.as_str() != HEAD && tag.as_str() != DEFAULT => {
                if let Some(pool) = follower(fleet, image.initial, tag) {
                    return Err(Refused::Followed { image: name(), tag: tag.clone(), pool }.into());
                }
            }
            Some(successor) => handed_on.push((tag.clone(), successor)),
            None => return Err(Refused::NoSuccessor { image: name(), tag: tag.clone() }.into()),
        }
    }
    Ok(handed_on)
}

fn follower(fleet: &Fleet, initial: MachineId, tag: &Name) -> Option<Name> {
    let follows = fleet.pools.iter().find(|(_, pool)| {
        let follow = pool.settings.image.as_ref();
        follow.is_some_and(|follow| follow.initial == initial && follow.tag == *tag)
    });
    follows.map(|(_, pool)| pool.name.clone())
}

/// Lets the files of a retired version go, as soon as nothing stands on them, and one that is too
/// deep as soon as nothing does any more.
pub(crate) fn follow(deciding: &mut Deciding<'_>, id: ImageId) {
    give_up_files(deciding, id);
    flatten::let_go(deciding, id);
    let Some(image) = deciding.fleet.images.shared(id) else {
        if let Some(initial) = deciding.initial_of(id) {
            follow_initial(deciding, initial);
        }
        return;
    };
    if image.state != State::Retired || stood_on(&deciding.fleet, id) {
        return;
    }
    for file in &image.files {
        match file.state {
            FileState::There | FileState::Unverified(_) => {
                deciding.fact(id, Fact::FileRetired(FileRetired { file: file.number }));
            }
            // What is being made ends first.
            FileState::Making { .. } | FileState::Retired => {}
        }
    }
    // The last one may have failed to come about, or been gone already.
    if image.files.is_empty() {
        deciding.fact(id, Fact::Removed(Nothing {}));
    }
}

/// What else a decision has to do needs so much room. Files that are not given up for want of it
/// are when the loss of their host is confirmed once more.
const ROOM_TO_GIVE_UP: usize = EVENTS_MAX / 4;

/// Files that are to be removed, and that only hosts which are lost could see. With the last one of
/// a version those that it stood on may go, one after the other.
fn give_up_files(deciding: &mut Deciding<'_>, id: ImageId) {
    if deciding.room() < ROOM_TO_GIVE_UP {
        return;
    }
    let Some(image) = deciding.fleet.images.shared(id) else { return };
    for file in image.files.iter().filter(|file| file.state == FileState::Retired) {
        if is_out_of_sight(&deciding.fleet, file) {
            let (file, files) = (file.number, FilesGone::GivenUp);
            deciding.fact(id, Fact::FileRemoved(FileRemoved { file, files }));
        }
    }
}

/// A machine's disk, a disk to come, or a later version's file stands on one of its files.
fn stood_on(fleet: &Fleet, id: ImageId) -> bool {
    fleet.is_image_stood_on(id)
        || fleet.on_image(id).next().is_some()
        || fleet.awaiting_image(id).next().is_some()
}

/// So many versions of an initial that is gone are retired at once, the newest first: what they
/// stand on can't go before them. With each that is gone comes the next.
const GOING_AT_ONCE: usize = 4;
/// It is retired, and so is each of its files; one more of those may stand alone.
const FACTS_OF_A_VERSION: usize = 4;

/// The versions of an initial go after it: nobody can stand on them any more.
pub(crate) fn follow_initial(deciding: &mut Deciding<'_>, initial: MachineId) {
    let fleet = &deciding.fleet;
    if fleet.machines.contains(initial) {
        return;
    }
    let newest = fleet.versions_of(initial).rev().take(GOING_AT_ONCE);
    let going: Vec<ImageId> = newest.filter(|image| fleet.is_usable(*image)).collect();
    for image in going {
        deciding.fact(image, Fact::Retired(Nothing {}));
    }
}

/// Facts that follow of a machine's versions when it is gone.
pub(crate) fn facts_of_going_versions(fleet: &Fleet, initial: MachineId) -> usize {
    FACTS_OF_A_VERSION * fleet.versions_of(initial).take(GOING_AT_ONCE).count()
}
