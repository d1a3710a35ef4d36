//! How a machine gets fresh disks: by Populate, or by a reset after somebody used it.
//!
//! The steps are drawn at [`crate::machine::RenewalStep`]. Here is what is asked for and what ends
//! it; `steps.rs` goes from step to step, `advance.rs` does what time brings.

use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::ids::{CommandId, MachineId, MessageId};
use crate::image::Image;
use crate::machine::{Machine, RenewalStep, Renewing, StopCause, StopManner};
use crate::operation::Cause;
use crate::text::Text;
use crate::version::latest::Nothing;
use crate::version::latest::machine::MessageSent;
use crate::version::latest::operation::Failure;
use crate::version::latest::renewal::{
    Announced, Done, DropCause, Dropped, Failed, FirstBootDone, Recipe, Renewal, Requested, Then,
    When, Why,
};

mod advance;
mod steps;
#[cfg(test)]
pub(crate) mod tests;

pub use steps::{OVERLAY_SECONDS, ROOM_SECONDS, TRIES_MAX};
pub(crate) use steps::{follow, is_about_to_begin};

/// The commands of this folder.
pub mod commands {
    pub use super::advance::AdvanceRenewal;
}

/// A machine is to get fresh disks. An earlier renewal makes way, whatever step it is in.
pub(crate) fn request(deciding: &mut Deciding<'_>, id: MachineId, mut renewal: Renewal) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    if let Some(earlier) = &machine.renewal {
        let (why, by) = (earlier.renewal.why.clone(), deciding.context.command_id);
        let cause = DropCause::Superseded { by };
        deciding.fact(id, Fact::RenewalDropped(Dropped { why, cause }));
    }
    if machine.being_renewed() {
        // Its disk is used or half made: nobody can have it until a later time.
        renewal.when = When::OnRelease;
    }
    let takes_it_away = renewal.when == When::Now && !machine.leases.is_empty();
    if takes_it_away && renewal.warn_seconds == 0 {
        warn(deciding, id, 0);
    }
    if takes_it_away && renewal.warn_seconds > 0 {
        renewal.when = When::At(deciding.now());
        deciding.fact(id, Fact::RenewalRequested(Requested { renewal: renewal.clone() }));
        announce(deciding, &machine, &renewal);
    } else {
        deciding.fact(id, Fact::RenewalRequested(Requested { renewal }));
    }
}

/// From here on the time is set. Whoever uses the machine is told, and has as long as they are to
/// have; whoever comes later is told when they come.
fn announce(deciding: &mut Deciding<'_>, machine: &Machine, renewal: &Renewal) {
    let When::At(mut at) = renewal.when else { return };
    if !machine.leases.is_empty() {
        warn(deciding, machine.id, renewal.warn_seconds);
        at = at.max(deciding.now().plus_seconds(renewal.warn_seconds));
    }
    deciding.fact(machine.id, Fact::RenewalAnnounced(Announced { at }));
}

/// Tells somebody who has just got a machine that it will soon be taken from them.
pub(crate) fn tell_newcomer(deciding: &mut Deciding<'_>, id: MachineId) {
    let machine = deciding.fleet.machines.get(id);
    let renewing = machine.and_then(|machine| machine.renewal.as_deref());
    if let Some(at) = renewing.and_then(|renewing| renewing.announced) {
        let seconds = (at.0 - deciding.now().0).max(0) / 1_000_000;
        warn(deciding, id, u32::try_from(seconds).unwrap_or(u32::MAX));
    }
}

/// Tells whoever sits in front of a machine that it will be taken from them.
fn warn(deciding: &mut Deciding<'_>, id: MachineId, seconds: u32) {
    let text = match seconds {
        0 => "This desktop is being renewed and closes now.".to_owned(),
        1..120 => format!("This desktop will be renewed in {seconds} s. Please save your work."),
        120.. => {
            let minutes = seconds / 60;
            format!("This desktop will be renewed in {minutes} min. Please save your work.")
        }
    };
    let text = Text::new(&text).unwrap_or_default();
    let message: MessageId = deciding.fresh();
    deciding.fact(id, Fact::MessageSent(MessageSent { message, text }));
}

/// Makes a machine clean after somebody used it, or says that this can't be: what was to come
/// anyway comes now, a throwaway overlay goes with the power, and anything else takes a new overlay
/// on the version that the machine stands on, made as it was the last time.
pub(crate) fn reset(deciding: &mut Deciding<'_>, id: MachineId) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    if machine.deleting || machine.is_external() || machine.being_renewed() {
        return;
    }
    if machine.renewal.is_some() {
        if machine.leases.is_empty() {
            steps::begin_or_clean(deciding, id);
        }
        return;
    }
    if machine.written.is_some() && machine.kept.is_none() && !machine.half_made {
        if machine.at_rest() {
            cleaned(deciding, &machine);
        } else {
            crate::machine::power::turn_off(deciding, id, StopManner::Hard);
        }
        return;
    }
    let Some(image) = machine.image().filter(|_| machine.can_be_cleaned()) else {
        if machine.written.is_some() {
            let detail = "nothing makes it clean: it stands on no version, or has further disks";
            cant_be_cleaned(deciding, id, detail);
        }
        return;
    };
    if !deciding.fleet.images.get(image).is_some_and(Image::is_usable) {
        cant_be_cleaned(deciding, id, "the version that it stands on can't be used");
        return;
    }
    let recipe = Recipe {
        first_boot: machine.recipe.as_ref().and_then(|recipe| recipe.first_boot.clone()),
        // Maintenance was for whoever looked at it after Populate. Now it is used.
        then: Then {
            virtual_snapshot: machine.virtual_snapshot.is_some(),
            on_reboot: None,
            maintenance: false,
        },
    };
    let renewal = Renewal {
        why: Why::Reset,
        image,
        recipe,
        when: When::OnRelease,
        warn_seconds: 0,
        discard_data: true,
    };
    request(deciding, id, renewal);
}

fn cant_be_cleaned(deciding: &mut Deciding<'_>, id: MachineId, detail: &'static str) {
    let failure = Failure::because(Cause::NotUsable, detail);
    deciding.fact(id, Fact::RenewalFailed(Failed { why: Why::Reset, failure }));
}

fn cleaned(deciding: &mut Deciding<'_>, machine: &Machine) {
    deciding.fact(machine.id, Fact::Cleaned(Done { image: machine.image() }));
}

/// An operation that is cancelled takes back what has not begun.
pub(crate) fn drop_pending(deciding: &mut Deciding<'_>, id: MachineId, operation: CommandId) {
    let machine = deciding.fleet.machines.get(id);
    let renewing = machine.and_then(|machine| machine.renewal.as_deref());
    let of_it = Why::Populate { operation };
    let pending = renewing.is_some_and(|renewing| {
        renewing.step == RenewalStep::Pending && renewing.renewal.why == of_it
    });
    if pending {
        let dropped = Dropped { why: of_it, cause: DropCause::Cancelled };
        deciding.fact(id, Fact::RenewalDropped(dropped));
    }
}

/// What a fact about a machine means for its renewal.
pub(crate) fn hear(deciding: &mut Deciding<'_>, id: MachineId, fact: &Fact) {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return };
    let Some(renewing) = &machine.renewal else {
        if matches!(fact, Fact::Stopped(_)) {
            went_off_with_traces(deciding, &machine);
        }
        return;
    };
    let in_first_boot = renewing.step == RenewalStep::FirstBoot;
    if let Fact::WorkFailed(it) = fact
        && renewing.step != RenewalStep::Pending
    {
        fail(deciding, id, renewing, it.failure.clone());
    }
    if let Fact::StartFailed(it) = fact
        && in_first_boot
    {
        fail(deciding, id, renewing, it.failure.clone());
    }
    if let Fact::Stopped(it) = fact
        && in_first_boot
    {
        first_boot_went_off(deciding, id, renewing, it.cause);
    }
}

/// What was written went with the power, unless its own disks have it, or somebody has the machine
/// again already.
fn went_off_with_traces(deciding: &mut Deciding<'_>, machine: &Machine) {
    let unused = machine.written.is_some() && machine.leases.is_empty() && machine.at_rest();
    if unused && machine.kept.is_none() {
        cleaned(deciding, machine);
    }
}

/// Going off is the end of a first boot only if that was agreed, and if the guest did it itself.
fn first_boot_went_off(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    renewing: &Renewing,
    cause: StopCause,
) {
    let done = renewing.renewal.recipe.first_boot.as_ref().map(|first_boot| &first_boot.done);
    let ended = done == Some(&FirstBootDone::GuestPoweroff) && cause == StopCause::Guest;
    if ended {
        deciding.fact(id, Fact::FirstBootEnded(Nothing {}));
        return;
    }
    let detail = match cause {
        StopCause::Guest => "the guest went off before its first boot was done",
        StopCause::Command => "somebody cut its power before its first boot was done",
        StopCause::Crash => "it crashed in its first boot",
        StopCause::HostLost => "its host was lost in its first boot",
    };
    fail(deciding, id, renewing, Failure::because(Cause::FirstBoot, detail));
}

/// It stays in quarantine, and on if it is: somebody may want to see how far its guest came.
fn fail(deciding: &mut Deciding<'_>, id: MachineId, renewing: &Renewing, failure: Failure) {
    let why = renewing.renewal.why.clone();
    deciding.fact(id, Fact::RenewalFailed(Failed { why, failure }));
}
