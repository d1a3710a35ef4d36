use bytes::Bytes;
use carrel_log::chain::Link;
use carrel_log::error::TooLarge;
use carrel_log::limits::{BATCH_UNITS_MAX, UNIT_RECORDS_MAX};
use carrel_log::{Answer, AppendError, EventLog, Head, PlacedUnit};
use carrel_model::record::{Incarnation, Position, Record};
use carrel_testkit::units::{Units, stream};

use super::scene::{all, append, assert_whole, exported, fill};
use super::{Adapter, LOG_ID, empty, reopened};

/// What an export of a log with two incarnations has: commands of one and of several records.
async fn made_elsewhere<A: Adapter>() -> (Vec<Record>, Vec<PlacedUnit>, Head) {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 6).await;
    log.finish_import().await.unwrap();
    let mut units = Units::new(2);
    let several = |n| [stream(n), stream(2), stream(1)];
    append(&*log, (0..6).map(|n| units.unit(&several(n), 90)).collect()).await;
    let records = assert_whole(&*log).await;
    let placed = exported(&records);
    assert_eq!(placed.len(), 12);
    (records, placed, log.head().await.unwrap())
}

/// The import is refused, and nothing was written after the position that the error names.
async fn assert_refused(log: &dyn EventLog, units: Vec<PlacedUnit>, at: u64) {
    match log.import(units).await {
        Err(AppendError::NotContinuous { after, .. }) => assert_eq!(after, Position(at)),
        other => panic!("{other:?}"),
    }
    assert_eq!(assert_whole(log).await.len() as u64, at);
}

pub(crate) async fn an_imported_log_is_the_same_log<A: Adapter>() {
    let (records, placed, head) = made_elsewhere::<A>().await;
    let (_adapter, log) = empty::<A>().await;
    assert_eq!(log.import(placed).await, Ok(head));
    assert_eq!(log.head().await, Ok(head));
    assert_eq!(head.incarnation, Incarnation(2));
    assert_eq!(assert_whole(&*log).await, records);
}

pub(crate) async fn an_import_can_be_resumed_at_the_head<A: Adapter>() {
    let (records, placed, head) = made_elsewhere::<A>().await;
    let (mut adapter, mut log) = empty::<A>().await;
    let mut left = placed;
    while !left.is_empty() {
        let next = log.head().await.unwrap().position.next();
        assert_eq!(left[0].first, next);
        let rest = left.split_off(left.len().min(5));
        log.import(left).await.unwrap();
        left = rest;
        log = reopened(&mut adapter, log).await;
    }
    assert_eq!(log.head().await, Ok(head));
    assert_eq!(assert_whole(&*log).await, records);
}

pub(crate) async fn a_unit_that_is_not_next_is_refused<A: Adapter>() {
    let (_, placed, _) = made_elsewhere::<A>().await;
    let (_adapter, log) = empty::<A>().await;
    assert_refused(&*log, placed[1..3].to_vec(), 0).await;
    log.import(placed[..4].to_vec()).await.unwrap();
    assert_refused(&*log, placed[3..5].to_vec(), 4).await;
    assert_refused(&*log, placed[5..6].to_vec(), 4).await;
    log.import(placed[4..].to_vec()).await.unwrap();
    assert_whole(&*log).await;
}

pub(crate) async fn a_unit_whose_link_does_not_fit_is_refused<A: Adapter>() {
    let (_, placed, head) = made_elsewhere::<A>().await;
    let (_adapter, log) = empty::<A>().await;
    log.import(placed[..8].to_vec()).await.unwrap();
    let end = log.head().await.unwrap().position.0;
    let mut other = placed[8].clone();
    other.link = Link([1; 32]);
    assert_refused(&*log, vec![other], end).await;
    assert_eq!(log.lookup(placed[8].unit.command_id).await, Ok(None));
    assert_eq!(log.import(placed[8..].to_vec()).await, Ok(head));
    assert_whole(&*log).await;
}

pub(crate) async fn a_unit_that_was_changed_is_refused<A: Adapter>() {
    let (_, placed, _) = made_elsewhere::<A>().await;
    let (_adapter, log) = empty::<A>().await;
    let mut changed = placed[0].clone();
    changed.unit.records[0].data = Bytes::from_static(b"{\"note\":\"another\"}");
    assert_refused(&*log, vec![changed], 0).await;
    let mut later = placed[0].clone();
    later.incarnation = Incarnation(7);
    assert_refused(&*log, vec![later], 0).await;
    // What was refused leaves no trace in the log's own incarnation either.
    assert_eq!(log.head().await.unwrap().incarnation, Incarnation(1));
}

pub(crate) async fn an_incarnation_never_falls<A: Adapter>() {
    let (_, placed, _) = made_elsewhere::<A>().await;
    let (_adapter, log) = empty::<A>().await;
    log.import(placed[..2].to_vec()).await.unwrap();
    log.finish_import().await.unwrap();
    // The rest of the export belongs to a past that this log has left behind.
    assert_refused(&*log, placed[2..3].to_vec(), 2).await;
    assert_eq!(log.head().await.unwrap().incarnation, Incarnation(2));
}

pub(crate) async fn what_came_before_a_unit_that_does_not_fit_stays<A: Adapter>() {
    let (_, mut placed, head) = made_elsewhere::<A>().await;
    let (_adapter, log) = empty::<A>().await;
    let good = placed[2].link;
    placed[2].link = Link([1; 32]);
    let after = match log.import(placed.clone()).await {
        Err(AppendError::NotContinuous { after, .. }) => after,
        other => panic!("{other:?}"),
    };
    assert!(after <= Position(2));
    assert_eq!(log.head().await.unwrap().position, after);
    assert_whole(&*log).await;
    placed[2].link = good;
    let rest = placed.into_iter().filter(|unit| unit.first > after).collect();
    assert_eq!(log.import(rest).await, Ok(head));
    assert_whole(&*log).await;
}

pub(crate) async fn imported_commands_are_known<A: Adapter>() {
    let (_, placed, _) = made_elsewhere::<A>().await;
    let (_adapter, log) = empty::<A>().await;
    log.import(placed.clone()).await.unwrap();
    log.finish_import().await.unwrap();
    let unit = &placed[9];
    let answer = log.lookup(unit.unit.command_id).await.unwrap().unwrap();
    assert_eq!((answer.first, answer.last.0), (unit.first, unit.first.0 + 2));
    let again = append(&*log, vec![unit.unit.clone()]).await;
    assert_eq!(again, [Answer { duplicate: true, ..answer }]);
    // A command is in a log once, also when it comes by import.
    let end = log.head().await.unwrap();
    let mut twice = unit.clone();
    twice.first = end.position.next();
    twice.incarnation = end.incarnation;
    assert_refused(&*log, vec![twice], end.position.0).await;
}

pub(crate) async fn imported_streams_go_on_where_they_were<A: Adapter>() {
    let (records, placed, _) = made_elsewhere::<A>().await;
    let (mut adapter, log) = empty::<A>().await;
    log.import(placed).await.unwrap();
    log.finish_import().await.unwrap();
    let log = reopened(&mut adapter, log).await;
    fill(&*log, 3, 10).await;
    let now = assert_whole(&*log).await;
    assert_eq!(now[..records.len()], records);
}

pub(crate) async fn finishing_raises_the_incarnation_once<A: Adapter>() {
    let (_, placed, imported) = made_elsewhere::<A>().await;
    let (mut adapter, log) = empty::<A>().await;
    log.import(placed).await.unwrap();
    let finished = Head { incarnation: Incarnation(3), ..imported };
    assert_eq!(log.finish_import().await, Ok(finished));
    assert_eq!(log.head().await, Ok(finished));
    let log = reopened(&mut adapter, log).await;
    assert_eq!(log.head().await, Ok(finished));
    assert_eq!(finished.log_id, LOG_ID);
    fill(&*log, 3, 2).await;
    let incarnations: Vec<_> = all(&*log).await.iter().map(|it| it.unit.incarnation.0).collect();
    assert!(incarnations.is_sorted());
    let of = |wanted| incarnations.iter().filter(|given| **given == wanted).count();
    assert_eq!((of(1), of(2), of(3)), (6, 18, 2));
    let log = reopened(&mut adapter, log).await;
    assert_whole(&*log).await;
}

pub(crate) async fn an_import_is_under_the_limits_of_an_append<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let place = |unit, first| PlacedUnit {
        unit,
        first: Position(first),
        incarnation: Incarnation(1),
        link: Link([0; 32]),
    };
    let large = units.unit(&vec![stream(1); UNIT_RECORDS_MAX + 1], 12);
    let too_many = TooLarge::Records { given: UNIT_RECORDS_MAX + 1, max: UNIT_RECORDS_MAX };
    assert_eq!(log.import(vec![place(large, 1)]).await, Err(too_many.into()));
    let many: Vec<_> = (0..=BATCH_UNITS_MAX as u64).map(|n| place(units.small(n), n + 1)).collect();
    let too_many = TooLarge::Units { given: BATCH_UNITS_MAX + 1, max: BATCH_UNITS_MAX };
    assert_eq!(log.import(many).await, Err(too_many.into()));
    assert_eq!(all(&*log).await, []);
}
