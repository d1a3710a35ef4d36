//! A machine's life, when nothing goes wrong.

use carrel_driver::End;
use carrel_driver::StepKind;
use carrel_driver::sim::World;
use carrel_model::image;
use carrel_model::machine::{Outcome, Reported, StopCause};
use carrel_model::work::{Shall, Thing};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::scene::Scene;
use crate::spec::{
    HOST, IMAGE, INITIAL, MACHINE, OTHER, VOLATILE, absent, disk, files, image_file, machine, off,
    on, overlay, present, restart,
};

fn done(world: &World, step: StepKind) -> u32 {
    world
        .effects()
        .iter()
        .filter(|((_, _, kind, _), _)| *kind == step)
        .map(|(_, times)| times)
        .sum()
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_made_started_stopped_and_removed() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.until_applied(1).await;
    assert!(scene.has_heard(&Outcome::Started { boot_epoch: 1 }));
    scene.until_heard(Outcome::Ready { boot_epoch: 1 }).await;
    assert_eq!(scene.world.running(HOST), 1);

    scene.order(machine(MACHINE), 2, present(&off(1, "hard"), &[disk(0)], &json!({}))).await;
    scene.until_applied(2).await;
    assert!(scene.has_heard(&Outcome::Stopped { boot_epoch: 1, cause: StopCause::Command }));
    assert_eq!(scene.world.running(HOST), 0);

    scene.order(machine(MACHINE), 3, absent(&[disk(0)])).await;
    scene.until_heard(Outcome::Absent).await;
    assert_eq!(scene.files(), [""; 0]);
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_powers_itself_off_stays_off_in_that_epoch() {
    let mut scene = Scene::begin().await;
    let shall = present(&on(1), &[disk(0)], &json!({}));
    scene.order(machine(MACHINE), 1, shall.clone()).await;
    scene.until_applied(1).await;
    assert!(scene.world.guest_ends((HOST, MACHINE), End::Guest));
    scene.until_heard(Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest }).await;
    scene.order(machine(MACHINE), 2, shall).await;
    scene.until_applied(2).await;
    assert_eq!(scene.world.running(HOST), 0);
    scene.order(machine(MACHINE), 3, present(&on(2), &[disk(0)], &json!({}))).await;
    scene.until_heard(Outcome::Started { boot_epoch: 2 }).await;
    assert_eq!(scene.world.running(HOST), 1);
}

/// However often it is looked at by itself: it tells.
#[tokio::test(start_paused = true)]
async fn a_guest_that_powers_itself_off_is_seen_within_a_second() {
    let mut scene = Scene::begin().await;
    for epoch in 1..=5 {
        scene.order(machine(MACHINE), epoch, present(&on(epoch), &[disk(0)], &json!({}))).await;
        scene.until_applied(epoch).await;
        assert!(scene.world.guest_ends((HOST, MACHINE), End::Guest));
        scene.wait(1).await;
        assert!(scene.has_heard(&Outcome::Stopped { boot_epoch: epoch, cause: StopCause::Guest }));
    }
}

/// Copies a source to the initial, seals it, and answers how the version's file looks.
async fn sealed(scene: &mut Scene) -> Value {
    let source = Uuid::from_u128(0xc9);
    let theirs = json!({ "copying": { "source": source, "from": [disk(0)] } });
    scene
        .order(
            machine(carrel_model::ids::MachineId::new(source)),
            1,
            present(&off(0, "hard"), &[disk(0)], &json!({})),
        )
        .await;
    scene.until_applied(1).await;
    let copy = present(&off(0, "hard"), &[disk(1)], &json!({ "task": theirs }));
    scene.order(machine(INITIAL), 2, copy).await;
    scene.until_heard(Outcome::Copied).await;
    let task = json!({ "task": { "sealing": { "image": IMAGE, "version": 1 } } });
    scene.order(machine(INITIAL), 3, present(&off(0, "hard"), &[disk(1)], &task)).await;
    scene.until_applied(3).await;
    let stat = scene.heard.iter().find_map(|(_, it)| match &it.thing {
        Reported::Machine { outcome: Outcome::Sealed { stat }, .. } => Some(*stat),
        Reported::Machine { .. } | Reported::Image { .. } => None,
    });
    serde_json::to_value(stat.expect("it was sealed")).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn a_source_is_copied_sealed_and_populated_with_a_first_boot() {
    let mut scene = Scene::begin().await;
    let stat = sealed(&mut scene).await;
    let base = image_file(0, Some(&stat));
    // The initial goes on upon its version, and what became of its disk is not missed.
    let next = present(&off(0, "hard"), &[overlay(2, std::slice::from_ref(&base))], &json!({}));
    scene.order(machine(INITIAL), 4, next).await;
    scene.until_applied(4).await;
    let verify = json!({ "verify": [base.clone()] });
    scene.order(Thing::Image(IMAGE), 3, files(verify)).await;
    scene
        .until(|scene| {
            scene.heard.iter().any(|(_, it)| {
                matches!(
                    &it.thing,
                    Reported::Image { outcome: image::Outcome::Verified { .. }, .. }
                )
            })
        })
        .await;

    let disks = [overlay(1, std::slice::from_ref(&base))];
    let first = json!({ "first_boot": { "done": "guest_poweroff" } });
    scene.order(machine(MACHINE), 5, present(&on(1), &disks, &first)).await;
    scene.until_heard(Outcome::FirstBootEnded { boot_epoch: 1 }).await;
    scene.until_heard(Outcome::Stopped { boot_epoch: 1, cause: StopCause::Guest }).await;
    // A fresh overlay: the one before is kept until it is no longer named.
    let fresh = [overlay(2, std::slice::from_ref(&base))];
    let keep = json!({ "keep": disks });
    scene.order(machine(MACHINE), 6, present(&off(1, "hard"), &fresh, &keep)).await;
    scene.until_applied(6).await;
    let own = |scene: &Scene| {
        let folder = format!("machines/{MACHINE}/");
        scene.files().into_iter().filter(|file| file.starts_with(&folder)).count()
    };
    assert_eq!(own(&scene), 2);
    scene.order(machine(MACHINE), 7, present(&off(1, "hard"), &fresh, &json!({}))).await;
    scene.until_applied(7).await;
    assert_eq!(own(&scene), 1);
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn further_files_of_a_version_are_made_and_overlays_are_put_onto_them() {
    let mut scene = Scene::begin().await;
    let stat = sealed(&mut scene).await;
    let base = image_file(0, Some(&stat));
    let shall =
        |on: &Value| present(&off(0, "hard"), &[overlay(1, std::slice::from_ref(on))], &json!({}));
    scene.order(machine(MACHINE), 11, shall(&base)).await;
    scene.until_applied(11).await;
    let make = json!({ "make": [{ "file": image_file(1, None), "from": [base] }] });
    scene.order(Thing::Image(IMAGE), 5, files(make)).await;
    let made = |scene: &Scene| {
        scene.heard.iter().find_map(|(_, it)| match &it.thing {
            Reported::Image { outcome: image::Outcome::FileMade { file: 1, stat, .. }, .. } => {
                Some(serde_json::to_value(stat).expect("JSON"))
            }
            Reported::Machine { .. } | Reported::Image { .. } => None,
        })
    };
    scene.until(|scene| made(scene).is_some()).await;
    let second = image_file(1, made(&scene).as_ref());
    scene.order(machine(MACHINE), 12, shall(&second)).await;
    scene.until_applied(12).await;
    assert_eq!(done(&scene.world, StepKind::Rebase), 1);
    let remove = json!({ "remove": [{ "file": image_file(0, None) }] });
    scene.order(Thing::Image(IMAGE), 6, files(remove)).await;
    scene
        .until(|scene| {
            scene.heard.iter().any(|(_, it)| {
                matches!(
                    &it.thing,
                    Reported::Image { outcome: image::Outcome::FileRemoved { file: 0 }, .. }
                )
            })
        })
        .await;
    scene.order(machine(MACHINE), 13, present(&on(1), &[overlay(1, &[second])], &json!({}))).await;
    scene.until_heard(Outcome::Started { boot_epoch: 1 }).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_thrown_away_goes_with_the_power() {
    let mut scene = Scene::begin().await;
    let throwaway = json!({ "throwaway": {
        "storage": VOLATILE, "path": "/run/volatile", "size_mib": 1024, "on_reboot": "keep",
    } });
    let written =
        |scene: &Scene| scene.files().iter().filter(|file| file.starts_with("throwaway/")).count();
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &throwaway)).await;
    scene.until_applied(1).await;
    assert_eq!(written(&scene), 1);
    assert!(scene.world.guest_ends((HOST, MACHINE), End::Crash));
    scene.until_heard(Outcome::Stopped { boot_epoch: 1, cause: StopCause::Crash }).await;
    scene.until(|scene| written(scene) == 0).await;
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn a_guest_is_asked_once_to_shut_down_and_once_to_reboot() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.until_applied(1).await;
    for generation in 2..5 {
        let shall = present(&restart(2, "reboot"), &[disk(0)], &json!({}));
        scene.order(machine(MACHINE), generation, shall).await;
        scene.until_applied(generation).await;
    }
    scene.until_heard(Outcome::Started { boot_epoch: 2 }).await;
    assert_eq!(done(&scene.world, StepKind::Reboot), 1);
    let shall = present(&restart(3, "reset"), &[disk(0)], &json!({}));
    scene.order(machine(MACHINE), 5, shall).await;
    scene.until_heard(Outcome::Started { boot_epoch: 3 }).await;
    for generation in 6..8 {
        let shall = present(&off(3, "acpi"), &[disk(0)], &json!({}));
        scene.order(machine(MACHINE), generation, shall).await;
    }
    scene.until_heard(Outcome::Stopped { boot_epoch: 3, cause: StopCause::Command }).await;
    assert_eq!(done(&scene.world, StepKind::Shutdown), 1);
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_taken_reverted_to_and_deleted() {
    let mut scene = Scene::begin().await;
    let snapshot = carrel_model::ids::SnapshotId::new(Uuid::from_u128(0x51));
    let shall = |how: &str| {
        let snapshots = json!({ "snapshots": [{ "id": snapshot, "shall": how }] });
        present(&off(0, "hard"), &[disk(0)], &snapshots)
    };
    scene.order(machine(MACHINE), 1, shall("be_there")).await;
    scene.until_heard(Outcome::SnapshotTaken { snapshot }).await;
    assert_eq!(scene.files().len(), 2);
    scene.order(machine(MACHINE), 2, shall("be_reverted_to")).await;
    scene.until_heard(Outcome::SnapshotReverted { snapshot }).await;
    scene.order(machine(MACHINE), 3, shall("be_there")).await;
    scene.until_applied(3).await;
    scene.order(machine(MACHINE), 4, shall("be_gone")).await;
    scene.until_heard(Outcome::SnapshotDeleted { snapshot }).await;
    assert_eq!(scene.times(&Outcome::SnapshotTaken { snapshot }), 1);
    assert_eq!(scene.files().len(), 1);
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn a_machine_moves_to_another_host_and_the_first_lets_go() {
    let mut scene = Scene::begin().await;
    let here = present(&on(1), &[disk(0)], &json!({}));
    scene.order(machine(MACHINE), 1, here.clone()).await;
    scene.until_applied(1).await;
    let task = json!({ "task": { "migrating": { "to": OTHER, "address": "node2" } } });
    scene.order(machine(MACHINE), 2, present(&on(1), &[disk(0)], &task)).await;
    scene.until_heard(Outcome::Migrated).await;
    scene.order_on(OTHER, machine(MACHINE), 3, here).await;
    scene.until_applied(3).await;
    assert_eq!((scene.world.running(HOST), scene.world.running(OTHER)), (0, 1));
    scene.order(machine(MACHINE), 4, Shall::Released).await;
    scene.until_heard(Outcome::Released).await;
    let went_off = |it: &Outcome| matches!(it, Outcome::Stopped { .. });
    let stopped = scene
        .heard
        .iter()
        .any(|(_, it)| matches!(&it.thing, Reported::Machine { outcome, .. } if went_off(outcome)));
    assert!(!stopped, "{:#?}", scene.heard);
    assert_eq!(scene.world.running(OTHER), 1);
}

#[tokio::test(start_paused = true)]
async fn an_external_machine_is_woken_once_an_epoch() {
    let mut scene = Scene::begin().await;
    let mac = "52:54:00:00:00:09".parse().expect("a MAC");
    for generation in 1..4 {
        let shall = Shall::Woken { mac, boot_epoch: 1 };
        scene.order(machine(MACHINE), generation, shall).await;
        scene.until_applied(generation).await;
    }
    assert_eq!(scene.world.woken(HOST), [mac]);
}

#[tokio::test(start_paused = true)]
async fn what_ran_before_carrel_runs_on() {
    let mut scene = Scene::begin().await;
    scene.world.has_foreign(HOST, Uuid::from_u128(0x71), true);
    scene.world.has_foreign(HOST, Uuid::from_u128(0x72), true);
    scene.order(machine(MACHINE), 1, present(&json!("as_found"), &[], &json!({}))).await;
    scene.until_heard(Outcome::Started { boot_epoch: 0 }).await;
    scene.order(machine(MACHINE), 2, present(&on(0), &[], &json!({}))).await;
    scene.until_applied(2).await;
    assert_eq!(scene.world.running(HOST), 1);
    scene.wait(16).await;
    let counted = scene.inventories.iter().rev().find(|it| it.hypervisor == HOST);
    assert_eq!(counted.map(|it| it.foreign), Some(1));
}
