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
        Fact::Updated(updated) => {
            let before = fleet.labs.get(id).map(|lab| lab.settings.pools.clone());
            fleet.step::<Lab>(id, |it| {
                it.name = updated.name.clone();
                it.settings = updated.settings.clone();
            });
            let offered = &updated.settings.pools;
            for pool in before.into_iter().flatten().filter(|pool| !offered.contains(pool)) {
                fleet.rights_were_lost(pool);
            }
        }
        Fact::Deleted(_) => drop(fleet.take::<Lab>(id)),
    }
}
