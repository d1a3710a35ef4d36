//! What facts make of a machine.

use std::sync::Arc;

use super::{Machine, Message, State, snapshot};
use crate::event::MachineFact as Fact;
use crate::fleet::Fleet;
use crate::ids::MachineId;

mod created;
mod files;
mod observed;
mod place;
mod power;
mod renewal;
mod settings;

pub(super) use created::created_from;

/// Failures further back than this say nothing about a machine's health: three within it put it
/// into quarantine.
pub const FAILURES_WINDOW_SECONDS: u32 = 600;
pub const FAILURES_MAX: usize = 3;

pub(crate) fn evolve(fleet: &mut Fleet, id: MachineId, fact: &Fact) {
    if let Fact::Created(created) = fact {
        let machine = created_from(fleet, id, created);
        fleet.put(id, machine);
    } else if let Fact::OverlayRequested(overlay) = fact {
        renewal::put_overlay(fleet, id, overlay);
    } else if let Fact::Copied(_) = fact {
        files::copied(fleet, id);
    } else if let Fact::Deleted(_) = fact {
        drop(fleet.take::<Machine>(id));
    } else if let Fact::StartRequested(_) | Fact::FirstBootBegun(_) = fact {
        let allows = fleet.machines.get(id).map(|machine| fleet.policy_of(machine));
        fleet.step::<Machine>(id, |machine| {
            machine.allows = allows;
            change(machine, fact);
        });
    } else {
        fleet.step::<Machine>(id, |machine| change(machine, fact));
    }
}

fn change(machine: &mut Machine, fact: &Fact) {
    match fact {
        // Handled above: these make, end or look beyond the machine.
        Fact::Created(_) | Fact::OverlayRequested(_) | Fact::Copied(_) | Fact::Deleted(_) => {}

        Fact::Updated(updated) => settings::updated(machine, updated),
        Fact::Locked(_) => machine.locked = true,
        Fact::Unlocked(_) => machine.locked = false,
        Fact::MaintenanceChanged(changed) => settings::maintenance_changed(machine, changed),
        Fact::VirtualSnapshotChanged(changed) => {
            settings::virtual_snapshot_changed(machine, changed);
        }
        // What its display allows is the pool's.
        Fact::PoolChanged(changed) => {
            machine.pool = changed.pool;
            machine.generation += 1;
        }
        Fact::Assigned(assigned) => machine.owners.push(assigned.subject),
        Fact::Unassigned(assigned) => machine.owners.retain(|owner| *owner != assigned.subject),
        Fact::HandedOn(handed) => files::handed_on(machine, handed),

        Fact::StartRequested(start) => power::start_requested(machine, start),
        Fact::StopRequested(stop) => power::stop_requested(machine, stop),
        Fact::RestartRequested(restart) => power::restart_requested(machine, restart),
        Fact::SuspendRequested(_) => power::suspend_requested(machine),
        Fact::ResumeRequested(_) => power::resume_requested(machine),
        Fact::ShutdownIgnored(ignored) => power::shutdown_ignored(machine, ignored),
        Fact::RestartIgnored(ignored) => power::restart_ignored(machine, ignored),

        Fact::Placed(placed) => place::placed(machine, placed),
        Fact::ReleaseRequested(_) => place::release_requested(machine),
        Fact::Released(released) => place::released(machine, released),
        Fact::Applied(applied) => place::applied(machine, applied),
        Fact::WorkFailed(failed) => place::work_failed(machine, failed),

        Fact::Started(started) => observed::started(machine, started),
        Fact::StartFailed(failed) => observed::start_failed(machine, failed),
        Fact::BecameReady(_) => observed::ready(machine),
        Fact::ReadyTimedOut(late) => observed::not_ready(machine, late.at),
        Fact::StopBegun(_) => machine.observed.state = State::Stopping,
        Fact::Stopped(stopped) => observed::stopped(machine, stopped),
        Fact::Paused(paused) => machine.observed.state = State::Paused(paused.reason),
        Fact::PmSuspended(_) => machine.observed.state = State::Asleep,
        Fact::Resumed(_) => machine.observed.state = State::Running,

        Fact::CopyRequested(copy) => files::copy_requested(machine, copy),
        Fact::SealRequested(seal) => files::seal_requested(machine, seal),
        Fact::Sealed(sealed) => files::sealed(machine, sealed),
        Fact::CopyFailed(failed) | Fact::SealFailed(failed) => {
            files::task_failed(machine, &failed.failure);
        }

        Fact::RebaseRequested(asked) => files::rebase_requested(machine, asked),
        Fact::Rebased(rebased) => files::rebased(machine, rebased),
        Fact::RenewalRequested(requested) => renewal::requested(machine, &requested.renewal),
        Fact::RenewalBegun(begun) => renewal::begun(machine, begun.deadline),
        Fact::FirstBootBegun(begun) => renewal::first_boot_begun(machine, begun),
        Fact::FirstBootEnded(_) => renewal::first_boot_ended(machine),
        Fact::RenewalDelayed(delayed) => renewal::delayed(machine, delayed),
        Fact::RenewalAnnounced(announced) => renewal::announced(machine, announced.at),
        Fact::Populated(_) => renewal::populated(machine),
        Fact::Cleaned(_) => renewal::renewed(machine),
        Fact::RenewalFailed(failed) => renewal::failed(machine, &failed.failure),
        Fact::RenewalDropped(_) => renewal::dropped(machine),

        Fact::SnapshotRequested(_)
        | Fact::SnapshotTaken(_)
        | Fact::SnapshotReverted(_)
        | Fact::SnapshotRevertRequested(_)
        | Fact::SnapshotDeleteRequested(_)
        | Fact::SnapshotDeleted(_)
        | Fact::SnapshotFailed(_) => snapshot::evolve(machine, fact),

        Fact::MediaAttached(of) => {
            machine.media.push(of.media);
            machine.generation += 1;
        }
        Fact::MediaDetached(of) => {
            machine.media.retain(|media| *media != of.media);
            machine.generation += 1;
        }
        Fact::DiskResized(resized) => files::disk_resized(machine, resized),
        Fact::MigrationRequested(migration) => place::migration_requested(machine, migration),
        Fact::Migrated(migrated) => place::migrated(machine, migrated),
        Fact::MigrationFailed(failed) => place::migration_failed(machine, failed),
        Fact::MessageSent(message) => {
            machine.message =
                Some(Arc::new(Message { id: message.message, text: message.text.clone() }));
            machine.generation += 1;
        }
        Fact::DeleteRequested(_) => {
            machine.deleting = true;
            machine.generation += 1;
        }
    }
}
