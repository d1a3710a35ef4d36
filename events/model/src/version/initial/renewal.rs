//! Facts about how a machine gets fresh disks: by Populate, or by a reset after somebody used it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::disk::OnReboot;
use super::operation::Failure;
use crate::ids::{CommandId, ImageId};
use crate::record::Timestamp;

/// How one learns that a first boot has done its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FirstBootDone {
    /// The guest powers itself off.
    GuestPoweroff,
    /// The QEMU guest agent answers.
    Agent,
    /// Something listens on a TCP port of the guest.
    Tcp { port: u16 },
}

/// A start in which the guest renames itself, joins a domain, and the like; what it writes stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FirstBoot {
    pub done: FirstBootDone,
    /// So long it may take; also `timeout`.
    #[serde(default = "timeout_seconds_default", alias = "timeout")]
    pub timeout_seconds: u32,
}

/// Half an hour: Windows' sysprep with a domain join takes twenty minutes on a slow disk.
const fn timeout_seconds_default() -> u32 {
    1800
}

/// What is set when everything else is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[derive(Default)]
pub struct Then {
    #[serde(default)]
    pub virtual_snapshot: bool,
    /// What a reboot inside the guest does to the virtual snapshot. If left out, what it did
    /// before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_reboot: Option<OnReboot>,
    /// It stays in maintenance for the reason `admin`.
    #[serde(default)]
    pub maintenance: bool,
}

/// How a machine's fresh disks become what people get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[derive(Default)]
pub struct Recipe {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_boot: Option<FirstBoot>,
    #[serde(default)]
    pub then: Then,
}

/// When a machine that somebody uses is taken from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[derive(Default)]
pub enum When {
    /// Never: when they leave.
    #[default]
    OnRelease,
    Now,
    At(Timestamp),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Why {
    Populate {
        operation: CommandId,
    },
    /// Somebody has used it.
    Reset,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Renewal {
    pub why: Why,
    pub image: ImageId,
    #[serde(default)]
    pub recipe: Recipe,
    /// Set when a person may be sent away.
    #[serde(default)]
    pub when: When,
    /// How long before that they are told.
    #[serde(default)]
    pub warn_seconds: u32,
    /// What people keep on it may be lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discard_data: bool,
}

/// It will be renewed; an earlier request that has not begun is superseded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Requested {
    pub renewal: Renewal,
}

/// Its time is set, and whoever uses the machine is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Announced {
    pub at: Timestamp,
}

/// From now on nobody gets it, and it shall be off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Begun {
    /// It has to be off by then.
    pub deadline: Timestamp,
}

/// It is off: its system disk is to be a new overlay on the version. The one before is kept until
/// the new one has booted or, without a first boot, is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct OverlayRequested {
    /// It has to be there by then.
    pub deadline: Timestamp,
    /// The file of the version that it stands on.
    pub file: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FirstBootBegun {
    pub boot_epoch: u64,
    pub deadline: Timestamp,
}

/// The step that it is in gets more time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Delayed {
    pub until: Timestamp,
    #[serde(default)]
    pub cause: DelayedBy,
    pub failure: Failure,
}

/// What a step of a renewal is delayed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DelayedBy {
    /// What it needs is not there yet.
    #[default]
    Step,
    /// Nothing is heard of its host.
    Silence,
    /// Its host is heard again, and has some time for what it has missed.
    Return,
}

/// Its disks are fresh. After Populate the quarantine that an earlier failure left is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Done {
    /// None for a machine that stands on none and lost its throwaway overlay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Failed {
    pub why: Why,
    pub failure: Failure,
}

/// It will not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Dropped {
    pub why: Why,
    pub cause: DropCause,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DropCause {
    /// A newer one takes its place.
    Superseded {
        by: CommandId,
    },
    Cancelled,
    /// Before its time somebody began to keep something on it.
    KeepsData {
        failure: Failure,
    },
}
