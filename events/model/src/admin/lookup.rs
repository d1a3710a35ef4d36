//! Who is who, without knowing anybody's name.

use std::sync::Arc;

use super::Admin;
use crate::deciding::Deciding;
use crate::ids::{AdminId, FromUuid};
use crate::people::{SealedPersonRef, local};
use crate::rejection::{Kind, Rejection, general};

impl Deciding<'_> {
    /// The administrator that a command names. No directory keeps them.
    pub(crate) fn find_admin(
        &self,
        named: &SealedPersonRef,
    ) -> Result<(AdminId, Arc<Admin>), Rejection> {
        let id = match named {
            SealedPersonRef::Id(id) => Some(AdminId::from_uuid(*id)),
            SealedPersonRef::Name { provider, hash } if *provider == local() => {
                self.fleet.index.admins.get(hash).copied()
            }
            SealedPersonRef::Name { .. } => None,
        };
        id.and_then(|id| Some((id, self.fleet.admins.shared(id)?))).ok_or_else(|| {
            let given = match named {
                SealedPersonRef::Id(id) => id.to_string(),
                // The name itself is not known here.
                SealedPersonRef::Name { provider, .. } => format!("of that name in {provider}"),
            };
            general::Rejection::NoSuch { kind: Kind("administrator"), given }.into()
        })
    }
}
