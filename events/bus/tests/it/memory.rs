//! The adapters in memory keep the promises.

use std::sync::Arc;

use carrel_bus::memory::MemoryBus;
use carrel_bus::{Bus, MemoryPulse, Pulse};

use crate::conformance::{self, Adapter};

struct Memory;

impl Adapter for Memory {
    async fn fresh() -> Self {
        Self
    }

    async fn bus(&self) -> Arc<dyn Bus> {
        Arc::new(MemoryBus::new())
    }

    async fn pulse(&self) -> Arc<dyn Pulse> {
        Arc::new(MemoryPulse::default())
    }
}

conformance::suite!(Memory);
