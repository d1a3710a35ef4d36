//! The kinds of things that can be asked for, by the names that they have in the API.

use std::fmt;
use std::str::FromStr;

use schemars::{Schema, SchemaGenerator};

use crate::doc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Hypervisors,
    Storages,
    Networks,
    Media,
    Templates,
    Machines,
    Images,
    Pools,
    Clients,
    Groups,
    Labs,
    Terminals,
    Sessions,
    Operations,
    Admins,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such kind of thing")]
pub struct UnknownKind;

impl Kind {
    pub const ALL: [Self; 15] = [
        Self::Hypervisors,
        Self::Storages,
        Self::Networks,
        Self::Media,
        Self::Templates,
        Self::Machines,
        Self::Images,
        Self::Pools,
        Self::Clients,
        Self::Groups,
        Self::Labs,
        Self::Terminals,
        Self::Sessions,
        Self::Operations,
        Self::Admins,
    ];

    /// As in `/v1/machines`; also the name of its table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hypervisors => "hypervisors",
            Self::Storages => "storages",
            Self::Networks => "networks",
            Self::Media => "media",
            Self::Templates => "templates",
            Self::Machines => "machines",
            Self::Images => "images",
            Self::Pools => "pools",
            Self::Clients => "clients",
            Self::Groups => "groups",
            Self::Labs => "labs",
            Self::Terminals => "terminals",
            Self::Sessions => "sessions",
            Self::Operations => "operations",
            Self::Admins => "admins",
        }
    }

    /// The shape of one, for the description of an API.
    pub fn schema(self, generator: &mut SchemaGenerator) -> Schema {
        match self {
            Self::Hypervisors => generator.subschema_for::<doc::Hypervisor>(),
            Self::Storages => generator.subschema_for::<doc::Storage>(),
            Self::Networks => generator.subschema_for::<doc::Network>(),
            Self::Media => generator.subschema_for::<doc::Media>(),
            Self::Templates => generator.subschema_for::<doc::Template>(),
            Self::Machines => generator.subschema_for::<doc::Machine>(),
            Self::Images => generator.subschema_for::<doc::Image>(),
            Self::Pools => generator.subschema_for::<doc::Pool>(),
            Self::Clients => generator.subschema_for::<doc::Client>(),
            Self::Groups => generator.subschema_for::<doc::Group>(),
            Self::Labs => generator.subschema_for::<doc::Lab>(),
            Self::Terminals => generator.subschema_for::<doc::Terminal>(),
            Self::Sessions => generator.subschema_for::<doc::Session>(),
            Self::Operations => generator.subschema_for::<doc::Operation>(),
            Self::Admins => generator.subschema_for::<doc::Admin>(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}
