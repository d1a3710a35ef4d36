//! Machines that run move to another host.

use super::Machine;
use super::obstacle::host_answers;
use super::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::fleet::Fleet;
use crate::hypervisor::Hypervisor;
use crate::ids::HypervisorId;
use crate::operation::{self, Begun, Goal, Plan, for_machines};
use crate::placement;
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::machine::{MigrationRequested, Placed};
use crate::version::latest::storage::Medium;

for_machines! {
    /// Moves running machines to another host without stopping them. Both hosts have to see the
    /// files.
    MigrateMachine {
        /// If it is left out, the host that suits best.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Ref<HypervisorId>>,
    }
}

impl Decide for MigrateMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let to = match &self.to {
            Some(to) => Some(deciding.find::<Hypervisor>(to)?.0),
            None => None,
        };
        operation::start(deciding, Plan::Migrate { to }, &self.selection())
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    to: Option<HypervisorId>,
) -> Result<Begun, Rejection> {
    if to.is_some() && machine.place == to {
        return Ok(Begun::Done);
    }
    let placed = can_migrate(&deciding.fleet, machine, to)?;
    let (to, placement) = (placed.hypervisor, placed.placement);
    deciding.fact(machine.id, Fact::MigrationRequested(MigrationRequested { to, placement }));
    Ok(Begun::Part(Goal::Migrated { to }))
}

/// Where it can go while it runs. What it reserves there is what it reserves here.
pub(crate) fn can_migrate(
    fleet: &Fleet,
    machine: &Machine,
    to: Option<HypervisorId>,
) -> Result<Placed, Rejection> {
    machine.is_not_external()?;
    machine.is_left_alone(fleet)?;
    host_answers(fleet, machine)?;
    machine.is_running()?;
    if let Some(leaving) = machine.leaving.and_then(|host| fleet.hypervisors.get(host)) {
        let (machine, host) = (machine.name.clone(), leaving.name.clone());
        return Err(Refused::StillLeaving { machine, host }.into());
    }
    throwaway_can_follow(fleet, machine, to)?;
    placement::for_migration(fleet, machine, to)
}

/// The throwaway overlay is a file like any other where both hosts see it. A tmpfs is in one host's
/// memory, whatever its path is called elsewhere.
fn throwaway_can_follow(
    fleet: &Fleet,
    machine: &Machine,
    to: Option<HypervisorId>,
) -> Result<(), Rejection> {
    let volatile = machine.reserved.volatile.as_ref().filter(|_| !machine.power.persistent_once);
    let Some(storage) = volatile.and_then(|volatile| fleet.storages.get(volatile.storage)) else {
        return Ok(());
    };
    let seen_there = to.is_none_or(|to| storage.settings.hosts.contains_key(&to));
    let seen_by_others = storage.settings.hosts.len() > 1;
    if storage.settings.medium == Medium::Disk && seen_there && seen_by_others {
        return Ok(());
    }
    let host = to.and_then(|to| fleet.hypervisors.get(to)).map(|host| host.name.clone());
    let host = host.map_or_else(|| "any other host".to_owned(), |host| host.to_string());
    Err(Refused::ThrowawayStaysBehind { machine: machine.name.clone(), host }.into())
}
