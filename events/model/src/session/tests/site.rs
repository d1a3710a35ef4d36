//! A host, a storage, and whatever pools, machines and people a test puts there.

use serde_json::{Value, json};

use crate::command::Command;
use crate::event::{
    Event, HypervisorFact, ImageFact, LabFact, MachineFact, StorageFact, TerminalFact,
};
use crate::ids::{
    ClientId, DiskId, HypervisorId, ImageId, LabId, MachineId, PoolId, SessionId, StorageId,
    TerminalId,
};
use crate::machine::{Kind, Machine, RenewalStep, State, StopCause};
use crate::rejection::Rejection;
use crate::session::{Session, Subject};
use crate::testing::{BEGINNING, STAT, Story, command, kinds};
use crate::version::latest::Nothing;
use crate::version::latest::image::Sealed;

pub(crate) const HOST: HypervisorId = HypervisorId::from_bytes([0xa1; 16]);
pub(crate) const STORAGE: StorageId = StorageId::from_bytes([0xa2; 16]);
pub(crate) const IMAGE: ImageId = ImageId::from_bytes([0xa3; 16]);
pub(crate) const INITIAL: MachineId = MachineId::from_bytes([0xa4; 16]);
pub(crate) const LAB: LabId = LabId::from_bytes([0xa5; 16]);

/// The facts as they stand in the log.
#[track_caller]
pub(crate) fn fact<T: serde::de::DeserializeOwned>(data: Value) -> T {
    serde_json::from_value(data).expect("the payload of a fact")
}

pub(crate) fn machine(n: u32) -> MachineId {
    MachineId::new(numbered(0x10, n))
}

pub(crate) fn person(n: u32) -> ClientId {
    ClientId::new(numbered(0x20, n))
}

pub(crate) fn terminal(n: u32) -> TerminalId {
    TerminalId::new(numbered(0x30, n))
}

fn numbered(kind: u8, n: u32) -> uuid::Uuid {
    let mut bytes = [kind; 16];
    bytes[12..].copy_from_slice(&n.to_be_bytes());
    uuid::Uuid::from_bytes(bytes)
}

/// Something about a person, under their key.
pub(crate) fn sealed(n: u32) -> Value {
    json!({ "key": person(n), "data": "c2VhbGVk" })
}

/// A display takes somebody's first ticket.
pub(crate) fn armed() -> Value {
    json!({ "ticket": 1, "expires_at": BEGINNING.plus_seconds(60) })
}

/// A person's name as it is decided.
pub(crate) fn name(n: u32) -> Value {
    name_for(n, n)
}

/// A name for another person than the one who comes with it.
pub(crate) fn name_for(n: u32, whose: u32) -> Value {
    json!({ "hash": format!("{n:064x}"), "sealed": sealed(whose) })
}

pub(crate) struct Site {
    pub(crate) story: Story,
}

impl Site {
    pub(crate) fn new() -> Self {
        let mut story = Story::new();
        let capacity = json!({ "memory_mib": 1 << 30, "vcpus": 1_000_000 });
        let host = json!({ "name": "node1", "settings": { "capacity": capacity } });
        story.happened(HOST, HypervisorFact::Registered(fact(host)));
        let path = json!({ HOST.to_string(): "/var/lib/carrel" });
        let settings = json!({ "roles": ["images", "disks", "volatile"], "hosts": path });
        let storage = json!({ "name": "disks", "settings": settings });
        story.happened(STORAGE, StorageFact::Created(fact(storage)));
        let requested = json!({
            "initial": INITIAL,
            "number": 1,
            "origin": "sealed",
            "operation": uuid::Uuid::nil(),
            "storage": STORAGE,
            "depth": 1, "format": "qcow2",
            "size_gib": 20,
            "settings": {},
        });
        story.happened(IMAGE, ImageFact::SealRequested(fact(requested)));
        story.happened(IMAGE, ImageFact::Sealed(Sealed { file: 0, stat: STAT }));
        Self { story }
    }

    /// A site with one pool, `pool`, of so many machines that are off, and so many people who may
    /// use it.
    pub(crate) fn with_pool(settings: impl Into<Value>, machines: u32, people: u32) -> Self {
        let mut site = Self::new();
        site.pool("pool", settings);
        for n in 0..machines {
            site.vdi(n);
            site.join(n, "pool");
        }
        for n in 0..people {
            site.person(n);
            site.entitle(n, "pool");
        }
        site
    }

    pub(crate) fn pool(&mut self, name: &str, settings: impl Into<Value>) -> PoolId {
        let settings = settings.into();
        self.given("CreatePool", json!({ "name": name, "settings": settings }));
        self.pool_id(name)
    }

    pub(crate) fn pool_id(&self, name: &str) -> PoolId {
        let pool = self.story.fleet.pools.iter().find(|(_, pool)| pool.name.as_str() == name);
        pool.expect("the pool").0
    }

    pub(crate) fn vdi(&mut self, n: u32) -> MachineId {
        self.machine(n, &Kind::Vdi { initial: INITIAL })
    }

    pub(crate) fn machine(&mut self, n: u32, kind: &Kind) -> MachineId {
        let [a, b, c, d] = n.to_be_bytes();
        let identity = json!({
            "uuid": machine(n).uuid(),
            "mac": format!("52:54:{a:02x}:{b:02x}:{c:02x}:{d:02x}"),
            "serial": format!("s{n}"),
            "hostname": format!("m{n}"),
            "machine_type": "q35",
            "cpu_model": "host-model",
        });
        let disk = json!({
            "id": DiskId::from_bytes([0xd1; 16]),
            "role": "system",
            "storage": STORAGE,
            "source": if matches!(kind, Kind::Vdi { .. }) { json!({ "overlay": { "image": IMAGE, "file": 0 } }) } else { json!("blank") },
            "size_gib": 20,
            "overlay_generation": 1, "format": "qcow2",
        });
        let external = matches!(kind, Kind::External(_));
        let created = json!({
            "name": format!("m{n}"),
            "kind": kind,
            "identity": identity,
            "settings": {},
            "disks": if external { json!([]) } else { json!([disk]) },
        });
        self.story.happened(machine(n), MachineFact::Created(fact(created)));
        machine(n)
    }

    pub(crate) fn external(&mut self, n: u32, seats: u16) -> MachineId {
        let external = json!({ "address": "10.0.0.9", "protocols": ["rdp"], "seats": seats });
        self.machine(n, &Kind::External(fact(external)))
    }

    pub(crate) fn join(&mut self, n: u32, pool: &str) {
        self.given("AddToPool", json!({ "pool": pool, "machines": [machine(n)] }));
    }

    pub(crate) fn person(&mut self, n: u32) -> ClientId {
        self.given("CreateClient", json!({ "id": person(n), "name": name(n) }));
        person(n)
    }

    pub(crate) fn entitle(&mut self, n: u32, pool: &str) {
        let client = json!({ "id": person(n) });
        self.given("EntitlePool", json!({ "pool": pool, "client": client }));
    }

    pub(crate) fn assign(&mut self, n: u32, to: u32) -> Vec<Event> {
        let client = json!({ "id": person(n) });
        self.given("AssignClient", json!({ "client": client, "machine": machine(to) }))
    }

    /// A terminal in a lab that offers the pools.
    pub(crate) fn terminal(&mut self, n: u32, pools: &[PoolId]) -> TerminalId {
        if !self.story.fleet.labs.contains(LAB) {
            let classes = json!({ "thin": { "template": "run" } });
            let lab = json!({ "name": "lab", "settings": { "pools": pools, "classes": classes } });
            self.story.happened(LAB, LabFact::Created(fact(lab)));
        }
        let settings = json!({ "lab": LAB, "class": "thin" });
        let registered = json!({ "termid": format!("t{n}"), "settings": settings });
        self.story.happened(terminal(n), TerminalFact::Registered(fact(registered)));
        terminal(n)
    }

    #[track_caller]
    pub(crate) fn given(&mut self, name: &str, data: Value) -> Vec<Event> {
        self.story.given(command(name, data))
    }

    #[track_caller]
    pub(crate) fn refused(&mut self, name: &str, data: Value, code: &str) -> Rejection {
        self.story.refused(command(name, data), code)
    }

    pub(crate) fn request(n: u32, pool: &str) -> Command {
        command("RequestDesktop", json!({ "client": { "id": person(n) }, "pool": pool }))
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, n: u32) -> Vec<Event> {
        self.story.given(Self::request(n, "pool"))
    }

    #[track_caller]
    pub(crate) fn ask_refused(&mut self, n: u32, code: &str) {
        self.story.refused(Self::request(n, "pool"), code);
    }

    /// The only session that a person has.
    #[track_caller]
    pub(crate) fn session(&self, n: u32) -> &Session {
        self.has(n).expect("a session")
    }

    pub(crate) fn session_id(&self, n: u32) -> SessionId {
        self.session(n).id
    }

    pub(crate) fn has(&self, n: u32) -> Option<&Session> {
        let mut sessions = self.story.fleet.sessions_of(Subject::Client(person(n)));
        let first = sessions.next();
        assert_eq!(sessions.next(), None, "one session at most");
        self.story.fleet.sessions.get(first?)
    }

    /// The first of what a person has.
    pub(crate) fn has_any(&self, n: u32) -> Option<&Session> {
        let first = self.story.fleet.sessions_of(Subject::Client(person(n))).next()?;
        self.story.fleet.sessions.get(first)
    }

    pub(crate) fn machine_of(&self, n: u32) -> Option<MachineId> {
        self.has(n).and_then(Session::machine)
    }

    pub(crate) fn waits(&self, n: u32) -> bool {
        self.session(n).is_queued()
    }

    /// If the machine is off, its host has made it a new overlay before anything else happens.
    #[track_caller]
    pub(crate) fn leave(&mut self, n: u32) -> Vec<Event> {
        let session = self.session_id(n);
        let mut events = self.given("EndSession", json!({ "session": session }));
        events.extend(self.overlays_are_made());
        events
    }

    /// Hosts do what resets ask of them.
    pub(crate) fn overlays_are_made(&mut self) -> Vec<Event> {
        let waits = |machine: &Machine| {
            let step = machine.renewal.as_ref().map(|renewing| renewing.step);
            step == Some(RenewalStep::Overlaying)
        };
        let machines = self.story.fleet.machines.iter();
        let waiting: Vec<_> = machines
            .filter(|(_, machine)| waits(machine))
            .map(|(id, machine)| (id, machine.generation))
            .collect();
        let mut events = Vec::new();
        for (id, generation) in waiting {
            let applied = fact(json!({ "generation": generation }));
            events.extend(self.story.happened(id, MachineFact::Applied(applied)));
        }
        events
    }

    pub(crate) fn at(&self, n: u32) -> &Machine {
        self.story.fleet.machines.get(machine(n)).expect("the machine")
    }

    pub(crate) fn started(&mut self, n: u32) -> Vec<Event> {
        let (at, ready_by) = (BEGINNING, BEGINNING.plus_seconds(180));
        let boot_epoch = self.at(n).power.boot_epoch;
        let started = json!({ "boot_epoch": boot_epoch, "at": at, "ready_by": ready_by });
        self.story.happened(machine(n), MachineFact::Started(fact(started)))
    }

    pub(crate) fn ready(&mut self, n: u32) -> Vec<Event> {
        let boot_epoch = self.at(n).power.boot_epoch;
        let ready = json!({ "boot_epoch": boot_epoch });
        self.story.happened(machine(n), MachineFact::BecameReady(fact(ready)))
    }

    /// Turned on past the broker, as an operator would.
    pub(crate) fn runs(&mut self, n: u32) {
        let epoch = self.at(n).power.boot_epoch + 1;
        let placed = json!({
            "hypervisor": HOST,
            "placement": { "policy": "test", "chosen_for": "", "considered": 1 },
        });
        self.story.happened(machine(n), MachineFact::Placed(fact(placed)));
        let start = json!({ "boot_epoch": epoch, "deadline": BEGINNING });
        self.story.happened(machine(n), MachineFact::StartRequested(fact(start)));
        self.started(n);
    }

    pub(crate) fn stopped(&mut self, n: u32, cause: StopCause) -> Vec<Event> {
        let stopped = json!({ "boot_epoch": self.at(n).power.boot_epoch, "cause": cause });
        self.story.happened(machine(n), MachineFact::Stopped(fact(stopped)))
    }

    pub(crate) fn start_failed(&mut self, n: u32) -> Vec<Event> {
        let failure = json!({ "code": "libvirt", "detail": "no such bridge" });
        let boot_epoch = self.at(n).power.boot_epoch;
        let failed = json!({
            "boot_epoch": boot_epoch, "at": BEGINNING, "failure": failure, "rest": "confirmed",
        });
        self.story.happened(machine(n), MachineFact::StartFailed(fact(failed)))
    }

    pub(crate) fn maintenance(&mut self, n: u32, reason: &str, switch: &str) -> Vec<Event> {
        let changed = json!({ "reason": reason, "switch": switch });
        self.story.happened(machine(n), MachineFact::MaintenanceChanged(fact(changed)))
    }

    /// What a reset comes to in the end, however far it has come by itself.
    pub(crate) fn made_clean(&mut self, n: u32) -> Vec<Event> {
        let mut events = Vec::new();
        if self.at(n).observed.state != State::Off {
            events.extend(self.stopped(n, StopCause::Command));
        }
        let made = self.overlays_are_made();
        let is_written = self.at(n).written.is_some() && made.is_empty();
        events.extend(made);
        if is_written {
            let done = json!({ "image": IMAGE });
            events.extend(self.story.happened(machine(n), MachineFact::Cleaned(fact(done))));
        }
        events
    }

    pub(crate) fn locked(&mut self, n: u32) {
        self.story.happened(machine(n), MachineFact::Locked(Nothing {}));
    }
}

/// Only what was said about sessions.
pub(crate) fn of_sessions(events: &[Event]) -> Vec<&'static str> {
    let of_session = |kind: &&str| kind.starts_with("session.") || kind.starts_with("lease.");
    kinds(events).into_iter().filter(of_session).collect()
}
