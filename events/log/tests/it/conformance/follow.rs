use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use carrel_log::{EventLog, PageLimit};
use carrel_model::record::{Position, Record};
use carrel_testkit::units::Units;
use tokio::task::JoinSet;

use super::scene::{append, assert_whole, fill};
use super::{Adapter, empty};

pub(crate) async fn what_is_past_already_is_not_waited_for<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 5).await;
    for position in [0, 3, 4].map(Position) {
        assert_eq!(log.wait_past(position).await, Ok(Position(5)));
    }
}

pub(crate) async fn waiting_ends_when_something_is_appended<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    for before in 0..10 {
        let mut waiting = JoinSet::new();
        let follower = Arc::clone(&log);
        waiting.spawn(async move { follower.wait_past(Position(before)).await });
        append(&*log, vec![Units::new(before).small(1)]).await;
        assert_eq!(waiting.join_all().await, [Ok(Position(before + 1))]);
    }
}

pub(crate) async fn everybody_who_waits_is_told<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut waiting = JoinSet::new();
    for n in 0..50 {
        let follower = Arc::clone(&log);
        let position = Position(n % 5);
        waiting.spawn(async move { follower.wait_past(position).await.unwrap() > position });
    }
    fill(&*log, 1, 5).await;
    assert_eq!(waiting.join_all().await, [true; 50]);
}

pub(crate) async fn a_turn_is_heard_of_too<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut waiting = JoinSet::new();
    let follower = Arc::clone(&log);
    waiting.spawn(async move { follower.wait_past(Position::START).await });
    let turn = log.turn(Position::START).await.unwrap();
    turn.append(vec![Units::new(1).small(1)], None).await.unwrap();
    assert_eq!(waiting.join_all().await, [Ok(Position(1))]);
}

/// Reads along until it has seen `count` records, a few at a time.
async fn follow(log: Arc<dyn EventLog>, count: usize, at_once: usize) -> Vec<Record> {
    let mut seen: Vec<Record> = Vec::new();
    while seen.len() < count {
        let after = seen.last().map_or(Position::START, |record| record.position);
        let end = log.wait_past(after).await.unwrap();
        let page = log.read(after, PageLimit::records(at_once)).await.unwrap();
        assert!(end > after);
        assert!(!page.records.is_empty(), "the log ends at {end}, but {after} is the last record");
        seen.extend(page.records);
    }
    seen
}

pub(crate) async fn a_follower_sees_every_record_once_and_in_order<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut followers = JoinSet::new();
    for at_once in [1, 3, 1_000] {
        followers.spawn(follow(Arc::clone(&log), 100, at_once));
    }
    let mut units = Units::new(1);
    let mut writers = JoinSet::new();
    for n in 0..50 {
        let (log, batch) = (Arc::clone(&log), vec![units.small(n), units.small(n % 3)]);
        writers.spawn(async move { append(&*log, batch).await });
    }
    writers.join_all().await;
    let records = assert_whole(&*log).await;
    for seen in followers.join_all().await {
        assert_eq!(seen, records);
    }
}

pub(crate) async fn giving_up_waiting_harms_nobody<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    for _ in 0..20 {
        let mut waiting = log.wait_past(Position::START);
        let pending = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
    }
    fill(&*log, 1, 1).await;
    assert_eq!(log.wait_past(Position::START).await, Ok(Position(1)));
}
