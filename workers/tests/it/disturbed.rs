//! Messages that come twice, out of order or forged; hosts that hang, go down and come back.

use carrel_bus::{Bus, Message, Queue};
use carrel_driver::sim::{Fault, Often};
use carrel_driver::{End, StepKind};
use carrel_model::machine::{Outcome, PauseReason, Reported, StopCause};
use serde_json::json;
use std::time::Duration;

use crate::scene::Scene;
use crate::spec::{
    HOST, IMAGE, INITIAL, MACHINE, OTHER, VOLATILE, disk, machine, off, on, present,
};

#[tokio::test(start_paused = true)]
async fn an_order_that_comes_twice_is_answered_by_the_same_messages() {
    let mut scene = Scene::begin().await;
    let shall = present(&on(1), &[disk(0)], &json!({}));
    for _ in 0..2 {
        scene.order(machine(MACHINE), 1, shall.clone()).await;
    }
    scene.until_applied(1).await;
    scene.wait(5).await;
    let before = scene.heard.len();
    scene.order(machine(MACHINE), 1, shall).await;
    scene.until(|scene| scene.heard.len() > before + 2).await;
    assert_eq!(scene.times(&Outcome::Applied), 1);
    assert_eq!(scene.times(&Outcome::Started { boot_epoch: 1 }), 1);
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_when_it_is_ordered_again() {
    let mut scene = Scene::begin().await;
    let fault = Fault::fails_for_good(StepKind::MakeDisk);
    scene.world.inject(HOST, Some(StepKind::MakeDisk), fault, Often::Once);
    let shall = present(&on(1), &[disk(0)], &json!({}));
    scene.order(machine(MACHINE), 1, shall.clone()).await;
    let failed = |scene: &Scene| scene.heard.iter().any(|(_, it)| is_failed(&it.thing));
    scene.until(failed).await;
    assert_eq!(scene.world.running(HOST), 0);
    scene.order(machine(MACHINE), 1, shall).await;
    scene.until_applied(1).await;
    assert_eq!(scene.world.running(HOST), 1);
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn a_seal_that_failed_is_not_done_by_an_order_that_comes_twice() {
    let mut scene = Scene::begin().await;
    scene.order(machine(INITIAL), 1, present(&off(0, "hard"), &[disk(1)], &json!({}))).await;
    scene.until_applied(1).await;
    let before = scene.files();
    let fault = Fault::fails_for_good(StepKind::Seal);
    scene.world.inject(HOST, Some(StepKind::Seal), fault, Often::Once);
    let seal = |version: u32| {
        let task = json!({ "task": { "sealing": { "image": IMAGE, "version": version } } });
        present(&off(0, "hard"), &[disk(1)], &task)
    };
    let failed = |scene: &Scene| {
        let failed = scene.heard.iter().filter(|(_, it)| is_failed(&it.thing));
        failed.map(|(id, _)| *id).collect::<Vec<_>>()
    };
    scene.order(machine(INITIAL), 2, seal(1)).await;
    scene.until(|scene| failed(scene).len() == 1).await;
    scene.order(machine(INITIAL), 2, seal(1)).await;
    scene.until(|scene| failed(scene).len() == 2).await;
    scene.wait(10).await;
    let said = failed(&scene);
    assert_eq!(said[0], said[1], "it says again what it has said");
    assert_eq!(scene.files(), before, "its disk is there, and no version");
    // Asked for anew it is done.
    scene.order(machine(INITIAL), 3, seal(2)).await;
    scene.until_applied(3).await;
    assert_eq!(scene.files(), [format!("images/{INITIAL}/2-0.qcow2")]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_snapshot_of_a_disk_that_is_gone() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&off(0, "hard"), &[disk(0)], &json!({}))).await;
    scene.until_applied(1).await;
    let files: Vec<_> = scene.world.files().into_keys().collect();
    let root = carrel_driver::Root {
        storage: files[0].0,
        path: carrel_model::name::HostPath::new("/srv").expect("a path"),
    };
    let lost = carrel_driver::Place { root, file: files[0].1.clone() };
    assert!(scene.world.loses_file(&lost));
    let snapshot = carrel_model::ids::SnapshotId::MIN;
    let taken = json!({ "snapshots": [{ "id": snapshot, "shall": "be_there" }] });
    scene.order(machine(MACHINE), 2, present(&off(0, "hard"), &[disk(0)], &taken)).await;
    let failed = |scene: &Scene| {
        scene.heard.iter().any(|(_, it)| match &it.thing {
            Reported::Machine { outcome: Outcome::SnapshotFailed { snapshot: it, .. }, .. } => {
                *it == snapshot
            }
            Reported::Machine { .. } | Reported::Image { .. } => false,
        })
    };
    scene.until(failed).await;
    let last = scene.heard.last().map(|(_, it)| is_failed(&it.thing));
    assert_eq!(last, Some(true), "{:#?}", scene.heard);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_goes_before_what_is_only_cleared_up() {
    let mut scene = Scene::begin().await;
    let throwaway = json!({ "throwaway": {
        "storage": VOLATILE, "path": "/run/volatile", "size_mib": 1024, "on_reboot": "keep",
    } });
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &throwaway)).await;
    scene.until_applied(1).await;
    scene.world.inject(HOST, Some(StepKind::RemoveFiles), Fault::Hung, Often::Once);
    assert!(scene.world.guest_ends((HOST, MACHINE), End::Crash));
    turn_until(|| scene.world.under_way(HOST) == 1).await;
    scene.order(machine(MACHINE), 2, present(&on(2), &[disk(0)], &throwaway)).await;
    turn_until(|| scene.world.under_way(HOST) == 0).await;
    scene.until_applied(2).await;
    assert_eq!(scene.world.running(HOST), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_its_disk_is_what_is_said_of_a_machine_that_is_suspended_too() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.until_applied(1).await;
    let suspended = json!({ "suspended": { "boot_epoch": 1 } });
    scene.order(machine(MACHINE), 2, present(&suspended, &[disk(0)], &json!({}))).await;
    scene.until_heard(Outcome::Paused { reason: PauseReason::Command }).await;
    scene.until_applied(2).await;
    assert!(scene.world.guest_is_paused((HOST, MACHINE), PauseReason::Io));
    scene.until_heard(Outcome::Paused { reason: PauseReason::Io }).await;
    // Ordered again it is said again, since what was said before may be lost; and looked at again
    // and again there is nothing else to say.
    scene.order(machine(MACHINE), 3, present(&suspended, &[disk(0)], &json!({}))).await;
    scene.until_applied(3).await;
    scene.wait(60).await;
    for (reason, times) in [(PauseReason::Command, 1), (PauseReason::Io, 2)] {
        assert_eq!(scene.times(&Outcome::Paused { reason }), times, "{reason:?}");
    }
}

fn is_failed(what: &Reported) -> bool {
    matches!(what, Reported::Machine { outcome: Outcome::Failed { .. }, .. })
}

#[tokio::test(start_paused = true)]
async fn what_is_older_is_refused_also_after_a_crash_and_after_letting_go() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 3, carrel_model::work::Shall::Released).await;
    scene.until_heard(Outcome::Released).await;
    scene.order(machine(MACHINE), 2, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.crash(HOST).await;
    scene.start(HOST);
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.wait(10).await;
    assert_eq!(scene.world.running(HOST), 0);
    assert_eq!(scene.bus.waiting(&Queue::Dead).await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn what_is_forged_malformed_or_for_another_host_is_put_aside() {
    let mut scene = Scene::begin().await;
    let shall = || present(&on(1), &[disk(0)], &json!({}));
    let mut forged = Scene::message(HOST, machine(MACHINE), 1, shall());
    let mut body = forged.body.to_vec();
    body.push(b' ');
    forged.body = body.into();
    scene.publish(HOST, forged).await;
    let mut unsigned = Scene::message(HOST, machine(MACHINE), 1, shall());
    unsigned.headers.signature = None;
    scene.publish(HOST, unsigned).await;
    scene.publish(HOST, Message::new(uuid::Uuid::nil(), "what?")).await;
    scene.publish(HOST, Scene::message(OTHER, machine(MACHINE), 1, shall())).await;
    scene.wait(5).await;
    assert_eq!(scene.bus.waiting(&Queue::Dead).await, Ok(4));
    assert_eq!(scene.world.running(HOST), 0);
    assert_eq!(scene.heard, []);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_down_says_what_became_of_its_machines_when_it_is_back() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.until_applied(1).await;
    scene.world.host_dies(HOST);
    scene.order(machine(MACHINE), 2, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.wait(20).await;
    let before = scene.inventories.iter().filter(|it| it.hypervisor == HOST).count();
    scene.wait(20).await;
    let after = scene.inventories.iter().filter(|it| it.hypervisor == HOST).count();
    assert_eq!(before, after, "a host that is down is silent");
    scene.world.host_is_back(HOST);
    scene.until_heard(Outcome::Stopped { boot_epoch: 1, cause: StopCause::Crash }).await;
    scene.order(machine(MACHINE), 3, present(&on(2), &[disk(0)], &json!({}))).await;
    scene.until_heard(Outcome::Started { boot_epoch: 2 }).await;
    scene.nothing_was_done_twice();
}

#[tokio::test(start_paused = true)]
async fn a_hung_step_is_cancelled_when_something_newer_is_asked_for() {
    let mut scene = Scene::begin().await;
    scene.world.inject(HOST, Some(StepKind::Start), Fault::Hung, Often::Once);
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    turn_until(|| scene.world.under_way(HOST) == 1).await;
    scene.order(machine(MACHINE), 2, present(&off(1, "hard"), &[disk(0)], &json!({}))).await;
    turn_until(|| scene.world.under_way(HOST) == 0).await;
    scene.until_applied(2).await;
    assert_eq!(scene.world.running(HOST), 0);
    assert!(!scene.has_heard(&Outcome::Started { boot_epoch: 1 }));
}

/// While a call blocks, the clock does not go on by itself.
async fn turn_until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::advance(Duration::from_millis(10)).await;
        std::thread::yield_now();
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_done_fails_with_the_word_of_the_step() {
    let mut scene = Scene::begin().await;
    let fault = Fault::fails_for_good(StepKind::Define);
    scene.world.inject(HOST, Some(StepKind::Define), fault, Often::Always);
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene
        .until(|scene| {
            scene.heard.iter().any(|(_, it)| match &it.thing {
                Reported::Machine { outcome: Outcome::Failed { failure }, .. } => {
                    failure.code.as_str() == "define"
                }
                Reported::Machine { .. } | Reported::Image { .. } => false,
            })
        })
        .await;
    scene.world.calm(HOST);
    scene.order(machine(MACHINE), 2, present(&on(2), &[disk(0)], &json!({}))).await;
    scene.until_heard(Outcome::Started { boot_epoch: 2 }).await;
}

#[tokio::test(start_paused = true)]
async fn no_blank_disk_takes_the_place_of_one_that_is_lost() {
    let mut scene = Scene::begin().await;
    let shall = |epoch| present(&off(epoch, "hard"), &[disk(0)], &json!({}));
    scene.order(machine(MACHINE), 1, shall(0)).await;
    scene.until_applied(1).await;
    let file = serde_json::from_value(disk(0)).expect("a disk");
    let place = carrel_driver::place::disk_file(MACHINE, &file).expect("it is seen");
    assert!(scene.world.loses_file(&place));
    scene.order(machine(MACHINE), 2, present(&on(1), &[disk(0)], &json!({}))).await;
    scene
        .until(|scene| {
            scene.heard.iter().any(|(_, it)| match &it.thing {
                Reported::Machine { outcome: Outcome::Failed { failure }, .. } => {
                    failure.code.as_str() == "file_missing"
                }
                Reported::Machine { .. } | Reported::Image { .. } => false,
            })
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_ends_has_said_everything_and_the_next_one_goes_on() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.until_applied(1).await;
    scene.end(HOST).await;
    scene.order(machine(MACHINE), 2, present(&off(1, "hard"), &[disk(0)], &json!({}))).await;
    scene.start(HOST);
    scene.until_applied(2).await;
    scene.wait(16).await;
    let held = scene.inventories.iter().rev().find(|it| it.hypervisor == HOST).expect("it lives");
    assert_eq!((held.things.len(), held.things[0].generation), (1, 2));
    assert!(held.things[0].settled);
    assert_eq!(held.space.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_move_that_was_done_for_an_older_order_has_not_failed() {
    let mut scene = Scene::begin().await;
    scene.order(machine(MACHINE), 1, present(&on(1), &[disk(0)], &json!({}))).await;
    scene.until_applied(1).await;
    scene.world.inject(HOST, Some(StepKind::Migrate), Fault::LosesAnswer, Often::Once);
    let task = json!({ "task": { "migrating": { "to": OTHER, "address": "node2" } } });
    let moves = present(&on(1), &[disk(0)], &task);
    scene.order(machine(MACHINE), 2, moves.clone()).await;
    scene.wait(2).await;
    assert_eq!((scene.world.running(HOST), scene.world.running(OTHER)), (0, 1));
    scene.order(machine(MACHINE), 3, moves).await;
    scene.until_heard(Outcome::Migrated).await;
    let failed = |it: &Outcome| matches!(it, Outcome::MigrationFailed { .. });
    let mut said = scene.heard.iter().map(|(_, it)| &it.thing);
    let failed = said.any(|it| matches!(it, Reported::Machine { outcome, .. } if failed(outcome)));
    assert!(!failed, "{:#?}", scene.heard);
}
