//! The catalogue and the snapshots, lost or damaged in any place: the log opens, says the same as
//! before, and goes on.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use carrel_log::embedded::{Layout, Report};
use carrel_log::{EventLog, PlacedUnit, Snapshot, SnapshotKey};
use carrel_testkit::random::Random;

use crate::conformance::scene::{assert_whole, exported, fill};
use crate::directory::{copy_tree, files, filled, goes_on, open, overwrite};

const CHUNKS: u64 = 4;

/// Harms the catalogue of a copy of a log, opens it, and says what was found.
async fn harmed(good: &Path, units: &[PlacedUnit], harm: impl FnOnce(&Path)) -> Report {
    let dir = tempfile::tempdir().unwrap();
    copy_tree(good, dir.path());
    harm(&Layout::new(dir.path()).catalogue());
    let log = open(dir.path());
    let report = log.report().clone();
    assert_eq!(exported(&assert_whole(&log).await), units);
    for placed in units {
        let answer = log.lookup(placed.unit.command_id).await.unwrap().unwrap();
        assert_eq!(answer.first, placed.first);
    }
    log.close().await.unwrap();
    drop(log);
    goes_on(dir.path(), 99).await;
    // What was made anew is believed the next time.
    let log = open(dir.path());
    assert_eq!(log.report(), &Report::default());
    log.close().await.unwrap();
    report
}

fn a_file(catalogue: &Path, random: &mut Random) -> (PathBuf, Vec<u8>) {
    let files: Vec<_> = files(catalogue).into_iter().collect();
    files[random.index(files.len())].clone()
}

#[tokio::test]
async fn a_lost_catalogue_is_made_anew() {
    let good = tempfile::tempdir().unwrap();
    let units = filled(good.path(), CHUNKS).await;
    let report = harmed(good.path(), &units, |dir| fs::remove_dir_all(dir).unwrap()).await;
    assert_eq!(report.catalogue_corrected, (1..CHUNKS).collect::<Vec<_>>());
    let emptied = |dir: &Path| files(dir).keys().for_each(|path| fs::write(path, []).unwrap());
    let report = harmed(good.path(), &units, emptied).await;
    assert_eq!(report.catalogue_corrected, (1..CHUNKS).collect::<Vec<_>>());
}

/// Somebody may want to know what had become of it.
#[tokio::test]
async fn a_catalogue_that_does_not_open_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), CHUNKS).await;
    let catalogue = Layout::new(dir.path()).catalogue();
    fs::write(catalogue.join("conf"), b"nothing that sled wrote").unwrap();
    let log = open(dir.path());
    assert!(log.report().catalogue_lost.is_some());
    assert_eq!(exported(&assert_whole(&log).await), units);
    let aside = catalogue.with_extension("damaged").join("conf");
    assert_eq!(fs::read(aside).unwrap(), b"nothing that sled wrote");
}

/// The newest snapshot is damaged, and a newer one was never finished: the one before is given out.
#[tokio::test]
async fn a_snapshot_that_is_not_whole_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let key = SnapshotKey { kind: "fleet".parse().unwrap(), model: [1; 32] };
    let mut saved = Vec::new();
    for seed in 1..=2 {
        fill(&log, seed, 5).await;
        let head = log.head().await.unwrap();
        let data = Bytes::from(format!("a fleet of {seed}"));
        let snapshot =
            Snapshot { key: key.clone(), position: head.position, link: head.link, data };
        log.save_snapshot(snapshot.clone()).await.unwrap();
        saved.push(snapshot);
    }
    assert_eq!(log.snapshot(&key).await.unwrap().as_ref(), saved.last());
    log.close().await.unwrap();
    drop(log);
    let snapshots = Layout::new(dir.path()).snapshots();
    let newest = files(&snapshots).into_keys().next_back().unwrap();
    overwrite(&newest, 110, b"?");
    let unfinished = snapshots.join("fleet-00000000000000000099-01010101.snapshot.unfinished");
    fs::write(&unfinished, b"half").unwrap();
    let log = open(dir.path());
    assert_eq!(log.snapshot(&key).await.unwrap().as_ref(), saved.first());
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn a_catalogue_without_one_of_its_files_is_made_anew() {
    let good = tempfile::tempdir().unwrap();
    let units = filled(good.path(), CHUNKS).await;
    let catalogue = Layout::new(good.path()).catalogue();
    for path in files(&catalogue).into_keys() {
        let name = path.strip_prefix(&catalogue).unwrap().to_owned();
        harmed(good.path(), &units, |dir| fs::remove_file(dir.join(name)).unwrap()).await;
    }
}

/// Most of sled's file is nothing: a third of the places are in what it wrote.
#[tokio::test]
async fn a_catalogue_cut_or_flipped_at_100_places_is_made_anew_or_right() {
    let good = tempfile::tempdir().unwrap();
    let units = filled(good.path(), CHUNKS).await;
    let mut random = Random::new(7);
    let mut noticed = 0;
    for n in 0..100 {
        let report = harmed(good.path(), &units, |dir| {
            let (path, mut bytes) = a_file(dir, &mut random);
            let written =
                bytes.iter().rposition(|byte| *byte != 0).map_or(bytes.len(), |at| at + 1);
            let end = if n % 3 == 0 { written } else { bytes.len() };
            let at = random.index(end);
            if n % 2 == 0 {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << random.index(8);
            }
            fs::write(path, bytes).unwrap();
        })
        .await;
        noticed += usize::from(report != Report::default());
    }
    assert!(noticed > 20, "{noticed} of 100 were noticed");
}
