//! What facts make of a version of an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{File, FileState, Flattening, Image, State};
use crate::event::ImageFact as Fact;
use crate::fleet::Fleet;
use crate::ids::ImageId;
use crate::record::Version;
use crate::version::latest::image::Stat;

/// The file that sealing makes.
pub(crate) const FIRST_FILE: u16 = 0;

pub(crate) fn evolve(fleet: &mut Fleet, id: ImageId, fact: &Fact) {
    match fact {
        Fact::SealRequested(seal) => fleet.put(
            id,
            Image {
                id,
                version: Version(1),
                initial: seal.initial,
                number: seal.number,
                origin: seal.origin.clone(),
                by: seal.operation,
                state: State::Sealing,
                settings: Arc::new(seal.settings.clone()),
                size_gib: seal.size_gib,
                base: seal.base,
                wanted_tags: seal.tags.clone(),
                tags: BTreeMap::new(),
                files: vec![File {
                    number: FIRST_FILE,
                    storage: seal.storage,
                    format: seal.format,
                    depth: seal.depth,
                    state: FileState::Making { hypervisor: None },
                    stat: None,
                }],
                files_made: FIRST_FILE + 1,
                flattening: Flattening::Done,
            },
        ),
        Fact::Failed(_) | Fact::Removed(_) => drop(fleet.take::<Image>(id)),
        Fact::Sealed(_)
        | Fact::Verified(_)
        | Fact::Tagged(_)
        | Fact::Untagged(_)
        | Fact::FileRequested(_)
        | Fact::FileMade(_)
        | Fact::FileFailed(_)
        | Fact::FileRetired(_)
        | Fact::FileRemoved(_)
        | Fact::FlattenDelayed(_)
        | Fact::RebaseAdvanced(_)
        | Fact::Retired(_) => fleet.step::<Image>(id, |image| change(image, fact)),
    }
}

fn change(image: &mut Image, fact: &Fact) {
    match fact {
        Fact::SealRequested(_) | Fact::Failed(_) | Fact::Removed(_) => {}
        Fact::Sealed(sealed) => {
            image.state = State::Sealed;
            image.wanted_tags.clear();
            made(image, sealed.file, sealed.stat, FileState::There);
        }
        Fact::Verified(verified) => {
            if image.state == State::Sealed {
                image.state = State::Verified(verified.digest);
            }
            let same = FileState::Unverified(verified.digest);
            for file in image.files.iter_mut().filter(|file| file.state == same) {
                file.state = FileState::There;
            }
            stand_on_flat(image);
        }
        Fact::Tagged(tagged) => {
            image.tags.insert(tagged.tag.clone(), tagged.hold);
        }
        Fact::Untagged(untagged) => {
            image.tags.remove(&untagged.tag);
        }
        Fact::FileRequested(file) => {
            image.files_made = image.files_made.max(file.file.saturating_add(1));
            image.files.push(File {
                number: file.file,
                storage: file.storage,
                format: file.format,
                depth: file.depth,
                state: FileState::Making { hypervisor: Some(file.hypervisor) },
                stat: None,
            });
            image.flattening = Flattening::Asked { failed: image.flattening.failed() };
        }
        Fact::FileMade(done) => {
            let state = match image.state {
                State::Verified(known) if known == done.digest => FileState::There,
                State::Sealing | State::Sealed | State::Verified(_) => {
                    FileState::Unverified(done.digest)
                }
                State::Retired => FileState::There,
            };
            made(image, done.file, done.stat, state);
            stand_on_flat(image);
        }
        Fact::FileFailed(failed) => failed_file(image, failed.file),
        Fact::FileRetired(retired) => mark(image, retired.file, FileState::Retired),
        Fact::FileRemoved(removed) => image.files.retain(|file| file.number != removed.file),
        Fact::Retired(_) => {
            image.state = State::Retired;
            image.tags.clear();
            // Nothing stands on it.
            image.flattening = Flattening::Done;
        }
        Fact::FlattenDelayed(delayed) => {
            let failed = image.flattening.failed().saturating_add(1);
            image.flattening = Flattening::Again { at: delayed.until, failed };
        }
        Fact::RebaseAdvanced(rebased) => {
            image.flattening = match rebased.upto {
                Some(upto) => Flattening::Rebasing { upto: Some(upto) },
                None => Flattening::Done,
            };
        }
    }
}

/// What stands on the deep file is to stand on the one that stands alone.
fn stand_on_flat(image: &mut Image) {
    let asked = matches!(image.flattening, Flattening::Asked { .. });
    if asked && image.state != State::Retired && image.has_become_flat() {
        image.flattening = Flattening::Rebasing { upto: None };
    }
}

/// One that is there is removed first.
fn failed_file(image: &mut Image, number: u16) {
    let is_there = |file: &File| matches!(file.state, FileState::Unverified(_));
    image.files.retain(|file| file.number != number || is_there(file));
    mark(image, number, FileState::Retired);
}

fn made(image: &mut Image, number: u16, stat: Stat, state: FileState) {
    for file in image.files.iter_mut().filter(|file| file.number == number) {
        file.stat = Some(stat);
        file.state = state;
    }
}

fn mark(image: &mut Image, number: u16, state: FileState) {
    for file in image.files.iter_mut().filter(|file| file.number == number) {
        file.state = state;
    }
}
