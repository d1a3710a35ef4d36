//! How commands name things: by id or by name.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::fleet::Space;
use crate::ids::{
    FromUuid, GroupId, HypervisorId, LabId, MachineId, MediaId, NetworkId, PoolId, StorageId,
    TemplateId, TerminalId,
};
use crate::name::Name;
use crate::record::Version;
use crate::rejection::{Rejection, bad_settings};

/// Ids of things that have names.
pub trait NamedId: Copy + FromUuid {
    const SPACE: Space;
    /// What such a thing is called in messages.
    const KIND: &'static str;
}

macro_rules! named {
    ($($id:ident: $space:ident, $kind:literal;)*) => {$(
        impl NamedId for $id {
            const SPACE: Space = Space::$space;
            const KIND: &'static str = $kind;
        }
    )*};
}

named! {
    HypervisorId: Hypervisor, "host";
    StorageId: Storage, "storage";
    NetworkId: Network, "network";
    MediaId: Media, "medium";
    TemplateId: Template, "template";
    MachineId: Machine, "machine";
    PoolId: Pool, "pool";
    GroupId: Group, "group";
    LabId: Lab, "lab";
    TerminalId: Terminal, "terminal";
}

/// An id or a name. What is a UUID is an id; no name is one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ref<I> {
    Id(I),
    Name(SmolStr),
}

/// Longer than any name.
const LENGTH_MAX: usize = 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thing is named by its id (a UUID) or by its name, 1 to 63 characters")]
pub struct RefError;

impl<I: NamedId> Ref<I> {
    pub fn new(text: &str) -> Result<Self, RefError> {
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(Self::Id(I::from_uuid(id)));
        }
        if (1..=LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Ok(Self::Name(text.into()));
        }
        Err(RefError)
    }
}

impl<I> From<I> for Ref<I> {
    fn from(id: I) -> Self {
        Self::Id(id)
    }
}

impl<I: fmt::Display> fmt::Display for Ref<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl<I: fmt::Display> fmt::Debug for Ref<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<I: fmt::Display> Serialize for Ref<I> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de, I: NamedId> Deserialize<'de> for Ref<I> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

impl<I: NamedId> JsonSchema for Ref<I> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Ref_{}", I::KIND).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": LENGTH_MAX,
            "pattern": "^[!-~]+$",
            "description": format!("The id or the name of a {}.", I::KIND),
        })
    }
}

/// A change of settings as a JSON merge patch (RFC 7396).
#[derive(Clone, PartialEq)]
pub struct Patch<T> {
    changes: serde_json::Value,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + de::DeserializeOwned> Patch<T> {
    /// What the settings become, if they may become that.
    pub fn apply(&self, to: &T) -> Result<T, Rejection> {
        let mut value = serde_json::to_value(to).map_err(bad_settings)?;
        merge(&mut value, &self.changes);
        serde_json::from_value(value).map_err(bad_settings)
    }
}

impl<T> Patch<T> {
    /// The same with other keys in one of the settings' maps.
    pub(crate) fn with_keys<E>(
        &self,
        field: &str,
        key: impl Fn(&str) -> Result<String, E>,
    ) -> Result<Self, E> {
        let mut changes = self.changes.clone();
        if let Some(serde_json::Value::Object(map)) = changes.get_mut(field) {
            let renamed = std::mem::take(map)
                .into_iter()
                .map(|(old, value)| Ok((key(&old)?, value)))
                .collect::<Result<_, E>>()?;
            *map = renamed;
        }
        Ok(changes.into())
    }
}

/// As RFC 7396, section 2, has it. Depth is bounded by serde_json's own limit on what was read.
fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let serde_json::Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::Value::Object(serde_json::Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.as_str()).or_insert(serde_json::Value::Null), change);
        }
    }
}

impl<T> Default for Patch<T> {
    /// Changes nothing.
    fn default() -> Self {
        Self { changes: serde_json::Value::Object(serde_json::Map::new()), of: PhantomData }
    }
}

impl<T> From<serde_json::Value> for Patch<T> {
    fn from(changes: serde_json::Value) -> Self {
        Self { changes, of: PhantomData }
    }
}

impl<T> fmt::Debug for Patch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.changes, f)
    }
}

impl<T> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.changes.serialize(to)
    }
}

impl<'de, T> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let changes = serde_json::Value::deserialize(from)?;
        if changes.is_object() {
            return Ok(changes.into());
        }
        Err(de::Error::custom("a change of settings is a JSON object"))
    }
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Patch_{}", T::schema_name()).into()
    }

    /// The settings with every field optional; null takes a field away.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.remove("required");
        schema.insert(
            "description".to_owned(),
            "A JSON merge patch (RFC 7396): fields that are left out stay as they are, null takes one away."
                .into(),
        );
        schema
    }
}

/// What an Update command says beside which thing it is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change<'a, S, N = Name> {
    pub(crate) name: Option<&'a N>,
    pub(crate) settings: &'a Patch<S>,
    pub(crate) if_version: Option<Version>,
}

impl<'a, S, N> Change<'a, S, N> {
    pub(crate) const fn new(
        name: Option<&'a N>,
        settings: &'a Patch<S>,
        if_version: Option<Version>,
    ) -> Self {
        Self { name, settings, if_version }
    }
}
