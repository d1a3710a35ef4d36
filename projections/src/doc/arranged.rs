//! Hosts and what they share.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::hash::Digest;
use carrel_model::ids::{HypervisorId, MediaId, NetworkId, StorageId, TemplateId};
use carrel_model::name::{Counter, HostAddress, HostPath, Name};
use carrel_model::record::{Timestamp, Version};
use carrel_model::version::latest::display::Display;
use carrel_model::version::latest::machine::Hardware;
use carrel_model::version::latest::{Labels, Properties, hypervisor, media, network, storage};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HypervisorState")]
pub enum HypervisorState {
    /// It gets new machines.
    Enabled,
    Maintenance,
    /// Its worker is not heard.
    Silent,
    /// Somebody confirmed that it is off and stays off.
    Lost,
}

/// A host with libvirt.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Hypervisor")]
pub struct Hypervisor {
    pub id: HypervisorId,
    pub name: Name,
    pub version: Version,
    pub state: HypervisorState,
    /// Why it gets no new machines.
    pub maintenance: BTreeSet<hypervisor::Reason>,
    pub memory_mib: u64,
    pub vcpus: u32,
    pub counters: BTreeMap<Counter, u32>,
    /// How much of it may be promised.
    pub memory_percent: u16,
    pub vcpus_percent: u16,
    /// What machines that are on have been promised.
    pub memory_mib_promised: u64,
    pub vcpus_promised: u64,
    pub counters_promised: BTreeMap<Counter, u64>,
    /// How many machines take something of it.
    pub machines_on: u32,
    pub display_address: Option<HostAddress>,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HostOfStorage {
    pub hypervisor: HypervisorId,
    pub hypervisor_name: Option<Name>,
    pub path: HostPath,
}

/// Where files live.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Storage")]
pub struct Storage {
    pub id: StorageId,
    pub name: Name,
    pub version: Version,
    pub roles: BTreeSet<storage::Role>,
    /// Those that see it.
    pub hosts: Vec<HostOfStorage>,
    pub medium: storage::Medium,
    pub low_space_mib: u64,
    pub low_on_space: bool,
    /// As far as its hosts have said so.
    pub free_mib: Option<u64>,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct HostOfNetwork {
    pub hypervisor: HypervisorId,
    pub hypervisor_name: Option<Name>,
    pub attachment: network::Attachment,
}

/// How machines reach others.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Network")]
pub struct Network {
    pub id: NetworkId,
    pub name: Name,
    pub version: Version,
    /// On hosts that are not named below.
    pub attachment: Option<network::Attachment>,
    pub hosts: Vec<HostOfNetwork>,
    pub addresses: Option<network::AddressRange>,
    pub no_spoofing: bool,
    pub isolated: bool,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

/// An ISO or driver image, or a disk to import.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Media")]
pub struct Media {
    pub id: MediaId,
    pub name: Name,
    pub version: Version,
    pub kind: media::Kind,
    pub format: media::Format,
    pub storage: StorageId,
    pub storage_name: Option<Name>,
    pub size_bytes: u64,
    pub digest: Digest,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

/// What a new machine is made of.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Template")]
pub struct Template {
    pub id: TemplateId,
    pub name: Name,
    pub version: Version,
    pub hardware: Hardware,
    pub disk_gib: u32,
    pub display: Display,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}
