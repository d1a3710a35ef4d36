//! What one machine's turn is when its host is drained or lost.

use super::drain;
use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::ids::{HypervisorId, MachineId};
use crate::machine::StopManner;
use crate::machine::observe::host_lost;
use crate::machine::power::turn_off;
use crate::machine::turn::{can_migrate, migrate};
use crate::operation::{Begun, Goal, failure};
use crate::placement;
use crate::rejection::Rejection;
use crate::version::latest::machine::WorkFailed;

/// A machine that runs moves, if it can. If it can't, one that nobody uses and that another of its
/// pool can stand in for is shut down; everything else is waited for.
pub(crate) fn drain(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    from: HypervisorId,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    let off = Begun::Part(Goal::Off { hypervisor: from });
    if machine.place != Some(from) {
        let is_leaving = machine.leaving == Some(from);
        return Ok(if is_leaving { off } else { Begun::Done });
    }
    if machine.at_rest() || machine.is_external() {
        drain::follow(deciding, id);
    } else if machine.power.deadline.is_none()
        && can_migrate(&deciding.fleet, &machine, None).is_ok()
    {
        migrate(deciding, id, None)?;
    } else if drain::is_spare(&deciding.fleet, &machine) {
        turn_off(deciding, id, StopManner::Acpi);
    }
    Ok(off)
}

/// What ran there is off, and another host may have it.
pub(crate) fn lose(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    host: HypervisorId,
) -> Result<Begun, Rejection> {
    host_lost(deciding, id, host);
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    if machine.deleting && machine.place.is_none() {
        // Its files are removed by another host. If none sees them, nobody waits any longer, and
        // `DeleteMachine` can be said again when one does.
        match placement::for_files(&deciding.fleet, &machine) {
            Ok(placed) => deciding.fact(id, Fact::Placed(placed)),
            Err(rejection) => {
                let (generation, failure) = (machine.generation, failure(&rejection));
                deciding.fact(id, Fact::WorkFailed(WorkFailed { generation, failure }));
            }
        }
    }
    Ok(Begun::Done)
}
