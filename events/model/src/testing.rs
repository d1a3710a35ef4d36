//! Tests say what was given, what is asked for, and what comes of it.

use std::collections::BTreeSet;
use std::fmt::Debug;

use uuid::Uuid;

use crate::command::{By, Command};
use crate::context::Context;
use crate::decide::{Decision, decide};
use crate::deciding::Deciding;
use crate::event::{Event, MachineFact, Stream};
use crate::evolve::evolve;
use crate::fleet::{Fleet, Index};
use crate::follow::follow;
use crate::ids::{ActorId, CommandId, DiskId, MachineId, StorageId};
use crate::mac::Mac;
use crate::machine::{Created, Disk, DiskRole, DiskSource, Format, Identity, Kind};
use crate::name::{Hostname, Method, Name, PlatformName};
use crate::record::{Fingerprint, Timestamp};
use crate::rejection::Rejection;
use crate::version::latest::image::Stat;

/// 2026-01-01T00:00:00Z.
pub(crate) const BEGINNING: Timestamp = Timestamp(1_767_225_600_000_000);

/// Of each file that a host has made.
pub(crate) const STAT: Stat = Stat { size_bytes: 1 << 30, modified: BEGINNING, inode: 1 };

/// A fleet and the time in it. Each command gets an id and entropy of its own.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) fleet: Fleet,
    pub(crate) now: Timestamp,
    commands: u128,
    /// Everything that was ever decided.
    pub(crate) log: Vec<Event>,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self { fleet: Fleet::default(), now: BEGINNING, commands: 0, log: Vec::new() }
    }

    pub(crate) fn context(&mut self) -> Context {
        self.commands += 1;
        let id = self.commands.to_be_bytes();
        let Ok(method) = Method::new("test") else { unreachable!() };
        Context {
            command_id: CommandId::from_bytes(id),
            fingerprint: Fingerprint([7; 32]),
            actor: ActorId::from_bytes([9; 16]),
            method,
            now: self.now,
            entropy: id,
        }
    }

    pub(crate) fn wait(&mut self, seconds: u32) -> &mut Self {
        self.now = self.now.plus_seconds(seconds);
        self
    }

    /// Decides, checks what holds of every decision, and goes on from there.
    pub(crate) fn tell(&mut self, command: impl Into<Command>) -> Result<Vec<Event>, Rejection> {
        let command = command.into();
        let context = self.context();
        let decision = decide(&self.fleet, &command, &context)?;
        Ok(self.goes_on(&command, decision))
    }

    fn goes_on(&mut self, after_what: impl Debug, decision: Decision) -> Vec<Event> {
        let Decision { events, after } = decision;
        let folded = events.iter().fold(self.fleet.clone(), evolve);
        assert_eq!(folded, after, "the facts of {after_what:?} give the fleet that it says");
        assert_eq!(after.index, Index::of(&after), "the indexes after {after_what:?}");
        let mut packed = after.clone();
        packed.pack();
        assert_eq!(packed, after, "packing changes nothing");
        self.fleet = after;
        self.log.extend(events.iter().cloned());
        events
    }

    /// A fact of the past, of which nothing followed.
    pub(crate) fn was<I: Stream<Event = Event>>(&mut self, id: I, fact: I::Fact) {
        let event = id.event(fact);
        self.fleet = evolve(std::mem::take(&mut self.fleet), &event);
        self.log.push(event);
    }

    /// Something is so without any command, and what follows from it follows.
    pub(crate) fn happened<I: Stream<Event = Event>>(
        &mut self,
        id: I,
        fact: I::Fact,
    ) -> Vec<Event> {
        self.happens(|deciding| deciding.fact(id, fact))
    }

    /// Facts that no command is needed for, with everything that follows from them.
    pub(crate) fn happens(&mut self, decide: impl FnOnce(&mut Deciding<'_>)) -> Vec<Event> {
        let context = self.context();
        let mut deciding = Deciding::new(&self.fleet, "Test", By::System, &context);
        decide(&mut deciding);
        follow(&mut deciding);
        self.goes_on("what happens", deciding.end())
    }

    /// As [`Story::tell`], for what must be accepted.
    #[track_caller]
    pub(crate) fn given(&mut self, command: impl Into<Command> + Debug) -> Vec<Event> {
        match self.tell(command) {
            Ok(events) => events,
            Err(rejection) => panic!("refused: {rejection}"),
        }
    }

    /// The command is refused, by this code, and its message can be read.
    #[track_caller]
    pub(crate) fn refused(&mut self, command: impl Into<Command> + Debug, code: &str) -> Rejection {
        let before = self.fleet.clone();
        let rejection = self.tell(command).expect_err("this is refused");
        assert_eq!(rejection.code(), code, "{rejection}");
        assert_eq!(self.fleet, before);
        rejection
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): what is random in tests, from a seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((drawn ^ (drawn >> 31)) % u64::from(sides)).expect("below a u32")
    }

    pub(crate) fn throw(&mut self, sides: usize) -> usize {
        self.below(u32::try_from(sides).expect("few")) as usize
    }

    pub(crate) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.throw(all.len())].clone()
    }
}

/// A machine with these disks, without the command that makes one.
pub(crate) fn machine_made(
    story: &mut Story,
    name: &str,
    kind: Kind,
    disks: Vec<Disk>,
) -> MachineId {
    let number = u32::try_from(story.fleet.machines.len()).expect("not that many");
    let platform = |text: &str| PlatformName::new(text).expect("a name");
    let identity = Identity {
        uuid: Uuid::from_u128(number.into()),
        mac: Mac::of_guest(number),
        further_macs: Box::default(),
        serial: platform("serial"),
        hostname: Hostname::new(&format!("host-{number}")).expect("a host name"),
        machine_type: platform("q35"),
        cpu_model: platform("host-model"),
    };
    let name = Name::new(name).expect("a name");
    let created = Created { name, kind, identity, settings: None, disks, adopted_from: None };
    let mut made = MachineId::MIN;
    story.happens(|deciding| {
        made = deciding.fresh();
        deciding.fact(made, MachineFact::Created(created));
    });
    made
}

/// A system disk.
pub(crate) fn disk(storage: StorageId, source: DiskSource) -> Disk {
    let (role, id) = (DiskRole::System, DiskId::from_bytes([1; 16]));
    let (format, file) = (Format::Qcow2, None);
    Disk { id, role, storage, source, size_gib: 20, overlay_generation: 1, format, file }
}

/// The kinds of facts, in order: what a test says about them first.
pub(crate) fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

/// A command as people send it.
#[expect(clippy::needless_pass_by_value, reason = "so that tests need no `&` for each `json!`")]
#[track_caller]
pub(crate) fn command(name: &str, data: serde_json::Value) -> Command {
    let json = serde_json::json!({ "type": name, "data": data });
    match serde_json::from_value(json) {
        Ok(command) => command,
        Err(error) => panic!("{name}: {error}"),
    }
}

/// The lines of the first drawing of a module.
pub(crate) fn drawn(source: &str) -> Vec<&str> {
    let lines = source.lines().map(|line| line.trim_start_matches("//!").trim());
    let drawing = lines.skip_while(|line| *line != "```text").skip(1);
    drawing.take_while(|line| *line != "```").collect()
}

/// An arrow of a drawing: `from --- what happens ---> to`. What happens may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: &'static str,
    pub(crate) what: &'static str,
    pub(crate) to: &'static str,
}

/// All arrows in the first drawing below a line that has this in it, each on a line of its own.
pub(crate) fn arrows(source: &'static str, below: &str) -> Vec<Arrow> {
    let from = source.find(below).expect("what the drawing is below of");
    let lines = source[from..].lines().map(|line| line.trim_start_matches(['/', '!', ' ']).trim());
    let drawing = lines.skip_while(|line| *line != "```text").take_while(|line| *line != "```");
    let arrow = |line: &'static str| {
        let (from, rest) = line.split_once(" -")?;
        let (what, to) = rest.rsplit_once("> ")?;
        Some(Arrow { from: from.trim(), what: what.trim_matches(['-', ' ']), to: to.trim() })
    };
    drawing.filter_map(arrow).collect()
}

/// Where arrows lead from and to, whatever it is that happens.
pub(crate) fn ways(arrows: &[Arrow]) -> BTreeSet<(&'static str, &'static str)> {
    arrows.iter().map(|arrow| (arrow.from, arrow.to)).collect()
}
