//! What the model may hold of people's data and of secrets: boxes that it can't open.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use smol_str::SmolStr;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::name::Label;
use crate::rejection::{Rejection, general};

/// Something sealed under the key of one person or terminal. Destroying the key destroys it
/// everywhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedBox {
    /// Whose key: the id of the person or the terminal.
    pub key: Uuid,
    /// Base64 of what the keys port made.
    #[schemars(length(max = Self::DATA_LENGTH_MAX))]
    pub data: SmolStr,
}

impl SealedBox {
    /// A sealed text of 1,024 bytes with nonce and tag, in base64, with room to spare.
    pub const DATA_LENGTH_MAX: usize = 4096;

    /// It is under the key of the one that it is to be kept with. After a name has changed hands
    /// between sealing and deciding it is not: nobody could open it any more.
    pub(crate) fn is_of(&self, owner: Uuid) -> Result<(), Rejection> {
        if self.key == owner { Ok(()) } else { Err(general::Rejection::SealedForAnother.into()) }
    }
}

impl fmt::Debug for SealedBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedBox({})", self.key)
    }
}

/// What a box is for. One that was made for a name can't be opened as anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Name,
    /// Anything else that tells who somebody is, or where they are.
    Personal,
    /// What operators note about a person.
    Label,
    /// What the desktops of a person can read about them.
    Property,
    /// What the command line of a terminal is filled with.
    Parameter,
}

/// Texts in boxes. What they are called can be read by everybody, and for all time.
pub type Boxes = BTreeMap<Label, SealedBox>;

/// What becomes of some of them: nothing, where there is nothing.
pub type Changes<T> = BTreeMap<Label, Option<T>>;

/// With the longest texts, two maps of so many boxes of 1.5 KiB fit into one fact of 256 KiB.
pub const BOXES_MAX: usize = 64;

/// They are not too many, and under the key of the one that they are to be kept with.
pub(crate) fn are_of(boxes: &Boxes, owner: Uuid) -> Result<(), Rejection> {
    let (given, most) = (boxes.len(), BOXES_MAX);
    if given > most {
        return Err(general::Rejection::TooMany { given, most }.into());
    }
    boxes.values().try_for_each(|it| it.is_of(owner))
}

pub(crate) fn changed(
    before: &Boxes,
    changes: &Changes<SealedBox>,
    owner: Uuid,
) -> Result<Boxes, Rejection> {
    let mut boxes = before.clone();
    for (label, change) in changes {
        match change {
            Some(sealed) => drop(boxes.insert(label.clone(), sealed.clone())),
            None => drop(boxes.remove(label)),
        }
    }
    are_of(&boxes, owner)?;
    Ok(boxes)
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
