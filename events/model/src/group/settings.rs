//! Groups of people come, change and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Group, Settings, held_by};
use crate::arranged::{self, Arranged};
use crate::client::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::event::GroupFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{ClientId, GroupId};
use crate::name::Name;
use crate::people::{Form, Plain, Seal, SealCommand, Sealed, SealedPersonRef};
use crate::pool::{Holder, REVIEWED_AT_ONCE_MAX, review, revoke};
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::{Rejection, general};
use crate::version::latest::Nothing;
use crate::version::latest::group::{Created, MemberChanged, Updated};

/// Each is one fact; the rest of a decision is for the sessions of those who lose something.
const MEMBERS_CHANGED_MAX: usize = 64;
/// Those who lose them may have desktops there, which are looked at in the same decision.
const POOLS_REVOKED_MAX: usize = REVIEWED_AT_ONCE_MAX;

impl Arranged for Group {
    type Name = Name;
    type Settings = Settings;
    type Draft = Settings;

    fn name(&self) -> &Name {
        &self.name
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn draft(_: &Fleet, settings: &Settings) -> Settings {
        settings.clone()
    }

    fn settle(_: &Deciding<'_>, _: &Name, draft: &Settings) -> Result<Settings, Rejection> {
        Ok(draft.clone())
    }

    fn created(name: Name, settings: Settings) -> Fact {
        Fact::Created(Created { name, settings })
    }

    fn updated(name: Name, settings: Settings) -> Fact {
        Fact::Updated(Updated { name, settings })
    }
}

/// Makes a group: of people whom an operator names, or of a directory's group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateGroup {
    pub name: Name,
    #[serde(default)]
    pub settings: Settings,
}

impl Decide for CreateGroup {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        arranged::create::<Group>(deciding, &self.name, &self.settings)?;
        Ok(())
    }
}

/// Changes a group, and who is in it: at most 64 people at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "UpdateGroup", bound = "")]
pub struct UpdateGroup<F: Form = Sealed> {
    pub group: Ref<GroupId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Settings>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<F::Person>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<F::Person>,
    /// Refused when the group is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl SealCommand for UpdateGroup<Plain> {
    type Sealed = UpdateGroup;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<UpdateGroup, S::Error> {
        let mut all = |people: Vec<_>| {
            people.iter().map(|person| seal.reference(person)).collect::<Result<Vec<_>, _>>()
        };
        Ok(UpdateGroup {
            group: self.group,
            name: self.name,
            settings: self.settings,
            add: all(self.add)?,
            remove: all(self.remove)?,
            if_version: self.if_version,
        })
    }
}

impl Decide for UpdateGroup {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, group) = deciding.find::<Group>(&self.group)?;
        let change = Change::new(self.name.as_ref(), &self.settings, self.if_version);
        arranged::update::<Group>(deciding, &Ref::Id(id), &change)?;
        let (given, most) = (self.add.len() + self.remove.len(), MEMBERS_CHANGED_MAX);
        if given > most {
            return Err(general::Rejection::TooMany { given, most }.into());
        }
        let updated = deciding.fleet.groups.get(id).map(|group| &group.settings);
        let of_directory = updated.is_some_and(|settings| settings.directory.is_some());
        if of_directory && !self.add.is_empty() {
            return Err(Refused::DirectoryHasMembers { group: group.name.clone() }.into());
        }
        let (add, remove) = (known(deciding, &self.add)?, known(deciding, &self.remove)?);
        for client in add {
            if !is_member(deciding, id, client) {
                deciding.fact(id, Fact::MemberAdded(MemberChanged { client }));
            }
        }
        for client in remove {
            if is_member(deciding, id, client) {
                deciding.fact(id, Fact::MemberRemoved(MemberChanged { client }));
            }
        }
        let pools = held_by(&deciding.fleet, id);
        review(deciding, &pools);
        Ok(())
    }
}

fn known(deciding: &Deciding<'_>, people: &[SealedPersonRef]) -> Result<Vec<ClientId>, Rejection> {
    people.iter().map(|person| deciding.find_client(person).map(|(id, _)| id)).collect()
}

fn is_member(deciding: &Deciding<'_>, group: GroupId, client: ClientId) -> bool {
    deciding.fleet.groups.get(group).is_some_and(|group| group.members.contains(&client))
}

/// Deletes a group. Its people lose the pools that they had by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteGroup {
    pub group: Ref<GroupId>,
}

impl Decide for DeleteGroup {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, group) = deciding.find::<Group>(&self.group)?;
        let pools = held_by(&deciding.fleet, id);
        if pools.len() > POOLS_REVOKED_MAX {
            let (group, most) = (group.name.clone(), POOLS_REVOKED_MAX);
            return Err(Refused::HoldsTooMuch { group, pools: pools.len(), most }.into());
        }
        for pool in &pools {
            revoke(deciding, *pool, Holder::Group(id));
        }
        deciding.fact(id, Fact::Deleted(Nothing {}));
        review(deciding, &pools);
        Ok(())
    }
}
