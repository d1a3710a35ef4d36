//! What a machine's turn is, for each plan.

use super::{Goal, Plan};
use crate::deciding::Deciding;
use crate::ids::{CommandId, MachineId};
use crate::reference::NamedId;
use crate::rejection::{Kind, Rejection, general};
use crate::{hypervisor, image, machine, pool};

/// What became of a machine's turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Begun {
    /// It is so already, or is so with that.
    Done,
    /// It will be so when this has come about.
    Part(Goal),
}

/// Gives one machine its turn. What refuses has decided nothing before.
pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    plan: &Plan,
    id: MachineId,
) -> Result<Begun, Rejection> {
    if !deciding.fleet.machines.contains(id) {
        return not_there(deciding, operation, plan, id);
    }
    match plan {
        Plan::SetMaintenance { switch } => machine::turn::set_maintenance(deciding, id, *switch),
        Plan::Start { persistent_once } => machine::turn::start(deciding, id, *persistent_once),
        Plan::Stop { manner } => machine::turn::stop(deciding, id, *manner),
        Plan::Restart { manner } => machine::turn::restart(deciding, id, *manner),
        Plan::Suspend => machine::turn::suspend(deciding, id),
        Plan::Resume => machine::turn::resume(deciding, id),
        Plan::Delete { force } => machine::turn::delete(deciding, operation, id, *force),
        Plan::Migrate { to } => machine::turn::migrate(deciding, id, *to),
        Plan::ResizeDisk { disk, size_gib } => {
            machine::turn::resize_disk(deciding, id, *disk, *size_gib)
        }
        Plan::AttachMedia { media } => machine::turn::attach_media(deciding, id, *media),
        Plan::DetachMedia { media } => machine::turn::detach_media(deciding, id, *media),
        Plan::TakeSnapshot { snapshot, name, quiesced } => {
            machine::turn::take_snapshot(deciding, id, (*snapshot, name), *quiesced)
        }
        Plan::RevertSnapshot { snapshot } => {
            machine::turn::revert_snapshot(deciding, id, *snapshot)
        }
        Plan::DeleteSnapshot { snapshot } => {
            machine::turn::delete_snapshot(deciding, id, *snapshot)
        }
        Plan::Message { text } => machine::turn::message(deciding, id, text),
        Plan::Drain { hypervisor } => hypervisor::turn::drain(deciding, id, *hypervisor),
        Plan::Lose { hypervisor } => hypervisor::turn::lose(deciding, id, *hypervisor),
        Plan::SetVirtualSnapshot { setting } => {
            image::turn::set_virtual_snapshot(deciding, id, setting.as_ref())
        }
        Plan::Populate(populate) => image::turn::populate(deciding, operation, populate, id),
        Plan::Copy { source } => image::turn::copy(deciding, id, *source),
        Plan::Seal { tags } => image::turn::seal(deciding, operation, id, tags),
        Plan::RetireImage { image } => image::turn::retire(deciding, id, *image),
        Plan::ImportImage { media } => image::turn::import(deciding, operation, id, *media),
        Plan::AddToPool { pool } => pool::turn::add(deciding, id, *pool),
        Plan::RemoveFromPool { pool } => pool::turn::remove(deciding, id, *pool),
    }
}

/// A machine that could not be made is made now; any other was deleted before its turn came.
fn not_there(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    plan: &Plan,
    id: MachineId,
) -> Result<Begun, Rejection> {
    if let Plan::Delete { .. } = plan {
        return Ok(Begun::Done);
    }
    let found = deciding.fleet.operations.get(operation);
    let unmade = found.and_then(|found| found.unmade.get(&id)).cloned();
    if let (Plan::Populate(populate), Some(name)) = (plan, unmade) {
        return image::turn::make_child(deciding, operation, populate, (id, name));
    }
    let (kind, given) = (Kind(MachineId::KIND), id.to_string());
    Err(general::Rejection::NoSuch { kind, given }.into())
}
