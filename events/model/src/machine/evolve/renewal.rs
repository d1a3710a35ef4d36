//! What facts about renewals make of a machine.

use std::sync::Arc;

use super::files::overlaid;
use super::power::shall_run;
use crate::fleet::Fleet;
use crate::ids::{ImageId, MachineId};
use crate::machine::{Base, Machine, Reason, RenewalStep, Renewing, Settings, VirtualSnapshot};
use crate::record::Timestamp;
use crate::version::latest::operation::Failure;
use crate::version::latest::renewal::{
    Delayed, DelayedBy, FirstBootBegun, OverlayRequested, Renewal, When, Why,
};

pub(super) fn put_overlay(fleet: &mut Fleet, id: MachineId, overlay: &OverlayRequested) {
    let Some(machine) = fleet.machines.get(id) else { return };
    let Some(renewing) = machine.renewal.clone() else { return };
    let image = renewing.renewal.image;
    let settings = settings_on(fleet, machine, image);
    // One that has not proved itself is none that anybody would go back to.
    let before = machine.disk_before.clone();
    let before = before.or_else(|| machine.system_disk().cloned().map(Arc::new));
    fleet.step::<Machine>(id, |machine| {
        overlaid(machine, Base { image, file: overlay.file });
        machine.settings = settings;
        keep_on_reboot(machine);
        machine.snapshots.clear();
        machine.snapshot = None;
        machine.half_made = false;
        machine.upkeep = false;
        machine.disk_before = before;
        enter(machine, RenewalStep::Overlaying, Some(overlay.deadline));
        machine.generation += 1;
    });
}

/// The virtual snapshot goes. When it comes back, a reboot does to it what it did before, unless
/// something else was asked for; also after a renewal that failed and left none.
fn keep_on_reboot(machine: &mut Machine) {
    let set = machine.virtual_snapshot.take().map(|setting| setting.on_reboot);
    let last = machine.recipe.as_ref().and_then(|recipe| recipe.then.on_reboot);
    if let Some(renewing) = &mut machine.renewal {
        let then = &mut Arc::make_mut(renewing).renewal.recipe.then;
        then.on_reboot = then.on_reboot.or(set).or(last);
    }
}

/// The hardware comes with the version. What else was set on the machine itself stays.
fn settings_on(fleet: &Fleet, machine: &Machine, image: ImageId) -> Arc<Settings> {
    let of = |image| fleet.images.get(image).map(|image| &image.settings);
    let Some(new) = of(image) else { return Arc::clone(&machine.settings) };
    if machine.image().and_then(of) == Some(&machine.settings) {
        return Arc::clone(new);
    }
    let mut own = Settings::clone(&machine.settings);
    own.hardware = new.hardware.clone();
    Arc::new(own)
}

fn enter(machine: &mut Machine, step: RenewalStep, deadline: Option<Timestamp>) {
    if let Some(renewing) = &mut machine.renewal {
        let renewing = Arc::make_mut(renewing);
        renewing.step = step;
        renewing.delays = 0;
        renewing.silences = 0;
        renewing.deadline = deadline;
    }
}

pub(super) fn requested(machine: &mut Machine, renewal: &Renewal) {
    machine.renewal = Some(Arc::new(Renewing {
        renewal: renewal.clone(),
        step: RenewalStep::Pending,
        deadline: match renewal.when {
            // People are told before.
            When::At(time) => Some(time.minus_seconds(renewal.warn_seconds)),
            When::OnRelease | When::Now => None,
        },
        delays: 0,
        silences: 0,
        announced: None,
    }));
}

pub(super) fn begun(machine: &mut Machine, deadline: Timestamp) {
    enter(machine, RenewalStep::Stopping, Some(deadline));
    if is_populate(machine) {
        machine.maintenance.insert(Reason::Populate);
    }
}

pub(super) fn first_boot_begun(machine: &mut Machine, begun: &FirstBootBegun) {
    machine.half_made = true;
    shall_run(machine, begun.boot_epoch, true, Some(begun.deadline));
    enter(machine, RenewalStep::FirstBoot, Some(begun.deadline));
}

pub(super) fn first_boot_ended(machine: &mut Machine) {
    machine.half_made = false;
    // Going off again is part of the time that a first boot has.
    let deadline = machine.renewal.as_ref().and_then(|renewing| renewing.deadline);
    enter(machine, RenewalStep::Finishing, deadline);
}

pub(super) fn delayed(machine: &mut Machine, delayed: &Delayed) {
    if let Some(renewing) = &mut machine.renewal {
        let renewing = Arc::make_mut(renewing);
        renewing.deadline = Some(delayed.until);
        match delayed.cause {
            DelayedBy::Silence => renewing.silences = renewing.silences.saturating_add(1),
            DelayedBy::Return => renewing.silences = 0,
            DelayedBy::Step => renewing.delays = renewing.delays.saturating_add(1),
        }
        // When it can begin after all, nobody expects it any more.
        renewing.announced = None;
    }
}

pub(super) fn announced(machine: &mut Machine, at: Timestamp) {
    if let Some(renewing) = &mut machine.renewal {
        let renewing = Arc::make_mut(renewing);
        renewing.deadline = Some(at);
        renewing.announced = Some(at);
    }
}

pub(super) fn populated(machine: &mut Machine) {
    renewed(machine);
    // What an earlier try left.
    machine.maintenance.remove(&Reason::Quarantine);
    machine.failures.clear();
}

pub(super) fn failed(machine: &mut Machine, failure: &Failure) {
    machine.trouble = Some(Arc::new(failure.clone()));
    dropped(machine);
    machine.maintenance.insert(Reason::Quarantine);
}

pub(super) fn dropped(machine: &mut Machine) {
    machine.renewal = None;
    machine.maintenance.remove(&Reason::Populate);
    machine.generation += 1;
}

fn is_populate(machine: &Machine) -> bool {
    let why = machine.renewal.as_ref().map(|renewing| &renewing.renewal.why);
    matches!(why, Some(Why::Populate { .. }))
}

pub(super) fn renewed(machine: &mut Machine) {
    // What is on further disks is there still.
    if !machine.has_further_disks() {
        machine.kept = None;
    }
    machine.written = machine.kept;
    machine.disk_before = None;
    machine.generation += 1;
    let Some(renewing) = machine.renewal.take() else { return };
    machine.maintenance.remove(&Reason::Populate);
    let renewal = &renewing.renewal;
    if renewal.recipe.then.virtual_snapshot {
        let on_reboot = renewal.recipe.then.on_reboot.unwrap_or_default();
        machine.virtual_snapshot = Some(VirtualSnapshot { on_reboot });
    }
    if renewal.recipe.then.maintenance {
        machine.maintenance.insert(Reason::Admin);
    }
    machine.recipe = Some(Arc::new(renewal.recipe.clone()));
}
