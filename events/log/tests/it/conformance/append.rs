use bytes::Bytes;
use carrel_log::chain::Link;
use carrel_log::{AppendError, Expected, Head};
use carrel_model::ids::{ActorId, CausationId, CommandId, CorrelationId, EventId};
use carrel_model::name::{Category, Method, Org, RecordType};
use carrel_model::record::{
    Actor, CommandUnit, Fingerprint, Incarnation, NewRecord, Origin, Position, StreamId, Timestamp,
};
use carrel_model::trace::TraceParent;
use carrel_testkit::units::{Units, stream};
use uuid::Uuid;

use super::scene::{all, append, assert_made_of, assert_whole, fill, with_another_body};
use super::{Adapter, LOG_ID, empty, reopened};

pub(crate) async fn an_empty_log_starts_at_zero<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let start = Head {
        position: Position::START,
        link: Link::START,
        incarnation: Incarnation(1),
        log_id: LOG_ID,
    };
    assert_eq!(log.head().await, Ok(start));
    assert_eq!(all(&*log).await, []);
}

pub(crate) async fn positions_run_from_one_without_gaps<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let units = fill(&*log, 1, 23).await;
    let records = assert_whole(&*log).await;
    assert_made_of(&records, &units);
}

pub(crate) async fn versions_run_from_one_in_each_stream<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    for touched in [vec![1, 2], vec![2], vec![3, 1, 2]] {
        let streams: Vec<_> = touched.into_iter().map(stream).collect();
        append(&*log, vec![units.unit(&streams, 64)]).await;
    }
    let versions: Vec<_> = all(&*log).await.iter().map(|record| record.version.0).collect();
    assert_eq!(versions, [1, 1, 2, 1, 2, 3]);
}

pub(crate) async fn one_command_may_say_several_things_about_one_stream<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let streams = [stream(1), stream(2), stream(1), stream(1)];
    append(&*log, vec![units.unit(&streams, 64), units.unit(&streams, 64)]).await;
    let records = assert_whole(&*log).await;
    let versions: Vec<_> = records.iter().map(|record| record.version.0).collect();
    assert_eq!(versions, [1, 1, 2, 3, 4, 2, 5, 6]);
}

pub(crate) async fn answers_come_in_the_order_of_the_commands<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let batch: Vec<_> = [1, 3, 2].map(|n| units.unit(&vec![stream(1); n], 64)).to_vec();
    let answers = append(&*log, batch.clone()).await;
    let places: Vec<_> = answers.iter().map(|answer| (answer.first.0, answer.last.0)).collect();
    assert_eq!(places, [(1, 1), (2, 4), (5, 6)]);
    for (answer, unit) in answers.iter().zip(&batch) {
        assert_eq!(answer.command_id, unit.command_id);
        assert_eq!(answer.fingerprint, unit.fingerprint);
        assert!(!answer.duplicate);
    }
}

/// Every field at an edge of what it may hold.
pub(crate) async fn every_field_comes_back_as_it_was_given<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let everything = CommandUnit {
        command_id: CommandId::from_bytes([0xff; 16]),
        fingerprint: Fingerprint([0xfe; 32]),
        origin: Origin {
            org: Org::new(&"o".repeat(Org::LENGTH_MAX)).unwrap(),
            actor: Actor {
                id: ActorId::from_bytes([3; 16]),
                method: Method::new(&"m".repeat(Method::LENGTH_MAX)).unwrap(),
            },
            causation_id: CausationId::from_bytes([4; 16]),
            correlation_id: CorrelationId::from_bytes([5; 16]),
            trace_parent: Some(TraceParent {
                trace_id: [6; 16],
                parent_id: [7; 8],
                flags: u8::MAX,
            }),
            at: Timestamp(i64::MAX),
        },
        records: vec![NewRecord {
            stream: StreamId {
                category: Category::new(&"c".repeat(Category::LENGTH_MAX)).unwrap(),
                id: Uuid::max(),
            },
            event_id: EventId::from_bytes([8; 16]),
            kind: RecordType::new(&"t.".repeat(RecordType::LENGTH_MAX / 2)).unwrap(),
            schema: u16::MAX,
            data: Bytes::from_static(b"{\"a\": 1}\n"),
        }],
    };
    let mut little = everything.clone();
    little.command_id = CommandId::from_bytes([0; 16]);
    little.fingerprint = Fingerprint([0; 32]);
    little.origin.org = Org::new("o").unwrap();
    little.origin.actor.method = Method::new("m").unwrap();
    little.origin.trace_parent = None;
    little.origin.at = Timestamp(i64::MIN);
    little.records[0].stream = StreamId { category: Category::new("c").unwrap(), id: Uuid::nil() };
    little.records[0].kind = RecordType::new("t").unwrap();
    little.records[0].schema = 0;
    little.records[0].data = Bytes::new();
    let units = vec![everything, little];
    append(&*log, units.clone()).await;
    let records = assert_whole(&*log).await;
    assert_made_of(&records, &units);
    assert!(records.iter().all(|record| record.unit.incarnation == Incarnation(1)));
}

/// JSON is the writers' convention; the log keeps bytes.
pub(crate) async fn any_bytes_are_data<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let every_value: Vec<u8> = (0..=u8::MAX).collect();
    let mut unit = Units::new(1).unit(&vec![stream(1); 5], 64);
    let odd: [&[u8]; 5] = [&every_value, b"", b"\0", b"{\"open\": ", b"\\x00\\000'\"$1"];
    for (record, data) in unit.records.iter_mut().zip(odd) {
        record.data = Bytes::copy_from_slice(data);
    }
    append(&*log, vec![unit.clone()]).await;
    assert_made_of(&assert_whole(&*log).await, &[unit]);
}

pub(crate) async fn times_are_kept_as_given_even_when_they_run_backwards<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let times = [5_000_000, 4_999_999, 0, -1, i64::MIN, i64::MAX, 1].map(Timestamp);
    for at in times {
        let mut unit = units.small(1);
        unit.origin.at = at;
        append(&*log, vec![unit]).await;
    }
    let kept: Vec<_> = all(&*log).await.iter().map(|record| record.unit.origin.at).collect();
    assert_eq!(kept, times);
}

pub(crate) async fn the_log_says_where_it_ends_when_it_is_elsewhere_than_expected<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 3).await;
    let unit = Units::new(2).small(1);
    for expected in [0, 2, 4, u64::MAX].map(Position) {
        let refused = log.append(Expected::At(expected), vec![unit.clone()]).await;
        assert_eq!(refused, Err(AppendError::Conflict { expected, actual: Position(3) }));
    }
    assert_eq!(assert_whole(&*log).await.len(), 3);
}

pub(crate) async fn an_append_at_the_head_is_written<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    for head in 0..3 {
        let unit = units.small(1);
        let answers = log.append(Expected::At(Position(head)), vec![unit]).await.unwrap();
        assert_eq!(answers[0].first, Position(head + 1));
    }
    assert_whole(&*log).await;
}

pub(crate) async fn a_refused_batch_leaves_nothing_behind<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let known = fill(&*log, 1, 3).await;
    let mut units = Units::new(2);
    let (one, other) = (units.small(1), units.small(9));
    let batch = vec![one.clone(), with_another_body(&known[1], 1), other.clone()];
    let refused = log.append(Expected::Any, batch).await;
    let (command_id, first) = (known[1].command_id, Position(2));
    assert_eq!(refused, Err(AppendError::IdReused { command_id, first }));
    assert_eq!(log.lookup(one.command_id).await, Ok(None));
    assert_eq!(log.lookup(other.command_id).await, Ok(None));
    // Versions and links that the refused batch would have had are given to the next one.
    append(&*log, vec![other, one]).await;
    assert_eq!(assert_whole(&*log).await.len(), 5);
}

pub(crate) async fn what_was_appended_is_there_after_reopening<A: Adapter>() {
    let (mut adapter, log) = empty::<A>().await;
    fill(&*log, 1, 12).await;
    let (before, head) = (all(&*log).await, log.head().await);
    let log = reopened(&mut adapter, log).await;
    assert_eq!(log.head().await, head);
    assert_eq!(assert_whole(&*log).await, before);
    fill(&*log, 2, 12).await;
    let log = reopened(&mut adapter, log).await;
    assert_eq!(assert_whole(&*log).await[..12], before);
}
