//! Populate: children of an initial get fresh disks on one version of its image.
//!
//! What then happens to each child, step by step, is in the folder `renewal`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Origin;
use super::children::{planned, storage};
use super::keeps::keeps_nothing;
use super::reference::{self, ImageRef};
use super::rejection::Rejection as Refused;
use super::retire::is_usable;
use super::seal::{current, is_initial, prepare, request};
use super::tag;
use crate::deciding::{Decide, Deciding};
use crate::fleet::Fleet;
use crate::ids::{CommandId, ImageId, MachineId};
use crate::machine::Machine;
use crate::name::NamePattern;
use crate::operation::{self, Begun, Goal, Plan, Selection, Targets};
use crate::reference::Ref;
use crate::rejection::{Kind, Rejection, general};
use crate::renewal;
use crate::version::latest::operation::{Populate as Planned, RecipeOf};
use crate::version::latest::renewal::{FirstBoot, Recipe, Renewal, Then, When, Why};

/// One command can't make more children than this: names and addresses are found for all of them
/// while other commands wait, and a site of 20,000 desktops fits five times.
pub const CHILDREN_MADE_MAX: u32 = 100_000;

/// Gives children of an initial fresh disks on one version of its image, one after the other.
///
/// Each child goes into maintenance (`populate`) and off, gets a new overlay, loses its virtual
/// snapshot, and with `first_boot` is started so that renaming and joining a domain stick; `then`
/// follows by itself. Without `first_boot` it stays off.
///
/// Nothing is populated from a locked initial.
///
/// If something was written to the initial since its last seal, its disk is sealed first, and
/// `head` moves to that version. Whoever follows `head` has to get it, too: if `machines` or
/// `count` leaves out machines of a pool that follows it, the initial is to be sealed first
/// (`SealImage`), which populates those as they were the last time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Populate {
    /// From its newest version, which is sealed first if need be. Or else `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Ref<MachineId>>,
    /// From this version as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// Only these children. Without them and without `count`: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<Ref<MachineId>>,
    /// So many new children, and none of those that are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<std::num::NonZeroU32>,
    /// How new children are called; `{n}` is their number. If left out: `<initial>-{n}`, at most 15
    /// characters long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_pattern: Option<NamePattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_boot: Option<FirstBoot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// When machines that somebody uses have their turn.
    #[serde(default)]
    pub when: When,
    /// How long before they are sent away people are told.
    #[serde(default)]
    pub warn_seconds: u32,
    /// What people keep on the system disks of their machines may be lost. Otherwise machines that
    /// belong to somebody or keep what is written are left alone. Further disks stay as they are,
    /// and a machine with traces of somebody there stays theirs.
    #[serde(default)]
    pub discard_data: bool,
}

impl Decide for Populate {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (initial, image) = self.version(deciding)?;
        let targets = self.targets(deciding, &initial, image)?;
        let Some(image) = image else { return self.seal_and_populate(deciding, &initial, targets) };
        let plan = Plan::Populate(self.planned(initial.id, image));
        operation::start_on(deciding, plan, targets)
    }
}

impl Populate {
    /// The initial and its version, if that needn't be sealed first.
    fn version(
        &self,
        deciding: &Deciding<'_>,
    ) -> Result<(Arc<Machine>, Option<ImageId>), Rejection> {
        match (&self.initial, &self.image) {
            (None, Some(image)) => {
                let (id, image) = reference::find(deciding, image)?;
                is_usable(&deciding.fleet, &image)?;
                let (_, initial) = deciding.find::<Machine>(&Ref::Id(image.initial))?;
                is_initial(&initial)?;
                initial.is_not_going()?;
                initial.is_not_locked()?;
                Ok((initial, Some(id)))
            }
            (Some(initial), None) => {
                let (_, initial) = deciding.find::<Machine>(initial)?;
                is_initial(&initial)?;
                initial.is_left_alone(&deciding.fleet)?;
                initial.is_not_locked()?;
                if initial.unsealed {
                    return Ok((initial, None));
                }
                let Some(image) = current(&deciding.fleet, &initial) else {
                    return Err(Refused::NothingToSeal { initial: initial.name.clone() }.into());
                };
                Ok((initial, Some(image)))
            }
            (None, None) | (Some(_), Some(_)) => Err(Refused::WhichImage.into()),
        }
    }

    fn targets(
        &self,
        deciding: &Deciding<'_>,
        initial: &Machine,
        image: Option<ImageId>,
    ) -> Result<Targets, Rejection> {
        match (self.count, self.machines.is_empty()) {
            (Some(_), false) => Err(general::Rejection::SeveralSelections.into()),
            (Some(count), true) => {
                let (given, most) = (count.get(), CHILDREN_MADE_MAX);
                if given > most {
                    return Err(Refused::TooManyChildren { given, most }.into());
                }
                // Said before names are taken for machines that would have no place.
                storage(deciding, initial, image)?;
                let new = planned(&deciding.fleet, initial, self.name_pattern.as_ref(), given)?;
                Ok(Targets::New(new))
            }
            (None, _) if self.name_pattern.is_some() => Err(Refused::PatternWithoutCount.into()),
            (None, true) => Ok(Targets::ChildrenOf(initial.id)),
            (None, false) => {
                let machines = &self.machines;
                let (children_of, pool, hypervisor, label) = (None, None, None, None);
                Selection { machines, children_of, pool, hypervisor, label }.targets(deciding)
            }
        }
    }

    fn planned(&self, initial: MachineId, image: ImageId) -> Planned {
        Planned {
            initial,
            image,
            recipe: RecipeOf::Now(Recipe {
                first_boot: self.first_boot.clone(),
                then: self.then.clone().unwrap_or_default(),
            }),
            when: self.when.clone(),
            warn_seconds: self.warn_seconds,
            discard_data: self.discard_data,
        }
    }

    /// The children's turns begin when the version is there.
    fn seal_and_populate(
        &self,
        deciding: &mut Deciding<'_>,
        initial: &Arc<Machine>,
        targets: Targets,
    ) -> Result<(), Rejection> {
        leaves_nobody_behind(&deciding.fleet, initial, &targets)?;
        let prepared = prepare(deciding, initial, (Origin::Sealed, &[]))?;
        let image: ImageId = deciding.fresh();
        let plan = Plan::Populate(self.planned(initial.id, image));
        operation::start_with(deciding, (plan, targets), Some(image), |deciding, operation| {
            request(deciding, operation, image, prepared);
            Ok(())
        })
    }
}

/// The seal moves `head`, and nothing that follows it is left where it was.
fn leaves_nobody_behind(
    fleet: &Fleet,
    initial: &Machine,
    targets: &Targets,
) -> Result<(), Rejection> {
    let is_target = |id: &MachineId| match targets {
        Targets::ChildrenOf(of) => *of == initial.id,
        Targets::Listed(all) => all.binary_search(id).is_ok(),
        Targets::New(_)
        | Targets::Pool(_)
        | Targets::Hypervisor(_)
        | Targets::Label { .. }
        | Targets::Following { .. } => false,
    };
    let head = [tag::head()];
    let left = fleet
        .children_after(initial.id, None)
        .find(|id| !is_target(id) && tag::follows(fleet, *id, initial.id, &head));
    let Some(machine) = left.and_then(|id| fleet.machines.get(id)) else { return Ok(()) };
    let (initial, machine) = (initial.name.clone(), machine.name.clone());
    Err(Refused::LeftBehind { initial, machine }.into())
}

/// What follows a tag that moves: each machine as it was populated the last time, when nobody uses
/// it, and without losing what somebody keeps.
pub(super) fn as_last_time(initial: MachineId, image: ImageId) -> Planned {
    Planned {
        initial,
        image,
        recipe: RecipeOf::LastTime,
        when: When::OnRelease,
        warn_seconds: 0,
        discard_data: false,
    }
}

/// One child's turn.
pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    populate: &Planned,
    machine: &Machine,
) -> Result<Begun, Rejection> {
    let Some(image) = deciding.fleet.images.shared(populate.image) else {
        let (kind, given) = (Kind("version"), populate.image.to_string());
        return Err(general::Rejection::NoSuch { kind, given }.into());
    };
    is_usable(&deciding.fleet, &image)?;
    if machine.initial() != Some(populate.initial) {
        let (_, initial) = deciding.find::<Machine>(&Ref::Id(populate.initial))?;
        let (machine, initial) = (machine.name.clone(), initial.name.clone());
        return Err(Refused::OtherInitial { machine, initial }.into());
    }
    machine.is_not_going()?;
    machine.is_not_locked()?;
    if !populate.discard_data {
        keeps_nothing(&deciding.fleet, machine)?;
    }
    let follows_a_tag = populate.recipe == RecipeOf::LastTime;
    if follows_a_tag && machine.image() == Some(image.id) && is_whole(machine) {
        return Ok(Begun::Done);
    }
    renewal::request(deciding, machine.id, renewal_of(operation, populate, machine));
    Ok(Begun::Part(Goal::Renewed))
}

/// A machine that missed the move of a tag which it follows is populated from there. What stands in
/// the way of that leaves it as it is.
pub(crate) fn catch_up(deciding: &mut Deciding<'_>, operation: CommandId, id: MachineId) -> Begun {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Begun::Done };
    let Some(populate) = tag::missed(&deciding.fleet, &machine) else { return Begun::Done };
    turn(deciding, operation, &populate, &machine).unwrap_or(Begun::Done)
}

/// It is as its last renewal was to make it: none is under way, and the last one didn't fail.
fn is_whole(machine: &Machine) -> bool {
    machine.renewal.is_none() && machine.disk_before.is_none() && !machine.half_made
}

fn renewal_of(operation: CommandId, populate: &Planned, machine: &Machine) -> Renewal {
    let recipe = match &populate.recipe {
        RecipeOf::Now(recipe) => recipe.clone(),
        RecipeOf::LastTime => machine.recipe.as_deref().cloned().unwrap_or_default(),
    };
    Renewal {
        why: Why::Populate { operation },
        image: populate.image,
        recipe,
        when: populate.when.clone(),
        warn_seconds: populate.warn_seconds,
        discard_data: populate.discard_data,
    }
}
