//! What one machine's turn is in operations on machines.

mod delete;
mod disk;
mod migrate;
mod power;
mod snapshot;

pub(crate) use delete::delete;
pub(crate) use disk::{attach_media, detach_media, resize_disk};
pub(crate) use migrate::{can_migrate, migrate};
pub(crate) use power::{restart, resume, start, stop, suspend};
pub(crate) use snapshot::{delete_snapshot, revert_snapshot, take_snapshot};

use super::obstacle::host_answers;
use super::{Machine, Reason, StopManner};
use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::ids::{MachineId, MessageId};
use crate::image::host_for_files;
use crate::operation::{Begun, Goal};
use crate::rejection::Rejection;
use crate::text::Text;
use crate::version::latest::Switch;
use crate::version::latest::machine::{MaintenanceChanged, MessageSent};

/// Whoever takes a machine out of maintenance has looked at it: a quarantine ends with that, too.
/// What Populate has begun is Populate's.
pub(crate) fn set_maintenance(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    switch: Switch,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    let reasons: &[Reason] = match switch {
        Switch::On => &[Reason::Admin],
        Switch::Off => &[Reason::Admin, Reason::Quarantine],
    };
    for reason in reasons.iter().copied() {
        if machine.maintenance.contains(&reason) != (switch == Switch::On) {
            deciding.fact(id, Fact::MaintenanceChanged(MaintenanceChanged { reason, switch }));
        }
    }
    Ok(Begun::Done)
}

pub(crate) fn message(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    text: &Text,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    machine.is_not_external()?;
    host_answers(&deciding.fleet, &machine)?;
    machine.is_running()?;
    let message: MessageId = deciding.fresh();
    deciding.fact(id, Fact::MessageSent(MessageSent { message, text: text.clone() }));
    Ok(until_applied(deciding, id))
}

/// The part is done when the host has brought about what was decided just now.
fn until_applied(deciding: &Deciding<'_>, id: MachineId) -> Begun {
    let generation = deciding.fleet.machines.get(id).map_or(0, |machine| machine.generation);
    Begun::Part(Goal::Applied { generation })
}

/// Somebody is responsible for its files from now on who can work on them.
fn place_for_files(deciding: &mut Deciding<'_>, machine: &Machine) -> Result<(), Rejection> {
    let (_, placed) = host_for_files(&deciding.fleet, machine)?;
    if let Some(placed) = placed {
        deciding.fact(machine.id, Fact::Placed(placed));
    }
    Ok(())
}
