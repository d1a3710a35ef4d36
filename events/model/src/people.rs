//! Two forms of every command about people and their terminals: as it is sent, with names and
//! passwords, and as it is decided, in which they are boxes and hashes.
//!
//! Turning one into the other needs keys, so it is done outside, by whoever implements [`Seal`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::client::Provider;
use crate::hash::KeyedHash;
use crate::ids::TerminalId;
use crate::name::{Label, Name};
use crate::reference::Ref;
use crate::sealed::{Boxes, Changes, Purpose, SealedBox, Secret};
use crate::text::{Line, Text};

/// What a form has in the place of each kind of thing about a person.
pub trait Form: Clone + Debug + PartialEq + 'static {
    /// The name of a person who is to be made or renamed.
    type Name: Value;
    /// A person who is there.
    type Person: Value;
    /// Anything else that tells who somebody is.
    type Personal: Value;
    type Password: Value;
    /// What a terminal's command line is filled with. It may be a password.
    type Parameter: Value;
    /// The id of whoever is to be made. Nothing where that is not known yet.
    type NewId: Value + Default;
    /// The hash of a token that is to be issued. Nothing where that is not known yet.
    type NewToken: Value;
}

pub trait Value: Clone + Debug + PartialEq + Serialize + DeserializeOwned + JsonSchema {}

impl<T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + JsonSchema> Value for T {}

/// As it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain;

/// As it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed;

impl Form for Plain {
    type Name = PersonName;
    type Person = PersonRef;
    type Personal = Text;
    type Password = Secret;
    type Parameter = Line;
    type NewId = ();
    /// An `Option`, so that it can be left out.
    type NewToken = Option<()>;
}

impl Form for Sealed {
    type Name = SealedName;
    type Person = SealedPersonRef;
    type Personal = SealedBox;
    type Password = SealedBox;
    type Parameter = SealedBox;
    type NewId = Uuid;
    type NewToken = KeyedHash;
}

/// What somebody types to sign in: 1 to 128 characters, no `/`, no control characters.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PersonName(SmolStr);

/// [`PersonName::new`] as a regular expression (ECMA 262), but for lengths and ids.
const PERSON_NAME: &str = r"[^/\s\u0000-\u001f\u007f-\u009f](?:[^/\u0000-\u001f\u007f-\u009f]*[^/\s\u0000-\u001f\u007f-\u009f])?";

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a person is 1 to 128 bytes without '/', blanks at its ends or control characters, and not a UUID"
)]
pub struct PersonNameError;

impl PersonName {
    pub const LENGTH_MAX: usize = 128;

    pub fn new(text: &str) -> Result<Self, PersonNameError> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len()) && text.trim() == text;
        let allowed = !text.contains(|letter: char| letter == '/' || letter.is_control());
        if fits && allowed && Uuid::try_parse(text).is_err() {
            return Ok(Self(text.into()));
        }
        Err(PersonNameError)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Debug for PersonName {
    /// Names of people don't belong into traces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(..)")
    }
}

impl<'de> Deserialize<'de> for PersonName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(&Cow::<str>::deserialize(from)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for PersonName {
    fn schema_name() -> Cow<'static, str> {
        "PersonName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": Self::LENGTH_MAX,
            "pattern": format!("^{PERSON_NAME}$"),
        })
    }
}

/// A name that can be compared and shown to those who have its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedName {
    pub hash: KeyedHash,
    pub sealed: SealedBox,
}

/// A person by id, by name, or by `<provider>/<name>`; without a provider it is `local`.
#[derive(Clone, PartialEq, Eq)]
pub enum PersonRef {
    Id(Uuid),
    Name { provider: Provider, name: PersonName },
}

/// Where people are kept whose passwords Carrel itself keeps.
pub fn local() -> Provider {
    #[expect(clippy::expect_used, reason = "a literal that the tests have seen")]
    Name::new("local").expect("`local` is a name")
}

impl Debug for PersonRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt::Display::fmt(id, f),
            Self::Name { provider, .. } => write!(f, "{provider}/.."),
        }
    }
}

impl Serialize for PersonRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Id(id) => to.collect_str(id),
            Self::Name { provider, name } => {
                to.collect_str(&format_args!("{provider}/{}", name.as_str()))
            }
        }
    }
}

impl<'de> Deserialize<'de> for PersonRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        if let Ok(id) = Uuid::try_parse(&text) {
            return Ok(Self::Id(id));
        }
        let (provider, name) = match text.split_once('/') {
            Some((provider, name)) => (Name::new(provider).map_err(de::Error::custom)?, name),
            None => (local(), &*text),
        };
        let name = PersonName::new(name).map_err(de::Error::custom)?;
        Ok(Self::Name { provider, name })
    }
}

impl JsonSchema for PersonRef {
    fn schema_name() -> Cow<'static, str> {
        "PersonRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": Name::LENGTH_MAX + 1 + PersonName::LENGTH_MAX,
            "pattern": format!("^(?:[A-Za-z0-9._-]{{1,63}}/)?{PERSON_NAME}$"),
            "description": "A person: an id, a name, or `<provider>/<name>`.",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SealedPersonRef {
    Id(Uuid),
    Name { provider: Provider, hash: KeyedHash },
}

/// What sealing needs: keys, hashes, and who is who.
pub trait Seal {
    type Error;

    /// An id for a new person or terminal, with a key of their own.
    fn new_id(&mut self) -> Result<Uuid, Self::Error>;
    /// Who that is, so that what is sealed can be sealed under their key.
    fn person(&mut self, person: &PersonRef) -> Result<Uuid, Self::Error>;
    /// As [`Seal::person`], among those who run the system.
    fn admin(&mut self, admin: &PersonRef) -> Result<Uuid, Self::Error>;
    /// As [`Seal::person`], of a terminal.
    fn terminal(&mut self, terminal: &Ref<TerminalId>) -> Result<Uuid, Self::Error>;
    /// The hash of a new token, from at least 32 random bytes. Whoever seals keeps the token itself
    /// for the one answer that shows it.
    fn new_token(&mut self) -> Result<KeyedHash, Self::Error>;
    fn hash(&mut self, provider: &Provider, name: &PersonName) -> Result<KeyedHash, Self::Error>;
    fn seal(&mut self, owner: Uuid, purpose: Purpose, text: &str)
    -> Result<SealedBox, Self::Error>;
    /// A hash by Argon2id (RFC 9106), sealed.
    fn password(&mut self, person: Uuid, password: &Secret) -> Result<SealedBox, Self::Error>;

    fn name(
        &mut self,
        person: Uuid,
        provider: &Provider,
        name: &PersonName,
    ) -> Result<SealedName, Self::Error> {
        let hash = self.hash(provider, name)?;
        Ok(SealedName { hash, sealed: self.seal(person, Purpose::Name, name.as_str())? })
    }

    fn personal(&mut self, person: Uuid, text: &Text) -> Result<SealedBox, Self::Error> {
        self.seal(person, Purpose::Personal, text.as_str())
    }

    fn boxes<T: AsRef<str>>(
        &mut self,
        owner: Uuid,
        purpose: Purpose,
        texts: BTreeMap<Label, T>,
    ) -> Result<Boxes, Self::Error> {
        let sealed = texts
            .into_iter()
            .map(|(label, text)| Ok((label, self.seal(owner, purpose, text.as_ref())?)));
        sealed.collect()
    }

    fn changes<T: AsRef<str>>(
        &mut self,
        owner: Uuid,
        purpose: Purpose,
        texts: Changes<T>,
    ) -> Result<Changes<SealedBox>, Self::Error> {
        let mut seal = |text: T| self.seal(owner, purpose, text.as_ref());
        let sealed =
            texts.into_iter().map(|(label, text)| Ok((label, text.map(&mut seal).transpose()?)));
        sealed.collect()
    }

    fn reference(&mut self, person: &PersonRef) -> Result<SealedPersonRef, Self::Error> {
        Ok(match person {
            PersonRef::Id(id) => SealedPersonRef::Id(*id),
            PersonRef::Name { provider, name } => {
                let hash = self.hash(provider, name)?;
                SealedPersonRef::Name { provider: provider.clone(), hash }
            }
        })
    }
}

/// A command about people.
pub(crate) trait SealCommand {
    type Sealed;
    fn seal<S: Seal>(self, seal: &mut S) -> Result<Self::Sealed, S::Error>;
}
