//! A person who runs the system, and the tokens by which people and programs sign in.
//!
//! ```text
//!   admin:  created --> (password set, roles set)* --> deleted
//!   token:  issued --> ended (revoked, expired)
//! ```

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use crate::hash::KeyedHash;
use crate::ids::{AdminId, TokenId};
use crate::name::Name;
use crate::record::{Timestamp, Version};
use crate::sealed::SealedBox;
pub use crate::version::latest::admin::{Bearer, Role, TokenEnd};

mod create;
pub(crate) mod evolve;
mod lookup;
pub mod rejection;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use token::end_tokens;
pub use token::{LIFETIME_SECONDS, LIFETIME_SECONDS_MAX, Of, TOKENS_MAX};

/// The commands of this folder.
pub mod commands {
    pub use super::create::{CreateAdmin, DeleteAdmin, SetAdminPassword, SetAdminRoles};
    pub use super::token::{ExpireToken, IssueToken, RevokeToken};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Admin {
    pub id: AdminId,
    pub version: Version,
    pub name_hash: KeyedHash,
    pub name: SealedBox,
    pub password: SealedBox,
    pub roles: BTreeSet<Role>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Token {
    pub id: TokenId,
    pub version: Version,
    pub bearer: Bearer,
    pub hash: KeyedHash,
    pub expires_at: Timestamp,
    pub name: Option<Name>,
}
