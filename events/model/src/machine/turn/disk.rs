//! A disk grows; media are put in and taken out.

use super::{place_for_files, until_applied};
use crate::deciding::Deciding;
use crate::event::MachineFact as Fact;
use crate::ids::{DiskId, MachineId, MediaId};
use crate::machine::obstacle::host_answers;
use crate::machine::rejection::Rejection as Refused;
use crate::machine::{Machine, State};
use crate::media::Kind as MediumKind;
use crate::operation::Begun;
use crate::rejection::Rejection;
use crate::template;
use crate::version::latest::machine::{DiskResized, OfMedia};

/// A guest has four places for CDs (SATA).
const MEDIA_MAX: usize = 4;

/// An overlay can be larger than what it stands on, so a child's disk grows like any other. Not so
/// with a virtual snapshot: what grows would be thrown away; nor with snapshots: the guest would find
/// a smaller disk after a revert.
pub(crate) fn resize_disk(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    disk: DiskId,
    size_gib: u32,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    can_change_files(deciding, &machine)?;
    let name = machine.name.clone();
    let Some(disk) = machine.disk(disk) else {
        return Err(Refused::NoSuchDisk { machine: name }.into());
    };
    if size_gib == disk.size_gib {
        return Ok(Begun::Done);
    }
    template::check_disk(size_gib)?;
    if size_gib < disk.size_gib {
        let (from_gib, to_gib) = (disk.size_gib, size_gib);
        return Err(Refused::CannotShrink { machine: name, from_gib, to_gib }.into());
    }
    if machine.virtual_snapshot.is_some() {
        return Err(Refused::HasVirtualSnapshot { machine: name }.into());
    }
    if !machine.snapshots.is_empty() {
        return Err(Refused::HasSnapshots { machine: name }.into());
    }
    let resized = DiskResized { disk: disk.id, size_gib };
    if !machine.has_files {
        // It will be made with that size.
        deciding.fact(id, Fact::DiskResized(resized));
        return Ok(Begun::Done);
    }
    place_for_files(deciding, &machine)?;
    deciding.fact(id, Fact::DiskResized(resized));
    Ok(until_applied(deciding, id))
}

/// Its files may be worked on: it is off, or runs.
pub(super) fn can_change_files(
    deciding: &Deciding<'_>,
    machine: &Machine,
) -> Result<(), Rejection> {
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    machine.is_not_locked()?;
    if machine.at_rest() {
        return machine.is_off();
    }
    host_answers(&deciding.fleet, machine)?;
    machine.is_running()
}

pub(crate) fn attach_media(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    medium: MediaId,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    machine.is_not_external()?;
    machine.is_left_alone(&deciding.fleet)?;
    if machine.media.contains(&medium) {
        return Ok(Begun::Done);
    }
    let found = deciding.fleet.media.get(medium).map(|it| (it.kind, it.name.clone()));
    if let Some((MediumKind::Disk, medium)) = found {
        return Err(Refused::NotInsertable { medium }.into());
    }
    if machine.media.len() >= MEDIA_MAX {
        let machine = machine.name.clone();
        return Err(Refused::TooManyMedia { machine, most: MEDIA_MAX }.into());
    }
    deciding.fact(id, Fact::MediaAttached(OfMedia { media: medium }));
    Ok(at_once_or_at_the_next_start(deciding, &machine))
}

pub(crate) fn detach_media(
    deciding: &mut Deciding<'_>,
    id: MachineId,
    medium: MediaId,
) -> Result<Begun, Rejection> {
    let Some(machine) = deciding.fleet.machines.shared(id) else { return Ok(Begun::Done) };
    machine.is_left_alone(&deciding.fleet)?;
    if !machine.media.contains(&medium) {
        return Ok(Begun::Done);
    }
    deciding.fact(id, Fact::MediaDetached(OfMedia { media: medium }));
    Ok(at_once_or_at_the_next_start(deciding, &machine))
}

fn at_once_or_at_the_next_start(deciding: &Deciding<'_>, machine: &Machine) -> Begun {
    match machine.observed.state {
        State::Running | State::Paused(_) | State::Asleep => until_applied(deciding, machine.id),
        State::Off | State::Starting | State::Stopping | State::Crashed | State::Unknown => {
            Begun::Done
        }
    }
}
