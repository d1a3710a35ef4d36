//! Whatever happens, rows that followed are the rows that are built anew.

use carrel_model::clockwork;
use carrel_model::fleet::Silence;
use carrel_model::wire;
use carrel_projections::{Purpose, ReadModels};
use carrel_testkit::commands::Commands;
use carrel_testkit::purposeful::purposeful;
use carrel_testkit::world::World;
use serde_json::json;

use crate::scene::{Scene, multi};

const SEEDS: std::ops::Range<u64> = 0..12;
const STEPS: u32 = 400;
/// One in so many steps rows are compared.
const MOMENTS: u64 = 60;

/// Hosts with storage, an initial with an image, children in pools, and people who may use them.
pub(crate) fn founded(seed: u64) -> World {
    let mut world = World::new(seed);
    let given = |world: &mut World, name: &str, data| {
        let told = world.send(name, &data, &mut |_| {});
        assert!(told.is_ok(), "{name} is refused: {told:?}");
        world.settle(&mut |_| {});
    };
    for host in ["node1", "node2"] {
        let capacity = json!({ "memory_mib": 16_384, "vcpus": 8 });
        let settings = json!({ "capacity": capacity });
        given(&mut world, "RegisterHypervisor", json!({ "name": host, "settings": settings }));
    }
    let hosts = json!({ "node1": "/srv/a", "node2": "/srv/a" });
    let roles = json!(["images", "disks", "volatile", "media"]);
    let settings = json!({ "roles": roles, "hosts": hosts });
    given(&mut world, "CreateStorage", json!({ "name": "main", "settings": settings }));
    given(&mut world, "CreateMachine", json!({ "name": "gold", "kind": "source" }));
    let initial = json!({ "name": "win11", "kind": "initial", "source": "gold" });
    given(&mut world, "CreateMachine", initial);
    given(&mut world, "CopyFromSource", json!({ "initial": "win11" }));
    given(&mut world, "Populate", json!({ "initial": "win11", "count": 4 }));
    for (pool, mode) in [("room", "floating"), ("desk", "sticky")] {
        let settings = json!({ "mode": mode });
        given(&mut world, "CreatePool", json!({ "name": pool, "settings": settings }));
    }
    for (pool, machines) in
        [("room", ["win11-001", "win11-002"]), ("desk", ["win11-003", "win11-004"])]
    {
        given(&mut world, "AddToPool", json!({ "pool": pool, "machines": machines }));
    }
    for person in ["anna", "jonas"] {
        given(&mut world, "CreateClient", json!({ "name": person }));
        given(&mut world, "EntitlePool", json!({ "pool": "room", "client": person }));
        given(&mut world, "EntitlePool", json!({ "pool": "desk", "client": person }));
    }
    world
}

fn step_of(world: &mut World, commands: &Commands) {
    match world.random.below(100) {
        0..45 => {
            if let Some((name, data)) = purposeful(&world.fleet, &mut world.random) {
                let command = json!({ "type": name, "data": data });
                let command = serde_json::from_value::<wire::Command>(command);
                drop(world.send_wire(command.expect("a command"), &mut |_| {}));
            }
        }
        45..60 => {
            if let Some(command) = commands.of_people(&world.fleet, &mut world.random) {
                drop(world.send_wire(command, &mut |_| {}));
            }
        }
        60..80 => {
            world.publish();
            if let Some(report) = world.reports.pop_front() {
                world.heed(&report, &mut |_| {});
            }
        }
        80..90 => {
            let seconds = [1, 10, 61, 200, 2_000][world.random.index(5)];
            world.wait(seconds);
            for command in clockwork::due(&world.fleet, world.now) {
                world.heed(&command, &mut |_| {});
            }
        }
        90..94 => {
            let silences: Vec<Silence> = world.fleet.index.silences.keys().copied().collect();
            if !silences.is_empty() {
                let silence = silences[world.random.index(silences.len())];
                world.heed(&clockwork::lapsed(silence), &mut |_| {});
            }
        }
        _ => world.settle(&mut |_| {}),
    }
}

#[test]
fn rows_that_followed_are_those_that_are_built_anew() {
    multi(async {
        let commands = Commands::default();
        for seed in SEEDS {
            let mut world = founded(seed);
            let mut scene = Scene::new().await;
            let mut told = 0;
            for _ in 0..STEPS {
                step_of(&mut world, &commands);
                scene.append(&world.log[told..]).await;
                told = world.log.len();
                if world.random.chance(MOMENTS) {
                    if world.random.chance(3) {
                        scene.crash().await;
                    }
                    scene.seen().await;
                    scene.same_as_rebuilt().await;
                }
            }
            scene.seen().await;
            scene.same_as_rebuilt().await;
            let counts = scene.models.counts().await.expect("they are counted");
            let machines =
                counts.iter().find(|it| it.kind.name() == "machines" && it.by.is_empty());
            let count = machines.map_or(0, |it| it.count);
            assert_eq!(count, world.fleet.machines.len() as u64, "seed {seed}");
        }
    });
}

#[test]
fn what_is_built_anew_beside_the_living_takes_its_place() {
    multi(async {
        let mut world = founded(1);
        let mut scene = Scene::new().await;
        let half = world.log.len() / 2;
        scene.append(&world.log[..half]).await;
        scene.seen().await;
        let before = scene.models.path();
        let (models, rebuilt) = (scene.models.clone(), scene.models.clone());
        let rebuilding = async move { rebuilt.rebuild(Purpose::Use).await };
        let second = async move { models.rebuild(Purpose::Use).await };
        let (first, second, ()) =
            tokio::join!(rebuilding, second, scene.append(&world.log[half..]));
        assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
        world.settle(&mut |_| {});
        scene.seen().await;
        assert_ne!(scene.models.path(), before);
        assert!(!before.exists(), "the old one is gone");
        scene.same_as_rebuilt().await;
        scene.crash().await;
        scene.seen().await;
        scene.same_as_rebuilt().await;
    });
}

#[test]
fn the_living_are_compared_while_they_follow_and_a_row_that_is_wrong_is_found() {
    multi(async {
        let mut world = founded(2);
        let mut scene = Scene::new().await;
        let (mut told, commands) = (0, Commands::default());
        for _ in 0..40 {
            let models = scene.models.clone();
            let verifying = async move { models.rebuild(Purpose::Comparison).await };
            let before = scene.models.path();
            (0..5).for_each(|_| step_of(&mut world, &commands));
            let (compared, ()) = tokio::join!(verifying, scene.append(&world.log[told..]));
            told = world.log.len();
            let compared = compared.expect("both can be read");
            assert_eq!(compared.differences, Vec::<String>::new());
            assert_eq!(scene.models.path(), before, "those in use stay");
        }
        scene.seen().await;
        scene.spoil("UPDATE machines SET name = 'other' WHERE name = 'gold'").await;
        let compared = scene.models.rebuild(Purpose::Comparison).await.expect("both can be read");
        let told = compared.differences.join(" ");
        assert!(told.contains("machines, only in the first"), "{told}");
        scene.models.rebuild(Purpose::Use).await.expect("built");
        scene.seen().await;
        scene.same_as_rebuilt().await;
    });
}
