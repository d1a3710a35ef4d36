//! Snapshots on a disk that fails and loses power, and those that are of something else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_decider::{Snapshots, Standing};
use carrel_log::EventLog;
use carrel_model::record::Position;
use carrel_testkit::front::Fronted;
use carrel_testkit::random::Random;
use carrel_testkit::sim_disk::SimDisk;
use serde_json::json;

use crate::scene::{Log, Scene};

const DIR: &str = "/snapshots";

fn on(disk: &SimDisk) -> Snapshots {
    Snapshots::new(Arc::new(disk.clone()), DIR)
}

fn path(position: Position) -> PathBuf {
    Path::new(DIR).join(format!("{:020}.fleet", position.0))
}

/// A log with a few groups, and its standing after each.
async fn logged(groups: u8) -> (Scene, Vec<Standing>) {
    fill(Scene::new().await, groups).await
}

async fn groups_in(log: Arc<Fronted<Log>>, seed: u64, groups: u8) -> Scene {
    fill(Scene::on(log, seed).await, groups).await.0
}

async fn fill(mut scene: Scene, groups: u8) -> (Scene, Vec<Standing>) {
    let mut standings = Vec::new();
    for number in 0..groups {
        let data = json!({ "name": format!("g{number}") });
        scene.given("CreateGroup", &data).await.expect("it is accepted");
        standings.push(scene.decider.standing());
    }
    (scene, standings)
}

async fn newest(disk: &SimDisk, log: &Fronted<Log>, at_most: Option<Position>) -> Option<Standing> {
    on(disk).newest(log, at_most).await.expect("a log")
}

async fn save(disk: &SimDisk, log: &Fronted<Log>, standing: &Standing) {
    on(disk).save(log, standing.clone()).await.expect("it is written");
}

#[tokio::test]
async fn the_newest_that_is_not_beyond_is_read_and_the_rest_is_folded() {
    let (scene, standings) = logged(4).await;
    let (disk, log) = (SimDisk::default(), &*scene.log);
    assert_eq!(newest(&disk, log, None).await, None, "there is not even a directory");
    for standing in &standings[..3] {
        save(&disk, log, standing).await;
    }
    assert_eq!(newest(&disk, log, None).await.as_ref(), Some(&standings[2]));
    let before = Position(standings[2].position.0 - 1);
    assert_eq!(newest(&disk, log, Some(before)).await.as_ref(), Some(&standings[1]));
    // Two are kept.
    let before = Position(standings[1].position.0 - 1);
    assert_eq!(newest(&disk, log, Some(before)).await, None);
    assert_eq!(disk.paths(), [path(standings[1].position), path(standings[2].position)]);
    for (up_to, wanted) in
        standings.iter().map(|it| (Some(it.position), it)).chain([(None, &standings[3])])
    {
        let started = Standing::start(log, Some(&on(&disk)), up_to).await.expect("a log");
        assert!(started == *wanted, "not what was folded, up to {up_to:?}");
    }
}

#[tokio::test]
async fn whoever_starts_first_keeps_what_others_want() {
    let (scene, standings) = logged(4).await;
    let disk = SimDisk::default();
    save(&disk, &scene.log, &standings[0]).await;
    let snapshots = on(&disk);
    snapshots.wanted([standings[0].position, standings[2].position]);
    let log = &scene.log;
    let started = Scene::with(Arc::clone(log), 9, Arc::default(), Some(snapshots.clone())).await;
    assert!(started.decider.standing() == standings[3], "not what was folded");
    let of = async |at_most: &Standing| {
        snapshots.newest(&**log, Some(at_most.position)).await.expect("a log")
    };
    // What a file has is not kept a second time.
    assert_eq!(of(&standings[1]).await.as_ref(), Some(&standings[0]));
    assert_eq!(of(&standings[2]).await.as_ref(), Some(&standings[2]));
    assert_eq!(of(&standings[3]).await.as_ref(), Some(&standings[2]));
    snapshots.have_started();
    assert_eq!(of(&standings[3]).await.as_ref(), Some(&standings[0]));
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found_and_the_one_before_is_read() {
    let (scene, standings) = logged(2).await;
    let disk = SimDisk::default();
    for standing in &standings {
        save(&disk, &scene.log, standing).await;
    }
    let newer = path(standings[1].position);
    let whole = disk.bytes(&newer).expect("a file");
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        disk.put(&newer, flipped);
        let found = newest(&disk, &scene.log, None).await;
        assert!(found.as_ref() == Some(&standings[0]), "byte {at}: {found:?}");
    }
    for length in (0..whole.len()).chain([whole.len() + 1]) {
        let mut torn = whole.clone();
        torn.resize(length, 0);
        disk.put(&newer, torn);
        let found = newest(&disk, &scene.log, None).await;
        assert!(found.as_ref() == Some(&standings[0]), "{length} bytes: {found:?}");
    }
}

#[tokio::test]
async fn what_is_of_something_else_is_passed_over() {
    let (scene, standings) = logged(3).await;
    let disk = SimDisk::default();
    save(&disk, &scene.log, &standings[2]).await;
    let foreign = groups_in(Log::called(2), 1, 3).await;
    assert_eq!(newest(&disk, &foreign.log, None).await, None, "it is of another log");
    let fewer = groups_in(Log::new(), 1, 2).await;
    assert_eq!(newest(&disk, &fewer.log, None).await, None, "it goes beyond the end");
    let otherwise = groups_in(Log::new(), 2, 3).await;
    assert_eq!(newest(&disk, &otherwise.log, None).await, None, "it is of another past");
    // A file under another's name.
    save(&disk, &scene.log, &standings[1]).await;
    assert_eq!(disk.paths(), [path(standings[1].position)], "one that goes further is of no use");
    let bytes = disk.bytes(&path(standings[1].position)).expect("a file");
    disk.put(&path(standings[2].position), bytes);
    assert_eq!(newest(&disk, &scene.log, None).await.as_ref(), Some(&standings[1]));
    // And it is no longer the log that it was.
    scene.log.finish_import().await.expect("a higher incarnation");
    assert_eq!(newest(&disk, &scene.log, None).await, None, "it is of another incarnation");
    let started = Standing::start(&*scene.log, Some(&on(&disk)), None).await.expect("a log");
    assert!(started == standings[2], "the log is folded instead");
}

#[tokio::test]
async fn what_another_model_wrote_is_passed_over() {
    let (scene, standings) = logged(2).await;
    let disk = SimDisk::default();
    for standing in &standings {
        save(&disk, &scene.log, standing).await;
    }
    let newer = path(standings[1].position);
    let mut other = disk.bytes(&newer).expect("a file");
    other[24..40].copy_from_slice(b"0123456789abcdef");
    let crc = crc32c::crc32c(&other[..116]);
    other[116..120].copy_from_slice(&crc.to_le_bytes());
    disk.put(&newer, other);
    assert_eq!(newest(&disk, &scene.log, None).await.as_ref(), Some(&standings[0]));
}

#[tokio::test]
async fn whatever_fails_and_whenever_power_goes_one_that_is_whole_is_read() {
    let (scene, standings) = logged(3).await;
    let log = &*scene.log;
    let ground = SimDisk::default();
    save(&ground, log, &standings[0]).await;
    save(&ground, log, &standings[1]).await;
    for nth in 1.. {
        let disk = ground.copy();
        disk.fail_at(nth);
        let saved = on(&disk).save(log, standings[2].clone()).await;
        for seed in 0..8 {
            let after = disk.power_loss(&mut Random::new(seed));
            let found = newest(&after, log, None).await;
            let wanted = [Some(&standings[1]), Some(&standings[2])];
            assert!(wanted.contains(&found.as_ref()), "operation {nth}, seed {seed}");
            if saved.is_ok() {
                assert!(found.as_ref() == Some(&standings[2]), "operation {nth}, seed {seed}");
            }
            // What was left half done hinders nobody.
            save(&after, log, &standings[2]).await;
            assert_eq!(newest(&after, log, None).await.as_ref(), Some(&standings[2]));
        }
        if !disk.has_failed() {
            assert!(nth > 5, "it has not so few steps");
            return;
        }
        assert!(saved.is_err() || nth > 1, "operation {nth}");
    }
}

#[tokio::test]
async fn the_desk_writes_them_as_it_goes_and_a_start_begins_with_one() {
    let disk = SimDisk::default();
    let log = Log::new();
    let mut scene =
        Scene::with(Arc::clone(&log), 1, Arc::default(), Some(on(&disk).every(10))).await;
    for number in 0..40 {
        let data = json!({ "name": format!("g{number}") });
        scene.given("CreateGroup", &data).await.expect("it is accepted");
    }
    let standing = scene.decider.standing();
    scene.ends().await;
    let found = newest(&disk, &log, None).await.expect("some were written");
    assert!(found.position.0 >= 10, "{}", found.position);
    assert!(disk.paths().len() <= 2);
    let again = Scene::with(log, 2, Arc::default(), Some(on(&disk))).await;
    assert!(again.decider.standing() == standing, "it starts with another fleet");
    again.is_as_logged().await;
}

#[tokio::test]
async fn a_disk_that_does_not_work_holds_nobody_up() {
    let disk = SimDisk::default();
    disk.die();
    let snapshots = Some(on(&disk).every(1));
    let mut scene = Scene::with(Log::new(), 1, Arc::default(), snapshots).await;
    for number in 0..3 {
        let data = json!({ "name": format!("g{number}") });
        scene.given("CreateGroup", &data).await.expect("it is accepted");
    }
    scene.is_as_logged().await;
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_written_at_a_time_and_nobody_waits_for_it() {
    let disk = SimDisk::default();
    let unfinished = Path::new(DIR).join("fleet.unfinished");
    disk.hold(&unfinished);
    let snapshots = Some(on(&disk).every(1));
    let mut scene = Scene::with(Log::new(), 1, Arc::default(), snapshots).await;
    scene.given("CreateGroup", &json!({ "name": "first" })).await.expect("it is accepted");
    let first = scene.decider.standing().position;
    let held = disk.clone();
    let waits = tokio::task::spawn_blocking(move || held.wait_for_held_sync());
    waits.await.expect("it is being written");
    for number in 0..20 {
        let data = json!({ "name": format!("g{number}") });
        scene.given("CreateGroup", &data).await.expect("it is accepted");
    }
    assert_eq!(disk.paths(), [unfinished], "no other one is begun meanwhile");
    disk.release();
    let log = scene.ends().await;
    let found = newest(&disk, &log, None).await.expect("it was written");
    assert!(found.position >= first, "{}", found.position);
}
