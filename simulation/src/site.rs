//! Hosts that outlive whoever works on them, and how long what is asked of them takes.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use carrel_driver::place::machine_folder;
use carrel_driver::sim::{Fault, Often, Pace, Span, World};
use carrel_driver::{
    Advance, Cancel, Doing, Done, Hypervisor, Place, Root, Step, StepKind, Trouble, Waited,
};
use carrel_model::ids::{HypervisorId, MachineId, StorageId};
use carrel_model::name::{FilePath, HostPath};
use carrel_workers::Hand;
use carrel_workers::lanes::{Width, width};
use tokio::time::sleep;

use crate::fate::{Fate, Moment, Whose};
use crate::outside::{Clock, locked};
use crate::rates::{STEP_FAILS, STEP_FAILS_ONCE, STEP_HUNG, STEP_LATE, STEP_SLOW, STEP_UNANSWERED};

/// Guests take as long as usual; steps take their time before they are begun, see [`HostHand`].
const PACE: Pace = Pace {
    ready: Span::millis(4_000),
    first_boot: Span::millis(8_000),
    shutdown: Span::millis(2_000),
    ..Pace::INSTANT
};

/// Clones are one and the same.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) world: World,
    /// How often each host went down, and whether it is.
    lives: Arc<Mutex<BTreeMap<HypervisorId, Life>>>,
    lost: Arc<Mutex<BTreeSet<(StorageId, FilePath)>>>,
    fate: Arc<Fate>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Life {
    number: u64,
    is_down: bool,
}

impl Site {
    pub(crate) fn new(seed: u64, clock: Clock, fate: Arc<Fate>) -> Self {
        let world = World::new(seed, PACE, Arc::new(clock)).counting();
        Self { world, lives: Arc::default(), lost: Arc::default(), fate }
    }

    fn life(&self, host: HypervisorId) -> Life {
        locked(&self.lives).get(&host).copied().unwrap_or_default()
    }

    pub(crate) fn is_down(&self, host: HypervisorId) -> bool {
        self.life(host).is_down
    }

    pub(crate) fn goes_down(&self, host: HypervisorId) {
        let mut lives = locked(&self.lives);
        let life = lives.entry(host).or_default();
        life.number += 1;
        life.is_down = true;
        drop(lives);
        self.world.host_dies(host);
    }

    pub(crate) fn is_back(&self, host: HypervisorId) {
        locked(&self.lives).entry(host).or_default().is_down = false;
        self.world.host_is_back(host);
    }

    /// From now on steps fail there now and then.
    pub(crate) fn misbehaves(&self, host: HypervisorId) {
        for step in StepKind::ALL {
            let fails = Fault::fails_once_more(*step);
            self.world.inject(host, Some(*step), fails, Often::OneIn(STEP_FAILS_ONCE));
            let fails = Fault::fails_for_good(*step);
            self.world.inject(host, Some(*step), fails, Often::OneIn(STEP_FAILS));
        }
        self.world.inject(host, None, Fault::LosesAnswer, Often::OneIn(STEP_UNANSWERED));
    }

    /// Files that machines write to, in order.
    pub(crate) fn written(&self) -> Vec<(StorageId, FilePath)> {
        let files = self.world.files();
        let written = files.into_iter().filter(|(_, (_, sealed))| !sealed);
        written.map(|(key, _)| key).collect()
    }

    /// A file is gone, as if somebody had removed it.
    pub(crate) fn loses(&self, (storage, file): &(StorageId, FilePath)) {
        let path = HostPath::new("/").expect("a path");
        let root = Root { storage: *storage, path };
        self.world.loses_file(&Place { root, file: file.clone() });
        locked(&self.lost).insert((*storage, file.clone()));
    }

    pub(crate) fn is_lost(&self, file: &str) -> bool {
        locked(&self.lost).iter().any(|(_, lost)| lost.as_str() == file)
    }

    /// A file of this machine's was lost.
    pub(crate) fn has_lost(&self, machine: MachineId) -> bool {
        let folder = machine_folder(machine);
        locked(&self.lost).iter().any(|(_, file)| file.as_str().starts_with(&folder))
    }

    pub(crate) fn hand(&self, host: HypervisorId) -> Arc<dyn Hand> {
        Arc::new(HostHand { site: self.clone(), host })
    }
}

/// Has steps done on one host: each after its time, and at once then.
#[derive(Debug)]
struct HostHand {
    site: Site,
    host: HypervisorId,
}

/// How a step goes.
#[derive(Clone, Copy, Debug)]
struct Course {
    before: Duration,
    /// It is done, and this passes until somebody hears of it.
    after: Duration,
    hangs: bool,
}

const fn millis(width: Width) -> u64 {
    match width {
        Width::Start => 300,
        Width::Fast => 10,
        Width::Bulk => 2_000,
    }
}

/// So many times as long as usual.
const SLOW_TIMES: u64 = 20;

impl HostHand {
    fn course(&self, kind: StepKind) -> Course {
        let (fate, width) = (&self.site.fate, width(kind));
        let usual = millis(width);
        let time = usual / 2 + fate.below(usual);
        let mut course =
            Course { before: Duration::from_millis(time), after: Duration::ZERO, hangs: false };
        if fate.chance(STEP_SLOW) {
            course.before *= u32::try_from(SLOW_TIMES).unwrap_or(1);
        }
        if fate.chance(STEP_LATE) {
            course.after = Duration::from_millis(time * SLOW_TIMES);
        }
        // Hours would pass before a copy that hangs is given up.
        course.hangs = width != Width::Bulk && fate.chance(STEP_HUNG);
        course
    }

    /// Until it is cancelled, or the host goes down.
    async fn hangs(&self, life: Life, cancel: &Cancel) -> Trouble {
        loop {
            if let Err(trouble) = self.wait(HANGS_FOR, life, cancel).await {
                return trouble;
            }
        }
    }

    /// Waits, unless it is cancelled or the host goes down meanwhile.
    async fn wait(&self, time: Duration, life: Life, cancel: &Cancel) -> Result<(), Trouble> {
        let mut over = pin!(sleep(time));
        let waited = poll_fn(|context| {
            if cancel.is_cancelled() {
                return Poll::Ready(Waited::Cancelled);
            }
            over.as_mut().poll(context).map(|()| Waited::Over)
        });
        let waited = waited.await;
        if self.site.life(self.host) != life {
            return Err(Trouble::unreachable("the host went down"));
        }
        match waited {
            Waited::Over => Ok(()),
            Waited::Cancelled => Err(Trouble::cancelled()),
        }
    }
}

/// Whatever hangs is looked at so often: its host may have gone down.
const HANGS_FOR: Duration = Duration::from_secs(5);

#[async_trait]
impl Hand for HostHand {
    async fn step(
        &self,
        hypervisor: &dyn Hypervisor,
        (doing, step): (&Doing, &Step),
        advance: &dyn Advance,
        cancel: &Cancel,
    ) -> Result<Done, Trouble> {
        let (life, course) = (self.site.life(self.host), self.course(step.kind()));
        if course.hangs {
            return Err(self.hangs(life, cancel).await);
        }
        self.wait(course.before, life, cancel).await?;
        self.site.fate.passes(Whose::Workers, Moment::Step).await;
        let done = hypervisor.step(doing, step, advance, cancel)?;
        self.site.fate.passes(Whose::Workers, Moment::Stepped).await;
        if !course.after.is_zero() {
            self.wait(course.after, life, cancel).await?;
        }
        Ok(done)
    }
}
