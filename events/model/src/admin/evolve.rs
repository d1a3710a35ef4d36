//! What facts make of those who run the system, and of tokens.

use super::{Admin, Token};
use crate::event::{AdminFact, TokenFact};
use crate::fleet::Fleet;
use crate::ids::{AdminId, TokenId};
use crate::record::Version;

pub(crate) fn evolve(fleet: &mut Fleet, id: AdminId, fact: &AdminFact) {
    match fact {
        AdminFact::Created(admin) => fleet.put(
            id,
            Admin {
                id,
                version: Version(1),
                name_hash: admin.name_hash,
                name: admin.name.clone(),
                password: admin.password.clone(),
                roles: admin.roles.clone(),
            },
        ),
        AdminFact::PasswordSet(set) => fleet.step::<Admin>(id, |it| {
            it.password = set.password.clone();
        }),
        AdminFact::RolesSet(set) => fleet.step::<Admin>(id, |it| it.roles = set.roles.clone()),
        AdminFact::Deleted(_) => drop(fleet.take::<Admin>(id)),
    }
}

pub(crate) fn evolve_token(fleet: &mut Fleet, id: TokenId, fact: &TokenFact) {
    match fact {
        TokenFact::Issued(token) => fleet.put(
            id,
            Token {
                id,
                version: Version(1),
                bearer: token.bearer,
                hash: token.hash,
                expires_at: token.expires_at,
                name: token.name.clone(),
            },
        ),
        TokenFact::Ended(_) => drop(fleet.take::<Token>(id)),
    }
}
