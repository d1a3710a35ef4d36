//! From one step of a renewal to the next, as soon as what the next one needs is there.

use std::sync::Arc;

use super::{announce, fail};
use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{HypervisorId, MachineId};
use crate::image::{ImageName, file_work_on, host_for_files, keeps_nothing};
use crate::machine::power::{POWER_OFF_SECONDS, SHUTDOWN_SECONDS, turn_off};
use crate::machine::{
    DiskRole, DiskSource, Machine, RenewalStep, Renewing, StopManner, Task, Wish,
};
use crate::operation::{Cause, failure};
use crate::pool::Reset;
use crate::record::Timestamp;
use crate::rejection::Rejection;
use crate::version::latest::machine::Placed;
use crate::version::latest::operation::Failure;
use crate::version::latest::renewal::{
    Begun, Delayed, DelayedBy, Done, DropCause, Dropped, FirstBoot, FirstBootBegun,
    OverlayRequested, When, Why,
};
use crate::{lab, placement, spare};

/// An overlay is made in a second. Ten minutes let a host finish what it is at, and its worker come
/// back after a restart.
pub const OVERLAY_SECONDS: u32 = 600;
/// A host without room for a first boot is asked again after so long: most first boots end within
/// minutes and make room for the next.
pub const ROOM_SECONDS: u32 = 60;
/// So often it is asked: for twelve hours, in which a roll-out that began in the evening has had
/// many shifts of first boots.
pub const TRIES_MAX: u16 = 720;

/// Takes a machine's renewal on, as far as it can go now.
pub(crate) fn follow(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    let Some(renewing) = machine.renewal.clone() else { return };
    if machine.deleting {
        return;
    }
    match renewing.step {
        RenewalStep::Pending => {
            if has_to_be_made_clean(deciding, &machine) {
                begin_or_clean(deciding, id);
            } else if is_due(&machine, &renewing, deciding.now()) {
                begin(deciding, id);
            } else if was_held(&renewing) && !is_held(&deciding.fleet, &machine) {
                announce(deciding, &machine, &renewing.renewal);
            }
        }
        RenewalStep::Stopping if machine.at_rest() => {
            request_overlay(deciding, &machine, &renewing);
        }
        RenewalStep::Overlaying => after_overlay(deciding, &machine, &renewing),
        RenewalStep::Finishing if machine.at_rest() => done(deciding, id, &renewing),
        RenewalStep::Finishing if machine.power.wish == Wish::On => {
            turn_off(deciding, id, StopManner::Acpi);
        }
        RenewalStep::Stopping | RenewalStep::FirstBoot | RenewalStep::Finishing => {}
    }
}

/// It begins. Whoever uses the machine has been told in time, if they are to be told.
pub(super) fn is_due(machine: &Machine, renewing: &Renewing, now: Timestamp) -> bool {
    let unused = machine.leases.is_empty();
    match (&renewing.renewal.when, renewing.announced) {
        (When::OnRelease, _) => unused,
        (When::Now, _) => true,
        (When::At(_), Some(time)) => time <= now,
        (When::At(time), None) => *time <= now && (unused || renewing.renewal.warn_seconds == 0),
    }
}

/// It begins as soon as somebody looks at it: whoever got the machine now would lose it with that.
pub(crate) fn is_about_to_begin(machine: &Machine, now: Timestamp) -> bool {
    machine.renewal.as_ref().is_some_and(|renewing| {
        renewing.step == RenewalStep::Pending && is_due(machine, renewing, now)
    })
}

/// Its person has left, and its pool makes machines clean then: nobody could have it before.
fn has_to_be_made_clean(deciding: &Deciding<'_>, machine: &Machine) -> bool {
    let pool = machine.pool.and_then(|pool| deciding.fleet.pools.get(pool));
    let resets = pool.is_some_and(|pool| pool.reset() == Reset::OnRelease);
    resets && machine.written.is_some() && machine.leases.is_empty()
}

/// Somebody or something keeps the machine as it is for now.
pub(super) fn is_held(fleet: &Fleet, machine: &Machine) -> bool {
    let moves = matches!(machine.task, Some(Task::Migrating { .. }));
    machine.locked || moves || file_work_on(fleet, machine.id).is_some()
}

/// Its time came while somebody or something kept the machine, and nobody has been told since.
fn was_held(renewing: &Renewing) -> bool {
    renewing.delays > 0 && renewing.announced.is_none()
}

/// One that is dropped instead doesn't make the machine clean, and then a reset has to.
pub(super) fn begin_or_clean(deciding: &mut Deciding<'_>, id: MachineId) {
    begin(deciding, id);
    if deciding.fleet.machines.get(id).is_some_and(|machine| machine.renewal.is_none()) {
        super::reset(deciding, id);
    }
}

/// Since it was asked for somebody may have been given the machine, or have written to it.
fn would_lose_data(fleet: &Fleet, machine: &Machine) -> Option<DropCause> {
    let renewal = &machine.renewal.as_ref()?.renewal;
    match renewal.why {
        Why::Populate { .. } if !renewal.discard_data && !machine.half_made => {
            let kept = keeps_nothing(fleet, machine).err()?;
            Some(DropCause::KeepsData { failure: failure(&kept) })
        }
        Why::Populate { .. } | Why::Reset => None,
    }
}

/// Takes the machine from whoever has it, and turns it off; or leaves it alone, if that would lose
/// what somebody keeps on it.
pub(super) fn begin(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    let Some(renewing) = &machine.renewal else { return };
    if is_held(&deciding.fleet, &machine) {
        return;
    }
    if let Some(cause) = would_lose_data(&deciding.fleet, &machine) {
        let why = renewing.renewal.why.clone();
        return deciding.fact(id, Fact::RenewalDropped(Dropped { why, cause }));
    }
    let manner = stop_manner(&machine);
    let seconds = match manner {
        StopManner::Acpi => SHUTDOWN_SECONDS,
        StopManner::Hard => POWER_OFF_SECONDS,
    };
    let deadline = deciding.now().plus_seconds(seconds);
    // With that its leases end, and as nobody can have it then, it needs no reset.
    deciding.fact(id, Fact::RenewalBegun(Begun { deadline }));
    turn_off(deciding, id, manner);
}

/// A system disk that will be thrown away needs no orderly end; other disks are kept and do.
fn stop_manner(machine: &Machine) -> StopManner {
    if machine.has_further_disks() { StopManner::Acpi } else { StopManner::Hard }
}

fn request_overlay(deciding: &mut Deciding<'_>, machine: &Arc<Machine>, renewing: &Renewing) {
    let (file, placed) = match file_to_stand_on(deciding, machine, renewing) {
        Ok(found) => found,
        Err(failure) => return fail(deciding, machine.id, renewing, failure),
    };
    if let Some(placed) = placed {
        deciding.fact(machine.id, Fact::Placed(placed));
    }
    let deadline = deciding.now().plus_seconds(OVERLAY_SECONDS);
    deciding.fact(machine.id, Fact::OverlayRequested(OverlayRequested { deadline, file }));
}

/// The file of the version on which the overlay is to stand, and how the machine gets to the host
/// that makes the overlay: it sees the machine's storages and that file.
fn file_to_stand_on(
    deciding: &Deciding<'_>,
    machine: &Machine,
    renewing: &Renewing,
) -> Result<(u16, Option<Placed>), Failure> {
    let id = renewing.renewal.image;
    let image = deciding.fleet.images.get(id).filter(|image| image.is_usable());
    let base = image.and_then(|image| image.base_for_new(&deciding.fleet));
    let (Some(image), Some(base)) = (image, base) else {
        return Err(Failure::because(Cause::NotUsable, "the version can no longer be used"));
    };
    let mut renewed = machine.clone();
    for disk in renewed.disks.iter_mut().filter(|disk| disk.role == DiskRole::System) {
        disk.source = DiskSource::Overlay(base);
    }
    let (host, placed) =
        host_for_files(&deciding.fleet, &renewed).map_err(|rejection| failure(&rejection))?;
    match image.nearest_file(&deciding.fleet, host) {
        Some(nearest) => Ok((nearest.number, placed)),
        None => Err(sees_no_file(deciding, (id, host))),
    }
}

fn sees_no_file(
    deciding: &Deciding<'_>,
    (image, host): (crate::ids::ImageId, HypervisorId),
) -> Failure {
    let host = deciding.fleet.hypervisors.get(host).map(|host| host.name.to_string());
    let image = deciding.fleet.images.get(image);
    let image = image.map(|image| ImageName::of(&deciding.fleet, image).to_string());
    let (host, image) = (host.unwrap_or_default(), image.unwrap_or_default());
    Failure::because(Cause::NoFile, &format!("{host} sees no file of {image}"))
}

fn after_overlay(deciding: &mut Deciding<'_>, machine: &Arc<Machine>, renewing: &Renewing) {
    if machine.place.is_none() {
        // Its host is gone, so another one has to make the overlay.
        request_overlay(deciding, machine, renewing);
        return;
    }
    if machine.applied < machine.generation {
        return;
    }
    let waits_for_room =
        renewing.delays > 0 && renewing.deadline.is_some_and(|deadline| deciding.now() < deadline);
    match &renewing.renewal.recipe.first_boot {
        None => done(deciding, machine.id, renewing),
        Some(_) if waits_for_room => {}
        Some(first_boot) => start_first_boot(deciding, machine, renewing, first_boot),
    }
}

fn start_first_boot(
    deciding: &mut Deciding<'_>,
    machine: &Machine,
    renewing: &Renewing,
    first_boot: &FirstBoot,
) {
    if !machine.at_rest() {
        let failure = Failure::because(Cause::IsOn, "it was started while its disk was made anew");
        return fail(deciding, machine.id, renewing, failure);
    }
    let has_room = machine.pool.map_or(Ok(()), |pool| lab::has_room(&deciding.fleet, pool));
    let placed = has_room.map_err(Rejection::from);
    let placed = match placed.and_then(|()| placement::for_start(&deciding.fleet, machine, true)) {
        Ok(placed) => placed,
        Err(rejection) if renewing.delays >= TRIES_MAX => {
            return fail(deciding, machine.id, renewing, failure(&rejection));
        }
        Err(rejection) => {
            // What it waits for at first is mostly the end of another first boot.
            if renewing.delays > 0 {
                spare::make_way(deciding, machine.id, &rejection);
            }
            let until = deciding.now().plus_seconds(ROOM_SECONDS);
            let failure = failure(&rejection);
            deciding.fact(
                machine.id,
                Fact::RenewalDelayed(Delayed { until, cause: DelayedBy::Step, failure }),
            );
            return;
        }
    };
    deciding.fact(machine.id, Fact::Placed(placed));
    let deadline = deciding.now().plus_seconds(first_boot.timeout_seconds);
    let boot_epoch = machine.power.boot_epoch + 1;
    deciding.fact(machine.id, Fact::FirstBootBegun(FirstBootBegun { boot_epoch, deadline }));
}

fn done(deciding: &mut Deciding<'_>, id: MachineId, renewing: &Renewing) {
    let done = Done { image: Some(renewing.renewal.image) };
    deciding.fact(
        id,
        match renewing.renewal.why {
            Why::Populate { .. } => Fact::Populated(done),
            Why::Reset => Fact::Cleaned(done),
        },
    );
}
