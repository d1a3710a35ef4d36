//! What facts make of a storage.

use super::Storage;
use crate::event::StorageFact as Fact;
use crate::fleet::Fleet;
use crate::ids::StorageId;
use crate::record::Version;
use crate::version::latest::Switch;

pub(crate) fn evolve(fleet: &mut Fleet, id: StorageId, fact: &Fact) {
    match fact {
        Fact::Created(created) => fleet.put(
            id,
            Storage {
                id,
                version: Version(1),
                name: created.name.clone(),
                settings: created.settings.clone(),
                low_on_space: false,
                free_mib: None,
            },
        ),
        Fact::Updated(updated) => fleet.step::<Storage>(id, |it| {
            it.name = updated.name.clone();
            it.settings = updated.settings.clone();
        }),
        Fact::SpaceLowChanged(change) => fleet.step::<Storage>(id, |it| {
            it.low_on_space = change.switch == Switch::On;
            it.free_mib = Some(change.free_mib);
        }),
        Fact::SpaceChanged(change) => fleet.step::<Storage>(id, |it| {
            it.free_mib = Some(change.free_mib);
        }),
        Fact::Removed(_) => drop(fleet.take::<Storage>(id)),
    }
}
