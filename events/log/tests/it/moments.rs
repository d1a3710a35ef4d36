//! What is seen of the embedded log at the moments between being accepted and being on disk, and
//! what becomes of it when it ends there.

use std::sync::Arc;

use carrel_log::embedded::chunk::SEAL_FRAME_BYTES;
use carrel_log::embedded::{CHUNK_BYTES_MIN, EmbeddedLog};
use carrel_log::{AppendError, EventLog, Expected, PageLimit, ReadError};
use carrel_model::record::{CommandUnit, Epoch, Position, Version};
use carrel_testkit::ledger::{Ledger, read_all};
use carrel_testkit::random::Random;
use carrel_testkit::sim_disk::SimDisk;
use carrel_testkit::units::{Units, stream};
use tokio::task::JoinSet;

use crate::faults::{chunk, index, open, recovers, some_chunks};

type Appends = JoinSet<Result<Vec<carrel_log::Answer>, AppendError>>;

fn begin(log: &Arc<EmbeddedLog>, units: Vec<CommandUnit>) -> Appends {
    let mut appends = JoinSet::new();
    for unit in units {
        let log = Arc::clone(log);
        appends.spawn(async move { log.append(Expected::Any, vec![unit]).await });
    }
    appends
}

async fn all_are_acknowledged(mut appends: Appends) {
    while let Some(answers) = appends.join_next().await {
        answers.unwrap().unwrap();
    }
}

/// The log is as it was when it had so many records, asked in any way.
async fn shows(log: &EmbeddedLog, count: usize, under_way: &[CommandUnit]) {
    assert_eq!(log.head().await.unwrap().position, Position(count as u64));
    let whole = read_all(log).await;
    assert_eq!(whole.len(), count);
    for unit in under_way {
        assert_eq!(log.lookup(unit.command_id).await, Ok(None));
    }
    for number in 0..12 {
        let page = log.read_stream(&stream(number), Version::NONE, PageLimit::MAX).await.unwrap();
        let known = whole.iter().filter(|record| record.stream == stream(number));
        assert_eq!(page.records, known.cloned().collect::<Vec<_>>(), "stream {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_seen_or_acknowledged_before_its_own_sync() {
    let disk = SimDisk::default();
    let log = Arc::new(open(&disk).unwrap());
    let mut units = Units::new(1);
    log.append(Expected::Any, vec![units.small(1)]).await.unwrap();
    let relay = "relay".parse().unwrap();
    log.save_cursor(&relay, Position(0), Epoch(1)).await.unwrap();
    disk.hold(&chunk(1));
    let (first, second) = (units.small(2), units.small(3));
    let mut appends = begin(&log, vec![first.clone(), second.clone(), first.clone()]);
    disk.wait_for_held_sync();
    let mut saving = JoinSet::new();
    {
        let (log, relay) = (Arc::clone(&log), relay.clone());
        saving.spawn(async move { log.save_cursor(&relay, Position(1), Epoch(2)).await });
    }
    for _ in 0..100 {
        shows(&log, 1, &[first.clone(), second.clone()]).await;
        let cursor = log.cursor(&relay).await.unwrap().unwrap();
        assert_eq!((cursor.position, cursor.epoch), (Position(0), Epoch(1)));
    }
    assert!(appends.try_join_next().is_none());
    assert!(saving.try_join_next().is_none());
    disk.release();
    all_are_acknowledged(appends).await;
    saving.join_all().await.into_iter().for_each(Result::unwrap);
    assert_eq!(log.cursor(&relay).await.unwrap().unwrap().epoch, Epoch(2));
    shows(&log, 3, &[]).await;
}

/// While the seal of a chunk waits for the disk, others are already appending to the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_being_sealed_is_read_as_it_is_on_disk() {
    for seed in 0..20 {
        let disk = SimDisk::default();
        let log = Arc::new(open(&disk).unwrap());
        let mut units = Units::new(seed);
        let mut large = |count| -> Vec<_> {
            (0..count).map(|n| units.unit(&[stream(n % 12), stream(3)], 4_000)).collect()
        };
        all_are_acknowledged(begin(&log, large(5))).await;
        disk.hold(&chunk(1));
        let under_way = large(12);
        let appends = begin(&log, under_way.clone());
        disk.wait_for_held_sync();
        for _ in 0..20 {
            shows(&log, 10, &under_way).await;
            tokio::task::yield_now().await;
        }
        disk.release();
        all_are_acknowledged(appends).await;
        assert!(disk.bytes(&chunk(2)).is_some());
        shows(&log, 34, &[]).await;
    }
}

/// Fills the first chunk so that a seal would just fit, and one command more. Says whether it came
/// to its end.
async fn fill_exactly(log: &EmbeddedLog, disk: &SimDisk, ledger: &mut Ledger) -> bool {
    let mut units = Units::new(1);
    let end = || {
        let bytes = disk.bytes(&chunk(1)).unwrap();
        bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
    };
    let mut append = async |bytes| {
        let unit = units.unit(&[stream(1)], bytes);
        ledger.append(log, vec![unit]).await.is_ok()
    };
    if !append(1_000).await {
        return false;
    }
    let before = end();
    if !append(1_000).await {
        return false;
    }
    let around = end() - before - 1_000;
    let capacity = usize::try_from(CHUNK_BYTES_MIN).unwrap() - SEAL_FRAME_BYTES;
    while capacity - end() > 12_000 {
        if !append(4_000).await {
            return false;
        }
    }
    append(capacity - end() - around).await && append(100).await
}

/// A seal that ends where its file ends is believed, so it must have been durable.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_filled_to_its_last_byte_is_not_believed_before_it_is_durable() {
    for nth in 1.. {
        let disk = SimDisk::default();
        disk.fail_at(nth);
        let mut ledger = Ledger::default();
        let mut done = false;
        if let Ok(log) = open(&disk) {
            done = fill_exactly(&log, &disk, &mut ledger).await;
            disk.die();
        }
        for seed in 0..4 {
            let mut random = Random::new(seed << 32 | nth);
            recovers(&disk.restart(), &ledger, &mut random).await;
            recovers(&disk.power_loss(&mut random), &ledger, &mut random).await;
        }
        if done && !disk.has_failed() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_in_the_way_for_a_moment_costs_no_index() {
    let (disk, ledger) = some_chunks().await;
    let log = open(&disk).unwrap();
    let old = read_all(&log).await[0].clone();
    let other = CommandUnit {
        command_id: old.unit.command_id,
        fingerprint: old.unit.fingerprint,
        ..Units::new(9).small(1)
    };
    disk.deny(&index(1), 2);
    let unread = log.lookup(old.unit.command_id).await;
    assert!(matches!(unread, Err(ReadError::Io { .. })), "{unread:?}");
    let refused = log.append(Expected::Any, vec![other.clone()]).await;
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    assert_eq!(log.rebuilds().borrow().total, 0);
    let known = log.append(Expected::Any, vec![other]).await.unwrap();
    assert_eq!((known[0].first, known[0].duplicate), (old.position, true));
    ledger.check(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_the_disk_was_in_the_way_of_is_tried_again() {
    let (disk, mut ledger) = some_chunks().await;
    disk.put(&index(1), vec![0; 100]);
    // The first two look at its header and its seal; the third would make the index anew.
    disk.deny_after(&chunk(1), 1, 1);
    let log = open(&disk).unwrap();
    let refused = log.rebuilt().await;
    assert!(refused.is_err(), "{refused:?}");
    log.rebuilt().await.unwrap();
    ledger.append(&log, vec![Units::new(1_000).small(1)]).await.unwrap();
    ledger.check(&log).await;
}
