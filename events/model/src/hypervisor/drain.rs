//! A host is emptied, for as long as somebody works on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hypervisor, Reason};
use crate::deciding::{Decide, Deciding};
use crate::event::{HypervisorFact, MachineFact as Fact, OperationFact};
use crate::fleet::Fleet;
use crate::ids::{CommandId, HypervisorId, MachineId};
use crate::machine::power::turn_off;
use crate::machine::{Machine, SnapshotState, StopManner, migrate};
use crate::operation::{self, Begun, Goal, Plan, Targets};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::hypervisor::MaintenanceChanged;
use crate::version::latest::{Nothing, Switch};

/// Gets all machines off a host and lets none onto it. What is off is let go, what runs moves to
/// another host if it can; what can't move is waited for until it is off. Nobody is disturbed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainHypervisor {
    pub hypervisor: Ref<HypervisorId>,
    /// False: the host takes machines again, and nobody waits any longer for those that are there.
    #[serde(default = "yes")]
    pub on: bool,
}

const fn yes() -> bool {
    true
}

impl Decide for DrainHypervisor {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, host) = deciding.find::<Hypervisor>(&self.hypervisor)?;
        let is_on = host.maintenance.contains(&Reason::Drain);
        let change = |switch| {
            let reason = Reason::Drain;
            HypervisorFact::MaintenanceChanged(MaintenanceChanged { reason, switch })
        };
        if !self.on {
            if is_on {
                deciding.fact(id, change(Switch::Off));
            }
            call_off(deciding, id);
            return Ok(());
        }
        // The reason comes first: what is looked for a new host must not find this one.
        let drain = (Plan::Drain { hypervisor: id }, Targets::Hypervisor(id));
        operation::start_with(deciding, drain, None, |deciding, _| {
            if !is_on {
                deciding.fact(id, change(Switch::On));
            }
            Ok(())
        })
    }
}

/// A machine that runs moves, if it can. If it can't, one that nobody uses and that another of its
/// pool can stand in for is shut down; everything else is waited for.
pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    from: HypervisorId,
) -> Result<Begun, Rejection> {
    let off = Begun::Part(Goal::Off { hypervisor: from });
    if machine.place != Some(from) {
        let is_leaving = machine.leaving == Some(from);
        return Ok(if is_leaving { off } else { Begun::Done });
    }
    if machine.at_rest() || machine.is_external() {
        follow(deciding, machine.id);
    } else if machine.power.deadline.is_none()
        && migrate::can_migrate(&deciding.fleet, machine, None).is_ok()
    {
        migrate::turn(deciding, machine, None)?;
    } else if is_spare(&deciding.fleet, machine) {
        turn_off(deciding, machine.id, StopManner::Acpi);
    }
    Ok(off)
}

/// So many drains are called off in one decision, each with two facts if nothing of it is under
/// way. Whoever has more to call off says it once more.
const CALLED_OFF_MAX: usize = 64;

/// Nobody waits any longer for machines to leave the host; those that are on their way go on. The
/// operations end as others do that are cancelled: slice by slice, the first one at once.
pub(super) fn call_off(deciding: &mut Deciding<'_>, host: HypervisorId) {
    let drains = deciding.fleet.operations.iter().filter(|(_, operation)| {
        operation.task.plan == Plan::Drain { hypervisor: host }
            && operation.state == operation::State::Running
    });
    let drains: Vec<CommandId> = drains.map(|(id, _)| id).take(CALLED_OFF_MAX).collect();
    for id in &drains {
        deciding.fact(*id, OperationFact::CancelRequested(Nothing {}));
    }
    if let Some(first) = drains.first() {
        operation::tell_parts(deciding, *first);
    }
}

/// A machine that came to rest on a host that is being drained is let go.
pub(crate) fn follow(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.get(id) else { return };
    let host = machine.place.and_then(|host| deciding.fleet.hypervisors.get(host));
    let drained = host.is_some_and(|host| host.maintenance.contains(&Reason::Drain));
    // What the host is still doing for it, nobody else could end.
    let idle = machine.snapshots.iter().all(|it| it.state == SnapshotState::Taken);
    let free = (machine.at_rest() || machine.is_external())
        && machine.is_left_alone(&deciding.fleet).is_ok()
        && idle
        && machine.leaving.is_none();
    if drained && free {
        deciding.fact(id, Fact::ReleaseRequested(Nothing {}));
    }
}

/// It runs for whoever comes next, and any other machine of its pool does as well.
fn is_spare(fleet: &Fleet, machine: &Machine) -> bool {
    machine.pool.is_some()
        && machine.leases.is_empty()
        && machine.owners.is_empty()
        && machine.is_left_alone(fleet).is_ok()
        && !machine.is_busy()
}
