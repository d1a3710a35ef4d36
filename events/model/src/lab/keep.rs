//! A lab keeps machines running, and has those restart that have run for long.
//!
//! Both are asked for at each round of the clockwork ([`crate::clockwork::Chores`]), so that a lab
//! recovers by itself from whatever was in the way, such as hosts that were full.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Lab;
use super::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::fleet::{Fleet, Rank, Tally};
use crate::ids::{LabId, MachineId, PoolId};
use crate::machine::{Machine, StopManner, power};
use crate::placement::InTheWay;
use crate::record::Timestamp;
use crate::rejection::Rejection;
use crate::session;

/// Machines that a lab starts in one round: hosts that boot many at once boot all of them slowly.
/// With what follows from a start they fit well into one decision.
pub const STARTS_MAX: u32 = 8;

const SECONDS_PER_HOUR: u32 = 3600;

impl Lab {
    /// Machines of its first pool that it has yet to start.
    pub fn missing(&self, fleet: &Fleet) -> u32 {
        let Some(first) = self.settings.pools.first() else { return 0 };
        let missing = self.settings.start_instances.saturating_sub(running(fleet, *first));
        missing.min(self.room(fleet))
    }

    /// Machines of its pools that may still be started. Whatever is on counts, whoever started it
    /// and for what.
    pub fn room(&self, fleet: &Fleet) -> u32 {
        let Some(most) = self.settings.max_instances else { return u32::MAX };
        let on = self.settings.pools.iter().map(|pool| fleet.tally(*pool).on);
        most.saturating_sub(on.fold(0, u32::saturating_add))
    }

    /// Machines that began to run before this have run for long.
    fn restart_before(&self, now: Timestamp) -> Option<Timestamp> {
        let seconds = self.settings.restart_after_hours?.saturating_mul(SECONDS_PER_HOUR);
        Some(Timestamp(now.0.saturating_sub(i64::from(seconds) * 1_000_000)))
    }

    /// Of its pools, those that shall restart, the longest running first.
    pub(crate) fn aged<'a>(
        &'a self,
        fleet: &'a Fleet,
        now: Timestamp,
    ) -> impl Iterator<Item = MachineId> + 'a {
        let before = self.restart_before(now);
        let pools = self.settings.pools.iter().filter(move |_| before.is_some());
        let aged = pools.flat_map(move |pool| {
            let idle = fleet.idle_in(*pool);
            idle.take_while(move |(since, _)| before.is_some_and(|before| *since <= before))
        });
        let machines = aged.filter_map(|(_, machine)| fleet.machines.get(machine));
        machines.filter(|machine| machine.runs_unused()).map(|machine| machine.id)
    }

    fn has_aged(&self, machine: &Machine, now: Timestamp) -> bool {
        let own = machine.pool.is_some_and(|pool| self.settings.pools.contains(&pool));
        let times = self.restart_before(now).zip(machine.observed.started);
        own && times.is_some_and(|(before, since)| since <= before) && machine.runs_unused()
    }
}

/// A machine of the pool may be started, as far as the labs where the pool is offered are
/// concerned.
pub(crate) fn has_room(fleet: &Fleet, pool: PoolId) -> Result<(), Refused> {
    has_room_beside(fleet, pool, &[])
}

/// As [`has_room`], when machines of these pools are started, too.
pub(crate) fn has_room_beside(
    fleet: &Fleet,
    pool: PoolId,
    others: &[PoolId],
) -> Result<(), Refused> {
    let offers = |lab: &&Lab| lab.settings.pools.contains(&pool);
    let taken = |lab: &Lab| others.iter().filter(|it| lab.settings.pools.contains(it)).count();
    let mut labs = fleet.labs.iter().map(|(_, lab)| lab).filter(offers);
    let full = labs.find(|lab| lab.room(fleet) as usize <= taken(lab));
    full.map_or(Ok(()), |lab| Err(Refused::Full { lab: lab.name.clone() }))
}

/// So many of what runs in a pool and can be given are looked at for a spare. Mostly the first is
/// one.
const SPARES_LOOKED_AT_MAX: usize = 16;

/// A spare in a lab that is full, and where a machine of the pool may be started as soon as the
/// spare is off.
pub(crate) fn in_the_way_of(fleet: &Fleet, pool: PoolId) -> InTheWay {
    let mut labs = fleet.labs.iter().map(|(_, lab)| lab);
    let full = labs.find(|lab| lab.settings.pools.contains(&pool) && lab.room(fleet) == 0);
    let Some(full) = full else { return InTheWay::Others };
    let pools = &full.settings.pools;
    if pools.iter().any(|pool| fleet.tally(*pool).going_off > 0) {
        return InTheWay::GoesOff;
    }
    let is_spare = |id: &MachineId| fleet.machines.get(*id).is_some_and(Machine::is_spare);
    let running = |pool: &PoolId| {
        let free = fleet.index.free.of(*pool).take_while(|free| free.rank < Rank::Stopped);
        free.map(|free| free.machine).take(SPARES_LOOKED_AT_MAX).find(is_spare)
    };
    pools.iter().find_map(running).map_or(InTheWay::Others, InTheWay::Spare)
}

/// Those that somebody uses or could use at once. An owner's machine runs when its owner wants.
fn running(fleet: &Fleet, pool: PoolId) -> u32 {
    let Tally { ready, running, leased, .. } = fleet.tally(pool);
    ready.saturating_add(running).saturating_add(leased)
}

/// Of the system: a lab starts machines until as many run as shall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepLab {
    pub lab: LabId,
}

impl Decide for KeepLab {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let Some(lab) = deciding.fleet.labs.shared(self.lab) else { return Ok(()) };
        let Some(first) = lab.settings.pools.first() else { return Ok(()) };
        for _ in 0..lab.missing(&deciding.fleet).min(STARTS_MAX) {
            // What no host can take now is asked for again in the next round.
            if !session::start_one(deciding, *first) {
                break;
            }
        }
        Ok(())
    }
}

/// Of the system: a machine that nobody uses and that has run for long goes off. Its lab and its
/// pool start again what they keep running; with a virtual snapshot it is as new then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartAged {
    pub machine: MachineId,
}

impl Decide for RestartAged {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let now = deciding.now();
        let Some(machine) = deciding.fleet.machines.get(self.machine) else { return Ok(()) };
        let aged = deciding.fleet.labs.iter().any(|(_, lab)| lab.has_aged(machine, now));
        if aged {
            power::turn_off(deciding, self.machine, StopManner::Acpi);
        }
        Ok(())
    }
}
