//! The virtual snapshot: from the next power-on, writes go to a throwaway overlay.

use super::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::machine::{Kind, Machine, OnReboot, VirtualSnapshot};
use crate::operation::{self, Begun, Plan, for_machines};
use crate::rejection::Rejection;
use crate::version::latest::machine::VirtualSnapshotChanged;

for_machines! {
    /// From the next power-on, what these machines write is gone when they go off.
    EnableVirtualSnapshot {
        /// What a reboot inside the guest does to it: `keep` it, or `renew` it.
        #[serde(default)]
        on_reboot: OnReboot,
    }
}

for_machines! {
    /// From the next power-on, what these machines write is kept.
    DisableVirtualSnapshot {}
}

impl Decide for EnableVirtualSnapshot {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let setting = Some(VirtualSnapshot { on_reboot: self.on_reboot });
        let plan = Plan::SetVirtualSnapshot(VirtualSnapshotChanged { setting });
        operation::start(deciding, plan, &self.selection())
    }
}

impl Decide for DisableVirtualSnapshot {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let plan = Plan::SetVirtualSnapshot(VirtualSnapshotChanged { setting: None });
        operation::start(deciding, plan, &self.selection())
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    setting: Option<&VirtualSnapshot>,
) -> Result<Begun, Rejection> {
    is_possible(machine, setting)?;
    if machine.virtual_snapshot.as_ref() != setting {
        let setting = setting.cloned();
        deciding.fact(machine.id, Fact::VirtualSnapshotChanged(VirtualSnapshotChanged { setting }));
    }
    Ok(Begun::Done)
}

fn is_possible(machine: &Machine, setting: Option<&VirtualSnapshot>) -> Result<(), Rejection> {
    let name = || machine.name.clone();
    match machine.kind {
        Kind::Simple | Kind::Vdi { .. } => {}
        Kind::Source | Kind::Initial { .. } | Kind::External(_) => {
            let wanted = "a desktop (a child of an initial, or a simple machine)";
            return Err(Refused::OtherKind { machine: name(), wanted }.into());
        }
    }
    machine.is_not_going()?;
    let first_boot_to_come = machine.renewal.as_ref().is_some_and(|renewing| {
        machine.being_renewed() && renewing.renewal.recipe.first_boot.is_some()
    });
    if setting.is_some() && (machine.half_made || first_boot_to_come) {
        return Err(Refused::FirstBootUnfinished { machine: name() }.into());
    }
    machine.is_not_being_renewed()?;
    if setting.is_some() && !machine.snapshots.is_empty() {
        let snapshots = machine.snapshots.len();
        return Err(Refused::HasSnapshots { machine: name(), snapshots }.into());
    }
    Ok(())
}
