use std::sync::Arc;

use bytes::Bytes;
use carrel_log::chain::Link;
use carrel_log::{AppendError, CursorError, Expected, ReadError, Refused, Snapshot, SnapshotKey};
use carrel_model::name::SnapshotKind;
use carrel_model::record::{Epoch, Position};
use carrel_testkit::units::Units;
use tokio::task::JoinSet;

use super::scene::{all, assert_whole, consumer, exported, fill, lease};
use super::{Adapter, empty, reopened};

pub(crate) async fn a_closed_log_takes_no_writes<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 3).await;
    let units = exported(&all(&*log).await);
    log.close().await.unwrap();

    let closed = || AppendError::Refused(Refused::Closed);
    let unit = Units::new(2).small(1);
    let appended = log.append(Expected::Any, vec![unit.clone()]).await;
    assert_eq!(appended, Err(closed()));
    let appended = log.append(Expected::At(Position(3)), vec![unit]).await;
    assert_eq!(appended, Err(closed()));
    assert_eq!(log.turn(Position(3)).await.err(), Some(closed()));
    assert_eq!(log.import(units).await, Err(closed()));
    assert_eq!(log.finish_import().await, Err(closed()));

    let closed = || CursorError::Refused(Refused::Closed);
    let saved = log.save_cursor(&consumer("relay"), Position(1), Epoch(1)).await;
    assert_eq!(saved, Err(closed()));
    assert_eq!(log.raise_epoch(&lease("relay")).await, Err(closed()));
    let key = SnapshotKey { kind: SnapshotKind::new("fleet").unwrap(), model: [1; 32] };
    let empty = Snapshot { key, position: Position(0), link: Link::START, data: Bytes::new() };
    assert_eq!(log.save_snapshot(empty).await, Err(closed()));
}

pub(crate) async fn nobody_waits_for_more_after_it<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 3).await;
    let mut waiting = JoinSet::new();
    for _ in 0..10 {
        let log = Arc::clone(&log);
        waiting.spawn(async move { log.wait_past(Position(3)).await });
    }
    tokio::task::yield_now().await;
    log.close().await.unwrap();
    let over = Err(ReadError::Over);
    assert!(waiting.join_all().await.iter().all(|waited| *waited == over));
    assert_eq!(log.wait_past(Position(3)).await, over);
}

pub(crate) async fn closing_waits_for_what_is_under_way<A: Adapter>() {
    let (mut adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let mut writers = JoinSet::new();
    for n in 0..50 {
        let (log, unit) = (Arc::clone(&log), units.small(n));
        writers.spawn(async move { log.append(Expected::Any, vec![unit]).await });
    }
    log.close().await.unwrap();
    let mut acknowledged = Vec::new();
    for outcome in writers.join_all().await {
        match outcome {
            Ok(answers) => acknowledged.push(answers[0]),
            Err(error) => assert_eq!(error, AppendError::Refused(Refused::Closed)),
        }
    }
    let log = reopened(&mut adapter, log).await;
    assert_eq!(assert_whole(&*log).await.len(), acknowledged.len());
    for answer in acknowledged {
        assert_eq!(log.lookup(answer.command_id).await, Ok(Some(answer)));
    }
}

pub(crate) async fn closing_twice_is_closing_once<A: Adapter>() {
    let (mut adapter, log) = empty::<A>().await;
    fill(&*log, 1, 3).await;
    log.close().await.unwrap();
    log.close().await.unwrap();
    let log = reopened(&mut adapter, log).await;
    assert_eq!(assert_whole(&*log).await.len(), 3);
}
