//! A machine is started, stopped, restarted, suspended or resumed.

use super::{StopManner, until_applied};
use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::ids::MachineId;
use crate::machine::obstacle::host_answers;
use crate::machine::power::{SHUTDOWN_SECONDS, START_SECONDS, turn_off, turn_on};
use crate::machine::rejection::Rejection as Refused;
use crate::machine::{Machine, RestartManner, State, Wish, Writes};
use crate::operation::{Begun, Goal};
use crate::rejection::Rejection;
use crate::version::latest::Nothing;
use crate::version::latest::machine::RestartRequested;

pub(crate) fn start(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    persistent_once: bool,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    machine.can_start(&deciding.fleet)?;
    if persistent_once {
        keeps_what_is_written(&machine)?;
    }
    let runs = machine.observed.state == State::Running && machine.power.wish == Wish::On;
    if runs && machine.power.deadline.is_none() && !machine.is_external() {
        return Ok(Begun::Done);
    }
    let boot_epoch = turn_on(deciding, id, persistent_once)?;
    Ok(Begun::Part(Goal::Started { boot_epoch }))
}

/// What it does with what is written is settled for as long as it is on.
fn keeps_what_is_written(machine: &Machine) -> Result<(), Rejection> {
    if machine.uses_host() && machine.power.writes == Writes::ThrownAway {
        return Err(Refused::WritesThrownAway { machine: machine.name.clone() }.into());
    }
    Ok(())
}

pub(crate) fn stop(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    manner: StopManner,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    if machine.at_rest() {
        return Ok(Begun::Done);
    }
    host_answers(&deciding.fleet, &machine)?;
    if manner == StopManner::Acpi {
        hears_acpi(&machine)?;
    }
    turn_off(deciding, id, manner);
    Ok(Begun::Part(Goal::Stopped))
}

/// A guest that doesn't run can't be asked for anything.
fn hears_acpi(machine: &Machine) -> Result<(), Rejection> {
    match machine.observed.state {
        State::Paused(_) | State::Asleep | State::Unknown => {
            let state = machine.observed.state.words();
            Err(Refused::NotRunning { machine: machine.name.clone(), state }.into())
        }
        State::Off | State::Starting | State::Running | State::Stopping | State::Crashed => Ok(()),
    }
}

pub(crate) fn restart(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    manner: RestartManner,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    host_answers(&deciding.fleet, &machine)?;
    machine.is_running()?;
    let boot_epoch = machine.power.boot_epoch + 1;
    let seconds = match manner {
        RestartManner::Reboot => SHUTDOWN_SECONDS + START_SECONDS,
        RestartManner::Reset => START_SECONDS,
    };
    let deadline = deciding.now().plus_seconds(seconds);
    let restart = RestartRequested { boot_epoch, deadline, manner };
    deciding.fact(id, Fact::RestartRequested(restart));
    Ok(Begun::Part(Goal::Started { boot_epoch }))
}

pub(crate) fn suspend(deciding: &mut Deciding<'_>, id: MachineId) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    host_answers(&deciding.fleet, &machine)?;
    if machine.power.wish == Wish::Suspended {
        return Ok(Begun::Done);
    }
    machine.is_running()?;
    if machine.power.deadline.is_some() {
        let (machine, state) = (machine.name.clone(), "about to restart");
        return Err(Refused::NotRunning { machine, state }.into());
    }
    deciding.fact(id, Fact::SuspendRequested(Nothing {}));
    Ok(until_applied(deciding, id))
}

/// Also wakes a guest that put itself to sleep, and one that somebody paused past Carrel.
pub(crate) fn resume(deciding: &mut Deciding<'_>, id: MachineId) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    host_answers(&deciding.fleet, &machine)?;
    match (machine.power.wish, machine.observed.state) {
        (Wish::On, State::Running) => return Ok(Begun::Done),
        (Wish::Suspended, _) | (Wish::On, State::Paused(_) | State::Asleep) => {}
        (Wish::On | Wish::Off(_), state) => {
            let (machine, state) = (machine.name.clone(), state.words());
            return Err(Refused::NotRunning { machine, state }.into());
        }
    }
    deciding.fact(id, Fact::ResumeRequested(Nothing {}));
    Ok(until_applied(deciding, id))
}
