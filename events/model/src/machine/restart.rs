//! Machines are restarted.

use super::obstacle::host_answers;
use super::power::{SHUTDOWN_SECONDS, START_SECONDS};
use super::{Machine, RestartManner};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::operation::{self, Begun, Goal, Plan, for_machines};
use crate::rejection::Rejection;
use crate::version::latest::machine::RestartRequested;

for_machines! {
    /// Asks the guests to reboot.
    RebootMachine {}
}

impl Decide for RebootMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let manner = RestartManner::Reboot;
        operation::start(deciding, Plan::Restart { manner }, &self.selection())
    }
}

for_machines! {
    /// Presses the reset button.
    ResetMachine {}
}

impl Decide for ResetMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let manner = RestartManner::Reset;
        operation::start(deciding, Plan::Restart { manner }, &self.selection())
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    manner: RestartManner,
) -> Result<Begun, Rejection> {
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    host_answers(&deciding.fleet, machine)?;
    machine.is_running()?;
    let boot_epoch = machine.power.boot_epoch + 1;
    let seconds = match manner {
        RestartManner::Reboot => SHUTDOWN_SECONDS + START_SECONDS,
        RestartManner::Reset => START_SECONDS,
    };
    let deadline = deciding.now().plus_seconds(seconds);
    let restart = RestartRequested { boot_epoch, deadline, manner };
    deciding.fact(machine.id, Fact::RestartRequested(restart));
    Ok(Begun::Part(Goal::Started { boot_epoch }))
}
