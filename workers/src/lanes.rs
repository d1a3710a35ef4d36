//! How many things are done at once, and the blocking calls with which they are done.
//!
//! ```text
//!   step --> lane of its host (starts, fast, bulk) --> blocking pool of the process --> driver
//! ```
//!
//! A boot storm is a queue in front of the first; the second bounds threads, however many hosts a
//! process simulates.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use carrel_driver::{Advance, Cancel, Doing, Done, Hypervisor, Listener, Step, StepKind, Trouble};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits::{
    BLOCKING_MAX, BULK_AT_ONCE, BULK_STEP_MAX, FAST_AT_ONCE, FAST_STEP_MAX, STARTS_AT_ONCE,
};

/// How many of a kind a host does at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtOnce {
    pub starts: usize,
    pub fast: usize,
    pub bulk: usize,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self { starts: STARTS_AT_ONCE, fast: FAST_AT_ONCE, bulk: BULK_AT_ONCE }
    }
}

/// Who makes the calls: threads that all workers of a process share, unless somebody else does.
#[derive(Clone, Debug)]
pub struct Pool(By);

#[derive(Clone, Debug)]
enum By {
    Threads(Arc<Semaphore>),
    Hand(Arc<dyn Hand>),
}

impl Default for Pool {
    fn default() -> Self {
        Self(By::Threads(Arc::new(Semaphore::new(BLOCKING_MAX))))
    }
}

impl Pool {
    /// Every call is made where it is asked for.
    pub fn by_hand(hand: Arc<dyn Hand>) -> Self {
        Self(By::Hand(hand))
    }
}

/// Makes calls without a thread, in a time of its own: for simulated hosts on which the same is to
/// happen in the same order each time.
#[async_trait]
pub trait Hand: Send + Sync + Debug {
    /// Waits for as long as the step takes, and has it done meanwhile. No call of the driver waits.
    async fn step(
        &self,
        hypervisor: &dyn Hypervisor,
        step: (&Doing, &Step),
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Start,
    Fast,
    Bulk,
}

pub const fn width(step: StepKind) -> Width {
    match step {
        StepKind::Start => Width::Start,
        StepKind::Copy
        | StepKind::CopyVersion
        | StepKind::Import
        | StepKind::Verify
        | StepKind::Accept
        | StepKind::DeleteSnapshot
        | StepKind::Migrate => Width::Bulk,
        StepKind::MakeDisk
        | StepKind::Resize
        | StepKind::Rebase
        | StepKind::Seal
        | StepKind::RemoveFiles
        | StepKind::TakeSnapshot
        | StepKind::RevertSnapshot
        | StepKind::Define
        | StepKind::Undefine
        | StepKind::Shutdown
        | StepKind::Reboot
        | StepKind::Reset
        | StepKind::Destroy
        | StepKind::Suspend
        | StepKind::Resume
        | StepKind::Wake
        | StepKind::ArmDisplay
        | StepKind::CutViewers
        | StepKind::PutConfig
        | StepKind::AttachMedium
        | StepKind::DetachMedium
        | StepKind::ShowMessage
        | StepKind::WakeOnLan => Width::Fast,
    }
}

impl Width {
    pub const fn longest(self) -> Duration {
        match self {
            Self::Start | Self::Fast => FAST_STEP_MAX,
            Self::Bulk => BULK_STEP_MAX,
        }
    }
}

/// One host's driver and its lanes.
#[derive(Debug)]
pub struct Lanes {
    hypervisor: Arc<dyn Hypervisor>,
    pool: Pool,
    starts: Semaphore,
    fast: Semaphore,
    bulk: Semaphore,
}

/// Cancels what it belongs to when whoever waits for it is gone.
#[derive(Debug)]
struct Abandoned(Cancel);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn ended() -> Trouble {
    Trouble::again("worker", "the worker is ending")
}

impl Lanes {
    pub fn new(hypervisor: Arc<dyn Hypervisor>, pool: Pool, at_once: AtOnce) -> Self {
        Self {
            hypervisor,
            pool,
            starts: Semaphore::new(at_once.starts),
            fast: Semaphore::new(at_once.fast),
            bulk: Semaphore::new(at_once.bulk),
        }
    }

    /// Has the driver call this from now on when something has changed by itself.
    pub fn tells(&self, listener: Listener) {
        self.hypervisor.tells(listener);
    }

    /// Waits in front of the lane that this step takes.
    pub async fn place(&self, width: Width) -> Result<SemaphorePermit<'_>, Trouble> {
        let lane = match width {
            Width::Start => &self.starts,
            Width::Fast => &self.fast,
            Width::Bulk => &self.bulk,
        };
        lane.acquire().await.map_err(|_| ended())
    }

    /// Asks the driver something that takes no time to speak of.
    pub async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Hypervisor) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let is_quick = self.hypervisor.answers_at_once();
        match &self.pool.0 {
            By::Threads(threads) if !is_quick => self.lent(threads, call).await,
            By::Threads(_) | By::Hand(_) => call(&*self.hypervisor),
        }
    }

    /// Calls the driver on a thread that may wait.
    async fn lent<T: Send + 'static>(
        &self,
        threads: &Arc<Semaphore>,
        call: impl FnOnce(&dyn Hypervisor) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let permit = Arc::clone(threads).acquire_owned().await.map_err(|_| ended())?;
        let hypervisor = Arc::clone(&self.hypervisor);
        let called = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            call(&*hypervisor)
        });
        called.await.unwrap_or_else(|error| Err(Trouble::again("driver", &error.to_string())))
    }

    /// Does a step. If nobody waits for it any more, it is cancelled.
    pub async fn step(
        &self,
        (doing, step): (Doing, Step),
        advance: Arc<dyn Advance>,
        cancel: Cancel,
    ) -> Result<Done, Trouble> {
        let _abandoned = Abandoned(cancel.clone());
        match &self.pool.0 {
            By::Hand(hand) => {
                hand.step(&*self.hypervisor, (&doing, &step), &*advance, &cancel).await
            }
            By::Threads(threads) => {
                let step = move |hypervisor: &dyn Hypervisor| {
                    hypervisor.step(&doing, &step, &*advance, &cancel)
                };
                self.lent(threads, step).await
            }
        }
    }
}
