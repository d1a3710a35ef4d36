//! A small site: hosts, a storage, machines on them, and what the hosts say.

use serde_json::{Value, json};

use crate::event::{Event, SessionFact, Stream};
use crate::hash::Digest;
use crate::ids::{
    ClientId, FromUuid, HypervisorId, ImageId, MachineId, MediaId, SessionId, StorageId,
};
use crate::image::Origin;
use crate::machine::commands::ReportOutcome;
use crate::machine::{Base, Format, Machine, Outcome, Reported, Settings, Subject};
use crate::name::Name;
use crate::session::Target;
use crate::testing::{Story, command};
use crate::version::latest::display::Protocol;
use crate::version::latest::image::{SealRequested, Sealed};
use crate::version::latest::media::{Added, Kind as MediumKind};
use crate::version::latest::session::Granted;
use crate::version::latest::storage;

pub(crate) fn name(name: &str) -> Name {
    Name::new(name).expect("a name")
}

fn small(count: usize) -> u8 {
    u8::try_from(count).expect("a small site")
}

/// Hosts with 64 GiB and 16 vCPUs each, and a storage `ssd` for disks and images that all see.
pub(crate) fn site(hosts: &[&str]) -> Story {
    let mut story = Story::new();
    for host in hosts {
        let capacity = json!({ "memory_mib": 65536, "vcpus": 16 });
        let settings = json!({ "capacity": capacity });
        story.given(command("RegisterHypervisor", json!({ "name": host, "settings": settings })));
    }
    add_storage(&mut story, "ssd", hosts, &json!(["images", "disks"]), "disk");
    story
}

pub(crate) fn fact<I: Stream<Event = Event>>(story: &mut Story, id: I, fact: I::Fact) {
    let event: Event = id.event(fact);
    story.fleet.apply(&event);
}

/// Somebody has a session on a machine from now on; which one.
pub(crate) fn lease(story: &mut Story, machine: MachineId) -> SessionId {
    let session = SessionId::from_bytes([1; 16]);
    let granted = Granted {
        subject: Subject::Client(ClientId::from_bytes([1; 16])),
        target: Target::Machine(machine),
        protocol: Protocol::Spice,
        machine,
        return_after_seconds: 300,
        counts_for: Vec::new(),
    };
    fact(story, session, SessionFact::LeaseGranted(granted));
    session
}

pub(crate) fn add_storage(
    story: &mut Story,
    named: &str,
    hosts: &[&str],
    roles: &Value,
    medium: &str,
) -> StorageId {
    let paths: serde_json::Map<String, Value> = hosts
        .iter()
        .map(|name| (host(story, name).to_string(), json!(format!("/srv/{named}"))))
        .collect();
    let settings = json!({ "roles": roles, "hosts": paths, "medium": medium });
    let settings = serde_json::from_value(settings).expect("settings");
    let id = StorageId::from_bytes([50 + small(story.fleet.storages.len()); 16]);
    let created = storage::Created { name: name(named), settings };
    fact(story, id, crate::event::StorageFact::Created(created));
    id
}

pub(crate) fn add_medium(story: &mut Story, named: &str, kind: MediumKind) -> MediaId {
    let storage = story.fleet.storages.iter().next().expect("a storage").0;
    let id = MediaId::from_bytes([80 + small(story.fleet.media.len()); 16]);
    let added = Added {
        name: name(named),
        kind,
        format: crate::media::Format::Raw,
        storage,
        size_bytes: 1,
        digest: Digest([1; 32]),
        labels: Default::default(),
        properties: Default::default(),
    };
    fact(story, id, crate::event::MediaFact::Added(added));
    id
}

/// A version of an initial's image on a storage.
pub(crate) fn add_version(story: &mut Story, initial: &str, number: u8) -> ImageId {
    let initial = machine(story, initial).id;
    let storage = story.fleet.storages.iter().next().expect("a storage").0;
    let id = ImageId::from_bytes([100 + number; 16]);
    let seal = SealRequested {
        base: (number > 1).then(|| Base { image: ImageId::from_bytes([99 + number; 16]), file: 0 }),
        initial,
        number: number.into(),
        origin: Origin::Sealed,
        operation: crate::ids::CommandId::from_bytes([1; 16]),
        storage,
        format: Format::Qcow2,
        depth: number,
        size_gib: 30,
        settings: Settings::default(),
        tags: Vec::new(),
    };
    fact(story, id, crate::event::ImageFact::SealRequested(seal));
    fact(
        story,
        id,
        crate::event::ImageFact::Sealed(Sealed { file: 0, stat: crate::testing::STAT }),
    );
    id
}

pub(crate) fn host(story: &Story, named: &str) -> HypervisorId {
    let key = (crate::fleet::Space::Hypervisor, named.into());
    HypervisorId::from_uuid(*story.fleet.index.names.get(&key).expect("a host"))
}

pub(crate) fn machine(story: &Story, named: &str) -> Machine {
    let key = (crate::fleet::Space::Machine, named.into());
    let id = MachineId::from_uuid(*story.fleet.index.names.get(&key).expect("a machine"));
    story.fleet.machines.get(id).expect("a machine").clone()
}

/// A machine of the kind `simple`.
pub(crate) fn create(story: &mut Story, named: &str) {
    story.given(command("CreateMachine", json!({ "name": named, "kind": "simple" })));
}

/// A command for one machine, without fields of its own.
pub(crate) fn on(what: &str, named: &str) -> crate::command::Command {
    command(what, json!({ "machines": [named] }))
}

/// The machine's own host reports about the newest generation.
pub(crate) fn report(story: &mut Story, named: &str, outcome: Outcome) -> Vec<Event> {
    let machine = machine(story, named);
    let host = machine.place.expect("a host is responsible");
    report_from(story, host, named, machine.generation, outcome)
}

pub(crate) fn report_from(
    story: &mut Story,
    hypervisor: HypervisorId,
    named: &str,
    generation: u64,
    outcome: Outcome,
) -> Vec<Event> {
    let thing = Reported::Machine { id: machine(story, named).id, outcome };
    story.given(ReportOutcome { hypervisor, generation, thing })
}

/// Starts it, and its host says that it runs.
pub(crate) fn run(story: &mut Story, named: &str) {
    story.given(on("StartMachine", named));
    let boot_epoch = machine(story, named).power.boot_epoch;
    report(story, named, Outcome::Started { boot_epoch });
}

/// The epoch in which it was started.
pub(crate) fn epoch(story: &Story, named: &str) -> u64 {
    machine(story, named).power.boot_epoch
}
