//! Who is who, without knowing anybody's name.

use std::sync::Arc;

use super::{Client, Provider};
use crate::deciding::Deciding;
use crate::hash::KeyedHash;
use crate::ids::{ClientId, FromUuid};
use crate::people::SealedPersonRef;
use crate::rejection::{Kind, Rejection, general};

impl Deciding<'_> {
    /// The person that a command names.
    pub(crate) fn find_client(
        &self,
        named: &SealedPersonRef,
    ) -> Result<(ClientId, Arc<Client>), Rejection> {
        let id = match named {
            SealedPersonRef::Id(id) => Some(ClientId::from_uuid(*id)),
            SealedPersonRef::Name { provider, hash } => {
                self.fleet.index.clients.get(&(provider.clone(), *hash)).copied()
            }
        };
        id.and_then(|id| Some((id, self.fleet.clients.shared(id)?))).ok_or_else(|| {
            let given = match named {
                SealedPersonRef::Id(id) => id.to_string(),
                // The name itself is not known here.
                SealedPersonRef::Name { provider, .. } => format!("of that name in {provider}"),
            };
            general::Rejection::NoSuch { kind: Kind("person"), given }.into()
        })
    }

    pub(crate) fn client_name_is_free(
        &self,
        provider: &Provider,
        hash: KeyedHash,
        but: Option<ClientId>,
    ) -> Result<(), Rejection> {
        let holder = self.fleet.index.clients.get(&(provider.clone(), hash)).copied();
        if holder.is_none() || holder == but {
            return Ok(());
        }
        let name = format!("of that name in {provider}");
        Err(general::Rejection::NameTaken { kind: Kind("person"), name }.into())
    }
}
