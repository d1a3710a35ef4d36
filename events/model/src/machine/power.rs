//! On and off: the one place where a machine's power is decided.

use super::obstacle::host_answers;
use super::rejection::Rejection as Refused;
use super::{Kind, Machine, RestartManner, State, StopManner, Wish};
use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::fleet::Fleet;
use crate::ids::MachineId;
use crate::lab;
use crate::placement;
use crate::rejection::Rejection;
use crate::version::latest::machine::{Placed, StartRequested, StopRequested};

/// A machine that is told to start runs within this time, or its host has a problem.
pub(crate) const START_SECONDS: u32 = 120;
/// A guest that was asked to shut down has done so within this time, or ignores it.
pub(crate) const SHUTDOWN_SECONDS: u32 = 180;
/// Cutting the power needs no guest.
pub(crate) const POWER_OFF_SECONDS: u32 = 60;
/// A host that can't cut a machine's power is told again so often: rarely enough that a host which
/// has been silent for a night does not fill the log.
pub(crate) const POWER_OFF_AGAIN_SECONDS: u32 = 600;

/// Finds a host and starts it there. Answers the epoch; a machine that is on already keeps its own.
/// An external machine is woken each time.
pub(crate) fn turn_on(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    persistent_once: bool,
) -> Result<u64, Rejection> {
    turn_on_at(deciding, id, persistent_once, |deciding, machine| {
        placement::for_one_of_many(deciding, machine, persistent_once)
    })
}

/// As [`turn_on`], on a host that is found in a way of its own.
pub(crate) fn turn_on_at(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    persistent_once: bool,
    find: impl FnOnce(&mut Deciding<'_>, &Machine) -> Result<Placed, Rejection>,
) -> Result<u64, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(0) };
    if !machine.power.wish.is_off() && !machine.is_external() {
        return Ok(machine.power.boot_epoch);
    }
    machine.can_start(&deciding.fleet)?;
    if !machine.is_external() {
        host_answers(&deciding.fleet, &machine)?;
        machine.pool.map_or(Ok(()), |pool| lab::has_room(&deciding.fleet, pool))?;
    }
    let placed = find(deciding, &machine)?;
    deciding.fact(id, Fact::Placed(placed));
    let boot_epoch = machine.power.boot_epoch + 1;
    let deadline = Some(deciding.now().plus_seconds(START_SECONDS));
    deciding
        .fact(id, Fact::StartRequested(StartRequested { boot_epoch, deadline, persistent_once }));
    Ok(boot_epoch)
}

/// Wakes an external machine, if it can be, for somebody who waits for it. Whether it comes up is
/// theirs to see: nothing is waited for.
pub(crate) fn wake(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    if !machine.is_external() || machine.can_start(&deciding.fleet).is_err() {
        return;
    }
    let Ok(placed) = placement::for_start(&deciding.fleet, &machine, false) else { return };
    deciding.fact(id, Fact::Placed(placed));
    let (boot_epoch, deadline) = (machine.power.boot_epoch + 1, None);
    let start = StartRequested { boot_epoch, deadline, persistent_once: false };
    deciding.fact(id, Fact::StartRequested(start));
}

/// Nothing, if it is off or on its way there by this manner or a harder one.
pub(crate) fn turn_off(deciding: &mut Deciding<'_>, id: MachineId, manner: StopManner) {
    let Some(machine) = deciding.fleet.machines.get(id) else { return };
    let hard_already = machine.power.wish == Wish::Off(StopManner::Hard);
    if machine.is_external()
        || machine.at_rest()
        || hard_already
        || machine.power.wish == Wish::Off(manner)
    {
        return;
    }
    let seconds = match manner {
        StopManner::Acpi => SHUTDOWN_SECONDS,
        StopManner::Hard => POWER_OFF_SECONDS,
    };
    let deadline = deciding.now().plus_seconds(seconds);
    deciding.fact(id, Fact::StopRequested(StopRequested { manner, deadline }));
}

impl Machine {
    /// It was asked to reboot, and runs still in an epoch before that.
    pub fn runs_as_before(&self) -> bool {
        let runs = match self.observed.state {
            State::Running | State::Paused(_) | State::Asleep | State::Stopping => true,
            State::Off | State::Starting | State::Crashed | State::Unknown => false,
        };
        let asked = self.power.restart == Some(RestartManner::Reboot);
        asked && runs && self.observed.boot_epoch < self.power.boot_epoch
    }

    /// Nobody uses it and nothing else is done with it: it may go off. A guest that has not
    /// listened once won't later.
    pub(crate) fn runs_unused(&self) -> bool {
        self.leases.is_empty()
            && self.observed.state == State::Running
            && self.power.wish == Wish::On
            && !self.observed.ignored_shutdown
            && !self.is_external()
            && !self.is_busy()
            && self.renewal.is_none()
            && self.maintenance.is_empty()
    }

    /// It runs for whoever comes next, and holds nothing of anybody.
    pub(crate) fn is_spare(&self) -> bool {
        self.pool.is_some()
            && self.owners.is_empty()
            && self.written.is_none()
            && !self.half_made
            && self.power.deadline.is_none()
            && self.runs_unused()
    }

    /// Why it can't be started now, wherever that would be.
    pub(crate) fn can_start(&self, fleet: &Fleet) -> Result<(), Rejection> {
        self.is_left_alone(fleet)?;
        self.is_not_locked()?;
        if let Kind::External(external) = &self.kind {
            return match external.wake_on_lan {
                Some(_) => Ok(()),
                None => Err(Refused::CannotBeWoken { machine: self.name.clone() }.into()),
            };
        }
        match self.power.wish {
            Wish::Suspended => Err(Refused::Suspended { machine: self.name.clone() }.into()),
            Wish::Off(_) if !self.observed.state.is_off() => {
                let state = State::Stopping.words();
                Err(Refused::NotOff { machine: self.name.clone(), state }.into())
            }
            // A machine that is on already is not started.
            Wish::On => Ok(()),
            Wish::Off(_) => self.snapshots_are_at_rest(),
        }
    }
}
