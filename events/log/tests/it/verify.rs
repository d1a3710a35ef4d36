//! Verifying finds what is wrong, names the first bad place, and tells what is stale from damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_log::disk::{Disk, OsDisk};
use carrel_log::embedded::{self, Layout};
use carrel_log::memory::MemoryLog;
use carrel_log::verify::{Finding, Progress, Report, Severity, over_port};
use carrel_log::{EventLog, Snapshot, SnapshotKey};
use carrel_model::record::{Epoch, Position};

use crate::conformance::LOG_ID;
use crate::conformance::scene::{append, consumer, fill};
use crate::directory::{files, fill_chunks, filled, open, overwrite, reader};

fn verify(dir: &Path) -> Report {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    embedded::verify::verify(&disk, dir, None, &mut |_| {}).unwrap()
}

#[track_caller]
fn only(report: &Report) -> &Finding {
    match report.findings.as_slice() {
        [finding] => finding,
        other => panic!("{other:?}"),
    }
}

/// Where the record at a position stands.
async fn place(dir: &Path, position: u64) -> (PathBuf, u64) {
    let place = reader(dir).unwrap().place_of(Position(position)).await.unwrap().unwrap();
    (place.path, place.offset)
}

#[tokio::test]
async fn a_sound_log_has_no_findings() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 3).await;
    let last = units.last().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let mut told: Vec<Progress> = Vec::new();
    let report =
        embedded::verify::verify(&disk, dir.path(), None, &mut |at| told.push(at)).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.unchecked, [""; 0]);
    assert_eq!(
        report.head.map(|head| (head.position.0, head.link)),
        Some((last.first.0 + 1, last.link))
    );
    assert_eq!((report.chunks, report.archived, report.units), (3, 0, units.len() as u64));
    assert_eq!(report.streams, 5);
    assert!(told.is_sorted_by_key(|at| at.done), "{told:?}");
    assert_eq!(told.last().map(|at| at.done), told.first().map(|at| at.total));
}

#[tokio::test]
async fn an_empty_log_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).close().await.unwrap();
    let report = verify(dir.path());
    assert_eq!(report.findings, []);
    assert_eq!(report.records, 0);
}

#[tokio::test]
async fn it_works_beside_a_process_that_writes() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill_chunks(&log, dir.path(), 1, 2).await;
    let report = verify(dir.path());
    assert!(!report.is_damaged(), "{:?}", report.findings);
    assert_eq!(report.head, Some(log.head().await.unwrap()));
    assert_eq!(report.unchecked, ["the catalogue: the log is in use by a test"]);
    fill(&log, 2, 3).await;
}

#[tokio::test]
async fn it_changes_nothing_but_the_catalogues_own_files() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2).await;
    let of_log = |dir: &Path| {
        let mut files = files(dir);
        files.retain(|path, _| !path.starts_with(dir.join("catalogue")) && !path.ends_with("lock"));
        files
    };
    let before = of_log(dir.path());
    verify(dir.path());
    assert!(of_log(dir.path()) == before);
}

#[tokio::test]
async fn every_changed_byte_is_found_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2).await;
    let (path, offset) = place(dir.path(), 7).await;
    let (_, next) = place(dir.path(), 8).await;
    assert!(offset < next);
    let good = fs::read(&path).unwrap();
    for at in (offset..next).step_by(97) {
        let index = usize::try_from(at).unwrap();
        overwrite(&path, at, &[!good[index]]);
        let report = verify(dir.path());
        let first = report.first_bad().unwrap();
        assert_eq!((first.path.as_ref(), first.offset), (Some(&path), Some(offset)));
        assert!(first.position <= Some(Position(7)), "{first}");
        overwrite(&path, at, &good[index..=index]);
    }
    assert_eq!(verify(dir.path()).findings, []);
}

#[tokio::test]
async fn what_follows_damage_is_verified_too() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 4).await;
    let (in_first, offset) = place(dir.path(), 5).await;
    overwrite(&in_first, offset, b"XX");
    let last = units.last().unwrap();
    let (in_last, offset) = place(dir.path(), last.first.0).await;
    overwrite(&in_last, offset + 40, b"XX");
    let report = verify(dir.path());
    let found: Vec<_> = report.findings.iter().map(|finding| finding.path.clone()).collect();
    assert_eq!(found, [Some(in_first), Some(in_last)], "{:?}", report.findings);
    assert_eq!(report.first_bad(), report.findings.first());
}

#[tokio::test]
async fn a_missing_chunk_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3).await;
    fs::remove_file(Layout::new(dir.path()).chunk(2)).unwrap();
    let report = verify(dir.path());
    assert!(only(&report).what.contains("chunk 2 is missing"), "{report:?}");
    assert_eq!(only(&report).severity, Severity::Damage);
}

#[tokio::test]
async fn a_missing_last_chunk_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3).await;
    fs::remove_file(Layout::new(dir.path()).chunk(3)).unwrap();
    assert!(only(&verify(dir.path())).what.contains("chunk 3 is missing"));
    // The mark of a clean stop is gone as well, but the catalogue remembers the second.
    fs::remove_file(Layout::new(dir.path()).clean_stop()).unwrap();
    assert_eq!(verify(dir.path()).findings, []);
    fs::remove_file(Layout::new(dir.path()).chunk(2)).unwrap();
    assert!(verify(dir.path()).is_damaged());
}

#[tokio::test]
async fn a_chunk_of_another_log_is_damage() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(dir.path(), 2).await;
    let log = open(other.path());
    fill_chunks(&log, other.path(), 99, 2).await;
    log.close().await.unwrap();
    drop(log);
    fs::copy(Layout::new(other.path()).chunk(2), Layout::new(dir.path()).chunk(2)).unwrap();
    let report = verify(dir.path());
    assert!(report.findings.iter().any(|it| it.what.contains("does not continue")), "{report:?}");
}

#[tokio::test]
async fn what_can_be_made_again_is_stale() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 4).await;
    let layout = Layout::new(dir.path());
    overwrite(&layout.index(1), 5_000, b"?");
    fs::remove_file(layout.index(2)).unwrap();
    fs::write(layout.clean_stop(), "?").unwrap();
    fs::remove_dir_all(layout.catalogue()).unwrap();
    let report = verify(dir.path());
    assert!(!report.is_damaged());
    let paths: Vec<_> = report.findings.iter().filter_map(|it| it.path.clone()).collect();
    let expected = [layout.index(1), layout.index(2), layout.clean_stop(), layout.catalogue()];
    assert_eq!(paths, expected, "{:?}", report.findings);
    // The next start puts all of it right.
    let log = open(dir.path());
    log.rebuilt().await.unwrap();
    log.close().await.unwrap();
    drop(log);
    assert_eq!(verify(dir.path()).findings, []);
}

#[tokio::test]
async fn a_torn_last_group_is_stale_and_is_damage_after_a_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 1).await;
    let (path, offset) = place(dir.path(), units.last().unwrap().first.0).await;
    let length = fs::read(&path).unwrap().len() - usize::try_from(offset).unwrap() - 100;
    overwrite(&path, offset + 100, &vec![0; length]);
    let closed = verify(dir.path());
    assert!(closed.is_damaged(), "{closed:?}");
    fs::remove_file(Layout::new(dir.path()).clean_stop()).unwrap();
    let crashed = verify(dir.path());
    assert!(only(&crashed).what.contains("did not reach the disk whole"), "{crashed:?}");
    assert_eq!(only(&crashed).severity, Severity::Stale);
}

#[tokio::test]
async fn snapshots_are_whole_and_of_this_past() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 1, 10).await;
    let head = log.head().await.unwrap();
    fill(&log, 2, 10).await;
    for (kind, link) in [("fleet", head.link), ("other", carrel_log::chain::Link([7; 32]))] {
        let key = SnapshotKey { kind: kind.parse().unwrap(), model: [1; 32] };
        let data = bytes::Bytes::from_static(b"a fleet");
        let snapshot = Snapshot { key, position: head.position, link, data };
        log.save_snapshot(snapshot).await.unwrap();
    }
    log.close().await.unwrap();
    drop(log);
    let report = verify(dir.path());
    assert!(only(&report).what.contains("another past"), "{report:?}");
    let good = files(&Layout::new(dir.path()).snapshots()).into_keys().next().unwrap();
    overwrite(&good, 110, b"?");
    let report = verify(dir.path());
    assert_eq!(report.findings.len(), 2);
    assert_eq!(report.findings[0].path, Some(good));
    assert!(!report.is_damaged());
}

#[tokio::test]
async fn over_the_port_a_sound_log_has_no_findings() {
    let log = MemoryLog::new(LOG_ID);
    fill(&log, 1, 40).await;
    let mut units = carrel_testkit::units::Units::new(9);
    append(&log, vec![units.unit(&vec![carrel_testkit::units::stream(1); 9], 20)]).await;
    log.save_cursor(&consumer("relay"), Position(3), Epoch(1)).await.unwrap();
    let mut last = Progress::default();
    let report = over_port(&log, |at| last = at).await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.records, report.units, last.done), (49, 41, 49));
    assert_eq!(report.head, Some(log.head().await.unwrap()));
}

#[tokio::test]
async fn over_the_port_damage_is_found() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2).await;
    let (path, offset) = place(dir.path(), 4).await;
    overwrite(&path, offset + 50, b"?");
    let report = over_port(&reader(dir.path()).unwrap(), |_| {}).await.unwrap();
    assert_eq!(only(&report).offset, Some(offset));
}
