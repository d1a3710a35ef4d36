//! What one machine's turn is when machines join or leave a pool.

use super::rejection::Rejection as Refused;
use super::{Mode, Pool};
use crate::deciding::Deciding;
use crate::event::MachineFact;
use crate::ids::{MachineId, PoolId};
use crate::machine::{Kind, Machine};
use crate::operation::Begun;
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::version::latest::machine::PoolChanged;

pub(crate) fn add(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    pool: PoolId,
) -> Result<Begun, Rejection> {
    let (_, machine) = deciding.find::<Machine>(&Ref::Id(id))?;
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
    let can_be_cleaned = match machine.kind {
        Kind::Source | Kind::Initial { .. } => {
            return Err(Refused::NotForPeople { machine: name() }.into());
        }
        // Whoever keeps a terminal server keeps its users apart.
        Kind::External(_) => true,
        Kind::Simple | Kind::Vdi { .. } => {
            // What is on further disks nothing takes away.
            let renews = machine.image().is_some() || machine.virtual_snapshot.is_some();
            renews && !machine.has_further_disks()
        }
    };
    if into.settings.mode == Mode::Floating && !can_be_cleaned {
        let pool = into.name.clone();
        return Err(Refused::CannotBeCleaned { machine: name(), pool }.into());
    }
    if into.settings.mode == Mode::Floating && machine.kept.is_some() {
        return Err(Refused::HoldsData { machine: name(), pool: into.name.clone() }.into());
    }
    deciding.fact(id, MachineFact::PoolChanged(PoolChanged { pool: Some(pool) }));
    Ok(Begun::Done)
}

/// A machine in use stays: its lease, its reset and its limits are the pool's.
pub(crate) fn remove(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    pool: PoolId,
) -> Result<Begun, Rejection> {
    let (_, machine) = deciding.find::<Machine>(&Ref::Id(id))?;
    if machine.pool != Some(pool) {
        return Ok(Begun::Done);
    }
    if !machine.leases.is_empty() {
        return Err(Refused::InUse { machine: machine.name.clone() }.into());
    }
    deciding.fact(id, MachineFact::PoolChanged(PoolChanged { pool: None }));
    Ok(Begun::Done)
}
