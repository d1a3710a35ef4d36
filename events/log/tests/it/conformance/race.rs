use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use carrel_log::{Answer, AppendError, EventLog, Expected};
use carrel_model::record::{CommandUnit, Position};
use carrel_testkit::units::Units;
use tokio::task::JoinSet;

use super::scene::{append, assert_whole, fill, with_another_body};
use super::{Adapter, empty};

const WRITERS: u64 = 100;

/// All at once, each one command.
async fn append_at_once(
    log: &Arc<dyn EventLog>,
    expected: Expected,
    units: impl IntoIterator<Item = CommandUnit>,
) -> Vec<Result<Answer, AppendError>> {
    let mut writers = JoinSet::new();
    for unit in units {
        let log = Arc::clone(log);
        writers
            .spawn(async move { log.append(expected, vec![unit]).await.map(|answers| answers[0]) });
    }
    writers.join_all().await
}

pub(crate) async fn of_a_hundred_who_expect_the_same_head_one_wins<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 3).await;
    let expected = Position(3);
    let mut units = Units::new(2);
    let made: Vec<_> = (0..WRITERS).map(|n| units.small(n)).collect();
    let outcomes = append_at_once(&log, Expected::At(expected), made).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].as_ref().unwrap().first, Position(4));
    for outcome in lost {
        assert_eq!(outcome, Err(AppendError::Conflict { expected, actual: Position(4) }));
    }
    assert_eq!(assert_whole(&*log).await.len(), 4);
}

pub(crate) async fn a_hundred_who_take_turns_all_succeed<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let (log, unit) = (Arc::clone(&log), units.small(n % 7));
        writers.spawn(async move {
            let turn = log.turn(Position::START).await.unwrap();
            let head = turn.head().position;
            assert_eq!(turn.since().len() as u64, head.0);
            let answers = turn.append(vec![unit], None).await.unwrap();
            assert_eq!(answers[0].first, head.next());
            head.0
        });
    }
    let heads: BTreeSet<_> = writers.join_all().await.into_iter().collect();
    assert!(heads.into_iter().eq(0..WRITERS));
    assert_eq!(assert_whole(&*log).await.len() as u64, WRITERS);
}

pub(crate) async fn a_hundred_who_do_not_mind_all_succeed<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let made: Vec<_> = (0..WRITERS).map(|n| units.small(n % 7)).collect();
    let outcomes = append_at_once(&log, Expected::Any, made).await;
    let places: BTreeSet<_> = outcomes.into_iter().map(|it| it.unwrap().first.0).collect();
    assert!(places.into_iter().eq(1..=WRITERS));
    assert_eq!(assert_whole(&*log).await.len() as u64, WRITERS);
}

pub(crate) async fn one_command_sent_a_hundred_times_at_once_is_one_command<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let unit = Units::new(1).small(1);
    let copies = (0..WRITERS).map(|_| unit.clone());
    let answers = append_at_once(&log, Expected::Any, copies).await;
    let firsts = answers.iter().filter(|answer| !answer.as_ref().unwrap().duplicate).count();
    assert_eq!(firsts, 1);
    for answer in answers.into_iter().map(Result::unwrap) {
        assert_eq!((answer.first, answer.last), (Position(1), Position(1)));
        assert_eq!(answer.fingerprint, unit.fingerprint);
    }
    assert_eq!(assert_whole(&*log).await.len(), 1);
}

pub(crate) async fn one_id_sent_at_once_with_a_hundred_bodies_is_one_command<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let unit = Units::new(1).small(1);
    let bodies = (0..100).map(|body| with_another_body(&unit, body));
    let outcomes = append_at_once(&log, Expected::Any, bodies).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    let (command_id, first) = (unit.command_id, Position(1));
    for outcome in lost {
        assert_eq!(outcome, Err(AppendError::IdReused { command_id, first }));
    }
    let records = assert_whole(&*log).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].unit.fingerprint, won[0].as_ref().unwrap().fingerprint);
}

/// Appends that don't mind may share one write; that must not make them share one fate.
pub(crate) async fn a_refused_append_does_not_harm_its_neighbours<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let known = fill(&*log, 1, 5).await;
    let mut units = Units::new(2);
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let (log, good) = (Arc::clone(&log), units.small(n % 3));
        let bad = with_another_body(&known[0], 1);
        writers.spawn(async move {
            let batch = match n % 4 {
                0 => vec![good, bad],
                1 => vec![],
                _ => vec![good],
            };
            (n, log.append(Expected::Any, batch).await)
        });
    }
    let reused = AppendError::IdReused { command_id: known[0].command_id, first: Position(1) };
    for (n, outcome) in writers.join_all().await {
        match n % 4 {
            0 => assert_eq!(outcome, Err(reused.clone())),
            1 => assert!(matches!(outcome, Err(AppendError::TooLarge(_))), "{outcome:?}"),
            _ => assert!(!outcome.unwrap()[0].duplicate),
        }
    }
    assert_eq!(assert_whole(&*log).await.len() as u64, 5 + WRITERS / 2);
}

/// Whoever gives up waiting asks again with the same id, and learns what became of it.
pub(crate) async fn appends_that_nobody_waits_for_are_whole_or_not_there<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let mut sent = Vec::new();
    for polls in 0..30 {
        let batch = vec![units.small(1), units.small(2)];
        sent.extend(batch.clone());
        let mut appending = log.append(Expected::Any, batch);
        for _ in 0..polls {
            let ready = poll_fn(|cx| Poll::Ready(appending.as_mut().poll(cx).is_ready())).await;
            if ready {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    for pair in sent.chunks(2) {
        let answers = append(&*log, pair.to_vec()).await;
        assert_eq!(answers[0].duplicate, answers[1].duplicate);
        assert_eq!(answers[0].last.next(), answers[1].first);
    }
    assert_eq!(assert_whole(&*log).await.len(), 60);
}
