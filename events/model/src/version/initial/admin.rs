//! Facts about the people who run the system, and their tokens.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hash::KeyedHash;
use crate::ids::{AdminId, ClientId};
use crate::name::Name;
use crate::record::Timestamp;
use crate::sealed::SealedBox;

/// What somebody may do. Each includes the ones before.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Works with machines, pools and people.
    Operator,
    /// May do everything.
    Admin,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Created {
    pub name_hash: KeyedHash,
    pub name: SealedBox,
    pub password: SealedBox,
    pub roles: BTreeSet<Role>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct PasswordSet {
    pub password: SealedBox,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct RolesSet {
    pub roles: BTreeSet<Role>,
}

/// Whose token it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Bearer {
    Admin(AdminId),
    Client(ClientId),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct TokenIssued {
    pub bearer: Bearer,
    /// Of the token itself, which nobody keeps.
    pub hash: KeyedHash,
    pub expires_at: Timestamp,
    /// For its owner to know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenEnd {
    Revoked,
    Expired,
    /// Its bearer signed in so often that the oldest sign-in had to go.
    Displaced,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct TokenEnded {
    pub cause: TokenEnd,
}
