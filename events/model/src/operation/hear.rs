//! Which facts end which parts of operations.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other facts are no news to a part; what they make impossible is seen by `overtaken`"
)]

use super::{Cause, Goal, PartEnd};
use crate::deciding::Deciding;
use crate::event::{Event, ImageFact, MachineFact as Fact, OperationFact};
use crate::fleet::Fleet;
use crate::ids::{CommandId, ImageId, MachineId};
use crate::version::latest::Nothing;
use crate::version::latest::machine::StopCause;
use crate::version::latest::operation::{Finished, Outcome, PartEnded};
use crate::version::latest::renewal::{DropCause, Why};

/// Ends the parts that waited for this.
pub(crate) fn hear(deciding: &mut Deciding<'_>, event: &Event) {
    if let Event::Machine(machine, fact) = event {
        let off = deciding.fleet.machines.get(*machine).is_none_or(|it| it.power.wish.is_off());
        let gone = is_gone(&deciding.fleet, *machine);
        hear_of(deciding, *machine, |operation, goal| match fact {
            Fact::Deleted(_) => deleted(goal, gone),
            fact => of_machine(operation, goal, fact, off),
        });
    }
    if let Event::Image(image, fact) = event {
        release_sealing(deciding, *image, fact);
        if let Some(initial) = deciding.initial_of(*image) {
            let gone = is_gone(&deciding.fleet, initial);
            hear_of(deciding, initial, |_, goal| match goal {
                Goal::Deleted => gone.then_some(PartEnd::Done),
                goal => of_image(goal, *image, fact),
            });
        }
    }
}

fn hear_of(
    deciding: &mut Deciding<'_>,
    machine: MachineId,
    end: impl Fn(CommandId, &Goal) -> Option<PartEnd>,
) {
    let ended: Vec<(CommandId, PartEnd)> = deciding
        .fleet
        .parts_on(machine)
        // What a part was begun with is not news to it.
        .filter(|operation| !deciding.begins_later(*operation, machine))
        .filter_map(|operation| {
            let goal = deciding.fleet.operations.get(operation)?.parts.get(&machine)?;
            Some((operation, end(operation, goal)?))
        })
        .collect();
    for (operation, end) in ended {
        deciding.fact(operation, OperationFact::PartEnded(PartEnded { machine, end }));
    }
}

/// Neither the machine is there nor versions of its image, which go after it.
pub(super) fn is_gone(fleet: &Fleet, machine: MachineId) -> bool {
    !fleet.machines.contains(machine) && fleet.versions_of(machine).next().is_none()
}

fn deleted(goal: &Goal, gone: bool) -> Option<PartEnd> {
    match goal {
        Goal::Deleted => gone.then_some(PartEnd::Done),
        // They go all the same.
        Goal::FilesRemoved { .. } => None,
        _ => Some(PartEnd::because(Cause::Deleted, "the machine was deleted")),
    }
}

/// `off`: with all that followed, nobody wants the machine to run.
fn of_machine(operation: CommandId, goal: &Goal, fact: &Fact, off: bool) -> Option<PartEnd> {
    match goal {
        Goal::Started { boot_epoch } => starting(*boot_epoch, fact, off),
        Goal::Stopped => match fact {
            Fact::Stopped(_) | Fact::StartFailed(_) => Some(PartEnd::Done),
            Fact::StartRequested(_) | Fact::RestartRequested(_) => Some(PartEnd::Superseded),
            Fact::ShutdownIgnored(it) => Some(PartEnd::Failed(it.failure.clone())),
            // Its host is told again and again; nobody has to wait for that.
            Fact::WorkFailed(it) => it
                .failure
                .is_because(Cause::PowerOffTimeout)
                .then(|| PartEnd::Failed(it.failure.clone())),
            _ => None,
        },
        Goal::Applied { generation } => match fact {
            Fact::Applied(it) => (it.generation >= *generation).then_some(PartEnd::Done),
            Fact::WorkFailed(it) => {
                (it.generation >= *generation).then(|| PartEnd::Failed(it.failure.clone()))
            }
            Fact::Stopped(it) => (it.cause == StopCause::HostLost)
                .then(|| PartEnd::because(Cause::HostLost, "its host is lost")),
            _ => None,
        },
        Goal::Deleted => match fact {
            Fact::WorkFailed(it) => Some(PartEnd::Failed(it.failure.clone())),
            _ => None,
        },
        Goal::Renewed => renewing(operation, fact),
        Goal::Copied => match fact {
            Fact::Copied(_) => Some(PartEnd::Done),
            Fact::CopyFailed(it) => Some(PartEnd::Failed(it.failure.clone())),
            _ => None,
        },
        Goal::Sealed { image } => match fact {
            Fact::Sealed(it) => (it.image == *image).then_some(PartEnd::Done),
            Fact::SealFailed(it) => Some(PartEnd::Failed(it.failure.clone())),
            _ => None,
        },
        Goal::SnapshotTaken { .. }
        | Goal::SnapshotReverted { .. }
        | Goal::SnapshotDeleted { .. } => of_snapshot(goal, fact),
        Goal::Off { .. } | Goal::Migrated { .. } => moving(goal, fact),
        Goal::Imported { .. } | Goal::FilesRemoved { .. } => None,
    }
}

fn starting(boot_epoch: u64, fact: &Fact, off: bool) -> Option<PartEnd> {
    match fact {
        Fact::Started(it) => (it.boot_epoch >= boot_epoch).then_some(PartEnd::Done),
        Fact::StartFailed(it) => {
            (it.boot_epoch >= boot_epoch).then(|| PartEnd::Failed(it.failure.clone()))
        }
        Fact::RestartIgnored(it) => Some(PartEnd::Failed(it.failure.clone())),
        Fact::StopRequested(_) => Some(PartEnd::Superseded),
        // What went off may be on its way to start again.
        Fact::Stopped(_) => {
            off.then(|| PartEnd::because(Cause::WentOff, "it went off before it ran"))
        }
        _ => None,
    }
}

/// Only what became of the renewal that the operation asked for.
fn renewing(operation: CommandId, fact: &Fact) -> Option<PartEnd> {
    let own = |why: &Why| *why == Why::Populate { operation };
    match fact {
        Fact::Populated(_) => Some(PartEnd::Done),
        Fact::RenewalFailed(it) => own(&it.why).then(|| PartEnd::Failed(it.failure.clone())),
        Fact::RenewalDropped(it) => own(&it.why).then_some(match &it.cause {
            DropCause::Superseded { .. } => PartEnd::Superseded,
            DropCause::Cancelled => PartEnd::Cancelled,
            DropCause::KeepsData { failure } => PartEnd::Failed(failure.clone()),
        }),
        _ => None,
    }
}

fn of_snapshot(goal: &Goal, fact: &Fact) -> Option<PartEnd> {
    match (goal, fact) {
        (Goal::SnapshotTaken { snapshot }, Fact::SnapshotTaken(it))
        | (Goal::SnapshotReverted { snapshot }, Fact::SnapshotReverted(it))
        | (Goal::SnapshotDeleted { snapshot }, Fact::SnapshotDeleted(it)) => {
            (it.snapshot == *snapshot).then_some(PartEnd::Done)
        }
        (
            Goal::SnapshotTaken { snapshot }
            | Goal::SnapshotReverted { snapshot }
            | Goal::SnapshotDeleted { snapshot },
            Fact::SnapshotFailed(it),
        ) => (it.snapshot == *snapshot).then(|| PartEnd::Failed(it.failure.clone())),
        _ => None,
    }
}

fn moving(goal: &Goal, fact: &Fact) -> Option<PartEnd> {
    match (goal, fact) {
        (Goal::Off { hypervisor }, Fact::Released(it)) => {
            (it.hypervisor == *hypervisor).then_some(PartEnd::Done)
        }
        (Goal::Migrated { to }, Fact::Migrated(it)) => (it.to == *to).then_some(PartEnd::Done),
        (Goal::Migrated { .. } | Goal::Off { .. }, Fact::MigrationFailed(it)) => {
            Some(PartEnd::Failed(it.failure.clone()))
        }
        _ => None,
    }
}

fn of_image(goal: &Goal, image: ImageId, fact: &ImageFact) -> Option<PartEnd> {
    match (goal, fact) {
        (Goal::Imported { image: it }, ImageFact::Sealed(_)) if *it == image => Some(PartEnd::Done),
        (Goal::Imported { image: it }, ImageFact::Failed(why)) if *it == image => {
            Some(PartEnd::Failed(why.failure.clone()))
        }
        (Goal::FilesRemoved { image: it }, ImageFact::Removed(_)) if *it == image => {
            Some(PartEnd::Done)
        }
        _ => None,
    }
}

/// Operations that wait for a version go on, or are over.
fn release_sealing(deciding: &mut Deciding<'_>, image: ImageId, fact: &ImageFact) {
    let waiting: Vec<CommandId> = deciding.fleet.waiting_for_seal(image).collect();
    for id in waiting {
        if let ImageFact::Sealed(_) = fact {
            deciding.fact(id, OperationFact::Prepared(Nothing {}));
        }
        if let ImageFact::Failed(_) | ImageFact::Removed(_) = fact {
            let total = deciding.fleet.operations.get(id).map_or(0, |it| it.total);
            deciding.fact(id, OperationFact::Finished(all_failed(total)));
        }
    }
}

fn all_failed(total: u32) -> Finished {
    Finished {
        outcome: Outcome::Failed,
        done: 0,
        failed: total,
        cancelled: 0,
        superseded: 0,
        retry_until: None,
    }
}
