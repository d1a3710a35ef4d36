//! Facts about Carrel itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every process reads what this level writes, so it may be written from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FeatureLevelRaised {
    pub level: u16,
}
