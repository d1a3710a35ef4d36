//! Machines are kept from people.

use super::{Machine, Reason};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::operation::{self, Begun, Plan, for_machines};
use crate::rejection::Rejection;
use crate::version::latest::Switch;
use crate::version::latest::machine::MaintenanceChanged;

for_machines! {
    /// While it is on, the machines are not given to people; who has one keeps it. Switching it off
    /// ends a quarantine, too.
    SetMaintenance {
        on: bool,
    }
}

impl Decide for SetMaintenance {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let switch = if self.on { Switch::On } else { Switch::Off };
        operation::start(deciding, Plan::SetMaintenance { switch }, &self.selection())
    }
}

/// Whoever takes a machine out of maintenance has looked at it: a quarantine ends with that, too.
/// What Populate has begun is Populate's.
pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    switch: Switch,
) -> Result<Begun, Rejection> {
    let reasons: &[Reason] = match switch {
        Switch::On => &[Reason::Admin],
        Switch::Off => &[Reason::Admin, Reason::Quarantine],
    };
    for reason in reasons.iter().copied() {
        if machine.maintenance.contains(&reason) != (switch == Switch::On) {
            deciding
                .fact(machine.id, Fact::MaintenanceChanged(MaintenanceChanged { reason, switch }));
        }
    }
    Ok(Begun::Done)
}
