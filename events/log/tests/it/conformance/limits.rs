//! Every limit at its edge, and one beyond.

use std::sync::Arc;

use bytes::Bytes;
use carrel_log::chain::Link;
use carrel_log::error::TooLarge;
use carrel_log::limits::{
    BATCH_BYTES_MAX, BATCH_UNITS_MAX, NAMES_MAX, PAGE_BYTES_MAX, PAGE_RECORDS_MAX,
    RECORD_DATA_BYTES_MAX, SNAPSHOT_BYTES_MAX, TURN_CATCH_UP_MAX, UNIT_DATA_BYTES_MAX,
    UNIT_RECORDS_MAX,
};
use carrel_log::{AppendError, CursorError, EventLog, Expected, PageLimit, Snapshot, SnapshotKey};
use carrel_model::name::SnapshotKind;
use carrel_model::record::{CommandUnit, Epoch, Position};
use carrel_testkit::units::{Units, stream};
use tokio::task::JoinSet;

use super::scene::{append, assert_whole, consumer, fill, fill_densely, lease};
use super::{Adapter, empty};

/// How the log refuses a batch; through a turn it must be the same.
async fn refusal(log: &dyn EventLog, units: Vec<CommandUnit>) -> TooLarge {
    let head = log.head().await;
    let refused = log.append(Expected::Any, units.clone()).await;
    let turn = log.turn(Position::START).await.unwrap();
    assert_eq!(turn.append(units, None).await, refused);
    assert_eq!(log.head().await, head);
    match refused {
        Err(AppendError::TooLarge(too_large)) => too_large,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_batch_has_one_to_its_maximum_of_commands<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let mut batch: Vec<_> = (0..BATCH_UNITS_MAX as u64).map(|n| units.small(n)).collect();
    let max = BATCH_UNITS_MAX;
    assert_eq!(refusal(&*log, vec![]).await, TooLarge::Units { given: 0, max });
    append(&*log, batch.clone()).await;
    batch.push(units.small(1));
    assert_eq!(refusal(&*log, batch).await, TooLarge::Units { given: max + 1, max });
    assert_eq!(assert_whole(&*log).await.len(), max);
}

pub(crate) async fn a_command_has_one_to_its_maximum_of_records<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let max = UNIT_RECORDS_MAX;
    let none = vec![units.small(1), units.unit(&[], 64)];
    assert_eq!(refusal(&*log, none).await, TooLarge::Records { given: 0, max });
    append(&*log, vec![units.unit(&vec![stream(1); max], 64)]).await;
    let beyond = vec![units.unit(&vec![stream(1); max + 1], 64)];
    assert_eq!(refusal(&*log, beyond).await, TooLarge::Records { given: max + 1, max });
    assert_eq!(assert_whole(&*log).await.len(), max);
}

pub(crate) async fn a_record_has_at_most_so_much_data<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let max = RECORD_DATA_BYTES_MAX;
    append(&*log, vec![units.unit(&[stream(1)], max)]).await;
    let beyond = vec![units.unit(&[stream(1)], max + 1)];
    assert_eq!(refusal(&*log, beyond).await, TooLarge::RecordData { given: max + 1, max });
    assert_eq!(assert_whole(&*log).await[0].data.len(), max);
}

pub(crate) async fn a_command_has_at_most_so_much_data<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let max = UNIT_DATA_BYTES_MAX;
    let mut full = units.unit(&vec![stream(1); max / RECORD_DATA_BYTES_MAX], RECORD_DATA_BYTES_MAX);
    append(&*log, vec![full.clone()]).await;
    let mut one_byte = units.small(1).records;
    one_byte[0].data = Bytes::from_static(b"1");
    full.records.append(&mut one_byte);
    full.command_id = units.small(1).command_id;
    assert_eq!(refusal(&*log, vec![full]).await, TooLarge::UnitData { given: max + 1, max });
    assert_eq!(assert_whole(&*log).await.len(), 4);
}

/// The encoded length is the log's own business, so the edge is found from what it says.
pub(crate) async fn a_batch_has_at_most_so_many_bytes<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let mut batch: Vec<_> = (0..17).map(|n| units.unit(&[stream(n)], 250_000)).collect();
    let TooLarge::Batch { given, max } = refusal(&*log, batch.clone()).await else {
        panic!("the batch is larger than {BATCH_BYTES_MAX}");
    };
    assert_eq!(max, BATCH_BYTES_MAX);
    let data = &mut batch[0].records[0].data;
    data.truncate(data.len() - (given - max));
    append(&*log, batch.clone()).await;
    for unit in &mut batch {
        unit.command_id = units.small(1).command_id;
    }
    // Frames are padded, so the next larger one may be a few bytes larger.
    let longer = batch[0].records[0].data.len() + 8;
    batch[0].records[0].data = Bytes::from(vec![b' '; longer]);
    let TooLarge::Batch { given, .. } = refusal(&*log, batch).await else {
        panic!("the batch is larger than {BATCH_BYTES_MAX}");
    };
    assert!((max + 1..=max + 8).contains(&given), "{given}");
    assert_eq!(assert_whole(&*log).await.len(), 17);
}

pub(crate) async fn a_writer_is_at_most_so_far_behind<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let max = TURN_CATCH_UP_MAX;
    let count = usize::try_from(max).unwrap() + 1;
    fill_densely(&*log, 1, count).await;
    let turn = log.turn(Position(1)).await.unwrap();
    assert_eq!(turn.since().len(), count - 1);
    drop(turn);
    let refused = log.turn(Position::START).await.err();
    assert_eq!(refused, Some(TooLarge::CatchUp { given: max + 1, max }.into()));
    // Who was refused does not hold the place.
    let turn = log.turn(Position(max + 1)).await.unwrap();
    turn.append(vec![Units::new(2).small(1)], None).await.unwrap();
    assert_whole(&*log).await;
}

pub(crate) async fn a_page_has_at_most_so_many_records<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill_densely(&*log, 1, PAGE_RECORDS_MAX + 1).await;
    for limit in [PageLimit::MAX, PageLimit { records: usize::MAX, bytes: usize::MAX }] {
        let page = log.read(Position::START, limit).await.unwrap();
        assert_eq!((page.records.len(), page.at_end), (PAGE_RECORDS_MAX, false));
        let page = log.read(Position(1), limit).await.unwrap();
        assert_eq!((page.records.len(), page.at_end), (PAGE_RECORDS_MAX, true));
    }
}

pub(crate) async fn a_page_has_at_most_so_many_bytes<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let of_largest = PAGE_BYTES_MAX / RECORD_DATA_BYTES_MAX;
    for _ in 0..of_largest + 1 {
        append(&*log, vec![units.unit(&[stream(1)], RECORD_DATA_BYTES_MAX)]).await;
    }
    for limit in [PageLimit::MAX, PageLimit { records: usize::MAX, bytes: usize::MAX }] {
        let page = log.read(Position::START, limit).await.unwrap();
        assert_eq!((page.records.len(), page.at_end), (of_largest, false));
        let page = log.read(Position(1), limit).await.unwrap();
        assert_eq!((page.records.len(), page.at_end), (of_largest, true));
    }
}

/// The pages of a vector of zeros are not touched before somebody reads them, so this costs no
/// memory where the length is looked at first.
pub(crate) async fn a_snapshot_has_at_most_so_many_bytes<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let (given, max) = (SNAPSHOT_BYTES_MAX + 1, SNAPSHOT_BYTES_MAX);
    let key = SnapshotKey { kind: SnapshotKind::new("fleet").unwrap(), model: [1; 32] };
    let data = Bytes::from(vec![0; usize::try_from(given).unwrap()]);
    let snapshot = Snapshot { key: key.clone(), position: Position(0), link: Link::START, data };
    let refused = log.save_snapshot(snapshot).await;
    assert_eq!(refused, Err(TooLarge::Snapshot { given, max }.into()));
    assert_eq!(log.snapshot(&key).await, Ok(None));
}

pub(crate) async fn at_most_so_many_names_are_kept<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 1).await;
    let epoch = Epoch(1);
    let mut saving = JoinSet::new();
    for share in 0..16 {
        let log = Arc::clone(&log);
        saving.spawn(async move {
            for n in (share..NAMES_MAX - 1).step_by(16) {
                let name = consumer(&format!("c{n}"));
                log.save_cursor(&name, Position(1), epoch).await.unwrap();
            }
        });
    }
    saving.join_all().await;
    assert_eq!(log.raise_epoch(&lease("l")).await, Ok(Epoch(1)));

    let names = || CursorError::TooLarge(TooLarge::Names { max: NAMES_MAX });
    let refused = log.save_cursor(&consumer("one.more"), Position(1), epoch).await;
    assert_eq!(refused, Err(names()));
    assert_eq!(log.raise_epoch(&lease("one.more")).await, Err(names()));
    // Those that are there go on.
    log.save_cursor(&consumer("c0"), Position(0), epoch).await.unwrap();
    assert_eq!(log.raise_epoch(&lease("l")).await, Ok(Epoch(2)));
    assert_eq!(log.cursors().await.unwrap().len(), NAMES_MAX - 1);
}
