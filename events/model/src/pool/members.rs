//! Machines join and leave pools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Mode, Pool, Reset};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact;
use crate::ids::{CommandId, HypervisorId, MachineId, PoolId};
use crate::image;
use crate::machine::{Kind, Machine};
use crate::operation::{Begun, LabelSelector, Plan, Selection, start};
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::machine::PoolChanged;

/// Puts machines into a pool. Children of an initial whose tag the pool follows are populated from
/// where that stands, as they were the last time, unless that would lose what is on them.
///
/// Exactly one of `machines`, `children_of`, `hypervisor` and `label` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddToPool {
    pub pool: Ref<PoolId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<Ref<MachineId>>,
    /// All children of this initial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children_of: Option<Ref<MachineId>>,
    /// All machines on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<Ref<HypervisorId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelSelector>,
}

impl Decide for AddToPool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (pool, _) = deciding.find::<Pool>(&self.pool)?;
        let selection = Selection {
            machines: &self.machines,
            children_of: self.children_of.as_ref(),
            pool: None,
            hypervisor: self.hypervisor.as_ref(),
            label: self.label.as_ref(),
        };
        start(deciding, Plan::AddToPool { pool }, &selection)
    }
}

/// If the pool follows a tag and the machine stands on another version, it gets the tag's, unless
/// that would lose what is on it.
pub(crate) fn add(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    machine: &Machine,
    pool: PoolId,
) -> Result<Begun, Rejection> {
    let (_, into) = deciding.find::<Pool>(&Ref::Id(pool))?;
    let name = || machine.name.clone();
    if machine.pool == Some(pool) {
        return Ok(Begun::Done);
    }
    if let Some(other) = machine.pool.and_then(|other| deciding.fleet.pools.get(other)) {
        return Err(Refused::InAnotherPool { machine: name(), pool: other.name.clone() }.into());
    }
    if machine.deleting {
        return Err(Refused::BeingDeleted { machine: name() }.into());
    }
    if let Kind::Source | Kind::Initial { .. } = machine.kind {
        return Err(Refused::NotForPeople { machine: name() }.into());
    }
    if into.reset() != Reset::Never && !machine.can_be_cleaned() {
        let pool = into.name.clone();
        return Err(Refused::CannotBeCleaned { machine: name(), pool }.into());
    }
    if into.settings.mode == Mode::Floating && machine.kept.is_some() {
        return Err(Refused::HoldsData { machine: name(), pool: into.name.clone() }.into());
    }
    // Asked before: what the pool makes clean later, nobody has given to it yet.
    let keeps = image::keeps_nothing(&deciding.fleet, machine).is_err();
    deciding.fact(machine.id, MachineFact::PoolChanged(PoolChanged { pool: Some(pool) }));
    if keeps {
        return Ok(Begun::Done);
    }
    Ok(image::populate::catch_up(deciding, operation, machine.id))
}

/// Takes machines out of a pool. A machine that somebody uses is refused, and the rest is taken
/// out; what is in another pool or in none stays as it is.
///
/// At most one of `machines`, `children_of`, `hypervisor` and `label` says which. Without them: all
/// that are in the pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveFromPool {
    pub pool: Ref<PoolId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<Ref<MachineId>>,
    /// All children of this initial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children_of: Option<Ref<MachineId>>,
    /// All machines on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<Ref<HypervisorId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelSelector>,
}

impl Decide for RemoveFromPool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (pool, _) = deciding.find::<Pool>(&self.pool)?;
        let (children_of, label) = (self.children_of.as_ref(), self.label.as_ref());
        let hypervisor = self.hypervisor.as_ref();
        let some_are_named = !self.machines.is_empty()
            || children_of.is_some()
            || hypervisor.is_some()
            || label.is_some();
        let all = (!some_are_named).then_some(&self.pool);
        let machines = &self.machines;
        let selection = Selection { machines, children_of, pool: all, hypervisor, label };
        start(deciding, Plan::RemoveFromPool { pool }, &selection)
    }
}

/// A machine in use stays: its lease, its reset and its limits are the pool's.
pub(crate) fn remove(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    pool: PoolId,
) -> Result<Begun, Rejection> {
    if machine.pool != Some(pool) {
        return Ok(Begun::Done);
    }
    if !machine.leases.is_empty() {
        return Err(Refused::InUse { machine: machine.name.clone() }.into());
    }
    deciding.fact(machine.id, MachineFact::PoolChanged(PoolChanged { pool: None }));
    Ok(Begun::Done)
}
