use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use carrel_log::error::TooLarge;
use carrel_log::{AppendError, Expected, Guard};
use carrel_model::record::{Epoch, Position};
use carrel_testkit::units::Units;
use tokio::task::JoinSet;

use super::scene::{all, append, assert_whole, fill, lease, with_another_body};
use super::{Adapter, empty};

pub(crate) async fn a_turn_says_what_happened_since<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    let records = all(&*log).await;
    for have in [0, 4, 8, 9] {
        let turn = log.turn(Position(have)).await.unwrap();
        assert_eq!(turn.since(), &records[usize::try_from(have).unwrap()..]);
    }
}

pub(crate) async fn a_turn_is_on_the_head<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    for n in 0..3 {
        let head = log.head().await.unwrap();
        let turn = log.turn(Position::START).await.unwrap();
        assert_eq!(turn.head(), head);
        let answers = turn.append(vec![Units::new(n).small(1)], None).await.unwrap();
        assert_eq!(answers[0].first, head.position.next());
    }
    assert_whole(&*log).await;
}

pub(crate) async fn a_turn_that_appends_is_over<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    for _ in 0..5 {
        let turn = log.turn(Position::START).await.unwrap();
        turn.append(vec![units.small(1), units.small(2)], None).await.unwrap();
        append(&*log, vec![units.small(1)]).await;
    }
    assert_eq!(assert_whole(&*log).await.len(), 15);
}

pub(crate) async fn a_dropped_turn_gives_the_place_back<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    for n in 0..10 {
        let turn = log.turn(Position::START).await.unwrap();
        assert_eq!(turn.head().position, Position(n));
        drop(turn);
        append(&*log, vec![units.small(1)]).await;
    }
    let turn = log.turn(Position::START).await.unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..10 {
        let (log, unit) = (Arc::clone(&log), units.small(1));
        waiting.spawn(async move { log.append(Expected::Any, vec![unit]).await.unwrap() });
    }
    drop(turn);
    waiting.join_all().await;
    assert_eq!(assert_whole(&*log).await.len(), 20);
}

pub(crate) async fn a_turn_that_is_refused_gives_the_place_back<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let known = fill(&*log, 2, 1).await;
    log.raise_epoch(&lease("relay")).await.unwrap();

    let turn = log.turn(Position(1)).await.unwrap();
    let refused = turn.append(vec![with_another_body(&known[0], 1)], None).await;
    assert!(matches!(refused, Err(AppendError::IdReused { .. })), "{refused:?}");
    let turn = log.turn(Position(1)).await.unwrap();
    let refused = turn.append(vec![], None).await;
    assert!(matches!(refused, Err(AppendError::TooLarge(TooLarge::Units { .. }))), "{refused:?}");
    let turn = log.turn(Position(1)).await.unwrap();
    let guard = Guard { lease: lease("relay"), epoch: Epoch(0) };
    let refused = turn.append(vec![units.small(1)], Some(guard)).await;
    assert!(matches!(refused, Err(AppendError::Fenced { .. })), "{refused:?}");

    let turn = log.turn(Position(1)).await.unwrap();
    assert_eq!(turn.head().position, Position(1));
    turn.append(vec![units.small(1)], None).await.unwrap();
    assert_eq!(assert_whole(&*log).await.len(), 2);
}

pub(crate) async fn who_gives_up_waiting_for_a_turn_does_not_get_it<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let turn = log.turn(Position::START).await.unwrap();
    for _ in 0..5 {
        let mut waiting = log.turn(Position::START);
        let pending = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
        assert!(pending);
    }
    turn.append(vec![Units::new(1).small(1)], None).await.unwrap();
    let turn = log.turn(Position::START).await.unwrap();
    assert_eq!(turn.head().position, Position(1));
}

/// Others try all the while; that they come after shows in the positions.
pub(crate) async fn nobody_else_appends_during_a_turn<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    fill(&*log, 2, 3).await;
    let turn = log.turn(Position(3)).await.unwrap();
    let mut others = JoinSet::new();
    for n in 0..20 {
        let (log, unit) = (Arc::clone(&log), units.small(n));
        others.spawn(async move {
            if n % 2 == 0 {
                return log.append(Expected::Any, vec![unit]).await.unwrap()[0].first;
            }
            let turn = log.turn(Position(3)).await.unwrap();
            assert!(!turn.since().is_empty());
            turn.append(vec![unit], None).await.unwrap()[0].first
        });
    }
    for _ in 0..100 {
        assert_eq!(log.head().await.unwrap(), turn.head());
    }
    let answers = turn.append(vec![units.small(1)], None).await.unwrap();
    assert_eq!(answers[0].first, Position(4));
    assert!(others.join_all().await.into_iter().all(|first| first > Position(4)));
    assert_eq!(assert_whole(&*log).await.len(), 24);
}

/// A writer that is ahead of the log followed a past that is gone, as after a restore.
pub(crate) async fn who_knows_more_than_the_log_gets_no_turn<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 3).await;
    for expected in [4, u64::MAX].map(Position) {
        let refused = log.turn(expected).await.err();
        assert_eq!(refused, Some(AppendError::Conflict { expected, actual: Position(3) }));
    }
    append(&*log, vec![Units::new(2).small(1)]).await;
}
