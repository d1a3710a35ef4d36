//! What every handler has: the ports behind the edge, and what bounds it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use carrel_bus::{Bus, Pulse};
use carrel_decider::Clock;
use carrel_keys::{Entropy, Keys};
use carrel_log::EventLog;
use carrel_model::name::Org;
use carrel_model::record::Timestamp;
use carrel_projections::ReadModels;
use tokio::sync::{Semaphore, watch};
use uuid::{Builder, Uuid};

use crate::back_off::BackOff;
use crate::gate::Gate;
use crate::limits::{FOLLOWERS_MAX, SIGN_INS_UNDER_WAY_MAX};
use crate::port::Commands;
use crate::problem::Problem;
use crate::upload::Uploads;

/// What the composition root hands in.
#[derive(Clone)]
pub struct Ports {
    pub commands: Arc<dyn Commands>,
    pub reads: Arc<dyn ReadModels>,
    pub log: Arc<dyn EventLog>,
    pub keys: Keys,
    pub pulse: Arc<dyn Pulse>,
    /// Hosts are asked by it. Nothing else goes out from here.
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub uploads: Arc<dyn Uploads>,
    pub org: Org,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ports(..)")
    }
}

/// The ports and the bounds; clones share them.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

#[expect(missing_debug_implementations, reason = "only seen through `Edge`, which has one")]
pub struct Inner {
    pub ports: Ports,
    pub(crate) gate: Gate,
    pub(crate) back_off: BackOff,
    pub(crate) sign_ins: Semaphore,
    pub(crate) followers: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Deref for Edge {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edge(..)")
    }
}

impl Edge {
    pub fn new(ports: Ports) -> Self {
        Self(Arc::new(Inner {
            ports,
            gate: Gate::default(),
            back_off: BackOff::default(),
            sign_ins: Semaphore::new(SIGN_INS_UNDER_WAY_MAX),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            closing: watch::Sender::new(false),
        }))
    }

    /// Whoever waits or follows is let go, so that the server can end.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Becomes true when the server is about to end.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        self.ports.entropy.fill(&mut bytes).map_err(|error| Problem::internal(&error))?;
        Ok(bytes)
    }

    /// Of version 7.
    pub(crate) fn fresh_id(&self) -> Result<Uuid, Problem> {
        let millis = u64::try_from(self.now().0 / 1_000).unwrap_or_default();
        Ok(Builder::from_unix_timestamp_millis(millis, &self.random()?).into_uuid())
    }
}
