//! Machines are started.

use super::power::turn_on;
use super::rejection::Rejection as Refused;
use super::{Machine, Wish, Writes};
use crate::deciding::{Decide, Deciding};
use crate::operation::{self, Begun, Goal, Plan, for_machines};
use crate::rejection::Rejection;

for_machines! {
    /// Starts machines, each on the host that suits it best. External ones are woken.
    StartMachine {
        /// What is written until the next power-off is kept, although there is a virtual snapshot.
        #[serde(default)]
        persistent_once: bool,
    }
}

impl Decide for StartMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let plan = Plan::Start { persistent_once: self.persistent_once };
        operation::start(deciding, plan, &self.selection())
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    persistent_once: bool,
) -> Result<Begun, Rejection> {
    machine.can_start(&deciding.fleet)?;
    if persistent_once {
        keeps_what_is_written(machine)?;
    }
    // Also of one that sleeps or is paused nothing more is to be heard: it was started.
    let is_on = machine.uses_host() && machine.power.wish == Wish::On;
    if is_on && machine.power.deadline.is_none() {
        return Ok(Begun::Done);
    }
    let boot_epoch = turn_on(deciding, machine.id, persistent_once)?;
    Ok(Begun::Part(Goal::Started { boot_epoch }))
}

/// What it does with what is written is settled for as long as it is on.
fn keeps_what_is_written(machine: &Machine) -> Result<(), Rejection> {
    if machine.uses_host() && machine.power.writes == Writes::ThrownAway {
        return Err(Refused::WritesThrownAway { machine: machine.name.clone() }.into());
    }
    Ok(())
}
