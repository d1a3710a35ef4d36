//! Machines that run for whoever comes next: they are started where nothing waits for the room, and
//! make way where something does.

use std::sync::Arc;

use crate::deciding::Deciding;
use crate::fleet::Fleet;
use crate::ids::{MachineId, PoolId};
use crate::machine::rejection::Rejection as Refused;
use crate::machine::{Machine, StopManner, Writes, power};
use crate::placement::{self, InTheWay, Waits};
use crate::rejection::Rejection;
use crate::{lab, session};

/// The first first boot of so many versions is asked for, and whoever waits first for so many pools
/// and machines. What boots the same version mostly needs the same, so that more would hardly say
/// more, and a spare costs no more to start in a roll-out of thousands.
const ASKED_MAX: usize = 16;

/// Starts a machine for whoever comes next, where it takes nothing that another waits for.
pub(crate) fn start(deciding: &mut Deciding<'_>, id: MachineId) -> Result<(), Rejection> {
    let waiting = waiting(&deciding.fleet, id);
    let pools: Vec<PoolId> = waiting.iter().filter_map(|waits| waits.machine.pool).collect();
    if let Some(pool) = deciding.fleet.machines.get(id).and_then(|machine| machine.pool) {
        lab::has_room_beside(&deciding.fleet, pool, &pools)?;
    }
    let started = power::turn_on_at(deciding, id, false, |deciding, machine| {
        placement::for_spare(&deciding.fleet, machine, &waiting)
    });
    started.map(|_| ())
}

/// What others do for a machine that has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Something goes off for it, or is going off anyway.
    Coming,
    /// Nothing that runs for nobody is in its way.
    None,
}

/// A machine that somebody waits for could not be started. If it was for want of room, a spare
/// whose end brings it nearer is asked to go off: one each time, and none while what is going off
/// is enough.
pub(crate) fn make_way(deciding: &mut Deciding<'_>, id: MachineId, why: &Rejection) -> Way {
    let fleet = &deciding.fleet;
    let Some(machine) = fleet.machines.get(id) else { return Way::None };
    let in_the_way = if let Rejection::Machine(Refused::NoHost { .. }) = why {
        placement::in_the_way_of(fleet, machine, writes(machine), deciding.now())
    } else if let Rejection::Lab(lab::rejection::Rejection::Full { .. }) = why {
        machine.pool.map_or(InTheWay::Others, |pool| lab::in_the_way_of(fleet, pool))
    } else {
        InTheWay::Others
    };
    match in_the_way {
        InTheWay::Others => return Way::None,
        InTheWay::GoesOff => {}
        InTheWay::Spare(spare) => power::turn_off(deciding, spare, StopManner::Acpi),
    }
    Way::Coming
}

/// The first of those that wait for room.
fn waiting(fleet: &Fleet, but: MachineId) -> Vec<Waits> {
    let first_boots = fleet.index.waiting.firsts().take(ASKED_MAX);
    let all = first_boots.chain(session::first_wanted(fleet, ASKED_MAX));
    let machines = all.filter(|id| *id != but).filter_map(|id| fleet.machines.shared(id));
    let startable = machines.filter(|machine| is_startable(fleet, machine));
    startable.map(|machine| Waits { writes: writes(&machine), machine }).collect()
}

/// Nothing but room is wanting. The renewal whose first boot is to begin is not in its own way.
fn is_startable(fleet: &Fleet, machine: &Arc<Machine>) -> bool {
    let for_somebody = machine.maintenance.is_empty() && machine.can_start(fleet).is_ok();
    machine.at_rest() && (machine.being_renewed() || for_somebody)
}

/// What a first boot writes is kept.
fn writes(machine: &Machine) -> Writes {
    machine.writes_if_started(machine.being_renewed())
}

#[cfg(test)]
mod tests;
