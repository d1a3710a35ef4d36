//! Facts about ISO and driver images.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::disk::Format;
use super::{Labels, Properties};
use crate::hash::Digest;
use crate::ids::StorageId;
use crate::name::Name;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A CD or DVD (ISO 9660, UDF).
    Iso,
    /// A floppy or disk with drivers.
    Drivers,
    /// A disk that can become a source or an initial.
    Disk,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Added {
    pub name: Name,
    pub kind: Kind,
    pub format: Format,
    pub storage: StorageId,
    pub size_bytes: u64,
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}
