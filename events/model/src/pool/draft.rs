//! A pool's settings as people write them, and what they can't be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Calendar, Follow, Limits, Mode, Pool, Reset, Settings, Spares, reset_of};
use crate::arranged::Arranged;
use crate::deciding::Deciding;
use crate::event::PoolFact as Fact;
use crate::fleet::Fleet;
use crate::ids::MachineId;
use crate::machine::{Kind, Machine};
use crate::name::Name;
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::display::Policy;
use crate::version::latest::pool::{Created, Updated};
use crate::version::latest::{Labels, Properties};

/// As long as a viewer that was cut off takes to come back by itself, and some more: a lease that
/// lapses earlier would be over before its person could have come.
const RETURN_AFTER_SECONDS_MIN: u32 = 30;
/// A week: longer holds are an assignment.
const RETURN_AFTER_SECONDS_MAX: u32 = 7 * 86_400;
/// As many machines as a site has.
const SESSIONS_MAX: u32 = 1_000_000;
/// SPICE has room for sixteen.
const MONITORS_MAX: u8 = 16;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "PoolSettings")]
pub struct Draft {
    pub mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<FollowDraft>,
    /// If nothing is said: `on_release` for a floating pool, else `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
    /// How long a machine waits for its person after the last sign of them.
    pub return_after_seconds: u32,
    pub spares: Spares,
    pub display: Policy,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<Calendar>,
    pub limits: Limits,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

/// The image that its machines follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FollowSettings")]
pub struct FollowDraft {
    pub initial: Ref<MachineId>,
    pub tag: Name,
}

impl Default for Draft {
    fn default() -> Self {
        Self::of(&Settings::default(), None)
    }
}

impl Draft {
    fn of(settings: &Settings, image: Option<FollowDraft>) -> Self {
        let settings = settings.clone();
        Self {
            mode: settings.mode,
            image,
            reset: settings.reset,
            return_after_seconds: settings.return_after_seconds,
            spares: settings.spares,
            display: settings.display,
            calendars: settings.calendars,
            limits: settings.limits,
            labels: settings.labels,
            properties: settings.properties,
        }
    }
}

impl Arranged for Pool {
    type Name = Name;
    type Settings = Settings;
    type Draft = Draft;

    fn name(&self) -> &Name {
        &self.name
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn draft(fleet: &Fleet, settings: &Settings) -> Draft {
        let followed = settings.image.clone();
        let there = followed.filter(|image| fleet.machines.contains(image.initial));
        let image =
            there.map(|image| FollowDraft { initial: Ref::Id(image.initial), tag: image.tag });
        Draft::of(settings, image)
    }

    fn settle(deciding: &Deciding<'_>, _: &Name, draft: &Draft) -> Result<Settings, Rejection> {
        let draft = draft.clone();
        let image = match draft.image {
            Some(image) => Some(followed(deciding, image)?),
            None => None,
        };
        let settings = Settings {
            mode: draft.mode,
            image,
            reset: draft.reset,
            return_after_seconds: draft.return_after_seconds,
            spares: draft.spares,
            display: draft.display,
            calendars: draft.calendars,
            limits: draft.limits,
            labels: draft.labels,
            properties: draft.properties,
        };
        check(&settings)?;
        Ok(settings)
    }

    fn may_become(&self, fleet: &Fleet, settings: &Settings) -> Result<(), Rejection> {
        let machines = fleet.tally(self.id).total();
        if settings.mode != self.settings.mode && machines > 0 {
            return Err(Refused::HasMachines { pool: self.name.clone(), machines }.into());
        }
        if self.reset() != Reset::Never || reset_of(settings) == Reset::Never {
            return Ok(());
        }
        // The reset of a pool is rarely changed, so all its machines may be looked at.
        let mut all = fleet.in_pool_after(self.id, None).filter_map(|id| fleet.machines.get(id));
        match all.find(|machine| !machine.can_be_cleaned()) {
            Some(machine) => {
                let (machine, pool) = (machine.name.clone(), self.name.clone());
                Err(Refused::CannotBeCleaned { machine, pool }.into())
            }
            None => Ok(()),
        }
    }

    fn created(name: Name, settings: Settings) -> Fact {
        Fact::Created(Created { name, settings })
    }

    fn updated(name: Name, settings: Settings) -> Fact {
        Fact::Updated(Updated { name, settings })
    }
}

fn followed(deciding: &Deciding<'_>, image: FollowDraft) -> Result<Follow, Rejection> {
    let (initial, machine) = deciding.find::<Machine>(&image.initial)?;
    match machine.kind {
        Kind::Initial { .. } => Ok(Follow { initial, tag: image.tag }),
        Kind::Simple | Kind::Source | Kind::Vdi { .. } | Kind::External(_) => {
            Err(Refused::NoInitial.into())
        }
    }
}

fn check(settings: &Settings) -> Result<(), Refused> {
    if settings.mode == Mode::Floating && settings.reset == Some(Reset::Never) {
        return Err(Refused::NeverCleaned);
    }
    let bounded = |field, value: Option<u32>, least, most| match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(Refused::OutOfBounds { field, least, most })
        }
        Some(_) | None => Ok(()),
    };
    let Settings { limits, spares, .. } = settings;
    let wait = Some(settings.return_after_seconds);
    bounded("return_after_seconds", wait, RETURN_AFTER_SECONDS_MIN, RETURN_AFTER_SECONDS_MAX)?;
    bounded("limits.sessions_max", limits.sessions_max, 1, SESSIONS_MAX)?;
    bounded("limits.sessions_max_per_client", limits.sessions_max_per_client, 1, SESSIONS_MAX)?;
    let monitors = Some(settings.display.monitors.into());
    bounded("display.monitors", monitors, 1, MONITORS_MAX.into())?;
    let in_calendars = settings.calendars.iter().filter_map(|it| it.effect.spares.as_ref());
    for spares in in_calendars.chain([spares]) {
        bounded("spares.keep_ready", Some(spares.keep_ready), 0, SESSIONS_MAX)?;
        bounded("spares.keep_started", Some(spares.keep_started), 0, SESSIONS_MAX)?;
    }
    Pool::check_calendars(&settings.calendars)
}
