use carrel_log::{Answer, AppendError, Expected};
use carrel_model::ids::CommandId;
use carrel_model::record::Position;
use carrel_testkit::units::{Units, stream};

use super::scene::{append, assert_whole, fill, with_another_body};
use super::{Adapter, empty, reopened};

pub(crate) async fn the_same_command_again_gets_the_first_answer<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let known = fill(&*log, 1, 4).await;
    let unit = Units::new(2).unit(&[stream(1), stream(2)], 64);
    let first = append(&*log, vec![unit.clone()]).await;
    fill(&*log, 3, 2).await;
    for _ in 0..2 {
        let again = append(&*log, vec![unit.clone()]).await;
        assert_eq!(again, [Answer { duplicate: true, ..first[0] }]);
    }
    // A batch of nothing but repeats leaves the log as it is.
    let head = log.head().await;
    let again = append(&*log, known).await;
    assert!(again.iter().all(|answer| answer.duplicate));
    assert_eq!(log.head().await, head);
    assert_whole(&*log).await;
}

pub(crate) async fn a_known_command_is_answered_whatever_is_expected<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let known = fill(&*log, 1, 3).await;
    let old = Expected::At(Position(2));
    let again = log.append(old, known.clone()).await.unwrap();
    assert!(again.iter().all(|answer| answer.duplicate));
    // One new command among them makes it an append like any other.
    let mixed = vec![known[0].clone(), Units::new(2).small(1)];
    let conflict = AppendError::Conflict { expected: Position(2), actual: Position(3) };
    assert_eq!(log.append(old, mixed).await, Err(conflict));
    assert_eq!(assert_whole(&*log).await.len(), 3);
}

pub(crate) async fn the_same_command_twice_in_one_batch_is_written_once<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let (one, other) = (units.small(1), units.small(1));
    let batch = vec![one.clone(), other.clone(), one.clone(), one.clone()];
    let answers = append(&*log, batch).await;
    let duplicates: Vec<_> = answers.iter().map(|answer| answer.duplicate).collect();
    assert_eq!(duplicates, [false, false, true, true]);
    assert_eq!(answers[2], Answer { duplicate: true, ..answers[0] });
    assert_eq!(answers[3], answers[2]);
    assert_eq!(answers[1].first, Position(2));
    assert_eq!(assert_whole(&*log).await.len(), 2);
}

pub(crate) async fn a_new_command_beside_known_ones_is_written<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let known = fill(&*log, 1, 3).await;
    let mut units = Units::new(2);
    let batch = vec![units.small(1), known[2].clone(), units.small(2), known[0].clone()];
    let answers = append(&*log, batch.clone()).await;
    let places: Vec<_> = answers.iter().map(|answer| (answer.first.0, answer.duplicate)).collect();
    assert_eq!(places, [(4, false), (3, true), (5, false), (1, true)]);
    for (answer, unit) in answers.iter().zip(&batch) {
        assert_eq!(answer.command_id, unit.command_id);
    }
    assert_eq!(assert_whole(&*log).await.len(), 5);
}

pub(crate) async fn the_same_id_with_another_body_is_refused<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let known = fill(&*log, 1, 3).await;
    let (head, command_id) = (log.head().await, known[1].command_id);
    let other = with_another_body(&known[1], 9);
    for expected in [Expected::Any, Expected::At(Position(3))] {
        let refused = log.append(expected, vec![other.clone()]).await;
        assert_eq!(refused, Err(AppendError::IdReused { command_id, first: Position(2) }));
    }
    assert_eq!(log.head().await, head);
    // The first one is still what the id stands for.
    let again = append(&*log, vec![known[1].clone()]).await;
    assert_eq!(again[0].fingerprint, known[1].fingerprint);
}

pub(crate) async fn the_same_id_with_another_body_in_one_batch_is_refused<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let (one, other) = (units.small(1), units.small(1));
    let batch = vec![one.clone(), other.clone(), with_another_body(&one, 9)];
    let refused = log.append(Expected::Any, batch).await;
    assert!(
        matches!(refused, Err(AppendError::IdReused { command_id, .. }) if command_id == one.command_id),
        "{refused:?}"
    );
    assert_eq!(assert_whole(&*log).await, []);
    assert_eq!(log.lookup(one.command_id).await, Ok(None));
    let answers = append(&*log, vec![other, one]).await;
    assert!(answers.iter().all(|answer| !answer.duplicate));
}

pub(crate) async fn lookup_gives_the_first_answer<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let unit = units.unit(&[stream(1), stream(2), stream(1)], 64);
    let answers = append(&*log, vec![units.small(1), unit.clone()]).await;
    append(&*log, vec![unit.clone()]).await;
    assert_eq!(log.lookup(unit.command_id).await, Ok(Some(answers[1])));
    assert_eq!((answers[1].first, answers[1].last), (Position(2), Position(4)));
    assert_eq!(log.lookup(CommandId::from_bytes([9; 16])).await, Ok(None));
}

pub(crate) async fn answers_are_remembered_after_reopening<A: Adapter>() {
    let (mut adapter, log) = empty::<A>().await;
    let known = fill(&*log, 1, 8).await;
    let log = reopened(&mut adapter, log).await;
    for (before, unit) in known.iter().enumerate() {
        let first = Position(before as u64 + 1);
        let answer = log.lookup(unit.command_id).await.unwrap().unwrap();
        assert_eq!((answer.first, answer.last, answer.duplicate), (first, first, false));
        assert_eq!(answer.fingerprint, unit.fingerprint);
        let again = append(&*log, vec![unit.clone()]).await;
        assert_eq!(again, [Answer { duplicate: true, ..answer }]);
        let refused = log.append(Expected::Any, vec![with_another_body(unit, 1)]).await;
        let command_id = unit.command_id;
        assert_eq!(refused, Err(AppendError::IdReused { command_id, first }));
    }
    assert_eq!(assert_whole(&*log).await.len(), 8);
}
