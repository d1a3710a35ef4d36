//! What happens when hosts and guests don't do in time what was asked of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::observe::{put_aside_if_it_fails_often, start_failed};
use super::power::{POWER_OFF_AGAIN_SECONDS, START_SECONDS};
use super::{Machine, Ready, Rest, StopManner, Wish};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::MachineId;
use crate::operation::{Cause, Failure};
use crate::rejection::Rejection;
use crate::version::latest::machine::{Failed, NotReady, StopRequested, WorkFailed};

/// Of the system: what was wished of a machine's power should have come about by now.
///
/// A start that takes too long has failed, and the machine is turned off. A guest that ignores the
/// request to shut down or to reboot stays on. Power that can't be cut is an alarm, and cut again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpirePower {
    pub machine: MachineId,
}

impl Decide for ExpirePower {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let Some(machine) = deciding.fleet.machines.shared(self.machine) else { return Ok(()) };
        if machine.power.deadline.is_none_or(|deadline| deadline > deciding.now()) {
            return Ok(());
        }
        match machine.power.wish {
            Wish::On if machine.runs_as_before() => {
                let detail = "the guest did not reboot when it was asked to and runs on; \
                              `ResetMachine` presses its reset button";
                let failure = Failure::because(Cause::RebootIgnored, detail);
                deciding.fact(machine.id, Fact::RestartIgnored(Failed { failure }));
            }
            // Nothing is waited for in vain: what can't be suspended is said by its host.
            Wish::Suspended => {}
            Wish::On => {
                let detail = format!("it did not run within {START_SECONDS} s");
                let failure = Failure::because(Cause::StartTimeout, &detail);
                start_failed(deciding, &machine, failure, Rest::Presumed);
            }
            Wish::Off(StopManner::Acpi) => {
                let detail = "the guest did not shut down when it was asked to and runs on; \
                              `PowerOffMachine` cuts the power";
                let failure = Failure::because(Cause::ShutdownIgnored, detail);
                deciding.fact(machine.id, Fact::ShutdownIgnored(Failed { failure }));
            }
            Wish::Off(StopManner::Hard) => cut_again(deciding, &machine),
        }
        Ok(())
    }
}

fn cut_again(deciding: &mut Deciding<'_>, machine: &Machine) {
    let failure = Failure::because(Cause::PowerOffTimeout, "its host has not cut its power");
    let generation = machine.generation;
    deciding.fact(machine.id, Fact::WorkFailed(WorkFailed { generation, failure }));
    let deadline = deciding.now().plus_seconds(POWER_OFF_AGAIN_SECONDS);
    let again = StopRequested { manner: StopManner::Hard, deadline };
    deciding.fact(machine.id, Fact::StopRequested(again));
}

/// Of the system: a machine's probe should have answered by now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpireReadiness {
    pub machine: MachineId,
}

impl Decide for ExpireReadiness {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let Some(machine) = deciding.fleet.machines.shared(self.machine) else { return Ok(()) };
        let Ready::By(deadline) = machine.observed.ready else { return Ok(()) };
        if deadline > deciding.now() {
            return Ok(());
        }
        let (boot_epoch, at) = (machine.observed.boot_epoch, deciding.now());
        deciding.fact(machine.id, Fact::ReadyTimedOut(NotReady { boot_epoch, at }));
        put_aside_if_it_fails_often(deciding, machine.id);
        Ok(())
    }
}
