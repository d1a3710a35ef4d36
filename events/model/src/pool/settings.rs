//! Pools come, change and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::turn;
use super::rejection::Rejection as Refused;
use super::{Mode, Pool, Reset, Settings};
use crate::deciding::{Decide, Deciding};
use crate::event::PoolFact as Fact;
use crate::ids::PoolId;
use crate::machine::Kind;
use crate::name::Name;
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::Rejection;
use crate::session::{ENDED_AT_ONCE_MAX, EndCause, Target, end_those};
use crate::version::latest::Nothing;
use crate::version::latest::pool::{Created, Updated};

/// As long as a viewer that was cut off takes to come back by itself, and some more: a lease that
/// lapses earlier would be over before its person could have come.
const RETURN_AFTER_SECONDS_MIN: u32 = 30;
/// A week: longer holds are an assignment.
const RETURN_AFTER_SECONDS_MAX: u32 = 7 * 86_400;
/// As many machines as a site has.
const SESSIONS_MAX: u32 = 1_000_000;
/// SPICE has room for sixteen.
const MONITORS_MAX: u8 = 16;
/// Those who wait are sent away in the decision that deletes the pool.
const SENT_AWAY_MAX: usize = ENDED_AT_ONCE_MAX;

/// Makes a pool: machines that are offered to people. By default it is floating, and its machines
/// are made clean when a person has gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePool {
    pub name: Name,
    #[serde(default)]
    pub settings: Settings,
}

impl Decide for CreatePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        deciding.name_is_free::<PoolId>(self.name.as_str(), None)?;
        check(deciding, &self.settings)?;
        let id: PoolId = deciding.fresh();
        let created = Created { name: self.name.clone(), settings: self.settings.clone() };
        deciding.fact(id, Fact::Created(created));
        turn(deciding, id);
        Ok(())
    }
}

/// Changes a pool. What is said about displays reaches running machines with their next power cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePool {
    pub pool: Ref<PoolId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Settings>,
    /// Refused when the pool is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdatePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, pool) = deciding.find::<Pool>(&self.pool)?;
        let change = Change {
            name: self.name.as_ref(),
            settings: &self.settings,
            if_version: self.if_version,
        };
        let updated = deciding.updated((id, &*pool), (&pool.name, &pool.settings), &change)?;
        let Some((name, settings)) = updated else { return Ok(()) };
        check(deciding, &settings)?;
        let machines = deciding.fleet.tally(id).total();
        if settings.mode != pool.settings.mode && machines > 0 {
            return Err(Refused::HasMachines { pool: pool.name.clone(), machines }.into());
        }
        deciding.fact(id, Fact::Updated(Updated { name, settings }));
        turn(deciding, id);
        Ok(())
    }
}

fn check(deciding: &Deciding<'_>, settings: &Settings) -> Result<(), Refused> {
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
    bounded("limits.sessions", limits.sessions, 1, SESSIONS_MAX)?;
    bounded("limits.sessions_per_client", limits.sessions_per_client, 1, SESSIONS_MAX)?;
    let monitors = Some(settings.display.monitors.into());
    bounded("display.monitors", monitors, 1, MONITORS_MAX.into())?;
    let in_calendars = settings.calendars.iter().filter_map(|it| it.effect.spares.as_ref());
    for spares in in_calendars.chain([spares]) {
        bounded("spares.keep_ready", Some(spares.keep_ready), 0, SESSIONS_MAX)?;
        bounded("spares.keep_started", Some(spares.keep_started), 0, SESSIONS_MAX)?;
    }
    Pool::check_calendars(&settings.calendars)?;
    let followed = settings.image.as_ref().map(|image| image.initial);
    let kind = |id| deciding.fleet.machines.get(id).map(|machine| &machine.kind);
    let is_initial = |id| matches!(kind(id), Some(Kind::Initial { .. }));
    if followed.is_none_or(is_initial) { Ok(()) } else { Err(Refused::NoInitial) }
}

/// Deletes a pool that has no machines any more. Whoever still waits for it leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletePool {
    pub pool: Ref<PoolId>,
}

impl Decide for DeletePool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, pool) = deciding.find::<Pool>(&self.pool)?;
        let name = || pool.name.clone();
        let machines = deciding.fleet.tally(id).total();
        if machines > 0 {
            return Err(Refused::HasMachines { pool: name(), machines }.into());
        }
        let lab = deciding.fleet.labs.iter().find(|(_, lab)| lab.settings.pools.contains(&id));
        if let Some((_, lab)) = lab {
            return Err(Refused::OfferedInLab { pool: name(), lab: lab.name.clone() }.into());
        }
        let waiting: Vec<_> = deciding.fleet.sessions_in(Target::Pool(id)).collect();
        if waiting.len() > SENT_AWAY_MAX {
            return Err(Refused::TooManyWait { pool: name(), waiting: waiting.len() }.into());
        }
        end_those(deciding, waiting, EndCause::Revoked);
        deciding.fact(id, Fact::Deleted(Nothing {}));
        Ok(())
    }
}
