//! Who asks. It is looked up in the newest fleet for every request, so that a token that has ended
//! opens nothing from that moment on.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use carrel_keys::{Keys, Token};
use carrel_model::admin::{Bearer, Role};
use carrel_model::fleet::Fleet;
use carrel_model::ids::{ActorId, AdminId, ClientId, TokenId};
use carrel_model::name::Method;
use carrel_model::record::{Actor, Timestamp};

use crate::roles::Standing;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Admin { id: AdminId, roles: BTreeSet<Role> },
    Client(ClientId),
}

/// Somebody who is signed in, and by which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub who: Who,
    pub token: TokenId,
}

impl Principal {
    pub fn standing(&self) -> Standing<'_> {
        match &self.who {
            Who::Admin { roles, .. } => Standing::Admin(roles),
            Who::Client(_) => Standing::Client,
        }
    }

    pub fn uuid(&self) -> uuid::Uuid {
        match &self.who {
            Who::Admin { id, .. } => id.uuid(),
            Who::Client(id) => id.uuid(),
        }
    }

    pub fn actor(&self) -> Actor {
        actor(self.uuid(), "token")
    }
}

/// `method` is one of the edge's own words.
pub(crate) fn actor(id: uuid::Uuid, method: &'static str) -> Actor {
    #[expect(clippy::expect_used, reason = "literals that the tests have seen")]
    let method = Method::new(method).expect("a word of the edge");
    Actor { id: ActorId::new(id), method }
}

/// The token that came with a request. What is not a token of Carrel is not looked up.
pub fn token_of(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = scheme.eq_ignore_ascii_case("bearer").then(|| Token::parse(token.trim()))?;
    token.ok()
}

/// Whose token it is, if it still opens anything.
pub fn bearer(fleet: &Fleet, keys: &Keys, token: &Token, now: Timestamp) -> Option<Principal> {
    let id = *fleet.index.tokens.get(&keys.token_hash(token))?;
    still(fleet, id, now)
}

/// The same for a token that was looked up before.
pub fn still(fleet: &Fleet, token: TokenId, now: Timestamp) -> Option<Principal> {
    let kept = fleet.tokens.get(token)?;
    if kept.expires_at <= now {
        return None;
    }
    let who = match kept.bearer {
        Bearer::Admin(id) => {
            let roles = fleet.admins.get(id)?.roles.clone();
            Who::Admin { id, roles }
        }
        Bearer::Client(id) => {
            let client = fleet.clients.get(id)?;
            if client.blocked {
                return None;
            }
            Who::Client(id)
        }
    };
    Some(Principal { who, token })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_words_of_the_edge_are_methods() {
        for word in ["token", "password", "start"] {
            assert_eq!(actor(uuid::Uuid::nil(), word).method.as_str(), word);
        }
    }

    #[test]
    fn two_authorisations_are_none() {
        let keys = Keys::start(
            std::sync::Arc::new(carrel_keys::memory::MemoryStore::default()),
            std::sync::Arc::new(carrel_keys::OsEntropy),
            1,
        );
        let token = keys.expect("keys").new_token().expect("a token").expose();
        let value = HeaderValue::from_str(&format!("Bearer {}", token.as_str())).expect("a value");
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, value.clone());
        assert!(token_of(&headers).is_some());
        headers.append(AUTHORIZATION, value);
        assert!(token_of(&headers).is_none());
    }
}
