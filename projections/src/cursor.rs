//! Where a page ended: the sort value and the id of its last row, and of which query it was.
//!
//! It is a place among the rows and no number of rows, so that rows that come and go meanwhile
//! neither repeat nor hide others.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::query::{Order, Query};

/// Opaque outside: base64url of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    #[serde(rename = "q")]
    pub(crate) query: u64,
    #[serde(rename = "v")]
    pub(crate) value: Value,
    #[serde(rename = "i")]
    pub(crate) id: Uuid,
}

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(i64),
    Text(String),
}

impl Cursor {
    pub fn behind(query: &Query, value: Value, id: Uuid) -> Self {
        Self { query: query.digest, value, id }
    }

    pub fn written(&self) -> String {
        // Numbers, texts and ids can always be written as JSON.
        BASE64URL_NOPAD.encode(&serde_json::to_vec(self).unwrap_or_default())
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let json = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// The same for the same kind, filters and order, in whatever order the filters are named. It
/// guards against mistakes; whoever forges one reads nothing that they may not read anyway.
pub(crate) fn digest(query: &Query) -> u64 {
    let mut parts: Vec<String> = query.filters.iter().map(|filter| format!("{filter:?}")).collect();
    parts.sort_unstable();
    let order = match query.order {
        Order::Ascending => "+",
        Order::Descending => "-",
    };
    let head = format!("{}\0{order}\0{}", query.kind, query.sort.name);
    // FNV-1a, 64 bits.
    std::iter::once(&head)
        .chain(&parts)
        .flat_map(|part| part.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
