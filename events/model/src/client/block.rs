//! People are kept out, and let in again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::{Bearer, end_tokens};
use crate::deciding::{Decide, Deciding};
use crate::event::ClientFact as Fact;
use crate::people::{Form, Plain, Seal, SealCommand, Sealed};
use crate::rejection::Rejection;
use crate::session::{Subject, end_without_right};
use crate::version::latest::Nothing;

/// Keeps a person out: their tokens end, they can't sign in or get a desktop, and what they have
/// ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "BlockClient", bound = "")]
pub struct BlockClient<F: Form = Sealed> {
    pub client: F::Person,
}

/// Lets a person in again who was kept out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schemars(rename = "UnblockClient", bound = "")]
pub struct UnblockClient<F: Form = Sealed> {
    pub client: F::Person,
}

impl SealCommand for BlockClient<Plain> {
    type Sealed = BlockClient;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<BlockClient, S::Error> {
        Ok(BlockClient { client: seal.reference(&self.client)? })
    }
}

impl SealCommand for UnblockClient<Plain> {
    type Sealed = UnblockClient;

    fn seal<S: Seal>(self, seal: &mut S) -> Result<UnblockClient, S::Error> {
        Ok(UnblockClient { client: seal.reference(&self.client)? })
    }
}

impl Decide for BlockClient {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, client) = deciding.find_client(&self.client)?;
        if !client.blocked {
            deciding.fact(id, Fact::Blocked(Nothing {}));
        }
        end_tokens(deciding, Bearer::Client(id));
        end_without_right(deciding, Subject::Client(id));
        Ok(())
    }
}

impl Decide for UnblockClient {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, client) = deciding.find_client(&self.client)?;
        if client.blocked {
            deciding.fact(id, Fact::Unblocked(Nothing {}));
        }
        Ok(())
    }
}
