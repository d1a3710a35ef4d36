//! What is given, asked for, and comes of it: the image chain.

mod again;
mod children;
mod copy;
mod flatten;
mod gone;
mod import;
mod populate;
mod random;
mod retire;
mod seal;
mod states;
mod stories;
mod tags;
mod virtual_snapshot;

use serde_json::{Value, json};

use crate::command::By;
use crate::deciding::Deciding;
use crate::event::{Event, MachineFact, OperationFact, PoolFact, SessionFact, StorageFact, Stream};
use crate::evolve::evolve;
use crate::fleet::{Due, Index, Space};
use crate::follow::follow;
use crate::hash::Digest;
use crate::ids::{
    ClientId, CommandId, DiskId, HypervisorId, MachineId, PoolId, SessionId, StorageId,
};
use crate::image::{Image, outcome};
use crate::mac::Mac;
use crate::machine::{
    Created, Disk, DiskRole, DiskSource, Format, Identity, Kind, Machine, Settings, StopCause,
    Subject,
};
use crate::name::{Hostname, Name, PlatformName};
use crate::operation::Operation;
use crate::operation::commands::AdvanceOperation;
use crate::rejection::Rejection;
use crate::renewal::commands::AdvanceRenewal;
use crate::testing::{STAT, Story, command};
use crate::version::latest::image::FileMade;
use crate::version::latest::machine::{Applied, Started, Stopped};
use crate::version::latest::operation::Failure;
use crate::version::latest::session::{EndCause, Ended, Granted, Target};
use crate::version::latest::{display, machine, pool, storage};

/// One host, one storage, a source `gold` and an initial `win11`.
pub(crate) struct Site {
    pub(crate) story: Story,
    pub(crate) host: HypervisorId,
    pub(crate) storage: StorageId,
    pub(crate) source: MachineId,
    pub(crate) initial: MachineId,
    made: u8,
}

impl Site {
    pub(crate) fn new() -> Self {
        let mut story = Story::new();
        let capacity = json!({ "memory_mib": 65536, "vcpus": 16 });
        let host = json!({ "name": "node1", "settings": { "capacity": capacity } });
        story.given(command("RegisterHypervisor", host));
        let (host, _) = story.fleet.hypervisors.iter().next().expect("the host");
        let nothing = MachineId::MIN;
        let storage = StorageId::from_bytes([1; 16]);
        let mut site = Self { story, host, storage, source: nothing, initial: nothing, made: 0 };
        site.storage(storage, "fast", &json!({ host.to_string(): "/carrel" }));
        site.source = site.machine("gold", Kind::Source);
        site.initial = site.machine("win11", Kind::Initial { source: Some(site.source) });
        site
    }

    /// A site whose initial was copied and sealed: `win11@1` is there.
    pub(crate) fn sealed() -> Self {
        let mut site = Self::new();
        site.copy();
        site.seal();
        site
    }

    /// As [`Site::sealed`], with so many children.
    pub(crate) fn with_children(count: u32) -> (Self, Vec<MachineId>) {
        let mut site = Self::sealed();
        let children = site.children(count);
        (site, children)
    }

    /// So many children of the initial, made by its host.
    pub(crate) fn children(&mut self, count: u32) -> Vec<MachineId> {
        self.given("Populate", json!({ "initial": "win11", "count": count }));
        self.advance();
        let children: Vec<MachineId> =
            self.story.fleet.children_after(self.initial, None).collect();
        for child in &children {
            self.applied(*child);
        }
        children
    }

    pub(crate) fn storage(&mut self, id: StorageId, name: &str, hosts: &Value) {
        let settings = json!({ "roles": ["images", "disks", "volatile"], "hosts": hosts });
        let settings = serde_json::from_value(settings).expect("settings of a storage");
        let created = storage::Created { name: name_of(name), settings };
        self.happens(id, StorageFact::Created(created));
    }

    pub(crate) fn machine(&mut self, name: &str, kind: Kind) -> MachineId {
        self.made += 1;
        let id = MachineId::from_bytes([self.made; 16]);
        let identity = Identity {
            uuid: id.uuid(),
            mac: Mac::of_guest(0xff_0000 + u32::from(self.made)),
            further_macs: Box::default(),
            serial: PlatformName::new("serial").expect("a serial"),
            hostname: Hostname::new(name).expect("a host name"),
            machine_type: PlatformName::new("q35").expect("a machine type"),
            cpu_model: PlatformName::new("host-model").expect("a model"),
        };
        let disk = Disk {
            id: DiskId::from_bytes([self.made; 16]),
            role: DiskRole::System,
            storage: self.storage,
            source: DiskSource::Blank,
            size_gib: 40,
            overlay_generation: 0,
            format: Format::Qcow2,
            file: None,
        };
        let created = Created {
            name: name_of(name),
            kind,
            identity,
            settings: Some(Settings::default()),
            disks: vec![disk],
            adopted_from: None,
        };
        self.happens(id, MachineFact::Created(created));
        id
    }

    pub(crate) fn given(&mut self, name: &str, data: Value) -> Vec<Event> {
        self.story.given(command(name, data))
    }

    #[track_caller]
    pub(crate) fn refused(&mut self, name: &str, data: Value, code: &str) -> Rejection {
        self.story.refused(command(name, data), code)
    }

    /// Something is so, and everything that follows from it.
    pub(crate) fn happens<I: Stream<Event = Event>>(&mut self, id: I, fact: I::Fact) -> Vec<Event> {
        self.decides(|deciding| deciding.fact(id, fact))
    }

    /// What a command of the system would decide.
    pub(crate) fn decides(&mut self, decide: impl FnOnce(&mut Deciding<'_>)) -> Vec<Event> {
        let context = self.story.context();
        let mut deciding = Deciding::new(&self.story.fleet, "Test", By::System, &context);
        decide(&mut deciding);
        follow(&mut deciding);
        let decision = deciding.end();
        let folded = decision.events.iter().fold(self.story.fleet.clone(), evolve);
        assert_eq!(folded, decision.after, "the facts give the fleet that they say");
        assert_eq!(decision.after.index, Index::of(&decision.after), "the indexes");
        self.story.fleet = decision.after;
        self.story.log.extend(decision.events.iter().cloned());
        decision.events
    }

    pub(crate) fn get(&self, id: MachineId) -> &Machine {
        self.story.fleet.machines.get(id).expect("the machine")
    }

    pub(crate) fn named(&self, name: &str) -> MachineId {
        let key = (Space::Machine, name.into());
        MachineId::new(*self.story.fleet.index.names.get(&key).expect("a machine of the name"))
    }

    /// The version of this number of the initial's image.
    pub(crate) fn version(&self, number: u32) -> &Image {
        let all = self.story.fleet.images.iter().map(|(_, image)| image);
        let of_it = |image: &&Image| image.initial == self.initial && image.number == number;
        all.into_iter().find(of_it).expect("the version")
    }

    pub(crate) fn tagged(&self, tag: &str) -> Option<u32> {
        let id = self.story.fleet.index.tags.get(&(self.initial, name_of(tag)))?;
        self.story.fleet.images.get(*id).map(|image| image.number)
    }

    pub(crate) fn operation(&self) -> &Operation {
        let id = self.story.fleet.operations.last().expect("an operation");
        self.story.fleet.operations.get(id).expect("the operation")
    }

    pub(crate) fn copy(&mut self) -> Vec<Event> {
        let mut events = self.given("CopyFromSource", json!({ "initial": "win11" }));
        events.extend(self.decides(|deciding| outcome::copied(deciding, initial(deciding))));
        events
    }

    pub(crate) fn seal(&mut self) -> Vec<Event> {
        let mut events = self.given("SealImage", json!({ "initial": "win11" }));
        events.extend(self.is_sealed());
        events
    }

    pub(crate) fn is_sealed(&mut self) -> Vec<Event> {
        let initial = self.initial;
        self.decides(|deciding| outcome::sealed(deciding, initial, STAT))
    }

    /// The initial is changed: it runs and is shut down.
    pub(crate) fn prepare(&mut self) {
        let initial = self.initial;
        self.on(initial);
        self.off(initial, StopCause::Guest);
    }

    pub(crate) fn on(&mut self, id: MachineId) {
        self.decides(|deciding| {
            crate::machine::power::turn_on(deciding, id, false).expect("it can start");
        });
        self.started(id);
    }

    pub(crate) fn started(&mut self, id: MachineId) -> Vec<Event> {
        let (boot_epoch, at) = (self.get(id).power.boot_epoch, self.story.now);
        let started = Started { boot_epoch, at, ready_by: at.plus_seconds(180) };
        self.happens(id, MachineFact::Started(started))
    }

    pub(crate) fn off(&mut self, id: MachineId, cause: StopCause) -> Vec<Event> {
        let boot_epoch = self.get(id).power.boot_epoch;
        self.happens(id, MachineFact::Stopped(Stopped { boot_epoch, cause }))
    }

    pub(crate) fn off_if_on(&mut self, id: MachineId) {
        if !self.get(id).at_rest() {
            self.off(id, StopCause::Command);
        }
    }

    pub(crate) fn applied(&mut self, id: MachineId) -> Vec<Event> {
        let generation = self.get(id).generation;
        self.happens(id, MachineFact::Applied(Applied { generation }))
    }

    pub(crate) fn pool(&mut self, name: &str, settings: Value, machines: &[MachineId]) -> PoolId {
        self.made += 1;
        let id = PoolId::from_bytes([self.made; 16]);
        let settings = serde_json::from_value(settings).expect("settings of a pool");
        self.happens(id, PoolFact::Created(pool::Created { name: name_of(name), settings }));
        for machine in machines {
            let changed = machine::PoolChanged { pool: Some(id) };
            self.happens(*machine, MachineFact::PoolChanged(changed));
        }
        id
    }

    pub(crate) fn lease(&mut self, machine: MachineId) -> SessionId {
        self.made += 1;
        let session = SessionId::from_bytes([self.made; 16]);
        let granted = Granted {
            subject: Subject::Client(ClientId::from_bytes([self.made; 16])),
            target: Target::Machine(machine),
            protocol: display::Protocol::Spice,
            machine,
            return_after_seconds: 300,
            counts_for: Vec::new(),
        };
        self.happens(session, SessionFact::LeaseGranted(granted));
        session
    }

    pub(crate) fn lease_ends(&mut self, session: SessionId) -> Vec<Event> {
        let ended = Ended { cause: EndCause::Request };
        self.happens(session, SessionFact::LeaseEnded(ended))
    }

    pub(crate) fn owner(&mut self, machine: MachineId) {
        let subject = Subject::Client(ClientId::from_bytes([7; 16]));
        self.happens(machine, MachineFact::Assigned(machine::Assigned { subject }));
    }

    pub(crate) fn lock(&mut self, machine: MachineId) {
        self.happens(machine, MachineFact::Locked(crate::version::latest::Nothing {}));
    }

    /// Operations and renewals whose time has come go on, until none has.
    pub(crate) fn advance(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..10_000 {
            let due = self.story.fleet.index.times.iter().find_map(|(time, due)| {
                let now = *time <= self.story.now;
                if let Due::Operation(operation) = *due {
                    return now.then(|| AdvanceOperation { operation }.into());
                }
                let Due::Renewal(machine) = *due else { return None };
                now.then(|| AdvanceRenewal { machine }.into())
            });
            let Some(due): Option<crate::command::Command> = due else { return events };
            events.extend(self.story.given(due));
        }
        panic!("it never ends");
    }
}

fn initial(deciding: &Deciding<'_>) -> MachineId {
    let copying = deciding.fleet.index.copying.iter().next().expect("a copy");
    copying.1
}

pub(crate) fn name_of(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(crate) fn made(file: u16, digest: Digest) -> FileMade {
    FileMade { file, digest, stat: STAT }
}

pub(crate) fn failure() -> Failure {
    Failure::new("copy", "the disk is full")
}

/// How an operation of this command ended.
pub(crate) fn ended(events: &[Event]) -> Option<crate::operation::Outcome> {
    events.iter().rev().find_map(|event| {
        let Event::Operation(_, OperationFact::Finished(it)) = event else { return None };
        Some(it.outcome)
    })
}

pub(crate) fn last_command(site: &Site) -> CommandId {
    site.operation().id
}
