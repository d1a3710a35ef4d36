//! An initial's disk becomes the next version of its image.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::{FILES_DEEP_MAX, can_be_worked_on, host_for_files};
use super::populate::as_last_time;
use super::rejection::Rejection as Refused;
use super::tag::{self, HEAD, is_followed};
use super::{Hold, Origin};
use crate::deciding::{Decide, Deciding};
use crate::event::{ImageFact, MachineFact};
use crate::fleet::Fleet;
use crate::ids::{CommandId, HypervisorId, ImageId, MachineId};
use crate::machine::{Base, Format, Kind, Machine};
use crate::name::Name;
use crate::operation::{self, Begun, Goal, Plan, Targets};
use crate::reference::Ref;
use crate::rejection::{Kind as ThingKind, Rejection, general};
use crate::version::latest::image::SealRequested;
use crate::version::latest::machine::{Placed, Rebased, SealRequested as MachineSealRequested};

/// Makes the initial's disk the next immutable version, and gives the initial a fresh overlay on
/// it. If nothing was written since the last seal it stays that version, and only gets the tag.
///
/// `head` moves to the new version by itself, and `default` stands on the first one. Machines in
/// pools that follow a tag which moves are populated from it when nobody uses them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealImage {
    pub initial: Ref<MachineId>,
    /// A further tag for the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Name>,
}

impl Decide for SealImage {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, initial) = deciding.find::<Machine>(&self.initial)?;
        is_initial(&initial)?;
        can_be_worked_on(&deciding.fleet, &initial)?;
        if !initial.unsealed {
            let Some(image) = current(&deciding.fleet, &initial) else {
                return Err(Refused::NothingToSeal { initial: initial.name.clone() }.into());
            };
            return match &self.tag {
                Some(tag) if tag.as_str() != HEAD => tag::set(deciding, image, tag, Hold::Movable),
                Some(_) | None => Ok(()),
            };
        }
        let tags: Vec<Name> = self.tag.iter().filter(|tag| tag.as_str() != HEAD).cloned().collect();
        for tag in &tags {
            tag::can_move(&deciding.fleet, id, tag)?;
        }
        let moving: Vec<Name> = tags.iter().cloned().chain([tag::head()]).collect();
        if !is_followed(&deciding.fleet, id, &moving) {
            return operation::start_on(deciding, Plan::Seal { tags }, Targets::Listed(vec![id]));
        }
        let image: ImageId = deciding.fresh();
        let prepared = prepare(deciding, &initial, (Origin::Sealed, &tags))?;
        let plan = Plan::Populate(as_last_time(id, image));
        let targets = Targets::Following { initial: id, tags: moving };
        operation::start_with(deciding, (plan, targets), Some(image), |deciding, operation| {
            request(deciding, operation, image, prepared);
            Ok(())
        })
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    initial: &Arc<Machine>,
    tags: &[Name],
) -> Result<Begun, Rejection> {
    let prepared = prepare(deciding, initial, (Origin::Sealed, tags))?;
    // Also when it is tried again: a version that failed is gone, with its id.
    let image: ImageId = deciding.fresh();
    request(deciding, operation, image, prepared);
    Ok(Begun::Part(Goal::Sealed { image }))
}

/// Everything that a version begins with, before anything is decided.
pub(super) struct Prepared {
    placed: Option<Placed>,
    initial: Arc<Machine>,
    origin: Origin,
    base: Option<Base>,
    depth: u8,
    format: Format,
    tags: Vec<Name>,
}

pub(super) fn prepare(
    deciding: &Deciding<'_>,
    initial: &Arc<Machine>,
    (origin, tags): (Origin, &[Name]),
) -> Result<Prepared, Rejection> {
    can_be_worked_on(&deciding.fleet, initial)?;
    let of_a_disk = origin == Origin::Sealed;
    if of_a_disk && !initial.unsealed || initial.system_disk().is_none() {
        return Err(Refused::NothingToSeal { initial: initial.name.clone() }.into());
    }
    let format = format(&deciding.fleet, initial, &origin)?;
    let (host, placed) = host_for_files(&deciding.fleet, initial)?;
    let base = initial.base().filter(|_| of_a_disk);
    let base = base.map(|base| best_base(&deciding.fleet, initial, base, host));
    let depth = base.map_or(0, |base| depth_of(&deciding.fleet, base)).saturating_add(1);
    // One more than may be is how a version comes to be flattened.
    if depth > FILES_DEEP_MAX.saturating_add(1) {
        let (initial, depth, most) = (initial.name.clone(), depth - 1, FILES_DEEP_MAX);
        return Err(Refused::TooDeep { initial, depth, most }.into());
    }
    let initial = Arc::clone(initial);
    Ok(Prepared { placed, initial, origin, base, depth, format, tags: tags.to_vec() })
}

/// If a better file than its disk stands on has come to be there, the disk is put onto that first.
fn best_base(fleet: &Fleet, initial: &Machine, base: Base, host: HypervisorId) -> Base {
    let image = fleet.images.get(base.image).filter(|_| initial.rebasing_to.is_none());
    let nearest = image.and_then(|image| image.nearest_file(fleet, host));
    nearest.map_or(base, |nearest| Base { file: nearest.number, ..base })
}

fn depth_of(fleet: &Fleet, base: Base) -> u8 {
    let image = fleet.images.get(base.image);
    image.and_then(|image| image.file(base.file)).map_or(1, |file| file.depth)
}

/// A disk becomes the version as it is, and an upload as it is imported.
fn format(fleet: &Fleet, initial: &Machine, origin: &Origin) -> Result<Format, Rejection> {
    let format = match origin {
        Origin::Sealed => initial.system_disk().map(|disk| disk.format),
        Origin::Imported { media } => match fleet.media.get(*media) {
            Some(medium) => Some(medium.format.imported()),
            // It may have been removed before an import is tried again.
            None => {
                let (kind, given) = (ThingKind("medium"), media.to_string());
                return Err(general::Rejection::NoSuch { kind, given }.into());
            }
        },
    };
    format.ok_or_else(|| Refused::NothingToSeal { initial: initial.name.clone() }.into())
}

/// Takes the number and asks for the file.
pub(super) fn request(
    deciding: &mut Deciding<'_>,
    by: CommandId,
    image: ImageId,
    prepared: Prepared,
) {
    let initial = prepared.initial;
    let Some(disk) = initial.system_disk() else { return };
    if let Some(placed) = prepared.placed {
        deciding.fact(initial.id, MachineFact::Placed(placed));
    }
    if let Some(base) = prepared.base.filter(|base| initial.base() != Some(*base)) {
        let onto = Rebased { file: base.file };
        deciding.fact(initial.id, MachineFact::RebaseRequested(onto));
    }
    let number = initial.versions_made.saturating_add(1);
    let seal = SealRequested {
        initial: initial.id,
        number,
        origin: prepared.origin,
        operation: by,
        storage: disk.storage,
        format: prepared.format,
        depth: prepared.depth,
        base: prepared.base,
        size_gib: disk.size_gib,
        settings: (*initial.settings).clone(),
        tags: prepared.tags,
    };
    deciding.fact(image, ImageFact::SealRequested(seal));
    let seal = MachineSealRequested { image, number };
    deciding.fact(initial.id, MachineFact::SealRequested(seal));
}

/// The version that an initial's disk stands on, or else its newest.
pub(super) fn current(fleet: &Fleet, initial: &Machine) -> Option<ImageId> {
    let own = initial.image().filter(|own| fleet.is_usable(*own));
    own.or_else(|| fleet.usable_versions_of(initial.id).next())
}

pub(super) fn is_initial(machine: &Machine) -> Result<(), Rejection> {
    match machine.kind {
        Kind::Initial { .. } => Ok(()),
        Kind::Simple | Kind::Source | Kind::Vdi { .. } | Kind::External(_) => {
            let (machine, wanted) = (machine.name.clone(), "an initial");
            Err(Refused::OtherKind { machine, wanted }.into())
        }
    }
}
