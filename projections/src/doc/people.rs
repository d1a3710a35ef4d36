//! People, and what is offered to them where.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::client::Provider;
use carrel_model::ids::{
    AdminId, ClientId, GroupId, LabId, MachineId, PoolId, TerminalId, TokenId,
};
use carrel_model::name::{Label, Name, TerminalLabel};
use carrel_model::record::{Timestamp, Version};
use carrel_model::version::latest::admin::Role;
use carrel_model::version::latest::display::Policy;
use carrel_model::version::latest::pool::{Calendar, Limits, Mode, Reset, Spares};
use carrel_model::version::latest::{Labels, Properties};
use schemars::JsonSchema;
use serde::Serialize;

/// The image that a pool's machines follow.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Follows {
    pub initial: MachineId,
    pub initial_name: Option<Name>,
    pub tag: Name,
}

/// Machines that are offered to people.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Pool")]
pub struct Pool {
    pub id: PoolId,
    pub name: Name,
    pub version: Version,
    pub mode: Mode,
    pub image: Option<Follows>,
    pub reset: Reset,
    pub return_after_seconds: u32,
    /// What is kept for those who come next, as its calendar says now.
    pub spares: Spares,
    pub display: Policy,
    pub calendars: Vec<Calendar>,
    /// Nobody gets a desktop now.
    pub closed: bool,
    pub limits: Limits,
    /// People who may use it by themselves.
    pub clients: u64,
    /// Groups whose members may use it.
    pub groups: Vec<GroupId>,
    /// How many machines it has, and how they stand: each is counted once.
    pub machines: u32,
    pub ready: u32,
    pub running: u32,
    pub stopped: u32,
    /// Somebody has used it, and it is not clean yet.
    pub written: u32,
    pub leased: u32,
    pub owned: u32,
    pub in_maintenance: u32,
    pub renewing: u32,
    pub busy: u32,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

/// A person who uses desktops.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Client")]
pub struct Client {
    pub id: ClientId,
    /// None: it can't be read, because the key is gone.
    pub name: Option<String>,
    pub provider: Provider,
    pub version: Version,
    /// A name for people to read, an address, and the like.
    pub details: Option<String>,
    pub blocked: bool,
    pub has_password: bool,
    pub sessions_max: Option<u32>,
    /// Groups of their directory, as of the last sign-in.
    pub directory_groups: BTreeSet<GroupId>,
    pub labels: BTreeMap<Label, String>,
    pub properties: BTreeMap<Label, String>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

/// A group of people.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Group")]
pub struct Group {
    pub id: GroupId,
    pub name: Name,
    pub version: Version,
    /// Of a directory's group.
    pub provider: Option<Provider>,
    pub directory_group: Option<String>,
    pub sessions_max: Option<u32>,
    /// How many were put into it by hand.
    pub members: u64,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct OfferedPool {
    pub pool: PoolId,
    pub pool_name: Option<Name>,
}

/// What the terminals of a class run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Launcher {
    pub class: Name,
    pub template: String,
}

/// A room with terminals.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Lab")]
pub struct Lab {
    pub id: LabId,
    pub name: Name,
    pub version: Version,
    /// In the order in which they are offered.
    pub pools: Vec<OfferedPool>,
    pub start_instances: u32,
    pub max_instances: Option<u32>,
    pub restart_after_hours: Option<u32>,
    pub classes: Vec<Launcher>,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

/// A thin client.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Terminal")]
pub struct Terminal {
    pub id: TerminalId,
    /// What it calls itself.
    pub name: TerminalLabel,
    pub version: Version,
    pub lab: LabId,
    pub lab_name: Option<Name>,
    pub class: Name,
    /// What its command line is filled with is a secret; what that is called is not.
    pub parameters: Vec<Label>,
    pub labels: Labels,
    pub properties: Properties,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AdminToken {
    pub id: TokenId,
    pub name: Option<Name>,
    pub expires_at: Timestamp,
}

/// A person who runs the system.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Admin")]
pub struct Admin {
    pub id: AdminId,
    /// None: it can't be read, because the key is gone.
    pub name: Option<String>,
    pub version: Version,
    pub roles: BTreeSet<Role>,
    /// By which they sign in.
    pub tokens: Vec<AdminToken>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}
