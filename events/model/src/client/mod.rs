//! A person who uses desktops. What could tell who they are is sealed.
//!
//! ```text
//!   created --> active <--> blocked
//!                 |            |
//!                 +-- deleted -+
//! ```

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use crate::hash::KeyedHash;
use crate::ids::{ClientId, GroupId};
use crate::record::Version;
use crate::sealed::{Boxes, SealedBox};
pub use crate::version::latest::client::Provider;

mod block;
mod create;
mod delete;
pub(crate) mod evolve;
mod lookup;
pub mod rejection;
mod sign_in;
#[cfg(test)]
mod tests;
mod update;

pub(crate) use delete::{TAKEN_MAX, ends_count};
pub use sign_in::Newcomer;
pub use update::Settings;

/// The commands of this folder.
pub mod commands {
    pub use super::block::{BlockClient, UnblockClient};
    pub use super::create::CreateClient;
    pub use super::delete::DeleteClient;
    pub use super::sign_in::RecordSignIn;
    pub use super::update::{SetClientPassword, UpdateClient};
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    pub id: ClientId,
    pub version: Version,
    pub provider: Provider,
    pub name_hash: KeyedHash,
    pub name: SealedBox,
    pub details: Option<Box<SealedBox>>,
    pub password: Option<Box<SealedBox>>,
    pub sessions_max: Option<u32>,
    pub labels: Boxes,
    pub properties: Boxes,
    /// Groups of their directory, as of the last sign-in.
    pub groups: BTreeSet<GroupId>,
    pub blocked: bool,
}
