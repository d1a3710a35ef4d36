//! Machines join and leave pools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Pool;
use crate::deciding::{Decide, Deciding};
use crate::ids::{HypervisorId, MachineId, PoolId};
use crate::operation::{LabelSelector, Plan, Selection, start};
use crate::reference::Ref;
use crate::rejection::Rejection;

/// Puts machines into a pool.
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

/// Takes machines out of a pool: those that are named, or all. A machine that somebody uses is
/// refused, and the rest is taken out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveFromPool {
    pub pool: Ref<PoolId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<Ref<MachineId>>,
}

impl Decide for RemoveFromPool {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (pool, _) = deciding.find::<Pool>(&self.pool)?;
        let selection = Selection {
            machines: &self.machines,
            children_of: None,
            pool: self.machines.is_empty().then_some(&self.pool),
            hypervisor: None,
            label: None,
        };
        start(deciding, Plan::RemoveFromPool { pool }, &selection)
    }
}
