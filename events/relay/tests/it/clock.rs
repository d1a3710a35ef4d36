//! What time brings about.

use carrel_model::machine::State;
use serde_json::json;

use crate::bus::{Step, Way};
use crate::scene::{Broker, Scene};

#[tokio::test(start_paused = true)]
async fn what_is_due_happens_at_its_time_and_once() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.said("CreateMachine", json!({ "name": "m", "kind": "simple" })).await;
    scene.rests().await;
    scene.bus.stops_at(Some(Step::Order));
    scene.said("StartMachine", json!({ "machines": ["m"] })).await;
    scene.waits(119).await;
    assert_eq!(scene.machine("m").observed.state, State::Starting);
    let before = scene.counts().clockwork_sent;
    scene.waits(2).await;
    assert_eq!(scene.machine("m").observed.state, State::Off, "its start took too long");
    assert_eq!(scene.counts().clockwork_sent, before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_became_due_while_nobody_looked_happens_at_once() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.said("CreateMachine", json!({ "name": "m", "kind": "simple" })).await;
    scene.rests().await;
    scene.bus.stops_at(Some(Step::Order));
    scene.said("StartMachine", json!({ "machines": ["m"] })).await;
    scene.rests().await;
    scene.ending.send_replace(true);
    assert!(scene.relay_ends().await.is_ok());
    scene.ending.send_replace(false);
    scene.waits(600).await;
    assert_eq!(scene.machine("m").observed.state, State::Starting);
    scene.bus.stops_at(None);
    scene.dies(Broker::Lives).await;
    scene.rests().await;
    assert_eq!(scene.machine("m").observed.state, State::Off);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_nothing_is_due() {
    let mut scene = Scene::founded(Way::Arrives).await;
    scene.runs("m").await;
    for _ in 0..4 {
        scene.workers.tell(&scene.bus, &scene.fleet()).await;
        scene.waits(15).await;
    }
    let (sent, position) = (scene.counts(), scene.decider.standing().position);
    for _ in 0..40 {
        scene.workers.tell(&scene.bus, &scene.fleet()).await;
        scene.waits(15).await;
    }
    let after = scene.counts();
    assert_eq!(after.clockwork_sent, sent.clockwork_sent, "{after:?}");
    assert_eq!(after.orders_sent, sent.orders_sent);
    assert_eq!(scene.decider.standing().position, position);
}
