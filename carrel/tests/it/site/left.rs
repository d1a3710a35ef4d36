//! What a server that has ended leaves: a log, a simulated site and read models, which have to tell
//! the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use carrel_decider::Standing;
use carrel_driver::sim::{OsTimer, Pace, World};
use carrel_driver::{DomainState, Hypervisor, StepKind, place};
use carrel_keys::directory::{DirectoryStore, OsDisk};
use carrel_keys::{Keys, OsEntropy};
use carrel_log::{EventLog, each_page};
use carrel_model::fleet::Fleet;
use carrel_model::ids::{HypervisorId, MachineId, StorageId};
use carrel_model::machine::State;
use carrel_model::name::FilePath;
use carrel_model::record::Position;
use carrel_model::work::{Shall, Thing, work};
use carrel_projections::{Sources, compare};
use uuid::Uuid;

use super::{Client, Site};
use crate::scene::{self, wait};

/// Everything that there is after a server's end.
pub(crate) struct Left {
    pub(crate) fleet: Fleet,
    /// Positions of the first and the last fact of each command, as often as there are such.
    pub(crate) commands: BTreeMap<Uuid, Vec<(u64, u64)>>,
    pub(crate) world: World,
}

/// Reads what a site is now. Nobody may have it open.
pub(crate) fn left(site: &Site) -> Left {
    let log: Arc<dyn EventLog> = Arc::new(scene::open(&site.data().join("log")));
    let (fleet, commands) = wait(async {
        let standing = Standing::of(&*log).await.expect("a log that can be folded");
        (standing.fleet, commands(&*log).await)
    });
    let timer = OsTimer::begin_at(Duration::ZERO);
    let world = World::new(1, Pace::INSTANT, Arc::new(timer)).counting();
    let copy = site.folder().join("seen.json");
    std::fs::copy(site.data().join("simulated.json"), &copy).expect("a simulated site");
    let world = world.kept_in(&copy).expect("it can be read");
    wait(rows_are_those_of_a_rebuild(site, &log));
    drop(log);
    scene::released();
    Left { fleet, commands, world }
}

async fn commands(log: &dyn EventLog) -> BTreeMap<Uuid, Vec<(u64, u64)>> {
    let mut commands: BTreeMap<Uuid, Vec<(u64, u64)>> = BTreeMap::new();
    let mut last = None;
    each_page(log, Position::START, |page| {
        for record in &page.records {
            let (id, position) = (record.unit.command_id.uuid(), record.position.0);
            let units = commands.entry(id).or_default();
            match units.last_mut() {
                Some(unit) if last == Some(id) => unit.1 = position,
                Some(_) | None => units.push((position, position)),
            }
            last = Some(id);
        }
        Ok::<_, carrel_log::ReadError>(true)
    })
    .await
    .expect("a log that can be read");
    commands
}

/// Row for row, as of the end of the log.
async fn rows_are_those_of_a_rebuild(site: &Site, log: &Arc<dyn EventLog>) {
    let store = DirectoryStore::open(Arc::new(OsDisk), &site.data().join("keys"), "a test");
    let (store, _) = store.expect("keys");
    let keys = Keys::start(Arc::new(store), Arc::new(OsEntropy), 1).expect("keys");
    let sources =
        || Sources { log: Arc::clone(log), open: Arc::new(keys.clone()), snapshots: None };
    let anew = site.folder().join("anew");
    drop(std::fs::remove_dir_all(&anew));
    let (rebuilt, _idle) = carrel_projections::open(sources(), &anew).await.expect("built");
    let (living, projector) =
        carrel_projections::open(sources(), &site.data().join("read")).await.expect("opened");
    let head = log.head().await.expect("a head").position;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let following = async {
        projector.run(async { drop(stopped.await) }).await;
    };
    let seen = async {
        for kind in carrel_projections::Kind::ALL {
            let seen = carrel_projections::ReadModels::seen(&living, kind, head, SEEN_WITHIN);
            seen.await.expect("rows follow");
        }
        drop(stop);
    };
    tokio::join!(following, seen);
    let differences = compare(&living.path(), &rebuilt.path()).await.expect("compared");
    assert!(differences.is_empty(), "{differences:#?}");
}

const SEEN_WITHIN: Duration = Duration::from_secs(10);

impl Left {
    /// Everything that whoever asked can rely on, and everything that hosts are.
    pub(crate) fn is_as_it_should_be(&self, client: &Client) {
        self.has_what_was_answered(client);
        self.hosts_are_as_the_fleet_says();
        self.nothing_is_left_over();
        self.nothing_was_done_twice();
    }

    /// Each command that was accepted is in the log once, where its answer says; and what was
    /// refused is not.
    fn has_what_was_answered(&self, client: &Client) {
        for (id, units) in &self.commands {
            assert_eq!(units.len(), 1, "{id} is in the log at {units:?}");
        }
        for asked in &client.ledger {
            let answer = asked.answer.as_ref().expect("everything was answered in the end");
            let units = self.commands.get(&asked.id);
            if answer.status == 202 && answer.body["operation"].is_string() {
                let last = units.map(|units| units[0].1);
                assert_eq!(last, answer.body["position"].as_u64(), "{asked:?}");
            } else {
                assert_eq!(units, None, "{asked:?}");
            }
        }
    }

    fn hosts_are_as_the_fleet_says(&self) {
        let mut running = BTreeMap::new();
        for (host, _) in self.fleet.hypervisors.iter() {
            for domain in self.world.host(host).list().expect("it is up").domains {
                let machine = self.fleet.machines.get(domain.machine);
                assert!(machine.is_some(), "{host} has {domain:?}, which is nobody's");
                assert_eq!(machine.and_then(|it| it.place), Some(host), "{domain:?}");
                if domain.state == DomainState::Running {
                    running.insert(domain.machine, domain.boot_epoch);
                }
            }
        }
        let said = self.fleet.machines.iter().filter(|(_, it)| it.observed.state == State::Running);
        let said = said.map(|(id, machine)| (id, machine.power.boot_epoch));
        assert_eq!(running, said.collect::<BTreeMap<MachineId, u64>>());
    }

    fn nothing_is_left_over(&self) {
        let wanted = self.files();
        let there: BTreeSet<(StorageId, FilePath)> = self.world.files().into_keys().collect();
        let orphans: Vec<_> = there.difference(&wanted).collect();
        assert!(orphans.is_empty(), "nobody needs {orphans:#?}");
        let made = |(storage, path): &&(StorageId, FilePath)| {
            // What was never on a host is not there yet.
            !there.contains(&(*storage, path.clone())) && !path.as_str().starts_with("machines/")
        };
        let missing: Vec<_> = wanted.iter().filter(made).collect();
        assert!(missing.is_empty(), "{missing:#?} should be there");
    }

    /// What the fleet says that there is.
    fn files(&self) -> BTreeSet<(StorageId, FilePath)> {
        let mut files = BTreeSet::new();
        for (id, _) in self.fleet.machines.iter() {
            let Some(work) = work(&self.fleet, Thing::Machine(id)) else { continue };
            let Shall::Present(spec) = work.shall else { continue };
            for disk in spec.disks.iter().chain(&spec.keep) {
                files.extend(place::disk_file(id, disk));
                for snapshot in &spec.snapshots {
                    files.extend(place::snapshot_file(id, disk, snapshot.id));
                }
                if let (Some(throwaway), carrel_model::work::PowerSpec::On { boot_epoch, .. }) =
                    (&spec.throwaway, spec.power)
                {
                    files.extend(place::throwaway_file(id, disk.id, throwaway, boot_epoch));
                }
            }
        }
        let mut all: BTreeSet<_> =
            files.into_iter().map(|place| (place.root.storage, place.file)).collect();
        for (_, image) in self.fleet.images.iter() {
            for file in image.files_there() {
                let storage = self.fleet.storages.get(file.storage).expect("its storage");
                let path = storage.settings.hosts.values().next().expect("a host sees it").clone();
                let root = place::Root { storage: file.storage, path };
                let number = (image.number, file.number);
                let place = place::version_file(&root, image.initial, number, file.format);
                all.extend(place.map(|place| (place.root.storage, place.file)));
            }
        }
        all
    }

    /// A machine starts once in each epoch, a guest is asked once for each, and nothing else is
    /// done twice for one generation and epoch.
    fn nothing_was_done_twice(&self) {
        let effects = self.world.effects();
        let twice: Vec<_> = effects.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{twice:#?}");
        let mut once: BTreeMap<(StepKind, Thing, u64), Vec<HypervisorId>> = BTreeMap::new();
        for (on, doing, did, _) in effects.keys() {
            if [StepKind::Start, StepKind::Reboot, StepKind::Reset].contains(did) {
                let it = (*did, doing.thing, doing.boot_epoch);
                once.entry(it).or_default().push(*on);
            }
        }
        once.retain(|_, hosts| hosts.len() > 1);
        assert!(once.is_empty(), "{once:#?}");
    }

    /// How often something was done with a machine of this name.
    pub(crate) fn times(&self, did: StepKind, name: &str) -> u32 {
        let named = self.fleet.machines.iter().find(|(_, it)| it.name.as_str() == name);
        let thing = Thing::Machine(named.expect("a machine of that name").0);
        let effects = self.world.effects();
        let those =
            effects.iter().filter(|((_, doing, kind, _), _)| doing.thing == thing && *kind == did);
        those.map(|(_, times)| *times).sum()
    }

    pub(crate) fn state(&self, name: &str) -> State {
        let named = self.fleet.machines.iter().find(|(_, it)| it.name.as_str() == name);
        named.expect("a machine of that name").1.observed.state
    }
}
