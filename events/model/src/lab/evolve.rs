//! What facts make of a lab.

use super::Lab;
use crate::event::LabFact as Fact;
use crate::fleet::Fleet;
use crate::ids::LabId;
use crate::record::Version;

pub(crate) fn evolve(fleet: &mut Fleet, id: LabId, fact: &Fact) {
    match fact {
        Fact::Created(created) => fleet.put(
            id,
            Lab {
                id,
                version: Version(1),
                name: created.name.clone(),
                settings: created.settings.clone(),
            },
        ),
        Fact::Updated(updated) => fleet.step::<Lab>(id, |it| {
            it.name = updated.name.clone();
            it.settings = updated.settings.clone();
        }),
        Fact::Deleted(_) => drop(fleet.take::<Lab>(id)),
    }
}
