//! What a worker remembers of a thing, and how that changes. Pure: the ledger keeps it.

use carrel_driver::{Place, Root};
use carrel_model::contract::Order;
use carrel_model::ids::{MessageId, SessionId, SnapshotId};
use carrel_model::machine::{Outcome, PauseReason, Probe, Reported, StopManner};
use carrel_model::record::Incarnation;
use carrel_model::session::SpentBy;
use carrel_model::version::latest::Properties;
use carrel_model::version::latest::renewal::FirstBootDone;
use carrel_model::work::{DiskSpec, FileTask, PowerSpec, Shall};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::OUTCOMES_KEPT_MAX;

mod told;

/// How new an order is. A log whose past was taken back counts anew, in another incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Age {
    pub incarnation: Incarnation,
    pub generation: u64,
}

impl Age {
    pub const fn of(order: &Order) -> Self {
        Self { incarnation: order.incarnation, generation: order.work.generation }
    }
}

/// One thing, as this host's worker knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub incarnation: Incarnation,
    pub generation: u64,
    /// What it shall be, until it came to an end, well or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Box<Order>>,
    /// The host has let go of it: what is left is a tombstone, so that older orders stay refused.
    #[serde(default)]
    pub is_gone: bool,
    /// What was ordered last could not be done.
    #[serde(default)]
    pub gave_up: bool,
    /// With it a task on its files failed, which whoever ordered it believes when they hear of it.
    #[serde(default)]
    pub task_failed: bool,
    /// The step that is under way, if one was not seen to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(default)]
    pub acted: Acted,
    #[serde(default)]
    pub told: Told,
    #[serde(default)]
    pub outcomes: Vec<Said>,
    /// Files that were made for it or that it had before: what is its own, and no blank file is
    /// made in its place if it is lost.
    #[serde(default)]
    pub made: Vec<Place>,
    /// Storages on which it ever had something.
    #[serde(default)]
    pub roots: Vec<Root>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Watched>,
}

/// What is done at most once, and so is remembered before it is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acted {
    /// The epoch in which the guest was asked to shut down, while that is what is wished.
    pub shutdown: Option<u64>,
    /// The newest epoch for which the guest was asked to reboot.
    pub reboot: Option<u64>,
    pub woken: Option<u64>,
    pub message: Option<MessageId>,
    /// The generation in which it was let run on, or woken from its sleep.
    pub resumed: Option<u64>,
    /// The generation in which its move was begun, while that is what is wished.
    pub migrated: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    Shutdown(u64),
    Reboot(u64),
    Woken(u64),
    Message(MessageId),
    Resumed(u64),
    Migrated(u64),
}

/// What was said of it last, so that only news is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    pub power: Option<ToldPower>,
    pub ready: Option<u64>,
    pub first_boot: Option<u64>,
    pub stopping: Option<u64>,
    pub snapshots: Vec<SnapshotId>,
    pub tickets: Vec<ToldTicket>,
    pub logged_off: Vec<SessionId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldPower {
    pub boot_epoch: u64,
    pub is: ToldState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldState {
    On,
    Paused(PauseReason),
    Asleep,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldTicket {
    pub session: SessionId,
    pub ticket: u32,
    pub spent: Option<SpentBy>,
}

/// What is looked for when nothing has to be done any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    pub ready: Probe,
    pub first_boot: Option<FirstBootDone>,
}

/// Something that was said, or will be as soon as the bus takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The message's, and of the command that it becomes.
    pub id: Uuid,
    pub incarnation: Incarnation,
    pub generation: u64,
    pub what: Reported,
    #[serde(default)]
    pub confirmed: bool,
}

/// How an entry changes. Each is one record of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Heard(Box<Order>),
    /// A step is going to be done, and with it what may be done only once.
    Begins {
        step: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        act: Option<Act>,
    },
    Ends {
        /// Files that it has made for good.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        made: Vec<Place>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<Place>,
    },
    Says(Box<Said>),
    Confirmed {
        id: Uuid,
    },
    /// Everything up to here came to an end. What is newer did not.
    Settled(Age),
    /// The same, and it could not be done.
    GaveUp(Age),
    /// As it is, when the ledger is written anew.
    Whole(Box<Entry>),
}

impl Entry {
    pub const fn age(&self) -> Age {
        Age { incarnation: self.incarnation, generation: self.generation }
    }

    /// What its order says of people, if it says anything.
    pub(crate) fn personal(&self) -> Option<&Properties> {
        let order = self.order.as_ref().filter(|order| !order.personal.is_empty())?;
        Some(&order.personal)
    }

    fn has_file_task(&self) -> bool {
        let Some(Shall::Present(spec)) = self.order.as_ref().map(|order| &order.work.shall) else {
            return false;
        };
        match spec.task {
            Some(
                FileTask::Copying { .. } | FileTask::Sealing { .. } | FileTask::Importing { .. },
            ) => true,
            Some(FileTask::Migrating { .. }) | None => false,
        }
    }

    pub fn is_settled(&self) -> bool {
        self.order.is_none()
    }

    /// Everything was taken by the bus.
    pub fn is_reported(&self) -> bool {
        self.outcomes.iter().all(|said| said.confirmed)
    }

    fn is_now(&self, said: &Said) -> bool {
        (said.incarnation, said.generation) == (self.incarnation, self.generation)
    }

    /// What was said in this generation.
    pub fn said(&self) -> impl Iterator<Item = &Said> {
        self.outcomes.iter().filter(|said| self.is_now(said))
    }

    pub fn has_said(&self, what: &Reported) -> bool {
        self.said().any(|said| said.what == *what)
    }

    fn new(order: Box<Order>) -> Self {
        let mut entry = Self {
            incarnation: order.incarnation,
            generation: 0,
            order: None,
            is_gone: false,
            gave_up: false,
            task_failed: false,
            step: None,
            acted: Acted::default(),
            told: Told::default(),
            outcomes: Vec::new(),
            made: Vec::new(),
            roots: Vec::new(),
            watched: None,
        };
        entry.hear(order);
        entry
    }

    fn hear(&mut self, order: Box<Order>) {
        self.incarnation = order.incarnation;
        self.generation = order.work.generation;
        self.is_gone = false;
        self.gave_up = false;
        self.task_failed = false;
        self.outcomes.retain(|said| !said.confirmed);
        match &order.work.shall {
            Shall::Present(spec) => {
                let first_boot = spec.first_boot.as_ref().map(|first| first.done.clone());
                let ready = spec.settings.readiness.probe.clone();
                self.watched = Some(Watched { ready, first_boot });
                let acpi = matches!(spec.power, PowerSpec::Off { manner: StopManner::Acpi, .. });
                if !acpi {
                    self.acted.shutdown = None;
                }
                if !matches!(spec.task, Some(FileTask::Migrating { .. })) {
                    self.acted.migrated = None;
                }
                let sessions: Vec<SessionId> = spec.tickets.iter().map(|it| it.session).collect();
                self.told.tickets.retain(|it| sessions.contains(&it.session));
                self.told.logged_off.retain(|it| sessions.contains(it));
                let snapshots: Vec<SnapshotId> = spec.snapshots.iter().map(|it| it.id).collect();
                self.told.snapshots.retain(|it| snapshots.contains(it));
                self.remember_roots(spec.disks.iter().chain(&spec.keep));
                let thrown = spec.throwaway.as_ref();
                let root = thrown
                    .and_then(|it| Some(Root { storage: it.storage, path: it.path.clone()? }));
                self.remember(root);
            }
            Shall::Absent { disks } => self.remember_roots(disks.iter()),
            Shall::Woken { .. } | Shall::Released | Shall::Files(_) => {}
        }
        self.order = Some(order);
    }

    fn remember_roots<'a>(&mut self, disks: impl Iterator<Item = &'a DiskSpec>) {
        for disk in disks {
            self.remember(carrel_driver::place::root_of(disk));
        }
    }

    fn remember(&mut self, root: Option<Root>) {
        if let Some(root) = root.filter(|root| !self.roots.contains(root)) {
            self.roots.push(root);
        }
    }

    fn begin(&mut self, step: String, act: Option<Act>) {
        self.step = Some(step);
        match act {
            Some(Act::Shutdown(epoch)) => self.acted.shutdown = Some(epoch),
            Some(Act::Reboot(epoch)) => self.acted.reboot = Some(epoch),
            Some(Act::Woken(epoch)) => self.acted.woken = Some(epoch),
            Some(Act::Message(id)) => self.acted.message = Some(id),
            Some(Act::Resumed(generation)) => self.acted.resumed = Some(generation),
            Some(Act::Migrated(generation)) => self.acted.migrated = Some(generation),
            None => {}
        }
    }

    fn end(&mut self, made: Vec<Place>, removed: &[Place]) {
        self.step = None;
        self.made.retain(|place| !removed.contains(place));
        for place in made {
            if !self.made.contains(&place) {
                self.made.push(place);
            }
        }
    }

    fn say(&mut self, said: Said) {
        if let Reported::Machine { outcome, .. } = &said.what {
            self.told.hear(outcome);
            if let Outcome::MigrationFailed { .. } = outcome {
                self.acted.migrated = None;
            }
            if self.is_now(&said)
                && let Outcome::Released | Outcome::Absent = outcome
            {
                self.is_gone = true;
            }
        }
        self.outcomes.push(said);
    }

    fn confirm(&mut self, id: Uuid) {
        for said in self.outcomes.iter_mut().filter(|said| said.id == id) {
            said.confirmed = true;
        }
        let now = (self.incarnation, self.generation);
        self.outcomes.retain(|it| !it.confirmed || (it.incarnation, it.generation) == now);
        while self.outcomes.len() > OUTCOMES_KEPT_MAX
            && let Some(oldest) = self.outcomes.iter().position(|said| said.confirmed)
        {
            self.outcomes.remove(oldest);
        }
    }

    fn settle(&mut self) {
        self.order = None;
        self.step = None;
        if self.is_gone {
            self.acted = Acted::default();
            self.told = Told::default();
            self.made.clear();
            self.roots.clear();
            self.watched = None;
        }
    }
}

/// What becomes of an entry. An order makes one where there is none; anything else of a thing that
/// nobody knows is nothing.
pub fn apply(entry: Option<Entry>, change: Change) -> Option<Entry> {
    let mut entry = match (entry, change) {
        (_, Change::Whole(whole)) => return Some(*whole),
        (None, Change::Heard(order)) => return Some(Entry::new(order)),
        (None, _) => return None,
        (Some(mut entry), change) => {
            entry.change(change);
            entry
        }
    };
    if entry.is_gone {
        entry.watched = None;
    }
    Some(entry)
}

impl Entry {
    fn change(&mut self, change: Change) {
        match change {
            Change::Heard(order) => self.hear(order),
            Change::Begins { step, act } => self.begin(step, act),
            Change::Ends { made, removed } => self.end(made, &removed),
            Change::Says(said) => self.say(*said),
            Change::Confirmed { id } => self.confirm(id),
            Change::Settled(age) if age == self.age() => self.settle(),
            Change::GaveUp(age) if age == self.age() => {
                self.task_failed = self.has_file_task();
                self.settle();
                self.gave_up = true;
            }
            Change::Settled(_) | Change::GaveUp(_) => {}
            Change::Whole(whole) => *self = *whole,
        }
    }
}
