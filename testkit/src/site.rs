//! A site of any size, as the facts that made it: hosts, one storage, an initial with a sealed
//! image, pools, and machines of which a part runs.

use std::collections::{BTreeMap, BTreeSet};

use carrel_model::event::{
    ClientFact, Event, HypervisorFact, ImageFact, MachineFact, PoolFact, StorageFact, Stream,
};
use carrel_model::hash::KeyedHash;
use carrel_model::ids::{
    ClientId, CommandId, DiskId, HypervisorId, ImageId, MachineId, PoolId, StorageId,
};
use carrel_model::mac::Mac;
use carrel_model::name::{HostPath, Hostname, Name, PlatformName};
use carrel_model::people::local;
use carrel_model::record::Timestamp;
use carrel_model::sealed::SealedBox;
use carrel_model::version::latest::{Nothing, client, hypervisor, image, machine, pool, storage};
use uuid::Uuid;

use crate::hosts::STAT;

/// 2026-01-01T00:00:00Z, in microseconds.
pub const BEGINNING: Timestamp = Timestamp(1_767_225_600_000_000);

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    pub hosts: u32,
    pub machines: u32,
    pub pools: u32,
    /// So many machines are in the first pool, and all others share the rest; 0 for shares of the
    /// same size.
    pub first_pool: u32,
    pub people: u32,
    /// Of so many machines one runs and is ready; 0 for none.
    pub one_in_runs: u32,
}

/// Ids are told apart by their first bytes: what it is, and which one.
const fn id(kind: u8, number: u32) -> Uuid {
    let [a, b, c, d] = number.to_be_bytes();
    Uuid::from_bytes([1, kind, a, b, c, d, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1])
}

pub const STORAGE: StorageId = StorageId::new(id(2, 1));
pub const SOURCE: MachineId = MachineId::new(id(3, 1));
pub const INITIAL: MachineId = MachineId::new(id(3, 2));
pub const IMAGE: ImageId = ImageId::new(id(4, 1));

pub const fn host(number: u32) -> HypervisorId {
    HypervisorId::new(id(1, number))
}

pub const fn machine(number: u32) -> MachineId {
    MachineId::new(id(5, number))
}

pub const fn pool_of(number: u32) -> PoolId {
    PoolId::new(id(6, number))
}

pub const fn person(number: u32) -> ClientId {
    ClientId::new(id(7, number))
}

/// A literal of this file or a number: it is a name.
fn name<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| unreachable!("{text}"))
}

impl Site {
    /// In the order in which they would have happened.
    pub fn facts(self) -> impl Iterator<Item = Event> {
        self.ground()
            .chain((0..self.people).map(person_made))
            .chain((0..self.machines).flat_map(move |number| self.machine(number)))
    }

    fn ground(self) -> impl Iterator<Item = Event> {
        let hosts = (0..self.hosts).map(host_registered);
        let paths = (0..self.hosts).map(|number| (host(number), name::<HostPath>("/srv/carrel")));
        let pools = (0..self.pools).flat_map(move |number| {
            let people = (number..self.people).step_by(self.pools.max(1) as usize);
            std::iter::once(pool_created(number)).chain(people.map(move |it| entitled(number, it)))
        });
        hosts
            .chain(std::iter::once(storage_created(paths.collect())))
            .chain([made(SOURCE, "gold", machine::Kind::Source, 0, machine::DiskSource::Blank)])
            .chain([made(
                INITIAL,
                "win11",
                machine::Kind::Initial { source: Some(SOURCE) },
                1,
                machine::DiskSource::Blank,
            )])
            .chain(image_sealed())
            .chain(pools)
    }

    fn machine(self, number: u32) -> impl Iterator<Item = Event> {
        let id = machine(number);
        let kind = machine::Kind::Vdi { initial: INITIAL };
        let base = machine::Base { image: IMAGE, file: 0 };
        let source = machine::DiskSource::Overlay(base);
        let mut facts = vec![made(id, &format!("win11-{number:06}"), kind, number + 2, source)];
        if self.pools > 0 {
            let pool = match (self.first_pool, number < self.first_pool) {
                (0, _) => number % self.pools,
                (_, true) => 0,
                (_, false) => 1 + number % (self.pools - 1).max(1),
            };
            let pool = Some(pool_of(pool));
            facts.push(id.event(MachineFact::PoolChanged(machine::PoolChanged { pool })));
        }
        let runs = self.one_in_runs > 0 && number.is_multiple_of(self.one_in_runs);
        if runs {
            facts.extend(starts(id, host(number % self.hosts)));
        }
        facts.into_iter()
    }
}

fn host_registered(number: u32) -> Event {
    host(number).event(HypervisorFact::Registered(hypervisor::Registered {
        name: name(&format!("node{number}")),
        settings: hypervisor::Settings {
            capacity: hypervisor::Capacity {
                memory_mib: 4 << 20,
                vcpus: 1024,
                counters: BTreeMap::new(),
            },
            overcommit: hypervisor::Overcommit::default(),
            display_address: None,
            labels: BTreeMap::new(),
            properties: BTreeMap::new(),
        },
    }))
}

fn storage_created(hosts: BTreeMap<HypervisorId, HostPath>) -> Event {
    use storage::Role;
    STORAGE.event(StorageFact::Created(storage::Created {
        name: name("main"),
        settings: storage::Settings {
            roles: BTreeSet::from([Role::Images, Role::Disks, Role::Volatile, Role::Media]),
            hosts,
            medium: storage::Medium::Disk,
            low_space_mib: storage::low_space_mib_default(),
            labels: BTreeMap::new(),
            properties: BTreeMap::new(),
        },
    }))
}

fn made(
    id: MachineId,
    called: &str,
    kind: machine::Kind,
    number: u32,
    source: machine::DiskSource,
) -> Event {
    let settings = matches!(source, machine::DiskSource::Blank).then(machine::Settings::default);
    id.event(MachineFact::Created(machine::Created {
        name: name(called),
        kind,
        identity: machine::Identity {
            uuid: id.uuid(),
            mac: Mac::of_guest(number),
            further_macs: Box::default(),
            serial: name(called),
            hostname: name::<Hostname>(called),
            machine_type: name("pc-q35-7.2"),
            cpu_model: name("qemu64"),
        },
        settings,
        disks: vec![machine::Disk {
            id: DiskId::new(id.uuid()),
            role: machine::DiskRole::System,
            storage: STORAGE,
            source,
            size_gib: 20,
            overlay_generation: 0,
            format: machine::Format::Qcow2,
            file: None,
        }],
        adopted_from: None,
    }))
}

fn image_sealed() -> [Event; 2] {
    [
        IMAGE.event(ImageFact::SealRequested(image::SealRequested {
            initial: INITIAL,
            base: None,
            number: 1,
            origin: image::Origin::Sealed,
            operation: CommandId::new(id(8, 1)),
            storage: STORAGE,
            format: machine::Format::Qcow2,
            depth: 1,
            size_gib: 20,
            settings: machine::Settings::default(),
            tags: vec![name("default"), name("head")],
        })),
        IMAGE.event(ImageFact::Sealed(image::Sealed { file: 0, stat: STAT })),
    ]
}

fn pool_created(number: u32) -> Event {
    let name: Name = name(&format!("pool{number}"));
    let settings = pool::Settings::default();
    pool_of(number).event(PoolFact::Created(pool::Created { name, settings }))
}

fn entitled(pool: u32, person_number: u32) -> Event {
    let holder = pool::Holder::Client(person(person_number));
    pool_of(pool).event(PoolFact::Entitled(pool::Entitled { holder }))
}

fn person_made(number: u32) -> Event {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    let key = person(number).uuid();
    person(number).event(ClientFact::Created(client::Created {
        provider: local(),
        name_hash: KeyedHash(hash),
        name: SealedBox { key, data: "c2VhbGVk".into() },
        details: None,
        password: None,
        sessions_max: None,
        labels: BTreeMap::new(),
        properties: BTreeMap::new(),
    }))
}

/// What a start of a machine leaves in the log.
pub fn starts(id: MachineId, on: HypervisorId) -> [Event; 4] {
    let policy: PlatformName = name("headroom");
    let placement = machine::Placement {
        policy,
        chosen_for: carrel_model::text::Text::default(),
        considered: 1,
        refused: BTreeMap::new(),
    };
    let reserved =
        machine::Reservation { memory_mib: 2048, vcpus: 2, ..machine::Reservation::default() };
    let (at, ready_by) = (BEGINNING, BEGINNING.plus_seconds(180));
    [
        id.event(MachineFact::Placed(machine::Placed { hypervisor: on, reserved, placement })),
        id.event(MachineFact::StartRequested(machine::StartRequested {
            boot_epoch: 1,
            deadline: Some(ready_by),
            persistent_once: false,
        })),
        id.event(MachineFact::Started(machine::Started { boot_epoch: 1, at, ready_by })),
        id.event(MachineFact::BecameReady(machine::Ready { boot_epoch: 1 })),
    ]
}

/// What becomes of a machine that is switched off.
pub fn stops(id: MachineId) -> [Event; 3] {
    let cause = machine::StopCause::Command;
    let deadline = BEGINNING.plus_seconds(60);
    let manner = machine::StopManner::Hard;
    [
        id.event(MachineFact::StopRequested(machine::StopRequested { manner, deadline })),
        id.event(MachineFact::StopBegun(Nothing {})),
        id.event(MachineFact::Stopped(machine::Stopped { boot_epoch: 1, cause })),
    ]
}
