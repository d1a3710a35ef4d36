//! How everything began.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

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

/// What people and programs want to know of things. Those of images, pools and machines are given
/// to guests; merged, the more special wins, in this order. What is known of people is sealed.
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

/// What is said even if it is nothing: a reader must not take a field that got lost for an order.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// The same in the schema.
fn all_required(schema: &mut Schema) {
    let fields = schema.get("properties").and_then(Value::as_object);
    let all: Option<Vec<Value>> = fields.map(|it| it.keys().cloned().map(Value::from).collect());
    if let Some(all) = all {
        schema.insert("required".to_owned(), all.into());
    }
}

/// A number that may be larger than what JavaScript can hold, in decimal digits.
mod decimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use smol_str::SmolStr;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    pub(super) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        SmolStr::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
