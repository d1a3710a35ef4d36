//! What facts make of a person.

use super::Client;
use crate::event::ClientFact as Fact;
use crate::fleet::Fleet;
use crate::ids::ClientId;
use crate::record::Version;

pub(crate) fn evolve(fleet: &mut Fleet, id: ClientId, fact: &Fact) {
    match fact {
        Fact::Created(client) => fleet.put(
            id,
            Client {
                id,
                version: Version(1),
                provider: client.provider.clone(),
                name_hash: client.name_hash,
                name: client.name.clone(),
                details: client.details.clone().map(Box::new),
                password: client.password.clone().map(Box::new),
                sessions_max: client.sessions_max,
                labels: client.labels.clone(),
                properties: client.properties.clone(),
                groups: Default::default(),
                blocked: false,
            },
        ),
        Fact::Updated(client) => fleet.step::<Client>(id, |it| {
            it.name_hash = client.name_hash;
            it.name = client.name.clone();
            it.details = client.details.clone().map(Box::new);
            it.sessions_max = client.sessions_max;
            it.labels = client.labels.clone();
            it.properties = client.properties.clone();
        }),
        Fact::PasswordSet(set) => fleet.step::<Client>(id, |it| {
            it.password = Some(Box::new(set.password.clone()));
        }),
        Fact::GroupsChanged(changed) => fleet.step::<Client>(id, |it| {
            it.groups = changed.groups.clone();
        }),
        Fact::Blocked(_) => fleet.step::<Client>(id, |it| it.blocked = true),
        Fact::Unblocked(_) => fleet.step::<Client>(id, |it| it.blocked = false),
        Fact::Deleted(_) => drop(fleet.take::<Client>(id)),
    }
}
