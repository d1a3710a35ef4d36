//! A message that comes late, to a worker whose host is a real one.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use carrel_bus::memory::MemoryBus;
use carrel_bus::{Address, Bus, Consumer, Message, Queue};
use carrel_domain::{HostFile, Listen, Virtualization};
use carrel_driver::libvirt::{Facts, LibvirtHost};
use carrel_images::Images;
use carrel_keys::{HostKey, Keys, OsEntropy};
use carrel_lab::Lab;
use carrel_libvirt::{Host, Settings};
use carrel_model::contract::{Order, Report};
use carrel_model::ids::{HypervisorId, MachineId, StorageId};
use carrel_model::machine::{Outcome, Reported};
use carrel_model::record::Incarnation;
use carrel_model::work::{Lane, Shall, Thing, Work};
use carrel_workers::{AtOnce, Ids, MemoryStore, Pool, Setup, Worker, ledger};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

const HOST: HypervisorId = HypervisorId::new(Uuid::from_u128(0xa1));
/// Whoever says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);
const STORAGE: StorageId = StorageId::new(Uuid::from_u128(0xb1));

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let store = Arc::new(carrel_keys::memory::MemoryStore::default());
    Keys::start(store, Arc::new(OsEntropy), 1).expect("keys")
});

const fn machine(number: u128) -> MachineId {
    MachineId::new(Uuid::from_u128(0xca44_e100_0000_7000_8000_0000_0000_0000 + number))
}

fn driver(lab: &Lab) -> LibvirtHost {
    let facts = Facts {
        virtualization: Virtualization::Tcg,
        emulator: HostFile::new("/usr/bin/qemu-system-x86_64").expect("a path"),
        uefi: None,
        uefi_secure: None,
        spice: Listen::Loopback,
        consoles: lab.folder().to_owned(),
        tpms: lab.folder().join("lib/swtpm"),
        transport: "tcp".to_owned(),
    };
    let host = Arc::new(Host::new(Settings::new(lab.uri())));
    LibvirtHost::new(host, Images::default(), facts, Box::new(|| 4_000_000_000)).expect("a host")
}

struct Scene {
    lab: Lab,
    bus: Arc<MemoryBus>,
    outcomes: Box<dyn Consumer>,
    store: MemoryStore,
    running: Option<(JoinSet<()>, watch::Sender<bool>)>,
    sent: u128,
}

impl Scene {
    async fn begin() -> Self {
        let lab = Lab::start();
        fs::create_dir(lab.folder().join("storage")).expect("a storage");
        let bus = Arc::new(MemoryBus::new());
        let outcomes = bus.consume(&Queue::Outcomes, 1024).await.expect("a queue");
        let mut scene =
            Self { lab, bus, outcomes, store: MemoryStore::default(), running: None, sent: 0 };
        scene.start();
        scene
    }

    fn start(&mut self) {
        let (ledger, writer) = ledger::open(Box::new(self.store.clone())).expect("a ledger");
        let (stop, stopped) = watch::channel(false);
        let (_, work_keys) = watch::channel(KEYS.verifying_keys());
        let worker = Worker::new(Setup {
            host: HOST,
            hypervisor: Arc::new(driver(&self.lab)),
            bus: Arc::clone(&self.bus) as _,
            ledger,
            work_keys,
            host_key: HostKey::from_slice(&[7; 32]),
            ids: Ids::new(Arc::new(|| 1), Arc::new(OsEntropy)),
            pool: Pool::default(),
            at_once: AtOnce::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(writer.run().await) });
        tasks.spawn(async move { drop(worker.run(stopped).await) });
        self.running = Some((tasks, stop));
    }

    /// Nothing is being done any more.
    async fn end(&mut self) {
        let Some((mut tasks, stop)) = self.running.take() else { return };
        stop.send_replace(true);
        while tasks.join_next().await.is_some() {}
    }

    fn disk(&self) -> Value {
        json!({
            "id": Uuid::from_u128(0xf1), "role": "system", "storage": STORAGE,
            "path": self.lab.folder().join("storage"),
            "overlay_generation": 1, "size_gib": 1, "format": "qcow2",
        })
    }

    /// It shall run.
    fn present(&self, number: u128) -> Shall {
        let spec = json!({
            "name": format!("m{number}"),
            "identity": {
                "uuid": Uuid::from_u128(0x71_0000 + number), "mac": "52:54:00:00:00:01",
                "serial": "s", "hostname": "m-1", "machine_type": "q35",
                "cpu_model": "host-model",
            },
            "settings": { "hardware": { "firmware": "bios", "memory_mib": 128, "cpu": {
                "sockets": 1, "cores": 1, "threads": 1,
            } } },
            "power": { "on": { "boot_epoch": 1 } },
            "disks": [self.disk()],
        });
        Shall::Present(serde_json::from_value(spec).expect("a machine's work"))
    }

    fn absent(&self) -> Shall {
        Shall::Absent { disks: vec![serde_json::from_value(self.disk()).expect("a disk")] }
    }

    async fn order(&mut self, number: u128, generation: u64, shall: Shall) {
        let thing = Thing::Machine(machine(number));
        let work = Work { hypervisor: HOST, thing, generation, lane: Lane::Fast, shall };
        let (incarnation, personal) = (Incarnation(1), Default::default());
        let order = Order { incarnation, work, personal, operation: None };
        let body = serde_json::to_vec(&order).expect("JSON");
        let signature = KEYS.sign(&body);
        self.sent += 1;
        let mut message = Message::new(Uuid::from_u128(self.sent), body);
        let signature = [signature.key.0.as_slice(), &signature.bytes].concat();
        message.headers.signature = Some(signature.into());
        self.bus.publish(&Address::Work(HOST, Lane::Fast), message).await.expect("room");
    }

    async fn wants(&mut self, number: u128, generation: u64) {
        self.order(number, generation, self.present(number)).await;
    }

    async fn removes(&mut self, number: u128, generation: u64) {
        self.order(number, generation, self.absent()).await;
    }

    async fn until(&mut self, number: u128, wanted: Outcome) {
        loop {
            let next = timeout(PATIENCE, self.outcomes.next());
            let delivery = next.await.expect("it says something").expect("a report");
            let report = serde_json::from_slice(&delivery.message.body).expect("a report");
            delivery.receipt.done().await.expect("done");
            if let Report::Outcome { outcome, .. } = report
                && let Reported::Machine { id, outcome } = outcome.thing
                && id == machine(number)
                && outcome == wanted
            {
                return;
            }
        }
    }

    /// The domains and the files that there are, but for the one by which a storage is known.
    fn there(&self) -> (BTreeSet<String>, BTreeSet<PathBuf>) {
        let names = self.lab.virsh(&["list", "--all", "--name"]);
        let domains = names.split_whitespace().map(str::to_owned).collect();
        let files = crate::faults::files(&self.lab.folder().join("storage"));
        let files = files.into_iter().filter(|file| !file.ends_with(".carrel-storage"));
        (domains, files.collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_machine_was_deleted_what_was_sent_before_makes_nothing() {
    let mut scene = Scene::begin().await;
    let nothing = scene.there();
    scene.wants(1, 5).await;
    scene.until(1, Outcome::Started { boot_epoch: 1 }).await;
    assert_eq!(scene.there().0, BTreeSet::from(["m1".to_owned()]));
    scene.removes(1, 6).await;
    scene.until(1, Outcome::Absent).await;
    assert_eq!(scene.there(), nothing);

    // To the worker that has done it, and to one that has read of it in the ledger.
    for neighbour in 2..=3 {
        for generation in 1..=6 {
            scene.wants(1, generation).await;
        }
        // What comes after it is done after it was read.
        scene.wants(neighbour, 1).await;
        scene.until(neighbour, Outcome::Started { boot_epoch: 1 }).await;
        scene.removes(neighbour, 2).await;
        scene.until(neighbour, Outcome::Absent).await;
        scene.end().await;
        assert_eq!(scene.there(), nothing);
        scene.start();
    }
    scene.end().await;
}
