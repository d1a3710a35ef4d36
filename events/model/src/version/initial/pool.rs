//! Facts about pools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::display::Policy;
use super::{Labels, Properties};
use crate::ids::{ClientId, GroupId, MachineId, SessionId};
use crate::name::{Name, TimeZoneName};
use crate::record::Timestamp;

/// Who gets which machine.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[derive(Default)]
pub enum Mode {
    /// Each person the one that was assigned.
    Dedicated,
    /// Anybody any free one.
    #[default]
    Floating,
    /// The first one that a person gets stays theirs.
    Sticky,
}

/// When a used machine is made clean.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    OnRelease,
    OnAssign,
    Never,
}

/// The image that its machines follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Follow {
    pub initial: MachineId,
    pub tag: Name,
}

/// What is kept for those who come next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[derive(Default)]
pub struct Spares {
    /// Free machines that run and are ready.
    #[serde(default)]
    pub keep_ready: u32,
    /// Free machines that run.
    #[serde(default)]
    pub keep_started: u32,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A time of the week in which a pool behaves differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Calendar {
    pub days: Vec<Weekday>,
    /// Minutes after midnight, both in the time zone.
    pub from_minute: u16,
    /// If not after the beginning, it is on the next day.
    pub until_minute: u16,
    /// A name of the IANA database: `Europe/Vilnius`.
    pub time_zone: TimeZoneName,
    #[serde(default)]
    pub effect: Effect,
}

/// What holds during a calendar's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[derive(Default)]
pub struct Effect {
    /// Instead of the pool's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spares: Option<Spares>,
    /// Nobody gets a desktop; who has one keeps it.
    #[serde(default)]
    pub closed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[derive(Default)]
pub struct Limits {
    /// Desktops of the pool at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_max: Option<u32>,
    /// Desktops of the pool at once for one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_max_per_client: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[serde(default)]
pub struct Settings {
    pub mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Follow>,
    /// If nothing is said: `on_release` for a floating pool, else `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset: Option<Reset>,
    /// How long a machine waits for its person after the last sign of them.
    pub return_after_seconds: u32,
    pub spares: Spares,
    pub display: Policy,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<Calendar>,
    pub limits: Limits,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub properties: Properties,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            image: None,
            reset: None,
            return_after_seconds: 300,
            spares: Spares::default(),
            display: Policy::default(),
            calendars: Vec::new(),
            limits: Limits::default(),
            labels: Labels::new(),
            properties: Properties::new(),
        }
    }
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

/// Who may use a pool: one person, or everybody of a group.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    Client(ClientId),
    Group(GroupId),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Entitled {
    pub holder: Holder,
}

/// What its calendars say has changed, and when it will next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct CalendarTurned {
    /// None: they say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}

/// It was looked whether those who have a desktop there still may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct ReviewAdvanced {
    /// Those behind this session are yet to be looked at; none: nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upto: Option<SessionId>,
}
