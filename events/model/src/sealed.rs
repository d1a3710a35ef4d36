//! What the model may hold of people's data and of secrets: boxes that it can't open.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::rejection::{Rejection, general};

/// Something sealed under the key of one person. Destroying the key destroys it everywhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedBox {
    /// Whose key: the id of the person.
    pub key: Uuid,
    /// Base64 of what the keys port made.
    #[schemars(length(max = Self::DATA_LENGTH_MAX))]
    pub data: SmolStr,
}

impl SealedBox {
    /// A sealed text of 1,024 bytes with nonce and tag, in base64, with room to spare.
    pub const DATA_LENGTH_MAX: usize = 4096;

    /// It is under the key of the person that it is to be kept with. After a name has changed hands
    /// between sealing and deciding it is not: nobody could open it any more.
    pub(crate) fn is_of(&self, person: Uuid) -> Result<(), Rejection> {
        if self.key == person { Ok(()) } else { Err(general::Rejection::SealedForAnother.into()) }
    }
}

impl fmt::Debug for SealedBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedBox({})", self.key)
    }
}

/// A password or another secret on its way to be sealed. It can't be printed, and is wiped when it
/// is dropped.
#[derive(Clone, PartialEq, Eq, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Longer ones would only make hashing slow (OWASP ASVS 5.0, 6.2.9, asks for at least 64).
    pub const LENGTH_MAX: usize = 1024;

    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    /// For the one who seals it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    /// Needed where a command is written down as it came, which only its fingerprint is made from.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password", "minLength": 1, "maxLength": Self::LENGTH_MAX, "writeOnly": true })
    }
}
