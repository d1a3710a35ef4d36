//! Machines are held still, and go on.

use super::obstacle::host_answers;
use super::rejection::Rejection as Refused;
use super::{Machine, State, Wish};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::operation::{self, Begun, Plan, for_machines};
use crate::rejection::Rejection;
use crate::version::latest::Nothing;

for_machines! {
    /// Holds the machines still, with everything in their memory.
    SuspendMachine {}
}

impl Decide for SuspendMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        operation::start(deciding, Plan::Suspend, &self.selection())
    }
}

pub(crate) fn suspend(deciding: &mut Deciding<'_>, machine: &Machine) -> Result<Begun, Rejection> {
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    host_answers(&deciding.fleet, machine)?;
    if machine.power.wish == Wish::Suspended {
        return Ok(Begun::Done);
    }
    machine.is_running()?;
    if machine.power.deadline.is_some() {
        let (machine, state) = (machine.name.clone(), "about to restart");
        return Err(Refused::NotRunning { machine, state }.into());
    }
    deciding.fact(machine.id, Fact::SuspendRequested(Nothing {}));
    Ok(Begun::until_applied(deciding, machine.id))
}

for_machines! {
    /// Lets suspended machines go on, and wakes guests that are asleep.
    ResumeMachine {}
}

impl Decide for ResumeMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        operation::start(deciding, Plan::Resume, &self.selection())
    }
}

/// Also wakes a guest that put itself to sleep, and one that somebody paused past Carrel.
pub(crate) fn resume(deciding: &mut Deciding<'_>, machine: &Machine) -> Result<Begun, Rejection> {
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    host_answers(&deciding.fleet, machine)?;
    match (machine.power.wish, machine.observed.state) {
        (Wish::On, State::Running) => return Ok(Begun::Done),
        (Wish::Suspended, _) | (Wish::On, State::Paused(_) | State::Asleep) => {}
        (Wish::On | Wish::Off(_), state) => {
            let (machine, state) = (machine.name.clone(), state.words());
            return Err(Refused::NotRunning { machine, state }.into());
        }
    }
    deciding.fact(machine.id, Fact::ResumeRequested(Nothing {}));
    Ok(Begun::until_applied(deciding, machine.id))
}
