//! Machines go: first one shall be absent, and when its host has said that it is, it is forgotten.

use super::obstacle::host_answers;
use super::rejection::Rejection as Refused;
use super::{Disk, Kind, Machine};
use crate::deciding::{Decide, Deciding};
use crate::event::MachineFact as Fact;
use crate::ids::CommandId;
use crate::image::place_for_files;
use crate::operation::{self, Begun, Goal, Plan, for_machines};
use crate::rejection::Rejection;
use crate::version::latest::machine::{DeleteRequested, Deleted, FilesGone, PoolChanged};

for_machines! {
    /// Deletes machines with their disks. An initial goes when it has no children left, and its
    /// versions go with it: their files are removed after its own, those that stand on others
    /// first. A machine in use goes when its person has left. Files that only lost hosts could see
    /// are given up.
    DeleteMachine {
        /// Also machines that run: their power is cut.
        #[serde(default)]
        force: bool,
    }
}

impl Decide for DeleteMachine {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        operation::start(deciding, Plan::Delete { force: self.force }, &self.selection())
    }
}

pub(crate) fn turn(
    deciding: &mut Deciding<'_>,
    operation: CommandId,
    machine: &Machine,
    force: bool,
) -> Result<Begun, Rejection> {
    if machine.deleting && machine.trouble.is_none() && machine.place.is_some() {
        return Ok(Begun::Part(Goal::Deleted));
    }
    if !machine.deleting {
        can_go(deciding, machine, force)?;
    }
    if is_nowhere(machine) {
        leave_pool(deciding, machine);
        deciding.fact(machine.id, Fact::Deleted(Deleted { files: FilesGone::Removed }));
        return Ok(Begun::Part(Goal::Deleted));
    }
    if give_up_files(deciding, machine) {
        return Ok(Begun::Part(Goal::Deleted));
    }
    place_for_files(deciding, machine)?;
    leave_pool(deciding, machine);
    // Said once more to a machine whose deletion has failed, it is tried once more.
    deciding.fact(machine.id, Fact::DeleteRequested(DeleteRequested { operation }));
    Ok(Begun::Part(Goal::Deleted))
}

fn can_go(deciding: &Deciding<'_>, machine: &Machine, force: bool) -> Result<(), Rejection> {
    let fleet = &deciding.fleet;
    machine.is_left_alone(fleet)?;
    machine.is_not_locked()?;
    let name = machine.name.clone();
    if !machine.leases.is_empty() {
        return Err(Refused::Leased { machine: name }.into());
    }
    let children = fleet.children_after(machine.id, None).count();
    if children > 0 {
        return Err(Refused::HasChildren { machine: name, children }.into());
    }
    if machine.is_external() {
        return Ok(());
    }
    if !machine.at_rest() {
        host_answers(fleet, machine)?;
    }
    if force { Ok(()) } else { machine.is_off() }
}

/// No host ever had anything of it.
fn is_nowhere(machine: &Machine) -> bool {
    match &machine.kind {
        Kind::External(_) => true,
        Kind::Simple | Kind::Source | Kind::Initial { .. } | Kind::Vdi { .. } => {
            !machine.has_files || machine.disks.is_empty() && machine.place.is_none()
        }
    }
}

/// Some of its files are where only hosts that are lost could see them. No host can remove them,
/// nor will, so whoever wants it gone waits for nobody.
pub(crate) fn give_up_files(deciding: &mut Deciding<'_>, machine: &Machine) -> bool {
    let fleet = &deciding.fleet;
    let is_lost =
        |disk: &Disk| fleet.storages.get(disk.storage).is_some_and(|it| it.is_lost(fleet));
    let nobodys = machine.place.is_none() && machine.leaving.is_none();
    if !nobodys || !machine.disks.iter().any(is_lost) {
        return false;
    }
    leave_pool(deciding, machine);
    deciding.fact(machine.id, Fact::Deleted(Deleted { files: FilesGone::GivenUp }));
    true
}

fn leave_pool(deciding: &mut Deciding<'_>, machine: &Machine) {
    if machine.pool.is_some() {
        deciding.fact(machine.id, Fact::PoolChanged(PoolChanged { pool: None }));
    }
}
