//! A host is left alone by new machines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hypervisor, Reason};
use crate::deciding::{Decide, Deciding};
use crate::event::HypervisorFact as Fact;
use crate::ids::HypervisorId;
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::Switch;
use crate::version::latest::hypervisor::MaintenanceChanged;

/// While it is on, the host gets no further machines; those that are there stay. Switching it off
/// takes back what `DrainHypervisor` and `ConfirmHypervisorLost` said, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetHypervisorMaintenance {
    pub hypervisor: Ref<HypervisorId>,
    pub on: bool,
}

impl Decide for SetHypervisorMaintenance {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, host) = deciding.find::<Hypervisor>(&self.hypervisor)?;
        let changes: Vec<(Reason, Switch)> = match self.on {
            true if host.maintenance.contains(&Reason::Admin) => Vec::new(),
            true => vec![(Reason::Admin, Switch::On)],
            false => [Reason::Admin, Reason::Drain, Reason::Lost]
                .into_iter()
                .filter(|reason| host.maintenance.contains(reason))
                .map(|reason| (reason, Switch::Off))
                .collect(),
        };
        let drained = changes.contains(&(Reason::Drain, Switch::Off));
        for (reason, switch) in changes {
            deciding.fact(id, Fact::MaintenanceChanged(MaintenanceChanged { reason, switch }));
        }
        if drained {
            super::drain::call_off(deciding, id);
        }
        Ok(())
    }
}
