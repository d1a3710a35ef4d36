//! No file goes that something stands on. This looks at every machine, and knows of no index.

use carrel_model::event::ImageFact;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ImageId, MachineId};
use carrel_model::image::{File, FileState, Image};
use carrel_model::machine::{Base, Disk, Machine};

/// Nothing loses what it stands on by this.
pub(super) fn may_happen(fleet: &Fleet, id: ImageId, fact: &ImageFact) {
    let Some(image) = fleet.images.get(id) else { return };
    if let ImageFact::Retired(_) | ImageFact::Removed(_) | ImageFact::Failed(_) = fact {
        assert_eq!(users(fleet, id).next(), None, "{id} goes, and is used: {fact:?}");
    }
    if let ImageFact::Removed(_) = fact {
        assert!(image.files.is_empty(), "{id} goes before its files: {image:?}");
    }
    if let ImageFact::FileRetired(retired) = fact {
        let file = file(image, retired.file);
        if file.state == FileState::There {
            nothing_stands_on(fleet, image, file);
        }
    }
    // A file that turned out to be another one was never there for anybody.
    if let ImageFact::FileRemoved(removed) = fact {
        let file = file(image, removed.file);
        assert_eq!(file.state, FileState::Retired, "{id} loses a file that did not go first");
        nothing_stands_on(fleet, image, file);
    }
}

fn file(image: &Image, number: u16) -> &File {
    let file = image.files.iter().find(|file| file.number == number);
    file.expect("a fact about a file is about one that is there")
}

/// No disk, and no later version's file.
fn nothing_stands_on(fleet: &Fleet, image: &Image, file: &File) {
    let base = Base { image: image.id, file: file.number };
    let machine = fleet.machines.iter().find(|(_, machine)| bases(machine).any(|it| it == base));
    assert_eq!(machine.map(|(id, _)| id), None, "it stands on {file:?} of {}", image.id);
    let later = fleet.images.iter().find(|(_, later)| later.stands_on() == Some(base));
    assert_eq!(later.map(|(id, _)| id), None, "it stands on {file:?} of {}", image.id);
}

/// Files that a machine's disks stand on, also those that it could go back to or is going to have,
/// and the one that its system disk is being put onto.
fn bases(machine: &Machine) -> impl Iterator<Item = Base> {
    let has = machine.disks.iter().chain(&machine.disks_to_come);
    let had = machine.disk_before.as_deref();
    has.chain(had).filter_map(Disk::base).chain(machine.base())
}

/// Versions that a machine has, had or is to have under a disk.
fn versions(machine: &Machine) -> impl Iterator<Item = ImageId> {
    let has = machine.disks.iter().chain(&machine.disks_to_come);
    let had = machine.disk_before.as_deref();
    let will_have = machine.renewal.as_ref().map(|renewing| renewing.renewal.image);
    has.chain(had).filter_map(Disk::image).chain(will_have)
}

/// Machines that have, had or are to have a disk on it.
pub fn users(fleet: &Fleet, image: ImageId) -> impl Iterator<Item = MachineId> {
    let uses = move |machine: &Machine| versions(machine).any(|it| it == image);
    fleet.machines.iter().filter(move |(_, machine)| uses(machine)).map(|(id, _)| id)
}

/// Every file that a machine's disk can stand on is there, and so are those under it.
///
/// # Panics
/// If one is not.
pub fn everything_stands(fleet: &Fleet) {
    for (id, machine) in fleet.machines.iter() {
        for version in versions(machine) {
            let image = fleet.images.get(version);
            let image = image.unwrap_or_else(|| panic!("{id} stands on {version}, which is gone"));
            assert!(image.files_there().next().is_some(), "{id} stands on no file: {image:?}");
            for file in image.files_there() {
                stands(fleet, image, file);
            }
        }
        for base in bases(machine) {
            let image = fleet.images.get(base.image).expect("it was found just now");
            let is_there = image.files_there().any(|file| file.number == base.file);
            assert!(is_there, "{id} stands on a file that is not there: {base:?} of {image:?}");
        }
    }
}

fn stands(fleet: &Fleet, image: &Image, file: &File) {
    let (mut at, mut depth) = (image, file.depth);
    while depth > 1 {
        depth -= 1;
        let below = at.base.and_then(|base| Some((fleet.images.get(base.image)?, base.file)));
        let is_below = |below: &Image, number: u16| {
            below.files_there().any(|file| file.number == number && file.depth == depth)
        };
        let below = below.filter(|(below, number)| is_below(below, *number));
        at = below.unwrap_or_else(|| panic!("nothing of depth {depth} is under {image:?}")).0;
    }
}
