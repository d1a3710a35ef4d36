//! Machines are switched off.

use super::obstacle::host_answers;
use super::power::turn_off;
use super::rejection::Rejection as Refused;
use super::{Machine, State, StopManner};
use crate::deciding::{Decide, Deciding};
use crate::operation::{self, Begun, Goal, Plan, for_machines};
use crate::rejection::Rejection;

for_machines! {
    /// Asks the guests, once, to shut down (ACPI). A guest that doesn't within three minutes stays
    /// on, and its part fails.
    ShutdownMachine {}
}

impl Decide for ShutdownMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let manner = StopManner::Acpi;
        operation::start(deciding, Plan::Stop { manner }, &self.selection())
    }
}

for_machines! {
    /// Cuts the power. What the guest has not written to its disks is lost.
    PowerOffMachine {}
}

impl Decide for PowerOffMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let manner = StopManner::Hard;
        operation::start(deciding, Plan::Stop { manner }, &self.selection())
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    manner: StopManner,
) -> Result<Begun, Rejection> {
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    if machine.at_rest() {
        return Ok(Begun::Done);
    }
    host_answers(&deciding.fleet, machine)?;
    if manner == StopManner::Acpi {
        hears_acpi(machine)?;
    }
    turn_off(deciding, machine.id, manner);
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
