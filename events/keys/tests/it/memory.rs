//! The memory store keeps the promises.

use std::sync::Arc;

use carrel_keys::KeyStore;
use carrel_keys::memory::MemoryStore;

use crate::conformance::{self, Adapter};

struct Memory(Arc<MemoryStore>);

impl Adapter for Memory {
    fn fresh() -> Self {
        Self(Arc::new(MemoryStore::default()))
    }

    fn store(&self) -> Arc<dyn KeyStore> {
        Arc::clone(&self.0) as Arc<dyn KeyStore>
    }

    /// It lasts as long as the value does, so there is nothing to open again.
    fn reopen(&mut self) {}
}

conformance::suite!(Memory);
