//! What time brings to a renewal: its beginning, more force, or its failure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::steps::{ROOM_SECONDS, begin, follow, is_due, is_held};
use super::{announce, fail};
use crate::clockwork::doubled;
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::MachineId;
use crate::machine::power::{POWER_OFF_SECONDS, turn_off};
use crate::machine::{Machine, RenewalStep, Renewing, StopManner, Wish};
use crate::operation::Cause;
use crate::rejection::Rejection;
use crate::version::latest::operation::Failure;
use crate::version::latest::renewal::{Delayed, DelayedBy};

/// What keeps a machine as it is may do so for months, so it is said less and less often. As soon
/// as nothing does any more, the renewal goes on ([`follow`]).
const HELD_SECONDS_MAX: u32 = 86_400;

/// A host that is silent does nothing of what it is told, which is no fault of the machine's. It is
/// waited for so long, and then each time twice as long.
const SILENT_SECONDS: u32 = 60;
/// But not longer, so that a machine which its host can't handle after all is soon known.
const SILENT_SECONDS_MAX: u32 = 3_600;
/// When it is back it has so long for what it has missed.
const RETURN_SECONDS: u32 = 120;

/// Of the system: the time of a machine's renewal has come, or of the step that it is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvanceRenewal {
    pub machine: MachineId,
}

impl Decide for AdvanceRenewal {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let Some(machine) = deciding.fleet.machines.shared(self.machine) else { return Ok(()) };
        let Some(renewing) = machine.renewal.clone() else { return Ok(()) };
        let due = renewing.deadline.is_some_and(|deadline| deadline <= deciding.now());
        if !due || machine.deleting {
            return Ok(());
        }
        match renewing.step {
            RenewalStep::Pending => its_time_has_come(deciding, &machine, &renewing),
            RenewalStep::Stopping | RenewalStep::Finishing => {
                use_force(deciding, &machine, &renewing);
            }
            RenewalStep::Overlaying if machine.applied >= machine.generation => {
                follow(deciding, machine.id);
            }
            RenewalStep::Overlaying | RenewalStep::FirstBoot
                if waits_for_host(deciding, &machine, &renewing) => {}
            RenewalStep::Overlaying => {
                let failure =
                    Failure::because(Cause::OverlayLate, "its host did not make the overlay");
                fail(deciding, machine.id, &renewing, failure);
            }
            RenewalStep::FirstBoot => {
                let detail = "its first boot was not done in time";
                fail(
                    deciding,
                    machine.id,
                    &renewing,
                    Failure::because(Cause::FirstBootLate, detail),
                );
            }
        }
        Ok(())
    }
}

fn its_time_has_come(deciding: &mut Deciding<'_>, machine: &Machine, renewing: &Renewing) {
    let id = machine.id;
    if is_held(&deciding.fleet, machine) {
        let seconds = doubled(ROOM_SECONDS, renewing.delays.into(), HELD_SECONDS_MAX);
        let until = deciding.now().plus_seconds(seconds);
        let failure =
            Failure::because(Cause::Held, "it is locked, moving to another host, or being copied");
        deciding.fact(id, Fact::RenewalDelayed(Delayed { until, cause: DelayedBy::Step, failure }));
    } else if is_due(machine, renewing, deciding.now()) {
        begin(deciding, id);
    } else {
        announce(deciding, machine, &renewing.renewal);
    }
}

/// Of a silent host nobody knows what it has done, and one that is back needs a moment to say so.
fn waits_for_host(deciding: &mut Deciding<'_>, machine: &Machine, renewing: &Renewing) -> bool {
    let mut hosts = [machine.place, machine.leaving].into_iter().flatten();
    let (seconds, cause, detail) = if hosts.any(|host| deciding.fleet.is_silent(host)) {
        let seconds = doubled(SILENT_SECONDS, renewing.silences.into(), SILENT_SECONDS_MAX);
        (seconds, DelayedBy::Silence, "its host is silent")
    } else if renewing.silences > 0 {
        (RETURN_SECONDS, DelayedBy::Return, "its host was silent")
    } else {
        return false;
    };
    let until = deciding.now().plus_seconds(seconds);
    let failure = Failure::because(Cause::HostSilent, detail);
    deciding.fact(machine.id, Fact::RenewalDelayed(Delayed { until, cause, failure }));
    true
}

/// A guest that ignores being asked has its power cut; a host that can't do that has a problem.
fn use_force(deciding: &mut Deciding<'_>, machine: &Machine, renewing: &Renewing) {
    let id = machine.id;
    if machine.at_rest() {
        return follow(deciding, id);
    }
    if waits_for_host(deciding, machine, renewing) {
        return;
    }
    if machine.power.wish == Wish::Off(StopManner::Hard) {
        let failure = Failure::because(Cause::StaysOn, "its power could not be cut");
        return fail(deciding, id, renewing, failure);
    }
    turn_off(deciding, id, StopManner::Hard);
    let until = deciding.now().plus_seconds(POWER_OFF_SECONDS);
    let failure = Failure::because(Cause::ShutdownIgnored, "its guest did not shut down in time");
    deciding.fact(id, Fact::RenewalDelayed(Delayed { until, cause: DelayedBy::Step, failure }));
}
