//! The embedded log on a disk that fails, fills up, loses power, and changes what was written.
//!
//! Every case ends with the same question: does the log hold what a client's ledger says it must?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_log::disk::Disk;
use carrel_log::embedded::{CHUNK_BYTES_MIN, CataloguePlace, EmbeddedLog, OpenError, Options};
use carrel_log::{AppendError, EventLog, Expected, PageLimit, ReadError, Refused};
use carrel_model::ids::LogId;
use carrel_model::record::{CommandUnit, Epoch, Position, Record, StreamId, Version};
use carrel_testkit::ledger::{Ledger, read_all};
use carrel_testkit::random::Random;
use carrel_testkit::sim_disk::SimDisk;
use carrel_testkit::units::{Units, stream};
use uuid::Uuid;

pub(crate) const DIR: &str = "/log";

pub(crate) fn options() -> Options {
    Options {
        new_log_id: LogId::new(Uuid::from_u128(1)),
        chunk_bytes: CHUNK_BYTES_MIN,
        reserve_bytes: 0,
        owner: String::from("a test"),
        catalogue: Some(CataloguePlace::Temporary),
    }
}

pub(crate) fn open(disk: &SimDisk) -> Result<EmbeddedLog, OpenError> {
    EmbeddedLog::open(Arc::new(disk.clone()) as Arc<dyn Disk>, Path::new(DIR), options())
}

/// Batches of different shapes, with enough bytes to fill two chunks.
fn batches(seed: u64) -> Vec<Vec<CommandUnit>> {
    let mut units = Units::new(seed);
    let mut batches = Vec::new();
    for round in 0..9 {
        batches.push(vec![units.small(round)]);
        batches.push(vec![units.small(1), units.unit(&[stream(2), stream(round), stream(2)], 700)]);
        let large = [stream(3), stream(4), stream(5), stream(6)];
        batches.push(vec![units.unit(&large, 4_000)]);
        batches.push(vec![units.small(7), units.small(8), units.small(9)]);
    }
    batches
}

/// Appends until it is done, or until an outcome is unknown: then nothing more is acknowledged. A
/// refusal wrote nothing, and the next attempt may succeed.
async fn work(log: &EmbeddedLog, ledger: &mut Ledger, batches: &[Vec<CommandUnit>]) {
    for (nth, batch) in batches.iter().enumerate() {
        if let Err(AppendError::OutcomeUnknown(_)) = ledger.append(log, batch.clone()).await {
            let again = log.append(Expected::Any, batch.clone()).await;
            assert!(again.is_err(), "acknowledged after a failure: {again:?}");
            return;
        }
        if nth % 7 == 3 {
            // Its outcome shows in what comes next.
            let _ = log.save_cursor(&"relay".parse().unwrap(), Position(1), Epoch(1)).await;
        }
    }
}

/// The log after a restart holds what it must, can be written to, and holds that after another.
pub(crate) async fn recovers(disk: &SimDisk, ledger: &Ledger, random: &mut Random) {
    let log = open(disk).unwrap_or_else(|error| panic!("it does not open: {error}"));
    log.rebuilt().await.unwrap();
    ledger.check(&log).await;
    let mut ledger = ledger.clone();
    let mut units = Units::new(random.next());
    ledger.append(&log, vec![units.small(1), units.small(2)]).await.unwrap();
    // What was served must last, although it may have come out of the page cache.
    disk.die();
    let after = disk.power_loss(random);
    drop(log);
    let log = open(&after).unwrap_or_else(|error| panic!("it does not open again: {error}"));
    log.rebuilt().await.unwrap();
    ledger.check(&log).await;
}

/// Fails the n-th operation that changes something, for all n.
async fn every_operation_fails(seed: u64) {
    let mut nth = 1;
    loop {
        let mut random = Random::new(seed << 32 | nth);
        let disk = SimDisk::default();
        disk.fail_at(nth);
        let mut ledger = Ledger::default();
        if let Ok(log) = open(&disk) {
            work(&log, &mut ledger, &batches(seed)).await;
            disk.die();
        }
        if !disk.has_failed() {
            assert!(nth > 50, "the workload has more operations than that");
            return;
        }
        recovers(&disk.restart(), &ledger, &mut random).await;
        recovers(&disk.power_loss(&mut random), &ledger, &mut random).await;
        nth += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_fails_once_and_power_goes() {
    for seed in 0..4 {
        every_operation_fails(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn power_goes_at_any_moment() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let disk = SimDisk::default();
        let log = Arc::new(open(&disk).unwrap());
        let mut ledger = Ledger::default();
        let batches = batches(seed);
        let stop_after = random.index(batches.len());
        work(&log, &mut ledger, &batches[..stop_after]).await;
        // These are under way when power goes: they may be there, whole, or not.
        let under_way = batches[stop_after..].iter().take(5).cloned();
        let mut tasks = tokio::task::JoinSet::new();
        for batch in under_way {
            let log = Arc::clone(&log);
            let mut ledger = ledger.clone();
            tasks.spawn(async move {
                let _ = ledger.append(&*log, batch).await;
                ledger
            });
        }
        for _ in 0..random.below(2_000) {
            std::hint::spin_loop();
        }
        disk.die();
        let after = disk.power_loss(&mut random);
        while let Some(done) = tasks.join_next().await {
            ledger.tried_too(done.unwrap());
        }
        let log = open(&after).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        log.rebuilt().await.unwrap();
        ledger.check(&log).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_poisons_the_log() {
    let disk = SimDisk::default();
    let log = open(&disk).unwrap();
    let mut units = Units::new(1);
    log.append(Expected::Any, vec![units.small(1)]).await.unwrap();
    // The keeper makes the next chunk meanwhile, so it may be its operation that fails.
    let mut failed = None;
    for nth in 1..1_000 {
        disk.fail_at(1);
        if let Err(error) = log.append(Expected::Any, vec![units.small(nth)]).await {
            failed = Some(error);
            break;
        }
    }
    assert!(matches!(failed, Some(AppendError::OutcomeUnknown(_))), "{failed:?}");
    assert!(log.failed().await.contains("input/output error"));
    let after = log.append(Expected::Any, vec![units.small(1)]).await;
    assert!(matches!(after, Err(AppendError::Refused(Refused::Poisoned(_)))), "{after:?}");
    let turn = log.turn(Position(1)).await.err();
    assert!(matches!(turn, Some(AppendError::Refused(Refused::Poisoned(_)))), "{turn:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_recovers() {
    let disk = SimDisk::default();
    let reserve = 32 * 1024;
    let options = || Options { reserve_bytes: reserve, ..options() };
    let shared = Arc::new(disk.clone()) as Arc<dyn Disk>;
    let log = EmbeddedLog::open(Arc::clone(&shared), Path::new(DIR), options()).unwrap();
    let mut ledger = Ledger::default();
    let mut units = Units::new(1);
    let mut large = || vec![units.unit(&[stream(1), stream(2), stream(3)], 4_000)];
    ledger.append(&log, large()).await.unwrap();

    // Somebody else fills the disk: the reserve is kept, and appends are refused in good time.
    disk.limit(Some(2 * CHUNK_BYTES_MIN + reserve / 2));
    let mut refused = None;
    for _ in 0..100 {
        refused = ledger.append(&log, large()).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(AppendError::Refused(Refused::LowSpace { .. }))), "{refused:?}");
    ledger.check(&log).await;

    disk.limit(None);
    while ledger.append(&log, large()).await.is_err() {}
    for _ in 0..20 {
        ledger.append(&log, large()).await.unwrap();
    }
    ledger.check(&log).await;
    drop(log);
    let log = EmbeddedLog::open(shared, Path::new(DIR), options()).unwrap();
    ledger.check(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused_and_told_who_has_the_log() {
    let disk = SimDisk::default();
    let log = open(&disk).unwrap();
    let second = open(&disk).err().unwrap();
    assert!(matches!(&second, OpenError::InUse { holder, .. } if holder == "a test"), "{second}");
    drop(log);
    open(&disk).unwrap();
}

/// A log of at least two sealed chunks and an active one.
pub(crate) async fn some_chunks() -> (SimDisk, Ledger) {
    let disk = SimDisk::default();
    let log = open(&disk).unwrap();
    let mut ledger = Ledger::default();
    for batch in batches(5) {
        ledger.append(&log, batch).await.unwrap();
    }
    log.close().await.unwrap();
    drop(log);
    (disk, ledger)
}

pub(crate) fn chunk(number: u64) -> PathBuf {
    Path::new(DIR).join(format!("chunks/{number:010}.chunk"))
}

pub(crate) fn index(number: u64) -> PathBuf {
    Path::new(DIR).join(format!("chunks/{number:010}.index"))
}

/// Asks for everything in every way. What is served is what was written; says how many records
/// could be read in order, and the error that ended it.
async fn served(log: &EmbeddedLog, whole: &[Record]) -> (usize, Option<ReadError>) {
    for id in whole.iter().map(|record| record.unit.command_id) {
        let first = whole.iter().find(|record| record.unit.command_id == id);
        match log.lookup(id).await {
            Ok(answer) => assert_eq!(answer.map(|it| it.first), first.map(|it| it.position)),
            Err(error) => assert!(matches!(error, ReadError::Damaged(_)), "{error}"),
        }
    }
    for stream in streams(whole) {
        if let Ok(page) = log.read_stream(&stream, Version::NONE, PageLimit::MAX).await {
            let of_stream = whole.iter().filter(|record| record.stream == stream);
            assert_eq!(page.records, of_stream.cloned().collect::<Vec<_>>());
        }
    }
    let mut count = 0;
    loop {
        match log.read(Position(count as u64), PageLimit::MAX).await {
            Ok(page) => {
                assert_eq!(page.records, whole[count..count + page.records.len()]);
                count += page.records.len();
                if page.at_end {
                    return (count, None);
                }
            }
            Err(error) => return (count, Some(error)),
        }
    }
}

fn streams(records: &[Record]) -> BTreeSet<StreamId> {
    records.iter().map(|record| record.stream.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_in_a_sealed_chunk_is_found_named_and_never_served() {
    let (disk, _) = some_chunks().await;
    let good = disk.bytes(&chunk(1)).unwrap();
    let whole = read_all(&open(&disk.copy()).unwrap()).await;
    let mut random = Random::new(3);
    let length = good.len();
    // The header's fields and its padding, the first frames byte by byte, bodies, and the seal.
    let mut places: Vec<usize> = (0..96).chain(4080..4500).chain(length - 120..length).collect();
    places.extend((0..200).map(|_| random.index(length)));
    for place in places {
        let disk = disk.copy();
        let mut bad = good.clone();
        bad[place] ^= 1 << random.below(8);
        disk.put(&chunk(1), bad);
        let error = match open(&disk) {
            Err(OpenError::Read(error)) => error.to_string(),
            Err(OpenError::Newer { path, .. }) => path.display().to_string(),
            Err(other) => panic!("byte {place}: {other}"),
            Ok(log) => {
                let (count, error) = served(&log, &whole).await;
                assert!(count < whole.len(), "byte {place} was served");
                error.unwrap_or_else(|| panic!("byte {place} was not found")).to_string()
            }
        };
        assert!(error.contains("0000000001.chunk"), "byte {place}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_and_damaged_indexes_are_made_anew() {
    let (disk, ledger) = some_chunks().await;
    let whole = read_all(&open(&disk.copy()).unwrap()).await;
    let mut random = Random::new(4);
    for round in 0..100 {
        let disk = disk.copy();
        let number = 1 + random.below(2);
        let good = disk.bytes(&index(number)).unwrap();
        match round % 3 {
            0 => disk.remove(&index(number)).unwrap(),
            1 => {
                let mut cut = disk.bytes(&index(number)).unwrap();
                cut.truncate(random.index(cut.len()));
                disk.put(&index(number), cut);
            }
            _ => {
                let mut bad = disk.bytes(&index(number)).unwrap();
                let place = random.index(bad.len());
                bad[place] ^= 1 << random.below(8);
                disk.put(&index(number), bad);
            }
        }
        let log = open(&disk).unwrap();
        if round % 3 < 2 {
            assert_eq!(log.report().rebuilding, [number]);
        }
        ledger.check(&log).await;
        assert_eq!(served(&log, &whole).await, (whole.len(), None));
        log.rebuilt().await.unwrap();
        ledger.check(&log).await;
        assert_eq!(served(&log, &whole).await, (whole.len(), None));
        // A part that nobody asked for may still be wrong: then it is found when somebody does.
        if log.rebuilds().borrow().done > 0 {
            assert_eq!(disk.bytes(&index(number)).unwrap(), good);
        }
        let mut ledger = ledger.clone();
        ledger.append(&log, vec![Units::new(1_000 + round).small(1)]).await.unwrap();
        ledger.check(&log).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_chunk_is_not_believed() {
    let (disk, ledger) = some_chunks().await;
    let other = disk.bytes(&index(2)).unwrap();
    disk.put(&index(1), other);
    let log = open(&disk).unwrap();
    assert_eq!(log.report().rebuilding, [1]);
    log.rebuilt().await.unwrap();
    ledger.check(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_chunk_is_missed() {
    let (disk, _) = some_chunks().await;
    let last =
        disk.paths().iter().filter(|path| path.extension() == Some("chunk".as_ref())).count();
    for number in 1..=last as u64 {
        let (disk, _) = some_chunks().await;
        disk.remove(&chunk(number)).unwrap();
        let error = open(&disk).err().unwrap();
        assert!(
            matches!(error, OpenError::MissingChunk { number: missing, .. } if missing == number),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_of_another_log_is_refused() {
    let (disk, _) = some_chunks().await;
    let mut bytes = disk.bytes(&chunk(2)).unwrap();
    bytes[24] ^= 1;
    let crc = crc32c::crc32c(&bytes[..4092]).to_le_bytes();
    bytes[4092..4096].copy_from_slice(&crc);
    disk.put(&chunk(2), bytes);
    let error = open(&disk).err().unwrap().to_string();
    assert!(error.contains("does not continue"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_closed_in_order_is_not_taken_for_torn() {
    let (disk, _) = some_chunks().await;
    let active = (1..).map(chunk).take_while(|path| disk.bytes(path).is_some()).last().unwrap();
    let mut bytes = disk.bytes(&active).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 20..].fill(0);
    disk.put(&active, bytes);
    for _ in 0..2 {
        let error = open(&disk).err().unwrap().to_string();
        assert!(error.contains("closed in order"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_index_of_a_damaged_chunk_refuses_appends_and_says_why() {
    let (disk, _) = some_chunks().await;
    disk.remove(&index(1)).unwrap();
    let mut bytes = disk.bytes(&chunk(1)).unwrap();
    bytes[5_000] ^= 1;
    disk.put(&chunk(1), bytes);
    let log = open(&disk).unwrap();
    let refused = log.rebuilt().await.err().unwrap();
    assert!(matches!(&refused, Refused::Damaged(cause) if cause.contains("0000000001.chunk")));
    let append = log.append(Expected::Any, vec![Units::new(1_000).small(1)]).await;
    assert_eq!(append, Err(AppendError::Refused(refused)));
    assert!(log.read(Position(60), PageLimit::MAX).await.is_ok());
}
