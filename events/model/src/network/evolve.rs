//! What facts make of a network.

use super::Network;
use crate::event::NetworkFact as Fact;
use crate::fleet::Fleet;
use crate::ids::NetworkId;
use crate::record::Version;

pub(crate) fn evolve(fleet: &mut Fleet, id: NetworkId, fact: &Fact) {
    match fact {
        Fact::Created(created) => fleet.put(
            id,
            Network {
                id,
                version: Version(1),
                name: created.name.clone(),
                settings: created.settings.clone(),
            },
        ),
        Fact::Updated(updated) => fleet.step::<Network>(id, |it| {
            it.name = updated.name.clone();
            it.settings = updated.settings.clone();
        }),
        Fact::Removed(_) => drop(fleet.take::<Network>(id)),
    }
}
