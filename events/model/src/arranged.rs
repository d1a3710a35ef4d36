//! Things that are a name and settings: hosts, storages, networks, templates, pools, groups, labs.
//! They come and change in the same way.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::deciding::Deciding;
use crate::event::{Event, Stream};
use crate::fleet::{Fleet, Thing};
use crate::hypervisor::Hypervisor;
use crate::ids::HypervisorId;
use crate::reference::{Change, NamedId, Patch, Ref};
use crate::rejection::{Rejection, bad_settings, general};

/// More hosts than one Carrel looks after; their paths fit well into one fact (300 bytes each).
pub(crate) const HOSTS_MAX: usize = 512;

pub(crate) trait Arranged:
    Thing<Id: NamedId + Stream<Event = Event> + Display + PartialEq>
{
    type Name: AsRef<str> + Clone + PartialEq;
    type Settings: PartialEq;
    /// The settings as people write them, with other things by their ids or names.
    type Draft: Clone + Serialize + DeserializeOwned;

    fn name(&self) -> &Self::Name;
    fn settings(&self) -> &Self::Settings;

    /// What has gone in the meantime is left out, so that it is in nobody's way.
    fn draft(fleet: &Fleet, settings: &Self::Settings) -> Self::Draft;
    /// Finds what the draft names, and refuses what can't be.
    fn settle(
        deciding: &Deciding<'_>,
        name: &Self::Name,
        draft: &Self::Draft,
    ) -> Result<Self::Settings, Rejection>;
    /// A patch in which maps have the same keys as in [`Arranged::draft`].
    fn by_ids(
        deciding: &Deciding<'_>,
        patch: &Patch<Self::Draft>,
    ) -> Result<Patch<Self::Draft>, Rejection> {
        let _ = deciding;
        Ok(patch.clone())
    }
    /// Nobody needs what would no longer be.
    fn may_become(&self, fleet: &Fleet, settings: &Self::Settings) -> Result<(), Rejection> {
        let _ = (fleet, settings);
        Ok(())
    }

    /// Nobody else has what only one can have.
    fn is_free(
        fleet: &Fleet,
        own: Option<Self::Id>,
        settings: &Self::Settings,
    ) -> Result<(), Rejection> {
        let _ = (fleet, own, settings);
        Ok(())
    }

    fn created(name: Self::Name, settings: Self::Settings) -> <Self::Id as Stream>::Fact;
    fn updated(name: Self::Name, settings: Self::Settings) -> <Self::Id as Stream>::Fact;
}

pub(crate) fn create<T: Arranged>(
    deciding: &mut Deciding<'_>,
    name: &T::Name,
    draft: &T::Draft,
) -> Result<T::Id, Rejection> {
    deciding.name_is_free::<T::Id>(name.as_ref(), None)?;
    let settings = T::settle(deciding, name, draft)?;
    T::is_free(&deciding.fleet, None, &settings)?;
    let id: T::Id = deciding.fresh();
    deciding.fact(id, T::created(name.clone(), settings));
    Ok(id)
}

pub(crate) fn update<T: Arranged>(
    deciding: &mut Deciding<'_>,
    named: &Ref<T::Id>,
    change: &Change<'_, T::Draft, T::Name>,
) -> Result<(), Rejection> {
    let (id, thing) = deciding.find::<T>(named)?;
    deciding.is_version(&*thing, change.if_version)?;
    let name = change.name.unwrap_or(thing.name());
    let draft = T::draft(&deciding.fleet, thing.settings());
    let patched = T::by_ids(deciding, change.settings)?.apply(&draft)?;
    let settings = T::settle(deciding, name, &patched)?;
    if name == thing.name() && settings == *thing.settings() {
        return Ok(());
    }
    deciding.name_is_free(name.as_ref(), Some(id))?;
    thing.may_become(&deciding.fleet, &settings)?;
    T::is_free(&deciding.fleet, Some(id), &settings)?;
    deciding.fact(id, T::updated(name.clone(), settings));
    Ok(())
}

/// The hosts of a draft, by their ids.
pub(crate) fn hosts<T: Clone>(
    deciding: &Deciding<'_>,
    drafted: &BTreeMap<Ref<HypervisorId>, T>,
) -> Result<BTreeMap<HypervisorId, T>, Rejection> {
    let (given, most) = (drafted.len(), HOSTS_MAX);
    if given > most {
        return Err(general::Rejection::TooMany { given, most }.into());
    }
    let mut hosts = BTreeMap::new();
    for (named, value) in drafted {
        let (id, host) = deciding.find::<Hypervisor>(named)?;
        if hosts.insert(id, value.clone()).is_some() {
            return Err(bad_settings(format_args!("the host {} is named twice", host.name)));
        }
    }
    Ok(hosts)
}

/// The other way round, without those that are gone.
pub(crate) fn drafted_hosts<T: Clone>(
    fleet: &Fleet,
    hosts: &BTreeMap<HypervisorId, T>,
) -> BTreeMap<Ref<HypervisorId>, T> {
    hosts
        .iter()
        .filter(|(id, _)| fleet.hypervisors.contains(**id))
        .map(|(id, value)| (Ref::Id(*id), value.clone()))
        .collect()
}

/// A patch of settings with `hosts`, in which each is named by its id.
pub(crate) fn hosts_by_id<T>(
    deciding: &Deciding<'_>,
    patch: &Patch<T>,
) -> Result<Patch<T>, Rejection> {
    patch.with_keys("hosts", |key| {
        let named = Ref::<HypervisorId>::new(key).map_err(bad_settings)?;
        Ok(deciding.find::<Hypervisor>(&named)?.0.to_string())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::client::commands::CreateClient;
    use crate::people::Plain;
    use crate::testing::command;

    #[test]
    fn all_that_people_arrange_has_labels_and_properties() {
        let with = |mut data: Value| {
            data["labels"] = json!({ "site": "north" });
            data["properties"] = json!({ "owner": "it" });
            data
        };
        let capacity = json!({ "memory_mib": 1, "vcpus": 1 });
        for (name, key, settings) in [
            ("RegisterHypervisor", "name", json!({ "capacity": capacity })),
            ("CreateStorage", "name", json!({ "roles": ["disks"] })),
            ("CreateNetwork", "name", json!({})),
            ("CreateTemplate", "name", json!({})),
            ("CreatePool", "name", json!({})),
            ("CreateGroup", "name", json!({})),
            ("CreateLab", "name", json!({})),
            ("RegisterTerminal", "termid", json!({ "lab": "l", "class": "kiosk" })),
        ] {
            command(name, json!({ key: "x", "settings": with(settings) }));
        }
        let digest = "0".repeat(64);
        let medium = json!({
            "name": "x", "kind": "iso", "storage": "s", "size_bytes": 1, "digest": digest,
        });
        command("AddMedia", with(medium));
        let person = serde_json::from_value::<CreateClient<Plain>>(with(json!({ "name": "x" })));
        assert!(person.is_ok(), "{person:?}");
    }
}
