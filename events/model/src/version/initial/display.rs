//! How a machine is seen, and what a viewer may do.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    Spice,
    /// For browsers only.
    Vnc,
    Rdp,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Graphics {
    Qxl,
    Virtio,
    Vga,
}

/// The displays that a machine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Display {
    pub protocols: BTreeSet<Protocol>,
    pub graphics: Graphics,
    pub monitors: u8,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            protocols: BTreeSet::from([Protocol::Spice, Protocol::Vnc]),
            graphics: Graphics::Qxl,
            monitors: 1,
        }
    }
}

/// What may pass between a desktop and the device in front of its user. Nothing leaves a desktop
/// unless somebody allowed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Policy {
    #[serde(default)]
    pub clipboard: bool,
    #[serde(default)]
    pub file_transfer: bool,
    #[serde(default = "yes")]
    pub usb: bool,
    #[serde(default = "yes")]
    pub audio: bool,
    #[serde(default)]
    pub smart_card: bool,
    /// At most so many.
    #[serde(default = "one")]
    pub monitors: u8,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            clipboard: false,
            file_transfer: false,
            usb: true,
            audio: true,
            smart_card: false,
            monitors: 1,
        }
    }
}

const fn yes() -> bool {
    true
}

const fn one() -> u8 {
    1
}
