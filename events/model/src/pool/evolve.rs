//! What facts make of a pool.

use super::Pool;
use crate::event::PoolFact as Fact;
use crate::fleet::Fleet;
use crate::ids::PoolId;
use crate::record::Version;
use imbl::OrdSet;

pub(crate) fn evolve(fleet: &mut Fleet, id: PoolId, fact: &Fact) {
    match fact {
        Fact::Created(created) => fleet.put(
            id,
            Pool {
                id,
                version: Version(1),
                name: created.name.clone(),
                settings: created.settings.clone(),
                holders: OrdSet::new(),
                effect: None,
                next_turn: None,
                reviewed_upto: None,
            },
        ),
        Fact::Updated(updated) => fleet.step::<Pool>(id, |it| {
            it.name = updated.name.clone();
            it.settings = updated.settings.clone();
        }),
        Fact::Entitled(entitled) => fleet.step::<Pool>(id, |it| {
            it.holders.insert(entitled.holder);
        }),
        Fact::Revoked(revoked) => {
            fleet.step::<Pool>(id, |it| {
                it.holders.remove(&revoked.holder);
            });
            fleet.rights_were_lost(id);
        }
        Fact::ReviewAdvanced(reviewed) => fleet.step::<Pool>(id, |it| {
            it.reviewed_upto = reviewed.upto;
        }),
        Fact::CalendarTurned(turned) => fleet.step::<Pool>(id, |it| {
            it.effect = turned.effect.clone();
            it.next_turn = turned.next;
        }),
        Fact::Deleted(_) => drop(fleet.take::<Pool>(id)),
    }
}
