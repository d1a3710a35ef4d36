//! Tokens by which people and programs sign in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rejection::Rejection as Refused;
use super::{Bearer, Token, TokenEnd};
use crate::deciding::{Decide, Deciding};
use crate::event::TokenFact as Fact;
use crate::ids::TokenId;
use crate::name::Name;
use crate::people::{Form, Plain, Seal, SealCommand, Sealed};
use crate::rejection::{Kind, Rejection, general};
use crate::version::latest::admin::{TokenEnded, TokenIssued};

/// Enough for every browser and program of one person; few enough that all can end with their
/// bearer, in one decision.
pub const TOKENS_MAX: usize = 32;
/// Half a day: one sign-in for a working day.
pub const LIFETIME_SECONDS: u32 = 12 * 3600;
/// A year, so that a forgotten program doesn't keep its key for ever.
pub const LIFETIME_SECONDS_MAX: u32 = 366 * 86_400;

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", bound = "")]
#[schemars(rename = "TokenBearer", bound = "")]
pub enum Of<F: Form = Sealed> {
    Admin(F::Person),
    Client(F::Person),
}

/// Makes a token for somebody: with a name for a program, without one for a sign-in. The token is
/// shown once, in the answer, and nobody keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "IssueToken", bound = "")]
pub struct IssueToken<F: Form = Sealed> {
    /// Made when the command is sealed.
    #[schemars(skip)]
    pub token: F::NewToken,
    pub of: Of<F>,
    /// For its owner to know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    #[serde(default = "lifetime")]
    pub expires_in_seconds: u32,
}

const fn lifetime() -> u32 {
    LIFETIME_SECONDS
}

impl SealCommand for IssueToken<Plain> {
    type Sealed = IssueToken;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<IssueToken, S::Error> {
        Ok(IssueToken {
            token: seal.new_token()?,
            of: match self.of {
                Of::Admin(person) => Of::Admin(seal.reference(&person)?),
                Of::Client(person) => Of::Client(seal.reference(&person)?),
            },
            name: self.name,
            expires_in_seconds: self.expires_in_seconds,
        })
    }
}

impl Decide for IssueToken {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let bearer = match &self.of {
            Of::Admin(admin) => Bearer::Admin(deciding.find_admin(admin)?.0),
            Of::Client(client) => {
                let (id, client) = deciding.find_client(client)?;
                if client.blocked {
                    return Err(Refused::Blocked.into());
                }
                Bearer::Client(id)
            }
        };
        let (given, most) = (self.expires_in_seconds, LIFETIME_SECONDS_MAX);
        if !(1..=most).contains(&given) {
            return Err(Refused::NoSuchLifetime { given, most }.into());
        }
        if deciding.fleet.index.tokens.contains_key(&self.token) {
            return Err(general::Rejection::IdTaken { kind: Kind("token") }.into());
        }
        make_room(deciding, bearer)?;
        let expires_at = deciding.now().plus_seconds(given);
        let id: TokenId = deciding.fresh();
        let name = self.name.clone();
        deciding.fact(id, Fact::Issued(TokenIssued { bearer, hash: self.token, expires_at, name }));
        Ok(())
    }
}

/// Where there are too many, the sign-in that ends first ends now.
fn make_room(deciding: &mut Deciding<'_>, bearer: Bearer) -> Result<(), Refused> {
    let fleet = &deciding.fleet;
    if fleet.tokens_of(bearer).count() < TOKENS_MAX {
        return Ok(());
    }
    let tokens = fleet.tokens_of(bearer).filter_map(|id| fleet.tokens.get(id));
    let sign_ins = tokens.filter(|token| token.name.is_none());
    let first = sign_ins.min_by_key(|token| token.expires_at).map(|token| token.id);
    let first = first.ok_or(Refused::TooManyTokens { most: TOKENS_MAX })?;
    end(deciding, first, TokenEnd::Displaced);
    Ok(())
}

fn end(deciding: &mut Deciding<'_>, token: TokenId, cause: TokenEnd) {
    deciding.fact(token, Fact::Ended(TokenEnded { cause }));
}

/// All tokens of somebody who is deleted, blocked, or has another password.
pub(crate) fn end_tokens(deciding: &mut Deciding<'_>, bearer: Bearer) {
    let tokens: Vec<TokenId> = deciding.fleet.tokens_of(bearer).take(TOKENS_MAX).collect();
    for token in tokens {
        end(deciding, token, TokenEnd::Revoked);
    }
}

/// Ends a token before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeToken {
    pub token: TokenId,
}

impl Decide for RevokeToken {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let token = self.token;
        if !deciding.fleet.tokens.contains(token) {
            return Err(Refused::NoSuchToken { token }.into());
        }
        end(deciding, token, TokenEnd::Revoked);
        Ok(())
    }
}

/// Of the system: a token's time is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpireToken {
    pub token: TokenId,
}

impl Decide for ExpireToken {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let over = |token: &Token| token.expires_at <= deciding.now();
        if deciding.fleet.tokens.get(self.token).is_some_and(over) {
            end(deciding, self.token, TokenEnd::Expired);
        }
        Ok(())
    }
}
