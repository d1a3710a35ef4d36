//! What facts make of a group of people.

use super::{Group, held_by};
use crate::event::GroupFact as Fact;
use crate::fleet::Fleet;
use crate::ids::GroupId;
use crate::record::Version;
use imbl::OrdSet;

pub(crate) fn evolve(fleet: &mut Fleet, id: GroupId, fact: &Fact) {
    match fact {
        Fact::Created(created) => fleet.put(
            id,
            Group {
                id,
                version: Version(1),
                name: created.name.clone(),
                settings: created.settings.clone(),
                members: OrdSet::new(),
            },
        ),
        Fact::Updated(updated) => fleet.step::<Group>(id, |it| {
            it.name = updated.name.clone();
            it.settings = updated.settings.clone();
        }),
        Fact::MemberAdded(member) => fleet.step::<Group>(id, |it| {
            it.members.insert(member.client);
        }),
        Fact::MemberRemoved(member) => {
            fleet.step::<Group>(id, |it| {
                it.members.remove(&member.client);
            });
            for pool in held_by(fleet, id) {
                fleet.rights_were_lost(pool);
            }
        }
        Fact::Deleted(_) => drop(fleet.take::<Group>(id)),
    }
}
