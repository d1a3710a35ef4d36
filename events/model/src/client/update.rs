//! What is known of people changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Provider;
use super::rejection::Rejection as Refused;
use crate::admin::{Bearer, end_tokens};
use crate::deciding::{Decide, Deciding};
use crate::event::ClientFact as Fact;
use crate::people::{Form, PersonRef, Plain, Seal, SealCommand, Sealed, local};
use crate::record::Version;
use crate::reference::Patch;
use crate::rejection::Rejection;
use crate::sealed::{Changes, Purpose, changed};
use crate::version::latest::client::{PasswordSet, Updated};

/// What is said about a person in the open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// At most so many desktops at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions_max: Option<u32>,
}

/// Changes what is known of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "UpdateClient", bound = "")]
pub struct UpdateClient<F: Form = Sealed> {
    pub client: F::Person,
    /// Where the new name is kept: the person's own provider.
    #[serde(default = "local")]
    pub provider: Provider,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<F::Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<F::Personal>,
    /// Those that are left out stay as they are, null takes one away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Changes<F::Personal>,
    /// Those that are left out stay as they are, null takes one away.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Changes<F::Personal>,
    #[serde(default)]
    pub settings: Patch<Settings>,
    /// Refused when the person is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl SealCommand for UpdateClient<Plain> {
    type Sealed = UpdateClient;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<UpdateClient, S::Error> {
        let provider = match &self.client {
            PersonRef::Name { provider, .. } => provider.clone(),
            PersonRef::Id(_) => self.provider,
        };
        let noted = self.labels.len() + self.properties.len();
        let is_sealed = self.name.is_some() || self.details.is_some() || noted > 0;
        let client = seal.reference(&self.client)?;
        // Nobody has to be there for what is not sealed: the decision says that they are not.
        let person = if is_sealed { seal.person(&self.client)? } else { Uuid::nil() };
        Ok(UpdateClient {
            client,
            name: self.name.map(|name| seal.name(person, &provider, &name)).transpose()?,
            provider,
            details: self.details.map(|text| seal.personal(person, &text)).transpose()?,
            labels: seal.changes(person, Purpose::Label, self.labels)?,
            properties: seal.changes(person, Purpose::Property, self.properties)?,
            settings: self.settings,
            if_version: self.if_version,
        })
    }
}

impl Decide for UpdateClient {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, client) = deciding.find_client(&self.client)?;
        deciding.is_version(&*client, self.if_version)?;
        if self.name.is_some() && self.provider != client.provider {
            return Err(Refused::OtherProvider { provider: client.provider.clone() }.into());
        }
        let mut boxes = self.name.iter().map(|name| &name.sealed).chain(&self.details);
        boxes.try_for_each(|it| it.is_of(id.uuid()))?;
        let before = Settings { sessions_max: client.sessions_max };
        let settings = self.settings.apply(&before)?;
        let known = Updated {
            name_hash: client.name_hash,
            name: client.name.clone(),
            details: client.details.as_deref().cloned(),
            sessions_max: before.sessions_max,
            labels: client.labels.clone(),
            properties: client.properties.clone(),
        };
        let name = self.name.as_ref();
        let updated = Updated {
            name_hash: name.map_or(known.name_hash, |name| name.hash),
            // The same name sealed anew looks different, and says nothing new.
            name: match name {
                Some(name) if name.hash != known.name_hash => name.sealed.clone(),
                Some(_) | None => known.name.clone(),
            },
            details: self.details.clone().or_else(|| known.details.clone()),
            sessions_max: settings.sessions_max,
            labels: changed(&known.labels, &self.labels, id.uuid())?,
            properties: changed(&known.properties, &self.properties, id.uuid())?,
        };
        deciding.client_name_is_free(&client.provider, updated.name_hash, Some(id))?;
        if updated != known {
            deciding.fact(id, Fact::Updated(updated));
        }
        Ok(())
    }
}

/// Sets the password that a person signs in by. Whoever knew the one before is signed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "SetClientPassword", bound = "")]
pub struct SetClientPassword<F: Form = Sealed> {
    pub client: F::Person,
    pub password: F::Password,
}

impl SealCommand for SetClientPassword<Plain> {
    type Sealed = SetClientPassword;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<SetClientPassword, S::Error> {
        let person = seal.person(&self.client)?;
        let password = seal.password(person, &self.password)?;
        Ok(SetClientPassword { client: seal.reference(&self.client)?, password })
    }
}

impl Decide for SetClientPassword {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, client) = deciding.find_client(&self.client)?;
        if client.provider != local() {
            return Err(Refused::DirectoryHasPassword { provider: client.provider.clone() }.into());
        }
        self.password.is_of(id.uuid())?;
        deciding.fact(id, Fact::PasswordSet(PasswordSet { password: self.password.clone() }));
        end_tokens(deciding, Bearer::Client(id));
        Ok(())
    }
}
