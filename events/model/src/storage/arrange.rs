//! Storages come, change and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Draft, Role, Storage, holds};
use crate::arranged;
use crate::deciding::{Decide, Deciding};
use crate::event::StorageFact as Fact;
use crate::ids::StorageId;
use crate::name::Name;
use crate::record::Version;
use crate::reference::{Change, Patch, Ref};
use crate::rejection::Rejection;
use crate::version::latest::Nothing;

/// Makes a place for files known: which hosts see it, where, and what it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateStorage {
    pub name: Name,
    pub settings: Draft,
}

impl Decide for CreateStorage {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        arranged::create::<Storage>(deciding, &self.name, &self.settings)?;
        Ok(())
    }
}

/// Changes who sees a storage and what it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateStorage {
    pub storage: Ref<StorageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default)]
    pub settings: Patch<Draft>,
    /// Refused when the storage is at another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<Version>,
}

impl Decide for UpdateStorage {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let change = Change::new(self.name.as_ref(), &self.settings, self.if_version);
        arranged::update::<Storage>(deciding, &self.storage, &change)
    }
}

/// Forgets a storage that nothing is on. Whatever else lies there stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveStorage {
    pub storage: Ref<StorageId>,
}

impl Decide for RemoveStorage {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, storage) = deciding.find::<Storage>(&self.storage)?;
        for role in Role::ALL {
            holds::nothing(&deciding.fleet, &storage, role)?;
        }
        deciding.fact(id, Fact::Removed(Nothing {}));
        Ok(())
    }
}
