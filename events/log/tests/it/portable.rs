//! A log goes into one file and comes out as the same log; both can be interrupted anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use carrel_log::chain::Link;
use carrel_log::disk::{Disk, OsDisk};
use carrel_log::memory::MemoryLog;
use carrel_log::portable::{
    self, Closing, ExportError, Exported, HEADER_BYTES, Header, ImportError, Imported,
};
use carrel_log::{AppendError, EventLog, fuzzing};
use carrel_model::ids::LogId;
use carrel_model::record::{Incarnation, Position};
use carrel_testkit::random::Random;
use carrel_testkit::sim_disk::SimDisk;
use carrel_testkit::units::{Units, stream};
use tempfile::TempDir;
use uuid::Uuid;

use crate::conformance::LOG_ID;
use crate::conformance::scene::{all, append, assert_whole, exported, fill};
use crate::directory::{filled, open, overwrite, reader};

/// A log with commands of one and of several records, and two incarnations.
async fn source() -> MemoryLog {
    let log = MemoryLog::new(LOG_ID);
    fill(&log, 1, 30).await;
    log.finish_import().await.unwrap();
    more(&log, 2).await;
    log
}

async fn more(log: &MemoryLog, seed: u64) {
    let mut units = Units::new(seed);
    let several = [stream(1), stream(2), stream(1)];
    append(log, (0..10).map(|_| units.unit(&several, 300)).collect()).await;
}

struct File {
    _dir: TempDir,
    path: PathBuf,
}

impl File {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.export");
        Self { _dir: dir, path }
    }

    async fn export(&self, log: &dyn EventLog) -> Result<Exported, ExportError> {
        portable::export(log, &OsDisk, &self.path, |_| {}).await
    }

    async fn import(&self, log: &dyn EventLog) -> Result<Imported, ImportError> {
        portable::import(log, &OsDisk, &self.path, |_| {}).await
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    fn check(&self) -> Result<Closing, ImportError> {
        portable::check(&OsDisk, &self.path, |_| {})
    }
}

async fn exported_file(log: &dyn EventLog) -> File {
    let file = File::new();
    file.export(log).await.unwrap();
    file
}

#[tokio::test]
async fn an_exported_log_comes_out_as_the_same_log() {
    let log = source().await;
    let head = log.head().await.unwrap();
    let file = File::new();
    let exported = file.export(&log).await.unwrap();
    assert_eq!((exported.units, exported.resumed_after), (40, None));
    assert_eq!(exported.bytes, file.bytes().len() as u64);
    let closing = Closing { position: head.position, link: head.link, units: 40 };
    assert_eq!(file.check().unwrap(), closing);
    let target = MemoryLog::new(LOG_ID);
    let imported = file.import(&target).await.unwrap();
    assert_eq!((imported.records, imported.resumed_after), (60, Position::START));
    assert_eq!(all(&target).await, all(&log).await);
    assert_eq!((imported.head.link, imported.head.log_id), (head.link, LOG_ID));
    assert_eq!(imported.head.incarnation, Incarnation(3));
    assert_eq!(target.head().await, Ok(imported.head));
}

#[tokio::test]
async fn it_moves_between_adapters_and_chunks_of_any_size() {
    let from = tempfile::tempdir().unwrap();
    let units = filled(from.path(), 4).await;
    let file = exported_file(&reader(from.path()).unwrap()).await;
    let to = tempfile::tempdir().unwrap();
    let target = open(to.path());
    file.import(&target).await.unwrap();
    assert_eq!(exported(&assert_whole(&target).await), units);
    target.close().await.unwrap();
    let again = exported_file(&reader(to.path()).unwrap()).await;
    // But for the incarnation in the header it is the same file.
    assert!(again.bytes()[HEADER_BYTES..] == file.bytes()[HEADER_BYTES..]);
}

#[tokio::test]
async fn an_empty_log_can_be_exported_too() {
    let file = exported_file(&MemoryLog::new(LOG_ID)).await;
    let target = MemoryLog::new(LOG_ID);
    let imported = file.import(&target).await.unwrap();
    assert_eq!((imported.records, imported.head.link), (0, Link::START));
    assert!(matches!(file.import(&target).await, Err(ImportError::Finished { .. })));
}

#[tokio::test]
async fn the_imported_log_is_above_the_incarnation_of_the_exported_one() {
    let log = source().await;
    for _ in 0..3 {
        log.finish_import().await.unwrap();
    }
    let ahead = log.head().await.unwrap().incarnation;
    let target = MemoryLog::new(LOG_ID);
    let imported = exported_file(&log).await.import(&target).await.unwrap();
    assert!(imported.head.incarnation > ahead);
}

#[tokio::test]
async fn an_interrupted_export_goes_on_where_it_was() {
    let log = source().await;
    let whole = exported_file(&log).await.bytes();
    let head = log.head().await.unwrap().position;
    // The log may have gone on; the export ends where it was to end.
    more(&log, 3).await;
    for length in (HEADER_BYTES..whole.len()).step_by(211).chain([whole.len() - 1]) {
        let file = File::new();
        fs::write(&file.path, &whole[..length]).unwrap();
        assert!(matches!(
            file.import(&MemoryLog::new(LOG_ID)).await,
            Err(ImportError::Unfinished { .. })
        ));
        let exported = file.export(&log).await.unwrap();
        assert!(exported.resumed_after.is_some_and(|after| after <= head));
        assert!(file.bytes() == whole, "cut at {length}");
    }
}

#[tokio::test]
async fn what_came_in_pieces_out_of_a_crash_is_written_again() {
    let log = source().await;
    let whole = exported_file(&log).await.bytes();
    let mut random = Random::new(1);
    for _ in 0..20 {
        let file = File::new();
        let mut bytes = whole[..whole.len() - 10].to_vec();
        let from = HEADER_BYTES + random.index(bytes.len() - HEADER_BYTES);
        bytes[from..].fill(0);
        fs::write(&file.path, bytes).unwrap();
        file.export(&log).await.unwrap();
        assert!(file.bytes() == whole, "zero from {from}");
    }
}

#[tokio::test]
async fn a_finished_export_is_left_as_it_is() {
    let log = source().await;
    let file = exported_file(&log).await;
    let before = file.bytes();
    let again = file.export(&log).await.unwrap();
    assert_eq!(again.resumed_after, Some(again.header.position));
    assert!(file.bytes() == before);
}

#[tokio::test]
async fn an_export_is_not_continued_with_another_log_or_past() {
    let log = source().await;
    let file = exported_file(&log).await;
    let cut = file.bytes()[..5_000].to_vec();
    fs::write(&file.path, &cut).unwrap();
    let other = MemoryLog::new(LogId::new(Uuid::from_u128(5)));
    fill(&other, 1, 100).await;
    assert!(matches!(file.export(&other).await, Err(ExportError::OtherLog { .. })));
    let short = MemoryLog::new(LOG_ID);
    fill(&short, 1, 5).await;
    assert!(matches!(file.export(&short).await, Err(ExportError::OtherPast { .. })));
    let another = MemoryLog::new(LOG_ID);
    fill(&another, 8, 100).await;
    assert!(matches!(file.export(&another).await, Err(ExportError::OtherPast { .. })));
    assert!(file.bytes() == cut);
    // The same up to where the file was cut, and then something else.
    let fork = MemoryLog::new(LOG_ID);
    fill(&fork, 1, 30).await;
    fork.finish_import().await.unwrap();
    more(&fork, 77).await;
    let forked = file.export(&fork).await;
    assert!(matches!(forked, Err(ExportError::OtherPast { .. })), "{forked:?}");
    file.export(&log).await.unwrap();
    file.check().unwrap();
}

#[tokio::test]
async fn a_file_that_is_something_else_is_not_touched() {
    let file = File::new();
    fs::write(&file.path, "my diary").unwrap();
    let refused = file.export(&source().await).await;
    assert!(matches!(refused, Err(ExportError::NotAnExport { .. })), "{refused:?}");
    assert_eq!(file.bytes(), b"my diary");
}

#[tokio::test]
async fn every_failing_operation_of_an_export_is_survived() {
    let log = source().await;
    let whole = exported_file(&log).await.bytes();
    let path = Path::new("/exports/log.export");
    for nth in 1.. {
        let disk = SimDisk::default();
        disk.fail_at(nth);
        let failed = portable::export(&log, &disk, path, |_| {}).await;
        if !disk.has_failed() {
            failed.unwrap();
            assert!(nth > 4);
            return;
        }
        failed.unwrap_err();
        let mut random = Random::new(nth);
        for after in [disk.restart(), disk.power_loss(&mut random), disk.power_loss(&mut random)] {
            let after: &dyn Disk = &after;
            portable::export(&log, after, path, |_| {}).await.unwrap();
            portable::check(after, path, |_| {}).unwrap();
        }
        let after = disk.restart();
        portable::export(&log, &after, path, |_| {}).await.unwrap();
        assert!(after.bytes(path).unwrap() == whole);
    }
}

#[tokio::test]
async fn an_interrupted_import_goes_on_at_the_head() {
    let log = source().await;
    let units = exported(&all(&log).await);
    let file = exported_file(&log).await;
    for taken in 0..=units.len() {
        let target = MemoryLog::new(LOG_ID);
        if taken > 0 {
            target.import(units[..taken].to_vec()).await.unwrap();
        }
        let before = target.head().await.unwrap().position;
        let imported = file.import(&target).await.unwrap();
        assert_eq!(imported.resumed_after, before);
        assert_eq!(imported.head.incarnation, Incarnation(3));
        assert_eq!(all(&target).await, all(&log).await);
        let again = file.import(&target).await;
        assert!(matches!(again, Err(ImportError::Finished { .. })), "{again:?}");
        assert_eq!(target.head().await, Ok(imported.head));
    }
}

#[tokio::test]
async fn a_log_that_is_not_a_part_of_the_export_is_left_alone() {
    let log = source().await;
    let file = exported_file(&log).await;
    let other = MemoryLog::new(LogId::new(Uuid::from_u128(5)));
    assert!(matches!(file.import(&other).await, Err(ImportError::OtherLog { .. })));
    let another = MemoryLog::new(LOG_ID);
    fill(&another, 8, 3).await;
    let refused = file.import(&another).await;
    assert!(matches!(refused, Err(ImportError::NotAPart { position: Position(3) })));
    assert_eq!(all(&another).await.len(), 3);
    more(&log, 3).await;
    assert!(matches!(file.import(&log).await, Err(ImportError::GoneOn { .. })));
    let inside_a_command = MemoryLog::new(LOG_ID);
    let mut units = Units::new(5);
    append(&inside_a_command, vec![units.small(1), units.small(1)]).await;
    assert!(matches!(file.import(&inside_a_command).await, Err(ImportError::NotAPart { .. })));
}

#[tokio::test]
async fn every_changed_bit_is_found() {
    let log = MemoryLog::new(LOG_ID);
    fill(&log, 1, 3).await;
    let file = exported_file(&log).await;
    let good = file.bytes();
    for at in 0..good.len() {
        overwrite(&file.path, at as u64, &[good[at] ^ 1 << (at % 8)]);
        assert!(file.check().is_err(), "byte {at}");
        overwrite(&file.path, at as u64, &good[at..=at]);
    }
    fs::write(&file.path, [good.as_slice(), b"more"].concat()).unwrap();
    assert!(file.check().is_err());
}

#[tokio::test]
async fn a_damaged_export_is_refused_and_what_came_before_stays() {
    let log = source().await;
    let file = exported_file(&log).await;
    overwrite(&file.path, 9_000, b"???");
    let target = MemoryLog::new(LOG_ID);
    let refused = file.import(&target).await;
    assert!(matches!(refused, Err(ImportError::Malformed { .. })), "{refused:?}");
    assert!(assert_whole(&target).await.len() < 60);
    assert_eq!(target.head().await.unwrap().incarnation, Incarnation(1));
}

#[tokio::test]
async fn a_log_that_takes_no_appends_is_told_of() {
    let file = exported_file(&source().await).await;
    let target = MemoryLog::new(LOG_ID);
    target.close().await.unwrap();
    let refused = file.import(&target).await;
    assert!(matches!(refused, Err(ImportError::Append(AppendError::Refused(_)))), "{refused:?}");
}

#[test]
fn a_header_reads_back() {
    let header = Header {
        log_id: LOG_ID,
        incarnation: Incarnation(7),
        position: Position(42),
        link: Link([3; 32]),
    };
    assert_eq!(Header::read(&header.write()), Ok(header));
}

#[tokio::test]
async fn no_bytes_make_the_reader_panic() {
    let log = MemoryLog::new(LOG_ID);
    fill(&log, 1, 4).await;
    let good = exported_file(&log).await.bytes();
    let mut random = Random::new(1);
    for _ in 0..2_000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(6) {
            let at = random.index(bytes.len());
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        bytes.truncate(random.index(bytes.len()) + 1);
        fuzzing::read_export(&bytes);
    }
}
