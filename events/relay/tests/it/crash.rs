//! A process that is killed at any step, and the next one that goes on.

use serde_json::json;

use crate::bus::{STEPS, Step, Way};
use crate::scene::{Broker, Scene, seen};

/// Something is done, and the process dies while it is on its way.
async fn dies_at(step: Option<Step>, broker: Broker) -> Scene {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    scene.bus.stops_at(step);
    *scene.log.stops_at.lock().expect("no panic") = step;
    scene.said("CreateMachine", json!({ "name": "n", "kind": "simple" })).await;
    scene.said("StartMachine", json!({ "machines": ["n"] })).await;
    scene.said("RebootMachine", json!({ "machines": ["m"] })).await;
    scene.rests().await;
    scene.dies(broker).await;
    scene.rests().await;
    scene.heals().await;
    scene
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_and_nothing_is_done_twice_wherever_it_dies() {
    let plain = dies_at(None, Broker::Lives).await;
    let wanted = seen(&plain.fleet());
    for step in STEPS {
        for broker in [Broker::Lives, Broker::Dies] {
            let scene = dies_at(Some(step), broker).await;
            assert_eq!(seen(&scene.fleet()), wanted, "{step:?}, {broker:?}");
            scene.workers.nothing_was_done_twice();
        }
    }
}
