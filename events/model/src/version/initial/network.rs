//! Facts about networks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Labels, Properties};
use crate::ids::HypervisorId;
use crate::name::{Name, PlatformName};

/// How a host's machines are attached to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Attachment {
    /// A bridge of the host.
    Bridge { name: PlatformName },
    /// A VLAN (IEEE 802.1Q) on a bridge of the host.
    Vlan { bridge: PlatformName, tag: u16 },
    /// A network that libvirt keeps.
    Libvirt { name: PlatformName },
}

/// The addresses that its machines get, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct AddressRange {
    pub first: IpAddr,
    pub last: IpAddr,
}

/// What machines on it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Policy {
    /// A guest can send with its own MAC and IP address only.
    #[serde(default = "yes")]
    pub no_spoofing: bool,
    /// Guests can't reach each other.
    #[serde(default)]
    pub isolated: bool,
}

const fn yes() -> bool {
    true
}

impl Default for Policy {
    fn default() -> Self {
        Self { no_spoofing: true, isolated: false }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Settings {
    /// For hosts that are not named below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<HypervisorId, Attachment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<AddressRange>,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Created {
    pub name: Name,
    pub settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Updated {
    pub name: Name,
    pub settings: Settings,
}
