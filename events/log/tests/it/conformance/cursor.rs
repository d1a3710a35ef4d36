use carrel_log::{Cursor, CursorError};
use carrel_model::record::{Epoch, Incarnation, Position};

use super::scene::{consumer, fill};
use super::{Adapter, empty, reopened};

fn at(position: u64, epoch: u64) -> Cursor {
    Cursor { position: Position(position), epoch: Epoch(epoch), incarnation: Incarnation(1) }
}

pub(crate) async fn a_cursor_is_what_was_saved_last<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 5).await;
    let relay = consumer("relay");
    assert_eq!(log.cursor(&relay).await, Ok(None));
    for (position, epoch) in [(0, 0), (2, 0), (2, 0), (4, 3), (5, 3)] {
        log.save_cursor(&relay, Position(position), Epoch(epoch)).await.unwrap();
        assert_eq!(log.cursor(&relay).await, Ok(Some(at(position, epoch))));
    }
    assert_eq!(log.cursor(&consumer("relay2")).await, Ok(None));
}

/// A projection that is built anew starts over.
pub(crate) async fn a_cursor_may_go_back<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 5).await;
    let name = consumer("projector.machines");
    log.save_cursor(&name, Position(5), Epoch(1)).await.unwrap();
    log.save_cursor(&name, Position(0), Epoch(1)).await.unwrap();
    assert_eq!(log.cursor(&name).await, Ok(Some(at(0, 1))));
}

pub(crate) async fn cursors_are_listed_by_name<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 5).await;
    assert_eq!(log.cursors().await, Ok(vec![]));
    // The order is that of the bytes, whatever a database's collation thinks of them.
    let names = ["b", "a_b", "a.b", "a-b", "ab", "a", "a2", "z9"].map(consumer);
    for (name, position) in names.iter().zip([1, 2, 3, 4, 5, 1, 2, 3]) {
        log.save_cursor(name, Position(position), Epoch(1)).await.unwrap();
    }
    let listed = log.cursors().await.unwrap();
    let mut sorted = names.to_vec();
    sorted.sort();
    assert_eq!(listed.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), sorted);
    for (name, cursor) in listed {
        assert_eq!(log.cursor(&name).await, Ok(Some(cursor)));
    }
}

pub(crate) async fn an_older_epoch_is_refused<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 5).await;
    let relay = consumer("relay");
    log.save_cursor(&relay, Position(1), Epoch(7)).await.unwrap();
    for given in [0, 6].map(Epoch) {
        let refused = log.save_cursor(&relay, Position(5), given).await;
        assert_eq!(refused, Err(CursorError::Fenced { given, current: Epoch(7) }));
    }
    assert_eq!(log.cursor(&relay).await, Ok(Some(at(1, 7))));
    log.save_cursor(&consumer("another"), Position(5), Epoch(1)).await.unwrap();
}

pub(crate) async fn a_cursor_is_never_beyond_the_head<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 5).await;
    let relay = consumer("relay");
    for given in [6, u64::MAX].map(Position) {
        let refused = log.save_cursor(&relay, given, Epoch(1)).await;
        assert_eq!(refused, Err(CursorError::BeyondHead { given, head: Position(5) }));
    }
    assert_eq!(log.cursor(&relay).await, Ok(None));
    log.save_cursor(&relay, Position(5), Epoch(1)).await.unwrap();
}

pub(crate) async fn a_cursor_remembers_the_incarnation_that_it_saw<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 5).await;
    let (before, after) = (consumer("before"), consumer("after"));
    log.save_cursor(&before, Position(5), Epoch(1)).await.unwrap();
    assert_eq!(log.finish_import().await.unwrap().incarnation, Incarnation(2));
    log.save_cursor(&after, Position(5), Epoch(1)).await.unwrap();
    assert_eq!(log.cursor(&before).await, Ok(Some(at(5, 1))));
    let seen = Cursor { incarnation: Incarnation(2), ..at(5, 1) };
    assert_eq!(log.cursor(&after).await, Ok(Some(seen)));
}

pub(crate) async fn cursors_are_there_after_reopening<A: Adapter>() {
    let (mut adapter, log) = empty::<A>().await;
    fill(&*log, 1, 5).await;
    log.save_cursor(&consumer("relay"), Position(2), Epoch(7)).await.unwrap();
    log.save_cursor(&consumer("relay"), Position(3), Epoch(8)).await.unwrap();
    log.save_cursor(&consumer("projector"), Position(5), Epoch(1)).await.unwrap();
    let before = log.cursors().await.unwrap();
    let log = reopened(&mut adapter, log).await;
    assert_eq!(log.cursors().await, Ok(before));
    let refused = log.save_cursor(&consumer("relay"), Position(5), Epoch(7)).await;
    assert_eq!(refused, Err(CursorError::Fenced { given: Epoch(7), current: Epoch(8) }));
}
