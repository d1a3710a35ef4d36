//! A decision in the making: each fact is applied as soon as it is decided, so that what is decided
//! next sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::command::By;
use crate::context::{Context, FreshIds};
use crate::decide::{Decision, EVENTS_MAX};
use crate::event::{Event, OperationFact, Stream};
use crate::fleet::{Fleet, Space, Thing};
use crate::ids::{CommandId, FromUuid, ImageId, MachineId, PoolId};
use crate::machine::Disk;
use crate::name::PlatformName;
use crate::operation::Task;
use crate::placement::NoRoom;
use crate::record::{Timestamp, Version};
use crate::reference::{NamedId, Ref};
use crate::rejection::{Kind, Rejection, general};
use crate::version::latest::operation::Accepted;

/// A command knows how it is decided.
pub(crate) trait Decide {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection>;
}

/// Something that changed, from which more may follow. What comes first here is looked at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Touched {
    Image(ImageId),
    Machine(MachineId),
    Operation(CommandId),
    Pool(PoolId),
}

pub(crate) struct Deciding<'a> {
    pub(crate) context: &'a Context,
    /// With all facts so far.
    pub(crate) fleet: Fleet,
    command: &'static str,
    by: By,
    accepted: bool,
    events: Vec<Event>,
    /// Facts that room is left for.
    to_follow: usize,
    /// Of the fleet as it is now.
    pub(crate) no_room: NoRoom,
    /// How many of them conclusions were drawn from.
    heard: usize,
    removed_images: Vec<(ImageId, MachineId)>,
    ids: FreshIds,
    touched: BTreeSet<Touched>,
}

impl<'a> Deciding<'a> {
    pub(crate) fn new(fleet: &Fleet, command: &'static str, by: By, context: &'a Context) -> Self {
        Self {
            context,
            fleet: fleet.clone(),
            command,
            by,
            accepted: false,
            events: Vec::new(),
            to_follow: 0,
            no_room: NoRoom::default(),
            heard: 0,
            removed_images: Vec::new(),
            ids: FreshIds::new(context),
            touched: BTreeSet::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.now
    }

    pub(crate) fn fresh<I: FromUuid>(&mut self) -> I {
        I::from_uuid(self.ids.next())
    }

    /// Decides that something is so.
    pub(crate) fn fact<I: Stream<Event = Event>>(&mut self, id: I, fact: I::Fact) {
        let event = id.event(fact);
        assert!(self.events.len() < EVENTS_MAX, "a decision of more than {EVENTS_MAX} events");
        self.touch(&event);
        self.no_room.clear();
        self.fleet.apply(&event);
        self.touch(&event);
        self.events.push(event);
    }

    /// Facts that still fit. What follows from a fact needs some too, so whoever works through many
    /// things stops well before the end.
    pub(crate) fn room(&self) -> usize {
        EVENTS_MAX.saturating_sub(self.events.len() + self.to_follow)
    }

    /// So many facts may follow from what is decided next. They count from now on, and still when
    /// they have followed: what then seems not to fit is left to the next decision.
    pub(crate) fn leave_room(&mut self, facts: usize) {
        self.to_follow += facts;
    }

    /// The command has more to do than fits into one decision, or has to wait for others.
    /// To be called before any other fact.
    pub(crate) fn begin(&mut self, task: Task) -> CommandId {
        debug_assert!(self.events.is_empty(), "an operation begins with its acceptance");
        let id = self.context.command_id;
        self.accept(Some(task));
        id
    }

    fn accept(&mut self, task: Option<Task>) {
        self.accepted = true;
        #[expect(clippy::expect_used, reason = "a test has seen the name of every command")]
        let name = PlatformName::new(self.command).expect("a command's name is short and plain");
        let fingerprint = self.context.fingerprint;
        let accepted = Accepted { name, fingerprint, task };
        self.fact(self.context.command_id, OperationFact::Accepted(accepted));
    }

    pub(crate) fn end(mut self) -> Decision {
        // Whoever asks for a desktop asks again and again while they wait; that leaves no trace.
        let asked_again = self.by == By::Subject && self.events.is_empty();
        if self.by != By::System && !self.accepted && !asked_again {
            // It changes nothing in the fleet, so it may come last and stand first.
            self.accept(None);
            self.events.rotate_right(1);
        }
        Decision { events: self.events, after: self.fleet }
    }

    /// A fact that nobody has drawn conclusions from yet, of those from which some are drawn.
    pub(crate) fn next_unheard(&mut self) -> Option<Event> {
        loop {
            let event = self.events.get(self.heard)?;
            self.heard += 1;
            if matches!(event, Event::Machine(..) | Event::Image(..)) {
                return Some(event.clone());
            }
        }
    }

    /// The part was begun later in this decision than what is being heard.
    pub(crate) fn begins_later(&self, operation: CommandId, machine: MachineId) -> bool {
        self.events[self.heard..].iter().any(|event| {
            matches!(event, Event::Operation(id, OperationFact::PartBegun(begun))
                if *id == operation && begun.machine == machine)
        })
    }

    /// The initial of a version, also of one that this decision removed.
    pub(crate) fn initial_of(&self, image: ImageId) -> Option<MachineId> {
        let gone = || self.removed_images.iter().find(|(id, _)| *id == image).map(|(_, it)| *it);
        self.fleet.images.get(image).map(|image| image.initial).or_else(gone)
    }

    /// More may follow from it, although nothing of its own has changed.
    pub(crate) fn look_at(&mut self, touched: Touched) {
        self.touched.insert(touched);
    }

    pub(crate) fn next_touched(&mut self) -> Option<Touched> {
        self.touched.pop_first()
    }

    /// What follows from a machine's change may concern its pool as it was before and as it is.
    fn touch(&mut self, event: &Event) {
        let machine = match event {
            Event::Machine(id, _) => *id,
            Event::Session(id, _) => {
                let Some(session) = self.fleet.sessions.get(*id) else { return };
                if let crate::session::Target::Pool(pool) = session.target {
                    self.touched.insert(Touched::Pool(pool));
                }
                let Some(machine) = session.machine() else { return };
                machine
            }
            Event::Image(id, _) => {
                if let Some(image) = self.fleet.images.get(*id) {
                    let initial = image.initial;
                    // What it stands on may go when it does.
                    self.touched.extend(image.base.map(|base| Touched::Image(base.image)));
                    self.removed_images.retain(|(it, _)| it != id);
                    self.removed_images.push((*id, initial));
                }
                self.touched.insert(Touched::Image(*id));
                return;
            }
            Event::Pool(id, _) => {
                self.touched.insert(Touched::Pool(*id));
                return;
            }
            Event::Operation(id, _) => {
                self.touched.insert(Touched::Operation(*id));
                return;
            }
            Event::Cluster(..)
            | Event::Hypervisor(..)
            | Event::Storage(..)
            | Event::Network(..)
            | Event::Media(..)
            | Event::Template(..)
            | Event::Client(..)
            | Event::Group(..)
            | Event::Lab(..)
            | Event::Terminal(..)
            | Event::Admin(..)
            | Event::Token(..) => return,
        };
        self.touched.insert(Touched::Machine(machine));
        let Some(machine) = self.fleet.machines.get(machine) else { return };
        if let Some(pool) = machine.pool {
            self.touched.insert(Touched::Pool(pool));
        }
        // A file that it no longer stands on may go, if there is another one.
        let has_others = |image: &ImageId| {
            self.fleet.images.get(*image).is_some_and(|image| image.files.len() > 1)
        };
        let before = machine.disk_before.as_deref().and_then(Disk::image);
        let images = [machine.image(), before].into_iter().flatten().filter(has_others);
        self.touched.extend(images.map(Touched::Image));
        // What waits for the end of a copy may go on with either of both machines.
        if let Some(crate::machine::Task::Copying { source }) = machine.task {
            self.touched.insert(Touched::Machine(source));
        }
    }

    /// The thing that a command names, as it is now.
    pub(crate) fn find<T>(&self, named: &Ref<T::Id>) -> Result<(T::Id, Arc<T>), Rejection>
    where
        T: Thing,
        T::Id: NamedId + std::fmt::Display,
    {
        let id = match named {
            Ref::Id(id) => Some(*id),
            Ref::Name(name) => {
                let key = (T::Id::SPACE, name.clone());
                self.fleet.index.names.get(&key).map(|id| T::Id::from_uuid(*id))
            }
        };
        let thing = id.and_then(|id| Some((id, T::table(&self.fleet).shared(id)?)));
        thing.ok_or_else(|| {
            let (kind, given) = (Kind(T::Id::KIND), named.to_string());
            general::Rejection::NoSuch { kind, given }.into()
        })
    }

    /// Nobody of the kind has the name, apart from the one that may keep it.
    pub(crate) fn name_is_free<I: NamedId + PartialEq>(
        &self,
        name: &str,
        but: Option<I>,
    ) -> Result<(), Rejection> {
        let holder = self.fleet.index.names.get(&(I::SPACE, name.into())).copied();
        let holder = holder.map(I::from_uuid);
        let reserved = I::SPACE == Space::Machine && crate::image::name_reserved(&self.fleet, name);
        if holder.is_none() && !reserved || holder.is_some() && holder == but {
            return Ok(());
        }
        let (kind, name) = (Kind(I::KIND), name.to_owned());
        Err(general::Rejection::NameTaken { kind, name }.into())
    }

    /// The thing is still what whoever changes it has seen.
    pub(crate) fn is_version<T: Thing>(
        &self,
        thing: &T,
        given: Option<Version>,
    ) -> Result<(), Rejection> {
        match given {
            Some(given) if given != thing.version() => {
                Err(general::Rejection::Stale { given, current: thing.version() }.into())
            }
            Some(_) | None => Ok(()),
        }
    }
}
