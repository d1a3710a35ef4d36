//! Facts about the people who use desktops. What could tell who they are is sealed.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hash::KeyedHash;
use crate::ids::GroupId;
use crate::name::Name;
use crate::sealed::{Boxes, SealedBox};

/// Where a person's name and password are kept: `local`, or the name of a directory.
pub type Provider = Name;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Created {
    pub provider: Provider,
    /// What the name is told apart by.
    pub name_hash: KeyedHash,
    pub name: SealedBox,
    /// A name for people to read, an address, and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<SealedBox>,
    /// None: this person can't sign in by a local password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SealedBox>,
    /// At most so many desktops at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_max: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Boxes,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Boxes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Updated {
    pub name_hash: KeyedHash,
    pub name: SealedBox,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<SealedBox>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_max: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Boxes,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Boxes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct PasswordSet {
    pub password: SealedBox,
}

/// What the directory said at a sign-in that it had not said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct GroupsChanged {
    pub groups: BTreeSet<GroupId>,
}
