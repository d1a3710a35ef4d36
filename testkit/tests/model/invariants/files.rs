//! No file goes that something stands on. This looks at every machine, and knows of no index.

use carrel_model::event::ImageFact;
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ImageId, MachineId};
use carrel_model::image::{File, FileState, Image};
use carrel_model::machine::{Disk, Machine};

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
            assert_eq!(users(fleet, id).next(), None, "a file of {id} goes, and is used");
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

/// A later version's file stands on the one that is one less deep, of those that are there.
fn nothing_stands_on(fleet: &Fleet, image: &Image, file: &File) {
    let as_good =
        image.files_there().any(|other| other.number != file.number && other.depth == file.depth);
    let later = fleet.images.iter().find(|(_, later)| {
        let on_it = |it: &File| it.depth == file.depth + 1 && it.state != FileState::Retired;
        later.base == Some(image.id) && later.files.iter().any(on_it)
    });
    assert!(as_good || later.is_none(), "{later:?} stands on {file:?} of {}", image.id);
}

/// Versions that a machine has, had or is to have under a disk.
fn versions(machine: &Machine) -> impl Iterator<Item = ImageId> {
    let has = machine.disks.iter().chain(&machine.disks_to_come);
    let had = machine.disk_before.as_deref();
    let will_have = machine.renewal.as_ref().map(|renewing| renewing.renewal.image);
    has.chain(had).filter_map(Disk::image).chain(will_have)
}

fn users(fleet: &Fleet, image: ImageId) -> impl Iterator<Item = MachineId> {
    let uses = move |machine: &Machine| versions(machine).any(|it| it == image);
    fleet.machines.iter().filter(move |(_, machine)| uses(machine)).map(|(id, _)| id)
}

/// Every file that a machine's disk can stand on is there, and so are those under it.
pub(crate) fn everything_stands(fleet: &Fleet) {
    for (id, machine) in fleet.machines.iter() {
        for version in versions(machine) {
            let image = fleet.images.get(version);
            let image = image.unwrap_or_else(|| panic!("{id} stands on {version}, which is gone"));
            assert!(image.files_there().next().is_some(), "{id} stands on no file: {image:?}");
            for file in image.files_there() {
                stands(fleet, image, file);
            }
        }
    }
}

fn stands(fleet: &Fleet, image: &Image, file: &File) {
    let (mut at, mut depth) = (image, file.depth);
    while depth > 1 {
        depth -= 1;
        let base = at.base.and_then(|base| fleet.images.get(base));
        let below = base.filter(|base| base.files_there().any(|below| below.depth == depth));
        at = below.unwrap_or_else(|| panic!("nothing of depth {depth} is under {image:?}"));
    }
}
