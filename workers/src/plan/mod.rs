//! What is to be done next, from what shall be, what is seen and what is remembered. Pure.
//!
//! ```text
//!   order, seen, entry --> next --> Do(step)   entered, done, entered; then it is looked at again
//!                                   Say(..)    entered, and published until the bus has it
//!                                   Note(..)   entered: it is not to be done any more
//!                                   Wait       until something is seen to change
//!                                   Fail(..)   it can't be brought about
//!                                   Settled
//! ```
//!
//! Each answer is made from nothing but what is so: whoever crashed in between asks again, and gets
//! the same step or the one after it. What must not be done twice (asking a guest by ACPI, waking
//! somebody, showing words) is remembered before it is done, so it is done at most once.

use std::collections::BTreeMap;

use carrel_driver::place::{image_file, root_of};
use carrel_driver::{Look, LookFor, Place, Root, STORAGE_NOT_MOUNTED, Seen, Step};
use carrel_model::contract::Order;
use carrel_model::ids::{MachineId, SessionId, SnapshotId};
use carrel_model::machine::{Format, Outcome, Reported};
use carrel_model::operation::Failure;
use carrel_model::sealed::Secret;
use carrel_model::work::{FileTask, MachineSpec, Shall, Thing};

use crate::entry::{Act, Entry};

mod display;
mod files;
mod gone;
mod image;
mod power;
mod snapshot;
mod task;
#[cfg(test)]
mod tests;

pub use gone::leftovers;
pub(crate) use power::cause;
pub use snapshot::snapshot_at_work;

#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Do(Box<Doable>),
    Say(Reported),
    Note(Act),
    /// For people who read the log: what is waited for.
    Wait(&'static str),
    Fail(Failure),
    Settled,
}

/// A step, with what is remembered of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Doable {
    pub step: Step,
    /// It may be done only once.
    pub act: Option<Act>,
    /// What is to be said when it is done, if that doesn't follow from what is seen then.
    pub then: Then,
    /// What it is that fails with it.
    pub fails: Fails,
    /// A file of the thing's own that is there from then on.
    pub makes: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    LookAgain,
    Say(Reported),
    /// The digest that it came to.
    SayVerified,
    /// What it made of this file of a version.
    SayMade(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    Work,
    Migration,
    Snapshot(SnapshotId),
    ImageFile(u16),
    /// Nobody waits for it; it is tried again with the next order.
    Nothing,
}

pub(crate) fn step(step: Step) -> Next {
    doable(step, |_| {})
}

pub(crate) fn doable(step: Step, with: impl FnOnce(&mut Doable)) -> Next {
    let mut doable =
        Doable { step, act: None, then: Then::LookAgain, fails: Fails::Work, makes: None };
    with(&mut doable);
    Next::Do(Box::new(doable))
}

/// Who computes the password of a ticket. None: nobody has given this host a key.
pub trait Passwords {
    fn password(&self, session: SessionId, machine: MachineId, ticket: u32) -> Option<Secret>;
}

/// What has to be looked at before anything can be said.
pub fn look(thing: Thing, order: Option<&Order>, entry: &Entry) -> Look {
    let (roots, places) = (entry.roots.clone(), entry.made.clone());
    let mut look = Look { roots, places, ..Look::default() };
    let Thing::Machine(machine) = thing else {
        if let Some(Shall::Files(spec)) = order.map(|order| &order.work.shall) {
            image::look(spec, &mut look.places);
        }
        return look;
    };
    look.domain = Some(LookFor { machine, uuid: None });
    match order.map(|order| &order.work.shall) {
        Some(Shall::Present(spec)) => {
            look.domain = Some(LookFor { machine, uuid: Some(spec.identity.uuid) });
            look.places.extend(elsewhere(machine, spec));
            look.formats = formats(machine, spec);
        }
        Some(Shall::Absent { disks }) => {
            look.places.extend(disks.iter().filter_map(|disk| files::place(machine, disk)));
        }
        Some(Shall::Released | Shall::Woken { .. } | Shall::Files(_)) | None => {}
    }
    look
}

/// Of disks that were there before.
fn formats(machine: MachineId, spec: &MachineSpec) -> BTreeMap<Place, Format> {
    let disks = spec.disks.iter().chain(&spec.keep).filter(|disk| disk.file.is_some());
    disks.filter_map(|disk| Some((files::place(machine, disk)?, disk.format))).collect()
}

/// Files that lie elsewhere than in the machine's folders.
fn elsewhere(machine: MachineId, spec: &MachineSpec) -> Vec<Place> {
    let disks = spec.disks.iter().chain(&spec.keep);
    let own = disks.clone().filter_map(|disk| files::place(machine, disk));
    let below = disks.flat_map(|disk| &disk.backing).filter_map(image_file);
    let becomes = match &spec.task {
        Some(FileTask::Sealing { version, .. } | FileTask::Importing { version, .. }) => {
            task::first_file(machine, spec, *version)
        }
        Some(FileTask::Copying { .. } | FileTask::Migrating { .. }) | None => None,
    };
    own.chain(below).chain(becomes).collect()
}

/// The next thing to do for a thing that has an order.
pub fn next(
    thing: Thing,
    order: &Order,
    (seen, entry): (&Seen, &Entry),
    passwords: &dyn Passwords,
) -> Next {
    match (thing, &order.work.shall) {
        (Thing::Machine(machine), Shall::Present(spec)) => {
            Case { machine, order, spec, seen, entry, passwords }.next()
        }
        (Thing::Machine(machine), Shall::Released) => gone::released(machine, seen, entry),
        (Thing::Machine(machine), Shall::Absent { disks }) => {
            gone::absent(machine, disks, seen, entry)
        }
        (Thing::Machine(machine), Shall::Woken { mac, boot_epoch }) => {
            let asked = entry.acted.woken.is_some_and(|epoch| epoch >= *boot_epoch);
            if !asked && *boot_epoch > 0 {
                let act = Some(Act::Woken(*boot_epoch));
                return doable(Step::WakeOnLan(*mac), |it| it.act = act);
            }
            applied(machine, entry)
        }
        (Thing::Image(image), Shall::Files(spec)) => image::next(image, spec, seen, entry),
        (Thing::Machine(_), Shall::Files(_))
        | (
            Thing::Image(_),
            Shall::Present(_) | Shall::Released | Shall::Absent { .. } | Shall::Woken { .. },
        ) => Next::Fail(Failure::new("order", "this is no work for such a thing")),
    }
}

/// Said once in a generation, unless it came to nothing.
fn applied(machine: MachineId, entry: &Entry) -> Next {
    let applied = Reported::Machine { id: machine, outcome: Outcome::Applied };
    if entry.has_said(&applied) { Next::Settled } else { Next::Say(applied) }
}

/// A machine that shall be there.
pub(crate) struct Case<'a> {
    machine: MachineId,
    order: &'a Order,
    spec: &'a MachineSpec,
    seen: &'a Seen,
    entry: &'a Entry,
    passwords: &'a dyn Passwords,
}

impl Case<'_> {
    fn next(&self) -> Next {
        if let Some(FileTask::Migrating { .. }) = self.spec.task {
            return self.migrating().unwrap_or(Next::Settled);
        }
        self.makes_way()
            .or_else(|| self.cut_off())
            .or_else(|| self.config())
            .or_else(|| self.lets_in())
            .or_else(|| self.not_mounted())
            .or_else(|| self.thrown_away())
            .or_else(|| self.files())
            .or_else(|| self.task())
            .or_else(|| self.snapshots())
            .or_else(|| self.definition())
            .or_else(|| self.power())
            .or_else(|| self.media())
            .or_else(|| self.message())
            .or_else(|| self.tidy())
            .unwrap_or_else(|| applied(self.machine, self.entry))
    }

    /// Who is to get at what runs waits for no file: work on those may fail, or have to wait until
    /// it is off.
    fn lets_in(&self) -> Option<Next> {
        if self.is_on() { self.power().or_else(|| self.display()) } else { None }
    }

    /// A storage of its disks is not there: nothing that lies there is gone.
    fn not_mounted(&self) -> Option<Next> {
        let disks = self.spec.disks.iter().chain(&self.spec.keep);
        let roots: Vec<Root> = disks.filter_map(root_of).collect();
        not_mounted(self.seen, &roots)
    }

    fn reported(&self, outcome: Outcome) -> Reported {
        Reported::Machine { id: self.machine, outcome }
    }

    fn say(&self, outcome: Outcome) -> Next {
        Next::Say(self.reported(outcome))
    }

    /// Unless it was said in this generation.
    fn say_once(&self, outcome: Outcome) -> Option<Next> {
        let reported = self.reported(outcome);
        (!self.entry.has_said(&reported)).then_some(Next::Say(reported))
    }

    fn is_on(&self) -> bool {
        self.seen.domain.as_ref().is_some_and(|domain| domain.state.is_on())
    }
}

fn unseen(what: &str) -> Next {
    let detail = format!("this host does not see the storage of {what}");
    Next::Fail(Failure::new("storage_unseen", &detail))
}

fn not_mounted(seen: &Seen, roots: &[Root]) -> Option<Next> {
    let root = roots.iter().find(|root| seen.unmounted.contains(root))?;
    let detail = format!("{root:?} was used and is not mounted");
    Some(Next::Fail(Failure::new(STORAGE_NOT_MOUNTED, &detail)))
}

fn is_within(place: &Place, roots: &[Root], folder: &str) -> bool {
    let known = roots.iter().any(|root| root.storage == place.root.storage);
    known && place.file.as_str().starts_with(folder)
}

/// The same file, wherever a host has its storage.
fn is_same(one: &Place, other: &Place) -> bool {
    (one.root.storage, &one.file) == (other.root.storage, &other.file)
}
