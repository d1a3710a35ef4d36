//! What facts make of rows.

use carrel_model::event::{Event, HypervisorFact, KNOWN, MachineFact, PoolFact, Stream};
use carrel_model::version::latest::{hypervisor, machine, pool};
use carrel_projections::{Kind, ReadModelError, ReadModels};
use carrel_testkit::site::{self, Site};
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

use crate::random::founded;
use crate::scene::{Scene, multi};

const SITE: Site =
    Site { hosts: 2, machines: 40, pools: 2, first_pool: 0, people: 4, one_in_runs: 2 };

#[test]
fn a_name_changes_wherever_it_stands() {
    multi(async {
        let mut scene = Scene::new().await;
        let facts: Vec<_> = SITE.facts().collect();
        scene.append(&facts).await;
        let name = |text: &str| text.parse().expect("a name");
        let settings = pool::Settings::default();
        let pool = pool::Updated { name: name("lounge"), settings };
        let initial = machine::Updated { name: name("win12"), settings: Default::default() };
        let settings = hypervisor::Settings {
            capacity: hypervisor::Capacity {
                memory_mib: 4 << 20,
                vcpus: 1024,
                counters: Default::default(),
            },
            overcommit: hypervisor::Overcommit::default(),
            display_address: None,
            labels: Default::default(),
            properties: Default::default(),
        };
        let host = hypervisor::Updated { name: name("north"), settings };
        let source = machine::Updated { name: name("silver"), settings: Default::default() };
        scene
            .append(&[
                site::pool_of(0).event(PoolFact::Updated(pool)),
                site::INITIAL.event(MachineFact::Updated(initial)),
                site::SOURCE.event(MachineFact::Updated(source)),
                site::host(0).event(HypervisorFact::Updated(host)),
            ])
            .await;
        scene.seen().await;
        let child = scene.one(Kind::Machines, "win11-000000").await.expect("it is there");
        assert_eq!(child["pool_name"], "lounge");
        assert_eq!(child["initial_name"], "win12");
        assert_eq!(child["image_name"], "win12@1");
        assert_eq!(child["hypervisor_name"], "north");
        assert!(scene.one(Kind::Images, "win12@1").await.is_some());
        assert!(scene.one(Kind::Images, "win11@1").await.is_none());
        let initial = scene.one(Kind::Machines, "win12").await.expect("it is there");
        assert_eq!(initial["source_name"], "silver");
        let storage = scene.one(Kind::Storages, "main").await.expect("it is there");
        assert_eq!(storage["hosts"][0]["hypervisor_name"], "north");
        let host = scene.one(Kind::Hypervisors, "north").await.expect("it is there");
        assert_eq!(host["machines_on"], 20);
        let lounge = scene.one(Kind::Pools, "lounge").await.expect("it is there");
        assert_eq!((&lounge["machines"], &lounge["ready"]), (&20.into(), &20.into()));
        scene.same_as_rebuilt().await;
    });
}

#[test]
fn finished_operations_and_ended_sessions_stay() {
    multi(async {
        let mut world = founded(3);
        let mut scene = Scene::new().await;
        let asked = serde_json::json!({ "pool": "room", "client": "anna", "protocol": "spice" });
        world.send("RequestDesktop", &asked, &mut |_| {}).expect("she may");
        world.settle(&mut |_| {});
        let session = *world.fleet.index.sessions_of.iter().map(|(_, id)| id).next().expect("one");
        let end = serde_json::json!({ "session": session });
        world.send("EndSession", &end, &mut |_| {}).expect("it ends");
        world.settle(&mut |_| {});
        scene.append(&world.log).await;
        scene.seen().await;
        assert!(world.fleet.sessions.is_empty());
        let ended = scene.page(Kind::Sessions, &[("state", "ended")]).await;
        assert_eq!(ended.items.len(), 1);
        let ended = scene.one(Kind::Sessions, &session.to_string()).await.expect("it stays");
        assert_eq!(ended["pool_name"], "room");
        assert!(ended["machine_name"].is_string() && ended["ended_at"].is_string(), "{ended}");
        let populated =
            scene.page(Kind::Operations, &[("name", "Populate"), ("state", "succeeded")]).await;
        assert_eq!(populated.items.len(), 1);
        let doc: serde_json::Value =
            serde_json::from_str(populated.items[0].doc.get()).expect("JSON");
        assert_eq!((&doc["total"], &doc["done"]), (&4.into(), &4.into()));
        scene.same_as_rebuilt().await;
    });
}

#[test]
fn whoever_asks_for_what_is_not_there_yet_is_told() {
    multi(async {
        let scene = Scene::new().await;
        let far = carrel_model::record::Position(10);
        let early = scene.models.seen(Kind::Machines, far, Duration::ZERO).await;
        assert!(matches!(early, Err(ReadModelError::NotYet { .. })), "{early:?}");
    });
}

/// Each as it stands among the golden files, all of them about things with the same id: whatever
/// they say of what is not there, rows that followed are those that are built anew.
#[test]
fn every_kind_of_fact_is_followed() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/model/tests/golden");
    let facts = KNOWN.iter().map(|known| {
        let file = golden.join(known.kind).join(format!("v{}.full.json", known.schema));
        let data = std::fs::read(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
        let stream = (known.category, Uuid::from_u128(1));
        Event::decode(known.kind, known.schema, stream, &data).expect("it is known")
    });
    let facts: Vec<Event> = facts.collect();
    multi(async move {
        let mut scene = Scene::new().await;
        for some in facts.chunks(8) {
            scene.append(some).await;
            scene.seen().await;
            scene.same_as_rebuilt().await;
        }
        let states = scene.models.state();
        let head = scene.head().await;
        assert!(states.iter().all(|state| state.position == head), "{states:?}");
    });
}
