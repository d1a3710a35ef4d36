//! The keys of those who were deleted go, whenever somebody stops on the way.

use std::sync::Arc;

use carrel_decider::Shredder;
use carrel_decider::shredder::{Begin, NAME};
use carrel_keys::Purpose;
use carrel_log::EventLog;
use carrel_model::name::ConsumerName;
use carrel_model::record::Epoch;
use serde_json::json;
use tokio::task::JoinSet;

use crate::cabinet::Cabinet;
use crate::scene::Scene;

async fn shredder(scene: &Scene, cabinet: &Arc<Cabinet>, begin: Begin) -> Shredder {
    let opened = Shredder::open(Arc::clone(&scene.log) as _, cabinet.keys(), begin).await;
    opened.expect("a cursor that can be read")
}

async fn catches_up(scene: &Scene, cabinet: &Arc<Cabinet>, begin: Begin) {
    shredder(scene, cabinet, begin).await.catch_up().await.expect("nothing fails");
}

/// Anna and Berta, and Anna is deleted.
async fn one_of_two_is_deleted() -> (Scene, Arc<Cabinet>) {
    let mut scene = Scene::new().await;
    for name in ["anna", "berta"] {
        scene.submits("CreateClient", &json!({ "name": name })).await.expect("it is accepted");
    }
    let before = scene.cabinet.restored();
    let delete = json!({ "client": "anna" });
    scene.submits("DeleteClient", &delete).await.expect("it is accepted");
    (scene, before)
}

fn only_berta_is_read(scene: &Scene, cabinet: &Arc<Cabinet>) {
    let fleet = scene.decider.standing().fleet;
    let (id, berta) = fleet.clients.iter().next().expect("one is left");
    assert_eq!(cabinet.people(), [id.uuid()].into());
    let name = cabinet.keys().open(Purpose::Name, &berta.name).expect("a key").expect("a name");
    assert_eq!(name.as_str(), "berta");
}

#[tokio::test]
async fn the_key_of_who_was_deleted_goes_and_doing_it_again_changes_nothing() {
    let (scene, _) = one_of_two_is_deleted().await;
    assert_eq!(scene.cabinet.people().len(), 2);
    for _ in 0..2 {
        catches_up(&scene, &scene.cabinet, Begin::WhereItWas).await;
        only_berta_is_read(&scene, &scene.cabinet);
    }
    catches_up(&scene, &scene.cabinet, Begin::KeysWereRestored).await;
    only_berta_is_read(&scene, &scene.cabinet);
}

#[tokio::test]
async fn who_stops_before_the_place_is_saved_does_it_again() {
    let (scene, _) = one_of_two_is_deleted().await;
    catches_up(&scene, &scene.cabinet, Begin::WhereItWas).await;
    let (name, epoch) = (ConsumerName::new(NAME).expect("a name"), Epoch::default());
    let saved = scene.log.cursor(&name).await.expect("a log").expect("a cursor");
    assert_eq!(saved.position, scene.decider.standing().position);
    let start = carrel_model::record::Position::START;
    scene.log.save_cursor(&name, start, epoch).await.expect("it is saved");
    catches_up(&scene, &scene.cabinet, Begin::WhereItWas).await;
    only_berta_is_read(&scene, &scene.cabinet);
}

#[tokio::test]
async fn a_key_that_a_backup_brings_back_goes_again() {
    let (scene, restored) = one_of_two_is_deleted().await;
    catches_up(&scene, &scene.cabinet, Begin::WhereItWas).await;
    assert_eq!(restored.people().len(), 2);
    // Whoever is stopped before it has begun does it all the same, also unasked.
    drop(shredder(&scene, &restored, Begin::KeysWereRestored).await);
    catches_up(&scene, &restored, Begin::WhereItWas).await;
    only_berta_is_read(&scene, &restored);
}

#[tokio::test]
async fn it_goes_on_by_itself_until_the_log_is_closed() {
    let mut scene = Scene::new().await;
    scene.submits("CreateClient", &json!({ "name": "anna" })).await.expect("it is accepted");
    let shredder = shredder(&scene, &scene.cabinet, Begin::WhereItWas).await;
    let mut tasks = JoinSet::new();
    tasks.spawn(shredder.run());
    let delete = json!({ "client": "anna" });
    scene.submits("DeleteClient", &delete).await.expect("it is accepted");
    scene.cabinet.is_empty_again().await;
    scene.log.close().await.expect("it is closed");
    tasks.join_next().await.expect("one").expect("no panic").expect("it ends in order");
}
