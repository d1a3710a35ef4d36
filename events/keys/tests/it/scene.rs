//! What the cases have in common.

use std::sync::Arc;

use carrel_keys::memory::MemoryStore;
use carrel_keys::{KeyStore, Keys, OsEntropy, Purpose};
use carrel_model::sealed::{SealedBox, Secret};
use uuid::Uuid;

/// All are in one shard, so that they get into each other's way where anybody could.
pub(crate) fn person(nth: u64) -> Uuid {
    Uuid::from_u128(u128::from(nth) << 64 | 0x8000_0000_0000_0007)
}

pub(crate) fn start(store: Arc<dyn KeyStore>) -> Keys {
    Keys::start(store, Arc::new(OsEntropy), 2).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn in_memory() -> Keys {
    start(Arc::new(MemoryStore::default()))
}

pub(crate) fn seal(keys: &Keys, nth: u64, text: &str) -> SealedBox {
    keys.seal(person(nth), Purpose::Name, text).unwrap_or_else(|error| panic!("{error}"))
}

/// What is in a box that was made by [`seal`]; nothing if its key was destroyed.
pub(crate) fn opened(keys: &Keys, sealed: &SealedBox) -> Option<String> {
    let text = keys.open(Purpose::Name, sealed).unwrap_or_else(|error| panic!("{error}"));
    text.map(|text| text.as_str().to_owned())
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}
