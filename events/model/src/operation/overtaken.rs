//! Parts whose goal is reached or can't be reached any more, seen from how their machine stands.
//!
//! Most parts end by a fact that says why ([`super::hear`]). Whatever else happens to a machine,
//! none waits for something that will not come.

use super::{Cause, Goal, PartEnd};
use crate::deciding::Deciding;
use crate::event::OperationFact;
use crate::fleet::Fleet;
use crate::ids::{CommandId, ImageId, MachineId, SnapshotId};
use crate::machine::{Machine, Task};
use crate::version::latest::operation::PartEnded;
use crate::version::latest::renewal::Why;

/// To be called when everything that happened to the machine was heard.
pub(crate) fn follow_machine(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    let ended: Vec<(CommandId, PartEnd)> = deciding
        .fleet
        .parts_on(id)
        .filter_map(|operation| {
            let goal = deciding.fleet.operations.get(operation)?.parts.get(&id)?;
            Some((operation, overtaken(&deciding.fleet, operation, &machine, goal)?))
        })
        .collect();
    for (operation, end) in ended {
        deciding.fact(operation, OperationFact::PartEnded(PartEnded { machine: id, end }));
    }
}

pub(crate) fn follow_image(deciding: &mut Deciding<'_>, image: ImageId) {
    if let Some(initial) = deciding.initial_of(image) {
        follow_machine(deciding, initial);
    }
}

/// None: it is still on its way.
fn overtaken(
    fleet: &Fleet,
    operation: CommandId,
    machine: &Machine,
    goal: &Goal,
) -> Option<PartEnd> {
    let wish = machine.power.wish;
    match goal {
        Goal::Started { .. } => wish.is_off().then_some(PartEnd::Superseded),
        Goal::Stopped if machine.at_rest() => Some(PartEnd::Done),
        Goal::Stopped => (!wish.is_off()).then_some(PartEnd::Superseded),
        Goal::Applied { generation } if machine.applied >= *generation => Some(PartEnd::Done),
        Goal::Applied { .. } => machine
            .place
            .is_none()
            .then(|| PartEnd::because(Cause::NoHost, "no host is responsible for it any more")),
        Goal::Renewed => match machine.renewal.as_ref().map(|it| &it.renewal.why) {
            Some(Why::Populate { operation: by }) if *by == operation => None,
            Some(Why::Populate { .. } | Why::Reset) => Some(PartEnd::Superseded),
            None => Some(PartEnd::because(Cause::Gone, "its disks are no longer made anew")),
        },
        Goal::Copied => (!matches!(machine.task, Some(Task::Copying { .. })))
            .then(|| PartEnd::because(Cause::Gone, "it is no longer copied")),
        Goal::Sealed { image } => (machine.task != Some(Task::Sealing { image: *image }))
            .then(|| PartEnd::because(Cause::Gone, "its disk is no longer made a version")),
        Goal::Imported { image } => (!fleet.images.contains(*image))
            .then(|| PartEnd::because(Cause::Gone, "the version is gone")),
        Goal::FilesRemoved { image } => (!fleet.images.contains(*image)).then_some(PartEnd::Done),
        Goal::Deleted => (!machine.deleting)
            .then(|| PartEnd::because(Cause::Gone, "it is no longer being deleted")),
        Goal::SnapshotDeleted { snapshot } => {
            (!has_snapshot(machine, *snapshot)).then_some(PartEnd::Done)
        }
        Goal::SnapshotTaken { snapshot } | Goal::SnapshotReverted { snapshot } => {
            (!has_snapshot(machine, *snapshot))
                .then(|| PartEnd::because(Cause::Gone, "the snapshot is gone"))
        }
        Goal::Off { hypervisor } => {
            let there = [machine.place, machine.leaving].contains(&Some(*hypervisor));
            (!there).then_some(PartEnd::Done)
        }
        Goal::Migrated { to } if machine.task == Some(Task::Migrating { to: *to }) => None,
        Goal::Migrated { to } if machine.place == Some(*to) => Some(PartEnd::Done),
        Goal::Migrated { .. } => {
            Some(PartEnd::because(Cause::Gone, "it is no longer moving there"))
        }
    }
}

fn has_snapshot(machine: &Machine, snapshot: SnapshotId) -> bool {
    machine.snapshots.iter().any(|it| it.id == snapshot)
}
