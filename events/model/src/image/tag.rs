//! Tags: names that mean one version of an image now and perhaps another one later.
//!
//! `head` is always the newest sealed version. `default` stands on the first one and moves only
//! when somebody moves it, or when its version is retired. All others are people's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::populate::as_last_time;
use super::reference::{self, ImageRef};
use super::rejection::Rejection as Refused;
use super::retire::is_usable;
use crate::deciding::{Decide, Deciding};
use crate::event::ImageFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{ImageId, MachineId};
use crate::machine::Machine;
use crate::name::Name;
use crate::operation::{self, Plan, Targets};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::image::{Hold, Tagged, Untagged};
use crate::version::latest::operation::Populate;

pub const HEAD: &str = "head";
pub const DEFAULT: &str = "default";

#[expect(clippy::expect_used, reason = "literals that the tests have seen")]
pub(super) fn head() -> Name {
    Name::new(HEAD).expect("`head` is a name")
}

#[expect(clippy::expect_used, reason = "literals that the tests have seen")]
pub(super) fn default() -> Name {
    Name::new(DEFAULT).expect("`default` is a name")
}

/// Puts a tag on a version, from wherever it was. Machines in pools that follow it are populated
/// from that version as they were the last time, each when nobody uses it. Those that belong to
/// somebody or keep what is written are left alone, and the operation says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagImage {
    /// The version, or else `initial` and `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Ref<MachineId>>,
    /// The version's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    pub tag: Name,
    /// It never moves again.
    #[serde(default)]
    pub fixed: bool,
}

impl Decide for TagImage {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let named = match (&self.image, &self.initial, self.version) {
            (Some(image), None, None) => image.clone(),
            (None, Some(initial), Some(number)) => {
                ImageRef::Numbered { initial: initial.clone(), number }
            }
            _ => return Err(Refused::WhichImage.into()),
        };
        let (id, image) = reference::find(deciding, &named)?;
        is_usable(&deciding.fleet, &image)?;
        let of_its_own = self.tag.as_str() == HEAD || self.tag.as_str() == DEFAULT && self.fixed;
        if of_its_own {
            return Err(Refused::TagOfItsOwn { tag: self.tag.clone() }.into());
        }
        let hold = if self.fixed { Hold::Fixed } else { Hold::Movable };
        set(deciding, id, &self.tag, hold)
    }
}

/// Puts the tag there, and rolls out what follows it.
pub(super) fn set(
    deciding: &mut Deciding<'_>,
    image: ImageId,
    tag: &Name,
    hold: Hold,
) -> Result<(), Rejection> {
    let Some(initial) = deciding.fleet.images.get(image).map(|image| image.initial) else {
        return Ok(());
    };
    let before = deciding.fleet.index.tags.get(&(initial, tag.clone())).copied();
    if before == Some(image) {
        put(deciding, image, tag, hold);
        return Ok(());
    }
    can_move(&deciding.fleet, initial, tag)?;
    let tags = vec![tag.clone()];
    if !is_followed(&deciding.fleet, initial, &tags) {
        put(deciding, image, tag, hold);
        return Ok(());
    }
    let plan = Plan::Populate(as_last_time(initial, image));
    let targets = Targets::Following { initial, tags };
    operation::start_with(deciding, (plan, targets), None, |deciding, _| {
        put(deciding, image, tag, hold);
        Ok(())
    })
}

/// The tag stands on no version, or may leave the one that it stands on.
pub(super) fn can_move(fleet: &Fleet, initial: MachineId, tag: &Name) -> Result<(), Rejection> {
    let holder = fleet.index.tags.get(&(initial, tag.clone()));
    let Some(image) = holder.and_then(|holder| fleet.images.get(*holder)) else { return Ok(()) };
    if image.tags.get(tag) != Some(&Hold::Fixed) {
        return Ok(());
    }
    let Some(initial) = fleet.machines.get(initial) else { return Ok(()) };
    let (initial, tag) = (initial.name.clone(), tag.clone());
    Err(Refused::TagIsFixed { initial, tag, number: image.number }.into())
}

/// Moves a tag that may move. A fixed tag stays fixed.
pub(super) fn put(deciding: &mut Deciding<'_>, id: ImageId, tag: &Name, hold: Hold) {
    let Some(image) = deciding.fleet.images.shared(id) else { return };
    let has = image.tags.get(tag).copied();
    if has == Some(Hold::Fixed) || has == Some(hold) {
        return;
    }
    let holder = deciding.fleet.index.tags.get(&(image.initial, tag.clone())).copied();
    if let Some(holder) = holder.filter(|holder| *holder != id) {
        deciding.fact(holder, Fact::Untagged(Untagged { tag: tag.clone() }));
    }
    deciding.fact(id, Fact::Tagged(Tagged { tag: tag.clone(), hold }));
}

/// A pool follows one of these tags.
pub(super) fn is_followed(fleet: &Fleet, initial: MachineId, tags: &[Name]) -> bool {
    fleet.pools.iter().any(|(_, pool)| {
        let follow = pool.settings.image.as_ref();
        follow.is_some_and(|follow| follow.initial == initial && tags.contains(&follow.tag))
    })
}

/// The version that the machine's pool follows, if the machine stands on another one and nothing is
/// about to change that.
fn ahead(fleet: &Fleet, machine: &Machine) -> Option<ImageId> {
    let pool = machine.pool.and_then(|pool| fleet.pools.get(pool));
    let follow = pool.and_then(|pool| pool.settings.image.as_ref())?;
    let image = fleet.index.tags.get(&(follow.initial, follow.tag.clone())).copied()?;
    let behind = machine.image() != Some(image) && machine.renewal.is_none();
    (behind && machine.initial() == Some(follow.initial)).then_some(image)
}

/// How a machine that was not there, or was locked, when a tag moved that it follows is to be
/// populated from where the tag is now: as it would have been then.
pub(crate) fn missed(fleet: &Fleet, machine: &Machine) -> Option<Populate> {
    let image = ahead(fleet, machine)?;
    Some(as_last_time(machine.initial()?, image))
}

/// A machine is in a pool that follows one of these tags.
pub(crate) fn follows(fleet: &Fleet, id: MachineId, initial: MachineId, tags: &[Name]) -> bool {
    let pool = fleet.machines.get(id).and_then(|machine: &Machine| machine.pool);
    let pool = pool.and_then(|pool| fleet.pools.get(pool));
    let follow = pool.and_then(|pool| pool.settings.image.as_ref());
    follow.is_some_and(|follow| follow.initial == initial && tags.contains(&follow.tag))
}
