//! What a worker needs from outside: fresh ids.

use std::fmt::{self, Debug};
use std::sync::Arc;

use carrel_keys::Entropy;
use carrel_keys::entropy::EntropyError;
use uuid::{Builder, Uuid};

/// The wall clock, in milliseconds since 1970.
pub type Millis = dyn Fn() -> u64 + Send + Sync;

/// Ids of version 7. A worker's outcomes become commands, and a log finds out sooner that such a
/// one is new.
#[derive(Clone)]
pub struct Ids {
    millis: Arc<Millis>,
    entropy: Arc<dyn Entropy>,
}

impl Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids(..)")
    }
}

impl Ids {
    pub fn new(millis: Arc<Millis>, entropy: Arc<dyn Entropy>) -> Self {
        Self { millis, entropy }
    }

    pub fn fresh(&self) -> Result<Uuid, EntropyError> {
        let mut bytes = [0; 10];
        self.entropy.fill(&mut bytes)?;
        Ok(Builder::from_unix_timestamp_millis((self.millis)(), &bytes).into_uuid())
    }
}
