//! A host is off and stays off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Hypervisor, Reason};
use crate::deciding::{Decide, Deciding};
use crate::event::{HypervisorFact, MachineFact};
use crate::ids::HypervisorId;
use crate::image;
use crate::machine::{Machine, delete, observe};
use crate::operation::{self, Begun, Plan, Targets, failure};
use crate::placement;
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::Switch;
use crate::version::latest::hypervisor::MaintenanceChanged;
use crate::version::latest::machine::WorkFailed;

/// Confirms that a silent host is off and stays off, so that what ran there may start elsewhere.
///
/// Somebody has to see to it that this is true: a machine that still runs there would write to the
/// same files as the one that is started elsewhere. `SetHypervisorMaintenance` with `on: false`
/// takes the host in again.
///
/// Of the files of images that the host was making, up to sixteen end as failed, and of versions
/// with files that were to be removed and that nobody sees any more up to four give them up; if
/// there were more, this is to be said once more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmHypervisorLost {
    pub hypervisor: Ref<HypervisorId>,
}

impl Decide for ConfirmHypervisorLost {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, host) = deciding.find::<Hypervisor>(&self.hypervisor)?;
        if !host.maintenance.contains(&Reason::Silent) {
            return Err(Refused::StillHeard { host: host.name.clone() }.into());
        }
        let lose = (Plan::Lose { hypervisor: id }, Targets::Hypervisor(id));
        operation::start_with(deciding, lose, None, |deciding, _| {
            if !host.maintenance.contains(&Reason::Lost) {
                let (reason, switch) = (Reason::Lost, Switch::On);
                deciding.fact(
                    id,
                    HypervisorFact::MaintenanceChanged(MaintenanceChanged { reason, switch }),
                );
            }
            image::outcome::host_lost(deciding, id);
            image::outcome::files_out_of_sight(deciding);
            Ok(())
        })
    }
}

/// What ran there is off, and another host may have it. A host that was taken in again meanwhile
/// can tell itself what runs there.
pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    host: HypervisorId,
) -> Result<Begun, Rejection> {
    let lost = deciding.fleet.hypervisors.get(host);
    if !lost.is_some_and(|host| host.maintenance.contains(&Reason::Lost)) {
        return Ok(Begun::Done);
    }
    let id = machine.id;
    observe::host_lost(deciding, id, host);
    if let Some(machine) = deciding.fleet.machines.shared(id)
        && machine.deleting
        && machine.place.is_none()
    {
        if delete::give_up_files(deciding, &machine) {
            return Ok(Begun::Done);
        }
        // Its files are removed by another host. If none can, nobody waits any longer, and
        // `DeleteMachine` can be said again when one does.
        match placement::for_files(&deciding.fleet, &machine) {
            Ok(placed) => deciding.fact(id, MachineFact::Placed(placed)),
            Err(rejection) => {
                let (generation, failure) = (machine.generation, failure(&rejection));
                deciding.fact(id, MachineFact::WorkFailed(WorkFailed { generation, failure }));
            }
        }
    }
    Ok(Begun::Done)
}
