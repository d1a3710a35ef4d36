//! Whatever the broker does to messages, the same becomes of them.

use serde_json::json;

use crate::bus::Way;
use crate::scene::{Scene, seen};

/// A site is made, its machines are started, changed and deleted.
async fn story(way: Way) -> Scene {
    let mut scene = Scene::founded(way).await;
    for (name, data) in [
        ("CreateMachine", json!({ "name": "gold", "kind": "source" })),
        ("CreateMachine", json!({ "name": "win11", "kind": "initial", "source": "gold" })),
        ("CopyFromSource", json!({ "initial": "win11" })),
        ("Populate", json!({ "initial": "win11", "count": 4 })),
        ("StartMachine", json!({ "children_of": "win11" })),
        ("RebootMachine", json!({ "machines": ["win11-002"] })),
        ("SuspendMachine", json!({ "machines": ["win11-003"] })),
        ("MigrateMachine", json!({ "machines": ["win11-002"] })),
        ("PowerOffMachine", json!({ "machines": ["win11-001"] })),
        ("TakeSnapshot", json!({ "machine": "win11-001", "name": "before" })),
        ("ResumeMachine", json!({ "machines": ["win11-003"] })),
        ("StartMachine", json!({ "machines": ["win11-001"] })),
        ("PowerOffMachine", json!({ "machines": ["win11-004"] })),
        ("DeleteMachine", json!({ "machines": ["win11-004"] })),
        ("StartMachine", json!({ "machines": ["win11"] })),
        ("PowerOffMachine", json!({ "machines": ["win11"] })),
        ("SealImage", json!({ "initial": "win11" })),
    ] {
        scene.said(name, data).await;
        scene.rests().await;
        scene.heals().await;
    }
    scene
}

#[tokio::test(start_paused = true)]
async fn twice_lost_or_overtaken_everything_ends_as_if_it_had_arrived() {
    let plain = story(Way::Arrives).await;
    let (machines, images, unfinished) = seen(&plain.fleet());
    assert_eq!(machines.len(), 5, "{machines:#?}");
    assert_eq!((images.len(), unfinished), (2, 0), "{images:?}");
    assert_eq!(plain.counts().differences_reported, 0, "nothing was lost");
    assert_eq!(plain.counts().orders_again, 0, "nothing was lost");
    plain.workers.nothing_was_done_twice();
    for way in [Way::Twice, Way::LostOnce, Way::Overtaken] {
        let scene = story(way).await;
        assert_eq!(seen(&scene.fleet()), seen(&plain.fleet()), "{way:?}");
        scene.workers.nothing_was_done_twice();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_ordered_again_and_nothing_else() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("kept").await;
    let before = scene.counts();
    scene.heals().await;
    assert_eq!(scene.counts().orders_sent, before.orders_sent, "a host that has settled all");
    scene.bus.behaves(Way::LostOnce);
    for number in 0..6 {
        scene.runs(&format!("m{number}")).await;
    }
    scene.heals().await;
    assert!(scene.counts().orders_again > 0, "{:?}", scene.counts());
    let (machines, ..) = seen(&scene.fleet());
    let kept = &machines["kept"];
    assert!(machines.values().all(|it| it == kept), "{machines:#?}");
}
