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
    let Some(machine) = deciding.fleet.machines.shared(id) else {
        return not_there(deciding, operation, plan, id);
    };
    match plan {
        Plan::SetMaintenance { switch } => maintenance::turn(deciding, &machine, *switch),
        Plan::Start { persistent_once } => start::turn(deciding, &machine, *persistent_once),
        Plan::Stop { manner } => stop::turn(deciding, &machine, *manner),
        Plan::Restart { manner } => restart::turn(deciding, &machine, *manner),
        Plan::Suspend => suspend::suspend(deciding, &machine),
        Plan::Resume => suspend::resume(deciding, &machine),
        Plan::Delete { force } => delete::turn(deciding, operation, &machine, *force),
        Plan::Migrate { to } => migrate::turn(deciding, &machine, *to),
        Plan::ResizeDisk { disk, size_gib } => disk::turn(deciding, &machine, *disk, *size_gib),
        Plan::AttachMedia { media } => media::attach(deciding, &machine, *media),
        Plan::DetachMedia { media } => media::detach(deciding, &machine, *media),
        Plan::TakeSnapshot { snapshot, name, quiesced } => {
            snapshot::take(deciding, &machine, (*snapshot, name), *quiesced)
        }
        Plan::RevertSnapshot { snapshot } => snapshot::revert(deciding, &machine, *snapshot),
        Plan::DeleteSnapshot { snapshot } => snapshot::delete(deciding, &machine, *snapshot),
        Plan::Message { text } => message::turn(deciding, &machine, text),
        Plan::Drain { hypervisor } => drain::turn(deciding, &machine, *hypervisor),
        Plan::Lose { hypervisor } => lost::turn(deciding, &machine, *hypervisor),
        Plan::SetVirtualSnapshot(changed) => {
            virtual_snapshot::turn(deciding, &machine, changed.setting.as_ref())
        }
        Plan::Populate(populate) => populate::turn(deciding, operation, populate, &machine),
        Plan::Copy { source } => copy::turn(deciding, &machine, *source),
        Plan::Seal { tags } => seal::turn(deciding, operation, &machine, tags),
        Plan::RetireImage { image } => retire::turn(deciding, *image),
        Plan::ImportImage { media } => import::turn(deciding, operation, &machine, *media),
        Plan::AddToPool { pool } => members::add(deciding, operation, &machine, *pool),
        Plan::RemoveFromPool { pool } => members::remove(deciding, &machine, *pool),
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
