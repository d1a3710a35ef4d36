//! The model in its world: commands, hosts that report, time that passes, and people who fall
//! silent, all from one seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use carrel_model::clockwork;
use carrel_model::command::{By, Command};
use carrel_model::context::Context;
use carrel_model::decide::decide;
use carrel_model::event::{Event, HypervisorFact};
use carrel_model::evolve::evolve;
use carrel_model::fleet::Fleet;
use carrel_model::hypervisor::Reason;
use carrel_model::ids::{ActorId, CommandId};
use carrel_model::inventory::{Difference, compare};
use carrel_model::name::Method;
use carrel_model::record::{Fingerprint, Timestamp};
use carrel_model::rejection::Rejection;
use carrel_model::version::latest::Switch;
use carrel_model::wire;
use carrel_model::work::{Shall, Thing, Work, work};
use serde_json::{Value, json};

use crate::audit::Audit;
use crate::hosts::{Hosts, Standing};
use crate::random::Random;
use crate::sealing::TestSeal;
use crate::site::BEGINNING;
use crate::told::again;

#[derive(Debug)]
pub struct World {
    pub fleet: Fleet,
    pub now: Timestamp,
    pub random: Random,
    pub hosts: Hosts,
    /// Reports on their way.
    pub reports: VecDeque<Command>,
    /// Reports that arrive when nobody expects them any more.
    pub late: Vec<Command>,
    /// Everything that was decided.
    pub log: Vec<Event>,
    /// How often each command was accepted, and each refusal given.
    pub accepted: BTreeMap<&'static str, u32>,
    pub refused: BTreeMap<&'static str, u32>,
    /// Whose work may have changed since it was last taken.
    touched: BTreeSet<Thing>,
    /// The newest work that was given out.
    given: BTreeMap<Thing, Work>,
    commands: u64,
    audit: Audit,
}

/// What came of a command.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub before: &'a Fleet,
    pub events: &'a [Event],
    pub after: &'a Fleet,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            fleet: Fleet::default(),
            now: BEGINNING,
            random: Random::new(seed),
            hosts: Hosts::default(),
            reports: VecDeque::new(),
            late: Vec::new(),
            log: Vec::new(),
            accepted: BTreeMap::new(),
            refused: BTreeMap::new(),
            touched: BTreeSet::new(),
            given: BTreeMap::new(),
            commands: 0,
            audit: Audit::default(),
        }
    }

    fn context(&mut self) -> Context {
        self.commands += 1;
        let mut entropy = self.random.bytes();
        entropy[..8].copy_from_slice(&self.commands.to_be_bytes());
        let Ok(method) = Method::new("test") else { unreachable!() };
        Context {
            command_id: CommandId::from_bytes(entropy),
            fingerprint: Fingerprint([7; 32]),
            actor: ActorId::from_bytes([9; 16]),
            method,
            now: self.now,
            entropy,
        }
    }

    /// As people send it, looking at what is decided.
    ///
    /// # Panics
    /// If that is no command.
    #[track_caller]
    pub fn send(
        &mut self,
        name: &str,
        data: &Value,
        check: &mut dyn FnMut(&Told<'_>),
    ) -> Result<Vec<Event>, Rejection> {
        let json = json!({ "type": name, "data": data });
        match serde_json::from_value::<wire::Command>(json) {
            Ok(command) => self.send_wire(command, check),
            Err(error) => panic!("{name}: {error}"),
        }
    }

    /// What would be decided, if people sent it.
    ///
    /// # Panics
    /// If that is no command.
    #[track_caller]
    pub fn would(&self, name: &str, data: &Value) -> Result<Vec<Event>, Rejection> {
        let json = json!({ "type": name, "data": data });
        let Ok(command) = serde_json::from_value::<wire::Command>(json) else {
            panic!("{name} is no command")
        };
        let mut world = Self { random: self.random.clone(), ..Self::new(0) };
        let mut seal = TestSeal { fleet: &self.fleet, random: &mut world.random };
        let Ok(command) = command.seal(&mut seal);
        world.now = self.now;
        world.commands = self.commands;
        decide(&self.fleet, &command, &world.context()).map(|decision| decision.events)
    }

    pub fn send_wire(
        &mut self,
        command: wire::Command,
        check: &mut dyn FnMut(&Told<'_>),
    ) -> Result<Vec<Event>, Rejection> {
        let mut seal = TestSeal { fleet: &self.fleet, random: &mut self.random };
        let Ok(command) = command.seal(&mut seal);
        self.tell(&command, check)
    }

    /// # Panics
    /// If a run gives something else than a dry run showed, or if a command of the system that was
    /// told already has still something to say.
    pub fn tell(
        &mut self,
        command: &Command,
        check: &mut dyn FnMut(&Told<'_>),
    ) -> Result<Vec<Event>, Rejection> {
        let context = self.context();
        let dry_run = decide(&self.fleet, command, &context);
        let run = run(&self.fleet, command, &context);
        assert_eq!(
            dry_run.as_ref().map(|decision| &decision.events),
            run.as_ref().map(|(events, _)| events),
            "a dry run shows something else"
        );
        let (events, after) = run.inspect_err(|rejection| {
            *self.refused.entry(rejection.code()).or_default() += 1;
        })?;
        assert!(dry_run.is_ok_and(|it| it.after == after), "a dry run ends with another fleet");
        *self.accepted.entry(command.name()).or_default() += 1;
        if command.by() == By::System && !events.is_empty() {
            self.says_nothing_again(command, &after);
        }
        self.audit.hear(&self.fleet, command, &events);
        check(&Told { before: &self.fleet, events: &events, after: &after });
        self.fleet = after;
        for event in &events {
            self.touch(event);
        }
        self.log.extend(events.iter().cloned());
        Ok(events)
    }

    /// As [`World::tell`], for what comes by itself: nobody could do anything about a refusal.
    ///
    /// # Panics
    /// If it is refused.
    #[track_caller]
    pub fn heed(&mut self, command: &Command, check: &mut dyn FnMut(&Told<'_>)) {
        if let Err(refused) = self.tell(command, check) {
            panic!("{command:?} is refused: {refused}");
        }
    }

    /// Hosts repeat themselves, and what is due may be sent twice: the second time is no news. What
    /// takes steps has nothing more to say after the last one.
    fn says_nothing_again(&mut self, command: &Command, after: &Fleet) {
        let steps_max = if TAKES_STEPS.contains(&command.name()) { STEPS_MAX } else { 0 };
        let mut fleet = after.clone();
        for step in 0..=steps_max {
            let context = self.context();
            let Ok(again) = decide(&fleet, command, &context) else { return };
            if again.events.is_empty() {
                return;
            }
            let events = again.events;
            assert!(step < steps_max, "{command:?} says something again: {events:#?}");
            fleet = again.after;
        }
    }

    fn touch(&mut self, event: &Event) {
        if let Event::Hypervisor(id, HypervisorFact::MaintenanceChanged(changed)) = event
            && changed.reason == Reason::Lost
        {
            match changed.switch {
                Switch::On => self.hosts.is_lost(*id),
                Switch::Off => self.hosts.is_back(*id),
            }
        }
        if let Event::Machine(id, _) = event {
            self.touched.insert(Thing::Machine(*id));
        }
        if let Event::Image(id, _) = event {
            self.touched.insert(Thing::Image(*id));
        }
        // A session that ended is no longer there to say whose it was.
        if let Event::Session(..) = event {
            let machines = self.given.keys().copied();
            self.touched.extend(machines.filter(|thing| matches!(thing, Thing::Machine(_))));
        }
    }

    /// Gives out the work that is new, and gathers what is reported.
    pub fn publish(&mut self) {
        while let Some(thing) = self.touched.pop_first() {
            let Some(work) = work(&self.fleet, thing) else {
                self.given.remove(&thing);
                continue;
            };
            if self.given.get(&thing) == Some(&work) {
                continue;
            }
            self.nothing_stands_on_what_goes(&work);
            let reports = self.hosts.take(&work);
            self.reports.extend(reports.into_iter().map(Command::from));
            self.given.insert(thing, work);
        }
    }

    /// No host removes a file of a version on which something stands that is still of use.
    fn nothing_stands_on_what_goes(&self, work: &Work) {
        let Shall::Files(spec) = &work.shall else { return };
        for old in &spec.remove {
            let mut standing = self.hosts.standing_on(old.file.image, old.file.file);
            let used = standing.find(|it| is_of_use(&self.fleet, *it));
            assert_eq!(used, None, "it stands on a file that goes: {old:?}");
        }
    }

    /// Hosts tell what they have, and what differs is mended. Answers what differed.
    pub fn mend(&mut self) -> Vec<Difference> {
        let hosts = self.fleet.hypervisors.iter().map(|(id, _)| id);
        let heard = hosts.filter(|host| !self.hosts.is_off(*host));
        let differences = heard.flat_map(|it| compare(&self.fleet, &self.hosts.inventory(it)));
        let differences: Vec<Difference> = differences.collect();
        for difference in &differences {
            match difference {
                Difference::Order(thing) => {
                    self.given.remove(thing);
                    self.touched.insert(*thing);
                    if let Thing::Machine(machine) = thing {
                        self.hosts.says_again(*machine);
                    }
                }
                Difference::Outcome(outcome) => self.reports.push_back(outcome.clone().into()),
                Difference::Astray(_) | Difference::Foreign(_) => {}
            }
        }
        differences
    }

    /// Everything is told again, and everything is said again.
    pub fn resend(&mut self) {
        let machines = self.fleet.machines.iter().map(|(id, _)| Thing::Machine(id));
        let images = self.fleet.images.iter().map(|(id, _)| Thing::Image(id));
        self.touched = machines.chain(images).collect();
        self.given.clear();
        self.hosts.forget_reports();
    }

    /// Everything is told that is on its way, and everything that is due happens, until nothing is
    /// left. Time stands still.
    ///
    /// # Panics
    /// If there is no end to it.
    #[track_caller]
    pub fn settle(&mut self, check: &mut dyn FnMut(&Told<'_>)) {
        for _ in 0..ROUNDS_MAX {
            self.publish();
            if let Some(report) = self.reports.pop_front() {
                self.heed(&report, check);
                continue;
            }
            let due = clockwork::due(&self.fleet, self.now);
            if due.is_empty() {
                return;
            }
            for command in due {
                self.heed(&command, check);
            }
        }
        let last: Vec<_> = self.log.iter().rev().take(12).collect();
        panic!(
            "it does not settle: {:?}, {} reports, {last:#?}",
            clockwork::due(&self.fleet, self.now),
            self.reports.len()
        );
    }

    pub fn wait(&mut self, seconds: u32) {
        self.now = self.now.plus_seconds(seconds);
    }
}

/// As a process does it that gets the command as it was sent, and folds what is in the log: without
/// the fleet that was decided.
fn run(
    fleet: &Fleet,
    command: &Command,
    context: &Context,
) -> Result<(Vec<Event>, Fleet), Rejection> {
    let sent = serde_json::to_vec(command).map(|json| serde_json::from_slice::<Command>(&json));
    let Ok(Ok(sent)) = sent else { panic!("{command:?} is not read as it was written") };
    let events: Vec<_> = decide(fleet, &sent, context)?.events.iter().map(again).collect();
    let after = events.iter().fold(fleet.clone(), evolve);
    Ok((events, after))
}

/// Somebody may go back to it, also to a disk that a renewal has replaced.
fn is_of_use(fleet: &Fleet, standing: Standing) -> bool {
    match standing {
        Standing::Overlay { machine, disk, overlay_generation } => {
            let machine = fleet.machines.get(machine);
            machine.is_some_and(|machine| {
                let before = machine.disk_before.as_deref();
                let mut disks = machine.disks.iter().chain(&machine.disks_to_come).chain(before);
                disks.any(|it| it.id == disk && it.overlay_generation == overlay_generation)
            })
        }
        // Its deep file may be gone.
        Standing::Version(image) => {
            let image = fleet.images.get(image);
            image.is_some_and(|image| image.stands_on().is_some())
        }
    }
}

/// More than anything that tests do takes; a thing that touches itself for ever takes more.
const ROUNDS_MAX: usize = 5_000;

/// More steps than any of these takes in a fleet of a test.
const STEPS_MAX: usize = 200;

/// Each of these takes as large a step as one decision may and is sent again for the next one.
const TAKES_STEPS: [&str; 6] =
    ["AdvanceOperation", "AdvanceRenewal", "KeepLab", "RestartAged", "ReviewRights", "ServePool"];
