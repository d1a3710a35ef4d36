use std::collections::BTreeSet;
use std::sync::Arc;

use carrel_log::{AppendError, EventLog, Guard};
use carrel_model::record::{Epoch, Position};
use carrel_testkit::units::Units;
use tokio::task::JoinSet;

use super::scene::{assert_whole, fill, lease};
use super::{Adapter, empty, reopened};

async fn guarded(
    log: &dyn EventLog,
    seed: u64,
    name: &str,
    epoch: u64,
) -> Result<Position, AppendError> {
    let turn = log.turn(Position::START).await?;
    let guard = Guard { lease: lease(name), epoch: Epoch(epoch) };
    let answers = turn.append(vec![Units::new(seed).small(1)], Some(guard)).await?;
    Ok(answers[0].first)
}

pub(crate) async fn epochs_count_from_one<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    for epoch in 1..=4 {
        assert_eq!(log.raise_epoch(&lease("relay")).await, Ok(Epoch(epoch)));
    }
}

pub(crate) async fn leases_count_each_for_itself<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    log.raise_epoch(&lease("relay")).await.unwrap();
    log.raise_epoch(&lease("relay")).await.unwrap();
    assert_eq!(log.raise_epoch(&lease("decider")).await, Ok(Epoch(1)));
    assert_eq!(guarded(&*log, 1, "decider", 1).await, Ok(Position(1)));
}

pub(crate) async fn an_older_epoch_is_fenced<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 3).await;
    for _ in 0..3 {
        log.raise_epoch(&lease("relay")).await.unwrap();
    }
    for given in [0, 2].map(Epoch) {
        let fenced = AppendError::Fenced { lease: lease("relay"), given, current: Epoch(3) };
        assert_eq!(guarded(&*log, 2, "relay", given.0).await, Err(fenced));
    }
    assert_eq!(assert_whole(&*log).await.len(), 3);
}

pub(crate) async fn a_known_command_is_answered_whatever_the_epoch<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    assert_eq!(guarded(&*log, 1, "relay", 0).await, Ok(Position(1)));
    log.raise_epoch(&lease("relay")).await.unwrap();
    assert_eq!(guarded(&*log, 1, "relay", 0).await, Ok(Position(1)));
    assert!(guarded(&*log, 2, "relay", 0).await.is_err());
}

/// Another adapter may have lost the lease's row in a restore while its holder lives on.
pub(crate) async fn the_newest_epoch_and_those_to_come_pass<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    assert_eq!(guarded(&*log, 1, "never.raised", 0).await, Ok(Position(1)));
    for _ in 0..3 {
        log.raise_epoch(&lease("relay")).await.unwrap();
    }
    assert_eq!(guarded(&*log, 2, "relay", 3).await, Ok(Position(2)));
    assert_eq!(guarded(&*log, 3, "relay", 4).await, Ok(Position(3)));
    // A guard only compares: it took nothing for itself.
    assert_eq!(guarded(&*log, 4, "relay", 3).await, Ok(Position(4)));
}

pub(crate) async fn each_epoch_is_given_out_once<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut raising = JoinSet::new();
    for _ in 0..50 {
        let log = Arc::clone(&log);
        raising.spawn(async move { log.raise_epoch(&lease("relay")).await.unwrap().0 });
    }
    let given: BTreeSet<_> = raising.join_all().await.into_iter().collect();
    assert!(given.into_iter().eq(1..=50));
}

pub(crate) async fn epochs_are_there_after_reopening<A: Adapter>() {
    let (mut adapter, log) = empty::<A>().await;
    log.raise_epoch(&lease("relay")).await.unwrap();
    log.raise_epoch(&lease("relay")).await.unwrap();
    let log = reopened(&mut adapter, log).await;
    let (given, current) = (Epoch(1), Epoch(2));
    let fenced = AppendError::Fenced { lease: lease("relay"), given, current };
    assert_eq!(guarded(&*log, 1, "relay", 1).await, Err(fenced));
    assert_eq!(log.raise_epoch(&lease("relay")).await, Ok(Epoch(3)));
}
