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
pub(crate) fn begin(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    plan: &Plan,
    id: MachineId,
) -> Result<Begun, Rejection> {
    if !deciding.fleet.machines.contains(id) {
        return not_there(deciding, operation, plan, id);
    }
    match plan {
        Plan::SetMaintenance { switch } => machine::begin::set_maintenance(deciding, id, *switch),
        Plan::Start { persistent_once } => machine::begin::start(deciding, id, *persistent_once),
        Plan::Stop { manner } => machine::begin::stop(deciding, id, *manner),
        Plan::Restart { manner } => machine::begin::restart(deciding, id, *manner),
        Plan::Suspend => machine::begin::suspend(deciding, id),
        Plan::Resume => machine::begin::resume(deciding, id),
        Plan::Delete { force } => machine::begin::delete(deciding, operation, id, *force),
        Plan::Migrate { to } => machine::begin::migrate(deciding, id, *to),
        Plan::ResizeDisk { disk, size_gib } => {
            machine::begin::resize_disk(deciding, id, *disk, *size_gib)
        }
        Plan::AttachMedia { media } => machine::begin::attach_media(deciding, id, *media),
        Plan::DetachMedia { media } => machine::begin::detach_media(deciding, id, *media),
        Plan::TakeSnapshot { snapshot, name, quiesced } => {
            machine::begin::take_snapshot(deciding, id, (*snapshot, name), *quiesced)
        }
        Plan::RevertSnapshot { snapshot } => {
            machine::begin::revert_snapshot(deciding, id, *snapshot)
        }
        Plan::DeleteSnapshot { snapshot } => {
            machine::begin::delete_snapshot(deciding, id, *snapshot)
        }
        Plan::Message { text } => machine::begin::message(deciding, id, text),
        Plan::Drain { hypervisor } => hypervisor::begin::drain(deciding, id, *hypervisor),
        Plan::Lose { hypervisor } => hypervisor::begin::lose(deciding, id, *hypervisor),
        Plan::SetVirtualSnapshot { setting } => {
            image::begin::set_virtual_snapshot(deciding, id, setting.as_ref())
        }
        Plan::Populate(populate) => image::begin::populate(deciding, operation, populate, id),
        Plan::Copy { source } => image::begin::copy(deciding, id, *source),
        Plan::Seal { tags } => image::begin::seal(deciding, operation, id, tags),
        Plan::RetireImage { image } => image::begin::retire(deciding, id, *image),
        Plan::ImportImage { media } => image::begin::import(deciding, operation, id, *media),
        Plan::AddToPool { pool } => pool::begin::add(deciding, id, *pool),
        Plan::RemoveFromPool { pool } => pool::begin::remove(deciding, id, *pool),
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
        return image::begin::make_child(deciding, operation, populate, (id, name));
    }
    let (kind, given) = (Kind(MachineId::KIND), id.to_string());
    Err(general::Rejection::NoSuch { kind, given }.into())
}
