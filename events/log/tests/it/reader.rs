//! Reading a log directory that another process has open.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use carrel_log::disk::OsDisk;
use carrel_log::embedded::{ChunkState, EmbeddedLog, EmbeddedReader, Layout, OpenError, Pause};
use carrel_log::{AppendError, EventLog, Expected, PageLimit, ReadError, Refused};
use carrel_model::record::{Epoch, Position, Version};
use carrel_testkit::units::{Units, stream};
use tokio::sync::Mutex;

use crate::conformance::scene::{all, append, assert_whole, consumer, fill, lease};
use crate::directory::{files, fill_chunks, filled, open, overwrite, reader, try_open};

#[tokio::test]
async fn it_reads_what_the_log_has_while_that_is_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let reader = reader(dir.path()).unwrap();
    assert_eq!(all(&reader).await, []);
    fill(&log, 1, 20).await;
    assert_eq!(assert_whole(&reader).await, all(&log).await);
    fill_chunks(&log, dir.path(), 2, 3).await;
    assert_eq!(assert_whole(&reader).await, all(&log).await);
    assert_eq!(reader.head().await, log.head().await);
    let limit = PageLimit::records(40);
    for version in [0, 1, 17, 100] {
        let of_log = log.read_stream(&stream(1), Version(version), limit).await;
        assert_eq!(reader.read_stream(&stream(1), Version(version), limit).await, of_log);
    }
    for record in all(&log).await.iter().step_by(9) {
        let id = record.unit.command_id;
        assert_eq!(reader.lookup(id).await, log.lookup(id).await);
    }
}

#[tokio::test]
async fn it_sees_cursors_leases_and_snapshots_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    fill(&log, 1, 5).await;
    log.save_cursor(&consumer("relay"), Position(3), Epoch(1)).await.unwrap();
    log.raise_epoch(&lease("relay")).await.unwrap();
    let reader = reader(dir.path()).unwrap();
    assert_eq!(reader.cursors().await, log.cursors().await);
    let inventory = reader.inventory().await.unwrap();
    assert_eq!(inventory.leases, [(lease("relay"), Epoch(1))]);
    assert_eq!(inventory.chunks.len(), 1);
    assert_eq!(inventory.chunks[0].state, ChunkState::Active);
    assert_eq!(inventory.chunks[0].last, Position(5));
}

/// Appends while somebody waits for more, and remembers how often it was asked to.
#[derive(Debug)]
struct AppendMeanwhile(Arc<EmbeddedLog>, Mutex<Units>);

#[async_trait]
impl Pause for AppendMeanwhile {
    async fn pause(&self) {
        let unit = self.1.lock().await.small(1);
        append(&*self.0, vec![unit]).await;
    }
}

#[tokio::test]
async fn waiting_ends_when_another_process_has_appended() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(open(dir.path()));
    let pause = AppendMeanwhile(Arc::clone(&log), Mutex::new(Units::new(1)));
    let reader = EmbeddedReader::open(Arc::new(OsDisk), dir.path(), Box::new(pause)).unwrap();
    assert_eq!(reader.wait_past(Position(0)).await, Ok(Position(1)));
    assert_eq!(reader.wait_past(Position(3)).await, Ok(Position(4)));
    assert_eq!(all(&reader).await, all(&*log).await);
}

#[tokio::test]
async fn it_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 2).await;
    let active = Layout::new(dir.path()).chunk(2);
    fs::remove_file(Layout::new(dir.path()).index(1)).unwrap();
    // A last group that reached the disk in part only.
    let end = reader(dir.path()).unwrap().inventory().await.unwrap().chunks[1].bytes;
    overwrite(&active, end, b"CF");
    let before = files(dir.path());
    let reader = reader(dir.path()).unwrap();
    assert_whole(&reader).await;
    let first = all(&reader).await[0].unit.command_id;
    assert_eq!(reader.lookup(first).await.unwrap().unwrap().first, Position(1));
    assert!(reader.place_of(Position(1)).await.unwrap().is_some());
    reader.close().await.unwrap();
    assert!(files(dir.path()) == before);
}

#[tokio::test]
async fn it_refuses_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let reader = reader(dir.path()).unwrap();
    let refused = AppendError::Refused(Refused::ReadOnly);
    let unit = Units::new(1).small(1);
    assert_eq!(reader.append(Expected::Any, vec![unit]).await, Err(refused.clone()));
    assert!(reader.turn(Position(0)).await.is_err_and(|error| error == refused));
    assert!(reader.raise_epoch(&lease("relay")).await.is_err());
    assert_eq!(reader.finish_import().await, Err(refused));
    assert_eq!(all(&log).await, []);
}

#[tokio::test]
async fn it_reads_up_to_damage_and_says_where_that_is() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 1).await;
    let before = reader(dir.path()).unwrap();
    let last = units.last().unwrap();
    let place = before.place_of(last.first).await.unwrap().unwrap();
    overwrite(&place.path, place.offset + 60, b"zap");
    let reader = reader(dir.path()).unwrap();
    let head = reader.head().await.unwrap();
    assert_eq!(head.position, Position(last.first.0 - 1));
    let page = reader.read(Position(0), PageLimit::MAX).await.unwrap();
    assert_eq!(page.records.len() as u64, head.position.0);
    assert!(!page.at_end);
    let damage = match reader.read(head.position, PageLimit::MAX).await {
        Err(ReadError::Damaged(damage)) => damage,
        other => panic!("{other:?}"),
    };
    assert_eq!((damage.offset, damage.position), (place.offset, last.first));
    assert!(matches!(reader.wait_past(head.position).await, Err(ReadError::Damaged(_))));
}

#[tokio::test]
async fn what_stands_before_damage_in_a_sealed_chunk_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3).await;
    let reader = reader(dir.path()).unwrap();
    let bad = reader.inventory().await.unwrap().chunks[1].first.0 + 5;
    let place = reader.place_of(Position(bad)).await.unwrap().unwrap();
    overwrite(&place.path, place.offset + 60, b"zap");
    let before = place.unit[0].position.0 - 1;
    let page = reader.read(Position::START, PageLimit::MAX).await.unwrap();
    assert_eq!((page.records.len() as u64, page.at_end), (before, false));
    match reader.read(Position(before), PageLimit::MAX).await {
        Err(ReadError::Damaged(damage)) => assert_eq!(damage.position, Position(before + 1)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_finds_the_place_of_every_record() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 2).await;
    let reader = reader(dir.path()).unwrap();
    for placed in &units {
        let last = Position(placed.first.0 + placed.unit.records.len() as u64 - 1);
        let place = reader.place_of(last).await.unwrap().unwrap();
        assert_eq!((place.unit[0].position, place.link), (placed.first, placed.link));
    }
    let end = reader.head().await.unwrap().position;
    assert!(reader.place_of(end.next()).await.unwrap().is_none());
    assert!(reader.place_of(Position::START).await.unwrap().is_none());
}

#[tokio::test]
async fn it_says_that_there_is_no_log() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(reader(dir.path()), Err(OpenError::NoLog(_))));
    assert!(matches!(reader(Path::new("/nowhere/at/all")), Err(OpenError::NoLog(_))));
}

#[tokio::test]
async fn a_chunk_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 3).await;
    fs::remove_file(Layout::new(dir.path()).chunk(2)).unwrap();
    let missing = reader(dir.path());
    assert!(matches!(missing, Err(OpenError::MissingChunk { number: 2, .. })), "{missing:?}");
}

#[tokio::test]
async fn the_last_chunk_is_missed_after_a_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    let units = filled(dir.path(), 2).await;
    let layout = Layout::new(dir.path());
    let (chunk, aside) = (layout.chunk(2), dir.path().join("aside"));
    fs::rename(&chunk, &aside).unwrap();
    for _ in 0..2 {
        let missing = try_open(dir.path());
        assert!(matches!(missing, Err(OpenError::MissingChunk { number: 2, .. })), "{missing:?}");
    }
    fs::rename(&aside, &chunk).unwrap();
    assert_eq!(crate::directory::content(dir.path()).await, units);
}
