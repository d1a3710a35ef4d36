//! Sealed chunks move to an archive and are read there; interrupted anywhere, nothing is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_log::EventLog;
use carrel_log::disk::{Disk, OsDisk};
use carrel_log::embedded::archive::{ArchiveError, Archived, Which, archive};
use carrel_log::embedded::{
    CataloguePlace, ChunkState, EmbeddedLog, EmbeddedReader, Layout, OpenError, Options, verify,
};
use carrel_log::verify::Report;
use carrel_model::record::Position;
use carrel_testkit::random::Random;
use carrel_testkit::sim_disk::SimDisk;

use crate::conformance::scene::{assert_whole, exported};
use crate::directory::{
    NoPause, content, files, fill_chunks, filled, goes_on, open, options, overwrite, reader,
    try_open,
};

fn move_chunks(dir: &Path, to: &Path, which: Which) -> Result<Archived, ArchiveError> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    archive(&disk, dir, to, which, "a test's archive", &mut |_| {})
}

fn verified(dir: &Path) -> Report {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    verify::verify(&disk, dir, None, &mut |_| {}).unwrap()
}

#[tokio::test]
async fn archived_chunks_are_read_where_they_are() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let units = filled(dir.path(), 5).await;
    let archived = move_chunks(dir.path(), to.path(), Which::AllBut(2)).unwrap();
    assert_eq!((archived.moved, archived.before), (vec![1, 2], vec![]));
    assert!(!Layout::new(dir.path()).chunk(1).exists());
    assert!(Layout::new(dir.path()).index(1).exists());
    let reader = reader(dir.path()).unwrap();
    assert_eq!(exported(&assert_whole(&reader).await), units);
    let states: Vec<_> =
        reader.inventory().await.unwrap().chunks.iter().map(|chunk| chunk.state).collect();
    let expected = [ChunkState::Archived, ChunkState::Archived, ChunkState::Sealed];
    assert_eq!(states[..3], expected);
    for placed in units.iter().step_by(7) {
        let answer = reader.lookup(placed.unit.command_id).await.unwrap().unwrap();
        assert_eq!(answer.first, placed.first);
    }
    assert_eq!(content(dir.path()).await, units);
    let report = verified(dir.path());
    assert_eq!((report.findings, report.archived), (vec![], 2));
    goes_on(dir.path(), 9).await;
}

#[tokio::test]
async fn archiving_again_moves_what_is_left_and_no_more() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let units = filled(dir.path(), 5).await;
    move_chunks(dir.path(), to.path(), Which::AllBut(3)).unwrap();
    let again = move_chunks(dir.path(), to.path(), Which::AllBut(3)).unwrap();
    assert_eq!((again.moved, again.before, again.bytes), (vec![], vec![1], 0));
    let rest = move_chunks(dir.path(), to.path(), Which::AllBut(0)).unwrap();
    assert_eq!((rest.moved, rest.before), (vec![2, 3, 4], vec![1]));
    assert_eq!(content(dir.path()).await, units);
}

#[tokio::test]
async fn a_position_says_which_chunks_too() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(dir.path(), 4).await;
    let second = reader(dir.path()).unwrap().inventory().await.unwrap().chunks[1].last;
    let below = move_chunks(dir.path(), to.path(), Which::Below(second)).unwrap();
    assert_eq!(below.moved, [1]);
    // The chunk that is written to stays, whatever is asked for.
    let all = move_chunks(dir.path(), to.path(), Which::Below(Position(u64::MAX))).unwrap();
    assert_eq!(all.moved, [2, 3]);
}

#[tokio::test]
async fn a_missing_archive_is_named() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let units = filled(dir.path(), 3).await;
    move_chunks(dir.path(), to.path(), Which::AllBut(0)).unwrap();
    let elsewhere = to.path().with_extension("unmounted");
    fs::rename(to.path(), &elsewhere).unwrap();
    let error = try_open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("archived chunk") && error.contains("0000000001.chunk"), "{error}");
    let error = reader(dir.path()).unwrap_err().to_string();
    assert!(error.contains("0000000001.chunk"), "{error}");
    let report = verified(dir.path());
    assert!(report.is_damaged());
    fs::rename(&elsewhere, to.path()).unwrap();
    assert_eq!(content(dir.path()).await, units);
}

#[tokio::test]
async fn a_reader_goes_on_when_chunks_are_moved_under_it() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let units = filled(dir.path(), 3).await;
    let reader = reader(dir.path()).unwrap();
    move_chunks(dir.path(), to.path(), Which::AllBut(0)).unwrap();
    assert_eq!(exported(&assert_whole(&reader).await), units);
}

#[tokio::test]
async fn a_log_that_is_in_use_is_left_alone() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(dir.path());
    fill_chunks(&log, dir.path(), 1, 3).await;
    let refused = move_chunks(dir.path(), to.path(), Which::AllBut(0));
    assert!(matches!(refused, Err(ArchiveError::Open(OpenError::InUse { .. }))), "{refused:?}");
    assert!(files(to.path()).is_empty());
}

/// However the directory of the chunks is spelled, it is no archive for them.
#[tokio::test]
async fn the_chunks_are_not_moved_to_where_they_are() {
    let (dir, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let units = filled(dir.path(), 3).await;
    let chunks = dir.path().join("chunks");
    let link = links.path().join("archive");
    std::os::unix::fs::symlink(&chunks, &link).unwrap();
    let round = dir.path().join("snapshots/../chunks");
    let before = files(dir.path());
    for to in [&chunks, &link, &round] {
        let refused = move_chunks(dir.path(), to, Which::AllBut(0));
        assert!(matches!(refused, Err(ArchiveError::NotAPlace { .. })), "{refused:?}");
        assert_eq!(
            files(&chunks).len(),
            before.keys().filter(|it| it.starts_with(&chunks)).count()
        );
    }
    assert_eq!(content(dir.path()).await, units);
}

#[tokio::test]
async fn a_damaged_chunk_stays() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(dir.path(), 3).await;
    let place = reader(dir.path()).unwrap().place_of(Position(2)).await.unwrap().unwrap();
    overwrite(&place.path, place.offset + 40, b"?");
    let refused = move_chunks(dir.path(), to.path(), Which::AllBut(0));
    assert!(matches!(refused, Err(ArchiveError::NotRight { number: 1, .. })), "{refused:?}");
    assert!(place.path.exists());
}

#[tokio::test]
async fn another_logs_archive_is_not_written_over() {
    let (dir, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let units = filled(dir.path(), 3).await;
    let other = tempfile::tempdir().unwrap();
    let log = open(other.path());
    fill_chunks(&log, other.path(), 99, 3).await;
    log.close().await.unwrap();
    drop(log);
    move_chunks(other.path(), to.path(), Which::AllBut(0)).unwrap();
    let before = files(to.path());
    let refused = move_chunks(dir.path(), to.path(), Which::AllBut(0));
    assert!(matches!(refused, Err(ArchiveError::Taken { number: 1, .. })), "{refused:?}");
    assert!(files(to.path()) == before);
    assert_eq!(content(dir.path()).await, units);
}

#[tokio::test]
async fn places_that_are_none_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2).await;
    let chunks = Layout::new(dir.path()).chunks();
    for to in [Path::new("archive"), Path::new("/tmp/two\nlines"), chunks.as_path()] {
        let refused = move_chunks(dir.path(), to, Which::AllBut(0));
        assert!(matches!(refused, Err(ArchiveError::NotAPlace { .. })), "{refused:?}");
    }
    let nothing = move_chunks(Path::new("/nowhere"), Path::new("/tmp"), Which::AllBut(0));
    assert!(matches!(nothing, Err(ArchiveError::Open(OpenError::NoLog(_)))), "{nothing:?}");
}

/// A closed log on a simulated disk.
async fn on_a_simulated_disk(disk: &SimDisk, dir: &Path) -> usize {
    let log = sim_open(disk, dir);
    let mut units = carrel_testkit::units::Units::new(1);
    for _ in 0..25 {
        let unit = crate::directory::large(&mut units);
        crate::conformance::scene::append(&log, vec![unit]).await;
    }
    let records = assert_whole(&log).await.len();
    log.close().await.unwrap();
    drop(log);
    records
}

fn sim_open(disk: &SimDisk, dir: &Path) -> EmbeddedLog {
    let options = Options { catalogue: Some(CataloguePlace::Temporary), ..options() };
    EmbeddedLog::open(Arc::new(disk.clone()), dir, options).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failing_operation_is_survived() {
    let (dir, to) = (PathBuf::from("/log"), PathBuf::from("/archive"));
    let good = SimDisk::default();
    let records = on_a_simulated_disk(&good, &dir).await;
    for nth in 1.. {
        let disk = good.restart();
        disk.fail_at(nth);
        let failing: Arc<dyn Disk> = Arc::new(disk.clone());
        let failed = archive(&failing, &dir, &to, Which::AllBut(0), "a test", &mut |_| {});
        if !disk.has_failed() {
            failed.unwrap();
            assert!(nth > 10);
            return;
        }
        failed.unwrap_err();
        let mut random = Random::new(nth);
        for after in [disk.restart(), disk.power_loss(&mut random), disk.power_loss(&mut random)] {
            let whole = EmbeddedReader::open(Arc::new(after.clone()), &dir, Box::new(NoPause));
            assert_eq!(assert_whole(&whole.unwrap()).await.len(), records, "operation {nth}");
            let again: Arc<dyn Disk> = Arc::new(after.clone());
            archive(&again, &dir, &to, Which::AllBut(0), "a test", &mut |_| {}).unwrap();
            let log = sim_open(&after, &dir);
            assert_eq!(assert_whole(&log).await.len(), records, "operation {nth}");
        }
    }
}
