//! What a machine's turn is, for each plan.

use super::{Goal, Plan};
use crate::deciding::Deciding;
use crate::hypervisor::{drain, lost};
use crate::ids::{CommandId, MachineId};
use crate::image::{children, copy, import, populate, retire, seal, virtual_snapshot};
use crate::machine::{
    delete, disk, maintenance, media, message, migrate, restart, snapshot, start, stop, suspend,
};
use crate::pool::members;
use crate::reference::NamedId;
use crate::rejection::{Kind, Rejection, general};

/// What became of a machine's turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Begun {
    /// It is so already, or is so with that.
    Done,
    /// It will be so when this has come about.
    Part(Goal),
}

impl Begun {
    /// Done when the host has brought about what was decided just now.
    pub(crate) fn until_applied(deciding: &Deciding<'_>, id: MachineId) -> Self {
        let generation = deciding.fleet.machines.get(id).map_or(0, |machine| machine.generation);
        Self::Part(Goal::Applied { generation })
    }
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
        Plan::SetMaintenance { switch } => maintenance::turn(deciding, id, *switch),
        Plan::Start { persistent_once } => start::turn(deciding, id, *persistent_once),
        Plan::Stop { manner } => stop::turn(deciding, id, *manner),
        Plan::Restart { manner } => restart::turn(deciding, id, *manner),
        Plan::Suspend => suspend::suspend(deciding, id),
        Plan::Resume => suspend::resume(deciding, id),
        Plan::Delete { force } => delete::turn(deciding, operation, id, *force),
        Plan::Migrate { to } => migrate::turn(deciding, id, *to),
        Plan::ResizeDisk { disk, size_gib } => disk::turn(deciding, id, *disk, *size_gib),
        Plan::AttachMedia { media } => media::attach(deciding, id, *media),
        Plan::DetachMedia { media } => media::detach(deciding, id, *media),
        Plan::TakeSnapshot { snapshot, name, quiesced } => {
            snapshot::take(deciding, id, (*snapshot, name), *quiesced)
        }
        Plan::RevertSnapshot { snapshot } => snapshot::revert(deciding, id, *snapshot),
        Plan::DeleteSnapshot { snapshot } => snapshot::delete(deciding, id, *snapshot),
        Plan::Message { text } => message::turn(deciding, id, text),
        Plan::Drain { hypervisor } => drain::turn(deciding, id, *hypervisor),
        Plan::Lose { hypervisor } => lost::turn(deciding, id, *hypervisor),
        Plan::SetVirtualSnapshot { setting } => {
            virtual_snapshot::turn(deciding, id, setting.as_ref())
        }
        Plan::Populate(populate) => populate::turn(deciding, operation, populate, id),
        Plan::Copy { source } => copy::turn(deciding, id, *source),
        Plan::Seal { tags } => seal::turn(deciding, operation, id, tags),
        Plan::RetireImage { image } => retire::turn(deciding, id, *image),
        Plan::ImportImage { media } => import::turn(deciding, operation, id, *media),
        Plan::AddToPool { pool } => members::add(deciding, id, *pool),
        Plan::RemoveFromPool { pool } => members::remove(deciding, id, *pool),
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
        return children::make_again(deciding, operation, populate, (id, name));
    }
    let (kind, given) = (Kind(MachineId::KIND), id.to_string());
    Err(general::Rejection::NoSuch { kind, given }.into())
}
