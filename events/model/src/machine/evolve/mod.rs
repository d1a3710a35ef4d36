//! What facts make of a machine.

use std::sync::Arc;

use super::{
    Machine, Message, Observed, Ready, Reason, Rest, RestartManner, State, StopCause, Task, Wish,
    snapshot,
};
use crate::event::MachineFact as Fact;
use crate::fleet::Fleet;
use crate::ids::MachineId;
use crate::version::latest::Switch;

mod created;
mod files;
mod power;
mod renewal;

pub(super) use created::created_from;
use files::{copied, overlaid};
use power::{failed_at, leave, shall_run, went_off, wished};
use renewal::put_overlay;

/// Failures further back than this say nothing about a machine's health: three within it put it
/// into quarantine.
pub const FAILURES_WINDOW_SECONDS: u32 = 600;
pub const FAILURES_MAX: usize = 3;

pub(crate) fn evolve(fleet: &mut Fleet, id: MachineId, fact: &Fact) {
    if let Fact::Created(created) = fact {
        let machine = created_from(fleet, id, created);
        fleet.put(id, machine);
    } else if let Fact::OverlayRequested(overlay) = fact {
        put_overlay(fleet, id, overlay.deadline);
    } else if let Fact::Copied(_) = fact {
        copied(fleet, id);
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

/// A desktop that can be used needs no disk to go back to, unless more is being done with it.
fn proved_itself(machine: &mut Machine) {
    if !machine.being_renewed() && !machine.half_made && machine.disk_before.take().is_some() {
        machine.generation += 1;
    }
}

fn change(machine: &mut Machine, fact: &Fact) {
    match fact {
        // Handled above: these make, end or look beyond the machine.
        Fact::Created(_) | Fact::OverlayRequested(_) | Fact::Copied(_) | Fact::Deleted(_) => {}

        Fact::Updated(updated) => {
            machine.name = updated.name.clone();
            machine.settings = Arc::new(updated.settings.clone());
            machine.generation += 1;
        }
        Fact::Locked(_) => machine.locked = true,
        Fact::Unlocked(_) => machine.locked = false,
        Fact::MaintenanceChanged(changed) => {
            match changed.switch {
                Switch::On => machine.maintenance.insert(changed.reason),
                Switch::Off => machine.maintenance.remove(&changed.reason),
            };
            if changed.reason == Reason::Quarantine && changed.switch == Switch::Off {
                machine.failures.clear();
            }
        }
        Fact::VirtualSnapshotChanged(changed) => {
            machine.virtual_snapshot = changed.setting.clone();
            machine.generation += 1;
        }
        // What its display allows is the pool's.
        Fact::PoolChanged(changed) => {
            machine.pool = changed.pool;
            machine.generation += 1;
        }
        Fact::Assigned(assigned) => machine.owners.push(assigned.subject),
        Fact::Unassigned(assigned) => machine.owners.retain(|owner| *owner != assigned.subject),
        Fact::Written(written) => {
            machine.written = Some(written.by);
            machine.kept = Some(written.by);
        }

        Fact::StartRequested(start) => {
            machine.unsealed |= machine.seals();
            machine.upkeep |= start.persistent_once && machine.leases.is_empty();
            shall_run(machine, start.boot_epoch, start.persistent_once, start.deadline);
        }
        Fact::StopRequested(stop) => {
            machine.power.wish = Wish::Off(stop.manner);
            machine.power.deadline = Some(stop.deadline);
            wished(machine);
        }
        Fact::RestartRequested(restart) => {
            machine.power.boot_epoch = restart.boot_epoch;
            machine.power.deadline = Some(restart.deadline);
            machine.power.restart = Some(restart.manner);
            // A guest that is asked may ignore it, and then can be used as before.
            match restart.manner {
                RestartManner::Reboot => {}
                RestartManner::Reset => machine.observed.ready = Ready::No,
            }
            wished(machine);
        }
        Fact::SuspendRequested(_) => {
            machine.power.wish = Wish::Suspended;
            machine.power.deadline = None;
            wished(machine);
        }
        Fact::ResumeRequested(_) => {
            machine.power.wish = Wish::On;
            wished(machine);
        }
        Fact::ShutdownIgnored(ignored) => {
            machine.power.wish = Wish::On;
            machine.power.deadline = None;
            machine.observed.ignored_shutdown = true;
            if machine.observed.state == State::Stopping {
                machine.observed.state = State::Running;
            }
            machine.trouble = Some(Arc::new(ignored.failure.clone()));
            wished(machine);
        }
        // Its epoch stays: the guest was asked in it, and may come to it late.
        Fact::RestartIgnored(ignored) => {
            machine.power.deadline = None;
            if machine.observed.state == State::Stopping {
                machine.observed.state = State::Running;
            }
            machine.trouble = Some(Arc::new(ignored.failure.clone()));
            wished(machine);
        }

        Fact::Placed(placed) => {
            let host = Some(placed.hypervisor);
            // Whoever sends a packet to an external machine keeps nothing of it.
            if machine.place != host && !machine.is_external() {
                leave(machine, machine.place.or(machine.leaving).filter(|old| Some(*old) != host));
            }
            machine.place = host;
            machine.reserved = Arc::new(placed.reserved.clone());
            machine.has_files = true;
            machine.generation += 1;
        }
        Fact::ReleaseRequested(_) => {
            leave(machine, machine.place.or(machine.leaving));
            machine.place = None;
            machine.generation += 1;
        }
        Fact::Released(released) => {
            if machine.leaving == Some(released.hypervisor) {
                machine.leaving = None;
            } else if machine.place == Some(released.hypervisor) {
                machine.place = None;
            }
            // Nobody is left who could run it.
            if machine.place.is_none() && machine.leaving.is_none() {
                machine.power.rest = Rest::Confirmed;
            }
            machine.generation += 1;
        }
        Fact::Applied(applied) => {
            machine.applied = machine.applied.max(applied.generation);
            if machine.at_rest() && applied.generation >= machine.power.since {
                machine.power.rest = Rest::Confirmed;
            }
            machine.trouble = None;
        }
        Fact::WorkFailed(failed) => {
            machine.failed = machine.failed.max(failed.generation);
            machine.trouble = Some(Arc::new(failed.failure.clone()));
        }

        Fact::Started(started) => {
            machine.observed = Observed {
                state: State::Running,
                boot_epoch: started.boot_epoch,
                started: Some(started.at),
                ready: Ready::By(started.ready_by),
                ignored_shutdown: false,
            };
            if machine.power.wish == Wish::On {
                machine.power.deadline = None;
            }
            machine.running_with.get_or_insert_with(|| Arc::clone(&machine.settings));
        }
        Fact::StartFailed(failed) => {
            machine.failed = machine.generation;
            went_off(machine, State::Off, failed.rest);
            machine.trouble = Some(Arc::new(failed.failure.clone()));
            failed_at(machine, failed.at);
        }
        Fact::Ready(_) => {
            machine.observed.ready = Ready::Yes;
            machine.failures.clear();
            proved_itself(machine);
        }
        Fact::NotReady(late) => {
            machine.observed.ready = Ready::No;
            failed_at(machine, late.at);
        }
        Fact::Stopping(_) => machine.observed.state = State::Stopping,
        Fact::Stopped(stopped) => went_off(
            machine,
            match stopped.cause {
                StopCause::Crash => State::Crashed,
                StopCause::Guest | StopCause::Command | StopCause::HostLost => State::Off,
            },
            // A lost host says nothing, and another one may have the machine by now.
            match stopped.cause {
                StopCause::Crash | StopCause::Guest | StopCause::Command => Rest::Confirmed,
                StopCause::HostLost => Rest::Presumed,
            },
        ),
        Fact::Paused(paused) => machine.observed.state = State::Paused(paused.reason),
        Fact::Slept(_) => machine.observed.state = State::Asleep,
        Fact::Resumed(_) => machine.observed.state = State::Running,

        Fact::CopyRequested(copy) => {
            machine.task = Some(Task::Copying { source: copy.source });
            machine.task_since = machine.generation + 1;
            machine.disks_to_come = copy.disks.iter().cloned().collect();
            machine.traces_to_come = copy.traces;
            machine.generation += 1;
        }
        Fact::SealRequested(seal) => {
            machine.task = Some(Task::Sealing { image: seal.image });
            machine.versions_made = machine.versions_made.max(seal.number);
            machine.task_since = machine.generation + 1;
            machine.generation += 1;
        }
        Fact::Sealed(sealed) => {
            machine.task = None;
            overlaid(machine, sealed.image);
            machine.written = None;
            machine.kept = None;
            machine.unsealed = false;
            machine.generation += 1;
        }
        Fact::CopyFailed(failed) | Fact::SealFailed(failed) | Fact::MigrationFailed(failed) => {
            machine.task = None;
            machine.disks_to_come.clear();
            machine.traces_to_come = None;
            machine.trouble = Some(Arc::new(failed.failure.clone()));
            machine.failed = machine.generation;
            machine.generation += 1;
        }

        // What its disk stands on is told with the next generation.
        Fact::RebaseRequested(_) => machine.generation += 1,

        Fact::RenewalRequested(requested) => renewal::requested(machine, &requested.renewal),
        Fact::RenewalBegun(begun) => renewal::begun(machine, begun.deadline),
        Fact::FirstBootBegun(begun) => renewal::first_boot_begun(machine, begun),
        Fact::FirstBootEnded(_) => renewal::first_boot_ended(machine),
        Fact::RenewalDelayed(delayed) => renewal::delayed(machine, delayed.until),
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
        Fact::DiskResized(resized) => {
            for disk in machine.disks.iter_mut().filter(|disk| disk.id == resized.disk) {
                disk.size_gib = resized.size_gib;
            }
            machine.generation += 1;
        }
        Fact::MigrationRequested(migration) => {
            machine.task = Some(Task::Migrating { to: migration.to });
            machine.task_since = machine.generation + 1;
            machine.generation += 1;
        }
        Fact::Migrated(migrated) => {
            machine.task = None;
            machine.place = Some(migrated.to);
            leave(machine, Some(migrated.from));
            machine.generation += 1;
        }
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
