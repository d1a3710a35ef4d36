//! A worker that dies between any two entries of its ledger, and steps whose answer is lost.

use carrel_driver::StepKind;
use carrel_driver::sim::{Fault, Often};
use carrel_model::machine::Outcome;
use carrel_model::work::Shall;
use serde_json::json;
use uuid::Uuid;

use crate::scene::Scene;
use crate::spec::{
    HOST, INITIAL, MACHINE, VOLATILE, absent, disk, image_file, machine, off, on, overlay, present,
    restart,
};

/// What is ordered, one after the other, and what is then waited for.
fn story() -> Vec<(carrel_model::ids::MachineId, u64, Shall, Outcome)> {
    let throwaway = json!({
        "throwaway": {
            "storage": VOLATILE, "path": "/run/volatile", "size_mib": 1024, "on_reboot": "keep",
        },
        "message": { "id": Uuid::from_u128(1), "text": "hello" },
    });
    let snapshot = carrel_model::ids::SnapshotId::new(Uuid::from_u128(0x51));
    let taken = json!({ "snapshots": [{ "id": snapshot, "shall": "be_there" }] });
    let gone = json!({ "snapshots": [{ "id": snapshot, "shall": "be_gone" }] });
    let seal = json!({ "task": { "sealing": { "image": crate::spec::IMAGE, "version": 1 } } });
    let base = image_file(0, None);
    let child = [overlay(1, &[base])];
    let applied = || Outcome::Applied;
    vec![
        (INITIAL, 1, present(&on(1), &[disk(1)], &json!({})), Outcome::Started { boot_epoch: 1 }),
        (
            INITIAL,
            2,
            present(&off(1, "acpi"), &[disk(1)], &json!({})),
            Outcome::Stopped { boot_epoch: 1, cause: carrel_model::machine::StopCause::Command },
        ),
        (INITIAL, 3, present(&off(1, "hard"), &[disk(1)], &seal), applied()),
        (
            MACHINE,
            11,
            present(&off(0, "hard"), &child, &taken),
            Outcome::SnapshotTaken { snapshot },
        ),
        (
            MACHINE,
            12,
            present(&off(0, "hard"), &child, &gone),
            Outcome::SnapshotDeleted { snapshot },
        ),
        (MACHINE, 13, present(&on(1), &child, &throwaway), Outcome::Started { boot_epoch: 1 }),
        (
            MACHINE,
            14,
            present(&restart(2, "reset"), &child, &throwaway),
            Outcome::Started { boot_epoch: 2 },
        ),
        (MACHINE, 15, present(&off(2, "hard"), &child, &json!({})), applied()),
        (MACHINE, 16, absent(&child), Outcome::Absent),
        (INITIAL, 17, absent(&[disk(1)]), Outcome::Absent),
    ]
}

/// Goes through the story; whenever the worker is dead, another one takes its place.
async fn told(scene: &mut Scene, how: &str) {
    for (id, generation, shall, what) in story() {
        scene.order(machine(id), generation, shall).await;
        for _ in 0..200 {
            if scene.store().is_dead() {
                scene.crash(HOST).await;
                scene.store().revive();
                scene.start(HOST);
            }
            let heard = scene.heard.iter().any(|(_, it)| {
                let of_it = carrel_model::machine::Reported::Machine { id, outcome: what.clone() };
                it.generation == generation && it.thing == of_it
            });
            if heard {
                break;
            }
            scene.look().await;
        }
        let heard = scene.heard.iter().any(|(_, it)| it.generation == generation);
        assert!(heard, "{how}: nothing was heard of generation {generation}: {:#?}", scene.heard);
    }
    scene.wait(20).await;
}

fn is_as_it_shall_be(scene: &Scene, what: &str) {
    assert_eq!(scene.world.running(HOST), 0, "{what}");
    assert_eq!(scene.files(), [format!("images/{INITIAL}/1-0.qcow2")], "{what}");
    assert!(scene.world.shown(HOST).len() <= 1, "{what}");
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_at_any_entry_of_the_ledger_all_ends_the_same() {
    let mut crashes = 0;
    loop {
        let mut scene = Scene::begin().await;
        scene.store().dies_after(crashes);
        let how = format!("crashed after {crashes} entries");
        told(&mut scene, &how).await;
        let was_reached = scene.store().appends() > crashes;
        is_as_it_shall_be(&scene, &how);
        if !was_reached {
            break;
        }
        crashes += 1;
        assert!(crashes < 500, "the story has an end");
    }
    assert!(crashes > 20, "there is something to crash between: {crashes}");
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_answer_is_lost_is_not_done_again() {
    for step in StepKind::ALL {
        let how = step.word().to_owned();
        let mut scene = Scene::begin().await;
        scene.world.inject(HOST, Some(*step), Fault::LosesAnswer, Often::Always);
        let forgive = scene.world.clone();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs(40)).await;
            forgive.calm(HOST);
        });
        told(&mut scene, &how).await;
        is_as_it_shall_be(&scene, &how);
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_once_is_tried_again() {
    for step in StepKind::ALL {
        let how = step.word().to_owned();
        let mut scene = Scene::begin().await;
        let fault = Fault::fails_once_more(*step);
        scene.world.inject(HOST, Some(*step), fault, Often::Once);
        told(&mut scene, &how).await;
        is_as_it_shall_be(&scene, &how);
    }
}
