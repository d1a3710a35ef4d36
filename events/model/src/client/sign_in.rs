//! What a sign-in tells about a person.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Provider;
use crate::deciding::{Decide, Deciding};
use crate::event::ClientFact as Fact;
use crate::fleet::Fleet;
use crate::ids::{ClientId, FromUuid, GroupId};
use crate::people::{Form, Plain, Seal, SealCommand, Sealed, SealedPersonRef};
use crate::rejection::Rejection;
use crate::sealed::Boxes;
use crate::session::{Subject, end_without_right};
use crate::text::Text;
use crate::version::latest::client::{Created, GroupsChanged};

/// Of the system: somebody has signed in by their directory. Whoever was not known is from now on,
/// and belongs to the groups that the directory says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "RecordSignIn", bound = "")]
pub struct RecordSignIn<F: Form = Sealed> {
    /// Somebody who is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<F::Person>,
    /// Somebody who was not, when this was sent.
    #[serde(default, skip_serializing_if = "Option::is_none", bound = "")]
    pub newcomer: Option<Newcomer<F>>,
    /// What the directory calls the groups that they are in.
    #[serde(default)]
    pub groups: BTreeSet<Text>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "Newcomer", bound = "")]
pub struct Newcomer<F: Form = Sealed> {
    /// Made when the command is sealed.
    #[serde(default)]
    #[schemars(skip)]
    pub id: F::NewId,
    pub provider: Provider,
    pub name: F::Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<F::Personal>,
}

impl SealCommand for RecordSignIn<Plain> {
    type Sealed = RecordSignIn;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<RecordSignIn, S::Error> {
        let newcomer = match self.newcomer {
            Some(it) => {
                let id = seal.new_id()?;
                Some(Newcomer {
                    id,
                    name: seal.name(id, &it.provider, &it.name)?,
                    details: it.details.map(|text| seal.personal(id, &text)).transpose()?,
                    provider: it.provider,
                })
            }
            None => None,
        };
        let client = self.client.map(|client| seal.reference(&client)).transpose()?;
        Ok(RecordSignIn { client, newcomer, groups: self.groups })
    }
}

impl Decide for RecordSignIn {
    /// Whoever was deleted in the meantime stays unknown.
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let known = match (&self.client, &self.newcomer) {
            (Some(client), _) => deciding.find_client(client).ok().map(|(id, _)| id),
            (None, Some(newcomer)) => Some(welcome(deciding, newcomer)),
            (None, None) => None,
        };
        let client = known.and_then(|id| deciding.fleet.clients.shared(id));
        let Some(client) = client else { return Ok(()) };
        let groups = groups_named(&deciding.fleet, &client.provider, &self.groups);
        if groups != client.groups {
            deciding.fact(client.id, Fact::GroupsChanged(GroupsChanged { groups }));
            end_without_right(deciding, Subject::Client(client.id));
        }
        Ok(())
    }
}

/// Two first sign-ins at once are those of one person.
fn welcome(deciding: &mut Deciding<'_>, newcomer: &Newcomer) -> ClientId {
    let (provider, hash) = (newcomer.provider.clone(), newcomer.name.hash);
    let same = SealedPersonRef::Name { provider: provider.clone(), hash };
    if let Ok((id, _)) = deciding.find_client(&same) {
        return id;
    }
    let id = ClientId::from_uuid(newcomer.id);
    if deciding.fleet.clients.contains(id) {
        return id;
    }
    deciding.fact(
        id,
        Fact::Created(Created {
            provider,
            name_hash: hash,
            name: newcomer.name.sealed.clone(),
            details: newcomer.details.clone(),
            password: None,
            sessions_max: None,
            labels: Boxes::new(),
            properties: Boxes::new(),
        }),
    );
    id
}

fn groups_named(fleet: &Fleet, provider: &Provider, names: &BTreeSet<Text>) -> BTreeSet<GroupId> {
    let of_directory = fleet.groups.iter().filter(|(_, group)| {
        let directory = group.settings.directory.as_ref();
        directory.is_some_and(|it| it.provider == *provider && names.contains(&it.group))
    });
    of_directory.map(|(id, _)| id).collect()
}
