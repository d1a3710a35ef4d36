//! People come.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Provider;
use super::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::event::ClientFact as Fact;
use crate::ids::{ClientId, FromUuid};
use crate::name::Label;
use crate::people::{Form, Plain, Seal, SealCommand, Sealed, local};
use crate::rejection::{Kind, Rejection, general};
use crate::sealed::{Purpose, are_of};
use crate::version::latest::client::Created;

/// Makes a person known. Without a password they sign in by their directory, or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "CreateClient", bound = "")]
pub struct CreateClient<F: Form = Sealed> {
    /// Made when the command is sealed.
    #[serde(default)]
    #[schemars(skip)]
    pub id: F::NewId,
    /// Where their name and password are kept.
    #[serde(default = "local")]
    pub provider: Provider,
    /// Unique within the provider.
    pub name: F::Name,
    /// A name for people to read, an address, and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<F::Personal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<F::Password>,
    /// At most so many desktops at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_max: Option<u32>,
    /// What operators note about them. Only the texts are secret, not what they are called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Label, F::Personal>,
    /// What their desktops can read about them: a mail address, a room. Only the texts are secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<Label, F::Personal>,
}

impl SealCommand for CreateClient<Plain> {
    type Sealed = CreateClient;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<CreateClient, S::Error> {
        let id = seal.new_id()?;
        Ok(CreateClient {
            id,
            name: seal.name(id, &self.provider, &self.name)?,
            details: self.details.map(|text| seal.personal(id, &text)).transpose()?,
            password: self.password.map(|password| seal.password(id, &password)).transpose()?,
            provider: self.provider,
            sessions_max: self.sessions_max,
            labels: seal.boxes(id, Purpose::Label, self.labels)?,
            properties: seal.boxes(id, Purpose::Property, self.properties)?,
        })
    }
}

impl Decide for CreateClient {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let id = ClientId::from_uuid(self.id);
        if deciding.fleet.clients.contains(id) {
            return Err(general::Rejection::IdTaken { kind: Kind("person") }.into());
        }
        if self.password.is_some() && self.provider != local() {
            return Err(Refused::DirectoryHasPassword { provider: self.provider.clone() }.into());
        }
        are_of(&self.labels, self.id)?;
        are_of(&self.properties, self.id)?;
        deciding.client_name_is_free(&self.provider, self.name.hash, None)?;
        deciding.fact(
            id,
            Fact::Created(Created {
                provider: self.provider.clone(),
                name_hash: self.name.hash,
                name: self.name.sealed.clone(),
                details: self.details.clone(),
                password: self.password.clone(),
                sessions_max: self.sessions_max,
                labels: self.labels.clone(),
                properties: self.properties.clone(),
            }),
        );
        Ok(())
    }
}
