//! A log is cut off behind a position: what is before stays, what is cut is kept, and what must not
//! go back does not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_log::chain::Link;
use carrel_log::disk::{Disk, OsDisk};
use carrel_log::embedded::archive::{Which, archive};
use carrel_log::embedded::repair::{Plan, Repair, RepairError};
use carrel_log::embedded::{CataloguePlace, EmbeddedLog, Layout, OpenError, Options};
use carrel_log::{EventLog, Head, PlacedUnit, Snapshot, SnapshotKey};
use carrel_model::record::{Epoch, Incarnation, Position};
use carrel_testkit::random::Random;
use carrel_testkit::sim_disk::SimDisk;
use carrel_testkit::units::Units;

use crate::conformance::scene::{append, assert_whole, consumer, exported, fill, lease};
use crate::directory::{content, copy_tree, fill_chunks, filled, goes_on, large, open, options};
use crate::directory::{overwrite, reader, try_open};

fn plan(dir: &Path, position: u64) -> Result<Repair, RepairError> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    Repair::plan(&disk, dir, Position(position), "a test's repair", None)
}

fn cut(dir: &Path, position: u64) -> (Plan, Head) {
    let repair = plan(dir, position).unwrap_or_else(|error| panic!("{error}"));
    let planned = repair.planned();
    let head = repair.apply().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((head.position.0, head.incarnation), (position, planned.incarnation));
    (planned, head)
}

fn findings(dir: &Path) -> Vec<String> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let report = carrel_log::embedded::verify::verify(&disk, dir, None, &mut |_| {}).unwrap();
    report.findings.iter().map(ToString::to_string).collect()
}

fn last(unit: &PlacedUnit) -> u64 {
    unit.first.0 + unit.unit.records.len() as u64 - 1
}

fn up_to(units: &[PlacedUnit], position: u64) -> &[PlacedUnit] {
    let count = units.iter().take_while(|unit| last(unit) <= position).count();
    &units[..count]
}

/// The log in `dir` is what was there up to a position, and goes on.
async fn assert_cut(dir: &Path, units: &[PlacedUnit], position: u64) {
    assert_eq!(content(dir).await, up_to(units, position));
    assert_eq!(findings(dir), [""; 0]);
    goes_on(dir, 1_000 + position).await;
}

/// Where batches end: filled logs have batches of two commands, and last one of one.
fn ends(units: &[PlacedUnit]) -> Vec<u64> {
    let pairs = units[..units.len() - 1].as_chunks::<2>().0;
    pairs.iter().map(|[_, second]| last(second)).chain(units.last().map(last)).collect()
}

#[tokio::test]
async fn a_log_is_cut_off_at_the_end_of_every_batch() {
    let from = tempfile::tempdir().unwrap();
    let units = filled(from.path(), 4).await;
    let ends = ends(&units);
    for position in ends[..ends.len() - 1].iter().step_by(3).chain([&0]) {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(from.path(), dir.path());
        let (plan, head) = cut(dir.path(), *position);
        assert_eq!(plan.cut.records, ends.last().unwrap() - position);
        assert_eq!(plan.cut.last, ends.last().map(|end| Position(*end)));
        assert_eq!(plan.cut.damaged, [0; 0]);
        assert_eq!(head.incarnation, Incarnation(2));
        assert_eq!(head.link, up_to(&units, *position).last().map_or(Link::START, |it| it.link));
        assert_cut(dir.path(), &units, *position).await;
    }
}

#[tokio::test]
async fn the_middle_of_a_batch_is_refused_with_the_nearest_ends() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 2).await;
    let ends = ends(&units);
    for pair in ends.windows(2) {
        for position in pair[0] + 1..pair[1] {
            match plan(dir.path(), position) {
                Err(RepairError::NotAnEnd { before, after, .. }) => {
                    assert_eq!((before, after), (Position(pair[0]), Some(Position(pair[1]))));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(content(dir.path()).await, units);
}

#[tokio::test]
async fn there_has_to_be_something_to_cut() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 3).await;
    let end = last(units.last().unwrap());
    let nothing = plan(dir.path(), end);
    assert!(matches!(nothing, Err(RepairError::NothingToCut(Position(at))) if at == end));
    match plan(dir.path(), end + 1) {
        Err(RepairError::Beyond { readable, .. }) => assert_eq!(readable, Position(end)),
        other => panic!("{other:?}"),
    }
    let nowhere = plan(Path::new("/nowhere"), 1);
    assert!(matches!(nowhere, Err(RepairError::Open(OpenError::NoLog(_)))), "{nowhere:?}");
}

#[tokio::test]
async fn a_log_that_is_in_use_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 1, 10).await;
    let refused = plan(dir.path(), 5);
    assert!(matches!(refused, Err(RepairError::Open(OpenError::InUse { .. }))), "{refused:?}");
}

#[tokio::test]
async fn what_is_cut_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 4).await;
    let layout = Layout::new(dir.path());
    let before: BTreeMap<u64, Vec<u8>> =
        (2..=4).map(|number| (number, fs::read(layout.chunk(number)).unwrap())).collect();
    let second = reader(dir.path()).unwrap().inventory().await.unwrap().chunks[1].first.0;
    let at = *ends(&units).iter().find(|end| **end > second).unwrap();
    let (plan, _) = cut(dir.path(), at);
    assert_eq!((plan.chunk, &plan.aside), (2, &layout.cut(1)));
    for (number, bytes) in before {
        let name = format!("{number:010}.chunk");
        assert!(fs::read(plan.aside.join(name)).unwrap() == bytes);
    }
    // The next one goes elsewhere.
    let (plan, head) = cut(dir.path(), ends(&units)[0]);
    assert_eq!((plan.aside, head.incarnation), (layout.cut(2), Incarnation(3)));
    assert_cut(dir.path(), &units, ends(&units)[0]).await;
}

#[tokio::test]
async fn damage_anywhere_is_cut_away() {
    let from = tempfile::tempdir().unwrap();
    let units = filled(from.path(), 3).await;
    let ends = ends(&units);
    let places = reader(from.path()).unwrap();
    for nth in (1..ends.len()).step_by(4) {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(from.path(), dir.path());
        let bad = places.place_of(Position(ends[nth])).await.unwrap().unwrap();
        let path = Layout::new(dir.path()).chunk(bad.chunk);
        overwrite(&path, bad.offset + 33, b"?????");
        match plan(dir.path(), ends[nth]) {
            Err(RepairError::Beyond { readable, .. }) => assert!(readable.0 < ends[nth]),
            other => panic!("{other:?}"),
        }
        let (plan, _) = cut(dir.path(), ends[nth - 1]);
        assert_eq!(plan.cut.damaged, [bad.chunk]);
        // What stands behind the damage was still found and counted.
        let after_damage = ends.last().unwrap() - ends[nth];
        assert!(plan.cut.records >= after_damage, "{plan:?}");
        assert_cut(dir.path(), &units, ends[nth - 1]).await;
    }
}

#[tokio::test]
async fn a_log_with_a_missing_chunk_is_cut_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 4).await;
    let chunks = reader(dir.path()).unwrap().inventory().await.unwrap().chunks;
    fs::remove_file(&chunks[2].path).unwrap();
    assert!(matches!(try_open(dir.path()), Err(OpenError::MissingChunk { number: 3, .. })));
    match plan(dir.path(), chunks[3].last.0) {
        Err(RepairError::Beyond { readable, .. }) => assert_eq!(readable, chunks[1].last),
        other => panic!("{other:?}"),
    }
    let (plan, _) = cut(dir.path(), chunks[1].last.0);
    assert_eq!(plan.cut.damaged, [3]);
    assert_cut(dir.path(), &units, chunks[1].last.0).await;
}

#[tokio::test]
async fn a_log_whose_last_chunks_are_gone_is_cut_too() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 4).await;
    let chunks = reader(dir.path()).unwrap().inventory().await.unwrap().chunks;
    fs::remove_file(&chunks[2].path).unwrap();
    fs::remove_file(&chunks[3].path).unwrap();
    assert!(matches!(try_open(dir.path()), Err(OpenError::MissingChunk { number: 3, .. })));
    let (plan, _) = cut(dir.path(), chunks[1].last.0);
    assert_eq!(plan.cut.damaged, [3, 4]);
    assert_cut(dir.path(), &units, chunks[1].last.0).await;
}

#[tokio::test]
async fn a_chunk_without_a_readable_header_is_cut_away() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 3).await;
    let chunks = reader(dir.path()).unwrap().inventory().await.unwrap().chunks;
    overwrite(&chunks[2].path, 40, b"?");
    let (plan, _) = cut(dir.path(), chunks[1].last.0);
    assert_eq!(plan.cut.damaged, [3]);
    assert_eq!(plan.cut.records, last(units.last().unwrap()) - chunks[1].last.0);
    assert_cut(dir.path(), &units, chunks[1].last.0).await;
}

#[tokio::test]
async fn a_chunk_that_is_cut_comes_back_from_the_archive() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let units = filled(dir.path(), 4).await;
    let second = reader(dir.path()).unwrap().inventory().await.unwrap().chunks[1].first.0;
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    archive(&disk, dir.path(), to.path(), Which::AllBut(0), "a test", &mut |_| {}).unwrap();
    let archived = crate::directory::files(to.path());
    let at = *ends(&units).iter().find(|end| **end > second).unwrap();
    let (plan, _) = cut(dir.path(), at);
    assert_eq!(plan.chunk, 2);
    assert!(crate::directory::files(to.path()) == archived);
    assert_cut(dir.path(), &units, at).await;
}

#[tokio::test]
async fn epochs_and_incarnations_do_not_go_back_and_cursors_are_clipped() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 1, 10).await;
    log.save_cursor(&consumer("early"), Position(4), Epoch(1)).await.unwrap();
    log.raise_epoch(&lease("relay")).await.unwrap();
    fill(&log, 2, 10).await;
    log.save_cursor(&consumer("late"), Position(18), Epoch(5)).await.unwrap();
    log.finish_import().await.unwrap();
    log.raise_epoch(&lease("relay")).await.unwrap();
    fill_chunks(&log, dir.path(), 3, 3).await;
    log.raise_epoch(&lease("relay")).await.unwrap();
    log.save_cursor(&consumer("early"), Position(30), Epoch(7)).await.unwrap();
    log.finish_import().await.unwrap();
    log.close().await.unwrap();
    drop(log);
    let (_, head) = cut(dir.path(), 10);
    assert_eq!(head.incarnation, Incarnation(4));
    let log = open(dir.path());
    assert_eq!(log.head().await, Ok(head));
    let cursors = log.cursors().await.unwrap();
    let cursors: Vec<_> = cursors
        .iter()
        .map(|(name, it)| (name.as_str(), it.position.0, it.epoch.0, it.incarnation.0))
        .collect();
    // Consumers see by the old incarnation that the past has changed.
    assert_eq!(cursors, [("early", 10, 7, 2), ("late", 10, 5, 1)]);
    assert_eq!(log.raise_epoch(&lease("relay")).await, Ok(Epoch(4)));
}

#[tokio::test]
async fn snapshots_beyond_are_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let key = SnapshotKey { kind: "fleet".parse().unwrap(), model: [1; 32] };
    let mut heads = Vec::new();
    for seed in 1..=2 {
        fill(&log, seed, 10).await;
        let head = log.head().await.unwrap();
        let data = bytes::Bytes::from_static(b"a fleet");
        let snapshot =
            Snapshot { key: key.clone(), position: head.position, link: head.link, data };
        log.save_snapshot(snapshot).await.unwrap();
        heads.push(head);
    }
    log.close().await.unwrap();
    drop(log);
    cut(dir.path(), 15);
    assert_eq!(findings(dir.path()), [""; 0]);
    let log = open(dir.path());
    let left = log.snapshot(&key).await.unwrap().unwrap();
    assert_eq!((left.position, left.link), (heads[0].position, heads[0].link));
}

#[tokio::test]
async fn a_reader_sees_that_the_end_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 3).await;
    let reader = reader(dir.path()).unwrap();
    assert_whole(&reader).await;
    let at = ends(&units)[2];
    let (_, head) = cut(dir.path(), at);
    assert_eq!(reader.head().await, Ok(head));
    assert_eq!(exported(&assert_whole(&reader).await), up_to(&units, at));
}

const DIR: &str = "/log";

async fn on_a_simulated_disk(disk: &SimDisk) -> Vec<PlacedUnit> {
    let log = sim_open(disk).unwrap();
    let mut units = Units::new(1);
    for _ in 0..22 {
        append(&log, vec![large(&mut units)]).await;
    }
    log.raise_epoch(&lease("relay")).await.unwrap();
    let head = log.head().await.unwrap();
    let key = SnapshotKey { kind: "fleet".parse().unwrap(), model: [1; 32] };
    let data = bytes::Bytes::from_static(b"a fleet");
    let snapshot = Snapshot { key, position: head.position, link: head.link, data };
    log.save_snapshot(snapshot).await.unwrap();
    let records = assert_whole(&log).await;
    log.close().await.unwrap();
    drop(log);
    exported(&records)
}

fn sim_open(disk: &SimDisk) -> Result<EmbeddedLog, OpenError> {
    let options = Options { catalogue: Some(CataloguePlace::Temporary), ..options() };
    EmbeddedLog::open(Arc::new(disk.clone()), Path::new(DIR), options)
}

fn sim_cut(disk: &SimDisk, position: Position) -> Result<Head, RepairError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let catalogue = Some(CataloguePlace::Temporary);
    Repair::plan(&disk, Path::new(DIR), position, "a test", catalogue)?.apply()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failing_operation_is_survived_and_the_repair_is_finished_by_running_it_again() {
    let good = SimDisk::default();
    let units = on_a_simulated_disk(&good).await;
    let position = Position(last(&units[4]));
    let wanted = up_to(&units, position.0);
    for nth in 1.. {
        let disk = good.restart();
        disk.fail_at(nth);
        let failed = sim_cut(&disk, position);
        if !disk.has_failed() {
            failed.unwrap();
            assert!(nth > 20);
            return;
        }
        failed.unwrap_err();
        let mut random = Random::new(nth);
        let crashed = [disk.restart(), disk.power_loss(&mut random), disk.power_loss(&mut random)];
        for after in crashed {
            // It is the old log, or it says that it is being repaired, or it is the new one.
            match sim_open(&after) {
                Ok(log) => {
                    let now = exported(&assert_whole(&log).await);
                    assert!(now == units || now == wanted, "operation {nth}");
                }
                Err(OpenError::RepairUnfinished { position: at, .. }) => assert_eq!(at, position),
                Err(other) => panic!("operation {nth}: {other}"),
            }
            match sim_cut(&after, position) {
                Ok(head) => assert_eq!(head.incarnation, Incarnation(2)),
                Err(RepairError::NothingToCut(_)) => {}
                Err(other) => panic!("operation {nth}: {other}"),
            }
            let log = sim_open(&after).unwrap();
            assert_eq!(exported(&assert_whole(&log).await), wanted, "operation {nth}");
            let head = log.head().await.unwrap();
            assert_eq!(head.incarnation, Incarnation(2), "operation {nth}");
            assert_eq!(log.raise_epoch(&lease("relay")).await, Ok(Epoch(2)), "operation {nth}");
            let aside: Vec<PathBuf> =
                after.paths().into_iter().filter(|path| path.starts_with("/log/cut-1")).collect();
            assert!(aside.iter().any(|path| path.ends_with("0000000001.chunk")), "{aside:?}");
        }
    }
}

#[tokio::test]
async fn another_repair_waits_for_one_that_was_begun() {
    let disk = SimDisk::default();
    let units = on_a_simulated_disk(&disk).await;
    disk.fail_at(8);
    sim_cut(&disk, Position(last(&units[4]))).unwrap_err();
    let after = disk.restart();
    let other = sim_cut(&after, Position(last(&units[3])));
    assert!(matches!(other, Err(RepairError::OtherUnfinished { .. })), "{other:?}");
    sim_cut(&after, Position(last(&units[4]))).unwrap();
    sim_cut(&after, Position(last(&units[3]))).unwrap();
}
