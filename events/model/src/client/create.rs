//! People come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Provider;
use super::rejection::Rejection as Refused;
use crate::deciding::{Decide, Deciding};
use crate::event::ClientFact as Fact;
use crate::ids::{ClientId, FromUuid};
use crate::people::{Form, Plain, Seal, SealCommand, Sealed, local};
use crate::rejection::{Kind, Rejection, general};
use crate::version::latest::client::Created;
use crate::version::latest::{Labels, Properties};

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
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

impl SealCommand for CreateClient<Plain> {
    type Sealed = CreateClient;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<CreateClient, S::Error> {
        let id = seal.new_person()?;
        Ok(CreateClient {
            id,
            name: seal.name(id, &self.provider, &self.name)?,
            details: self.details.map(|text| seal.seal(id, text.as_str())).transpose()?,
            password: self.password.map(|password| seal.password(id, &password)).transpose()?,
            provider: self.provider,
            sessions_max: self.sessions_max,
            labels: self.labels,
            properties: self.properties,
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
