//! How everything began.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Label;
use crate::text::Text;

pub mod admin;
pub mod client;
pub mod cluster;
pub mod disk;
pub mod display;
pub mod group;
pub mod hardware;
pub mod hypervisor;
pub mod image;
pub mod lab;
pub mod machine;
pub mod media;
pub mod network;
pub mod operation;
pub mod place;
pub mod pool;
pub mod renewal;
pub mod session;
pub mod storage;
pub mod template;
pub mod terminal;

/// What people hang on things, for themselves and for selecting.
pub type Labels = BTreeMap<Label, Text>;

/// What people and programs want to know of things. Those of images, pools, machines and clients
/// are given to guests; merged, the more special wins, in this order.
pub type Properties = BTreeMap<Label, Text>;

/// A fact that its name tells all of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Nothing {}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    On,
    Off,
}
