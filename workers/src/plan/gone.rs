//! Machines that a host lets go of, and what a run leaves behind.

use carrel_driver::place::{machine_folder, root_of, throwaway_folder};
use carrel_driver::{Place, Root, Seen, Step};
use carrel_model::ids::MachineId;
use carrel_model::machine::{Outcome, Reported};
use carrel_model::work::{DiskSpec, Thing};

use super::{Next, files, is_same, is_within, not_mounted, step, unseen};
use crate::entry::Entry;

/// Throwaway overlays that are there, but for one.
pub(super) fn thrown_away(machine: MachineId, seen: &Seen, but: Option<&Place>) -> Vec<Place> {
    let folder = throwaway_folder(machine);
    let there = seen.files.iter().map(|file| &file.place);
    let gone = there.filter(|place| {
        place.file.as_str().starts_with(&folder) && !but.is_some_and(|but| is_same(but, place))
    });
    gone.cloned().collect()
}

/// What is to be cleared up for a thing that has nothing else to do.
pub fn leftovers(thing: Thing, seen: &Seen) -> Option<Step> {
    let Thing::Machine(machine) = thing else { return None };
    if seen.domain.as_ref().is_some_and(|domain| domain.state.is_on()) {
        return None;
    }
    let files = thrown_away(machine, seen, None);
    (!files.is_empty()).then_some(Step::RemoveFiles { files })
}

fn undefined(machine: MachineId, seen: &Seen, deleted: bool) -> Option<Next> {
    if seen.domain.as_ref().is_some_and(|domain| domain.state.is_on()) {
        return Some(step(Step::Destroy));
    }
    let files = thrown_away(machine, seen, None);
    if !files.is_empty() {
        return Some(step(Step::RemoveFiles { files }));
    }
    seen.domain.is_some().then(|| step(Step::Undefine { deleted }))
}

fn over(machine: MachineId, entry: &Entry, outcome: Outcome) -> Next {
    let reported = Reported::Machine { id: machine, outcome };
    if entry.has_said(&reported) { Next::Settled } else { Next::Say(reported) }
}

/// Its files are left alone, but for what nobody keeps.
pub(super) fn released(machine: MachineId, seen: &Seen, entry: &Entry) -> Next {
    undefined(machine, seen, false).unwrap_or_else(|| over(machine, entry, Outcome::Released))
}

pub(super) fn absent(machine: MachineId, disks: &[DiskSpec], seen: &Seen, entry: &Entry) -> Next {
    if let Some(next) = undefined(machine, seen, true) {
        return next;
    }
    if let Some(disk) = disks.iter().find(|disk| disk.path.is_none()) {
        return unseen(&format!("disk {}", disk.id));
    }
    let roots: Vec<Root> =
        entry.roots.iter().cloned().chain(disks.iter().filter_map(root_of)).collect();
    if let Some(next) = not_mounted(seen, &roots) {
        return next;
    }
    let folder = machine_folder(machine);
    let own: Vec<Place> = disks.iter().filter_map(|disk| files::place(machine, disk)).collect();
    let is_own = |place: &Place| {
        is_within(place, &entry.roots, &folder)
            || own.iter().chain(&entry.made).any(|own| is_same(own, place))
    };
    let there = seen.files.iter().map(|file| &file.place);
    let files: Vec<Place> = there.filter(|place| is_own(place)).cloned().collect();
    if !files.is_empty() {
        return step(Step::RemoveFiles { files });
    }
    over(machine, entry, Outcome::Absent)
}
