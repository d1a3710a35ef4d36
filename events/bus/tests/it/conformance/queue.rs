//! Queues that last.

use std::sync::Arc;

use bytes::Bytes;
use carrel_bus::limits::{ATTEMPTS_MAX, BODY_BYTES_MAX, QUEUE_MESSAGES_MAX};
use carrel_bus::{Address, Bus, BusError, Message, Queue};
use carrel_model::record::Position;
use carrel_model::work::Lane;
use uuid::Uuid;

use super::{Adapter, HOST, OTHER, message, next, nothing_comes, number};

const TO: Address = Address::Outcomes;
const FROM: Queue = Queue::Outcomes;

async fn publish(bus: &Arc<dyn Bus>, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        bus.publish(&TO, message(number)).await.expect("published");
    }
}

pub(crate) async fn what_is_published_is_given_out_in_its_order<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let mut consumer = bus.consume(&FROM, 8).await.expect("a consumer");
    publish(&bus, 1..=100).await;
    for expected in 1..=100 {
        let delivery = next(&mut consumer).await;
        assert_eq!((number(&delivery), delivery.attempt), (expected, 1));
        assert_eq!(delivery.message, message(expected));
        delivery.receipt.done().await.expect("done");
    }
    nothing_comes(&mut consumer).await;
}

pub(crate) async fn what_nobody_takes_yet_waits<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    publish(&bus, 1..=3).await;
    assert_eq!(bus.waiting(&FROM).await, Ok(3));
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    assert_eq!(number(&next(&mut consumer).await), 1);
}

pub(crate) async fn what_is_done_never_comes_again<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    publish(&bus, 1..=1).await;
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    next(&mut consumer).await.receipt.done().await.expect("done");
    drop(consumer);
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    nothing_comes(&mut consumer).await;
    assert_eq!(bus.waiting(&FROM).await, Ok(0));
}

pub(crate) async fn a_consumer_that_goes_gives_back_what_it_has_not_finished<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    publish(&bus, 1..=4).await;
    let mut first = bus.consume(&FROM, 3).await.expect("a consumer");
    let (_one, two, _three) =
        (next(&mut first).await, next(&mut first).await, next(&mut first).await);
    two.receipt.done().await.expect("done");
    drop(first);
    let mut second = bus.consume(&FROM, 4).await.expect("a consumer");
    let mut given = Vec::new();
    for _ in 0..3 {
        let delivery = next(&mut second).await;
        given.push((number(&delivery), delivery.attempt));
    }
    assert_eq!(given, [(1, 2), (3, 2), (4, 1)]);
}

pub(crate) async fn what_is_asked_for_again_comes_again<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    publish(&bus, 1..=1).await;
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    next(&mut consumer).await.receipt.again().await.expect("again");
    let delivery = next(&mut consumer).await;
    assert_eq!((number(&delivery), delivery.attempt), (1, 2));
}

pub(crate) async fn what_never_comes_to_an_end_is_put_aside<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    publish(&bus, 1..=2).await;
    for attempt in 1..=ATTEMPTS_MAX {
        let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
        let delivery = next(&mut consumer).await;
        assert_eq!((number(&delivery), delivery.attempt), (1, attempt));
    }
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    assert_eq!(number(&next(&mut consumer).await), 2, "what is behind it isn't held up for ever");
    let mut dead = bus.consume(&Queue::Dead, 1).await.expect("a consumer");
    let dead = next(&mut dead).await.message;
    let why = dead.headers.dead.expect("the reason");
    assert_eq!((dead.id, why.queue), (message(1).id, FROM.to_string()));
    assert!(why.reason.contains(&ATTEMPTS_MAX.to_string()), "{}", why.reason);
}

pub(crate) async fn what_can_never_be_done_is_put_aside_with_the_reason<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    publish(&bus, 1..=1).await;
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    next(&mut consumer).await.receipt.never("it is no outcome").await.expect("put aside");
    nothing_comes(&mut consumer).await;
    let mut dead = bus.consume(&Queue::Dead, 1).await.expect("a consumer");
    let dead = next(&mut dead).await.message;
    assert_eq!(dead.body, message(1).body);
    assert_eq!(dead.headers.dead.expect("the reason").reason, "it is no outcome");
}

pub(crate) async fn nobody_has_more_at_once_than_they_asked_for<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    publish(&bus, 1..=3).await;
    let mut consumer = bus.consume(&FROM, 2).await.expect("a consumer");
    let first = next(&mut consumer).await;
    let _second = next(&mut consumer).await;
    nothing_comes(&mut consumer).await;
    first.receipt.done().await.expect("done");
    assert_eq!(number(&next(&mut consumer).await), 3);
}

pub(crate) async fn two_consumers_share_a_queue<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let mut one = bus.consume(&FROM, 1).await.expect("a consumer");
    let mut other = bus.consume(&FROM, 1).await.expect("a consumer");
    publish(&bus, 1..=2).await;
    let (first, second) = (next(&mut one).await, next(&mut other).await);
    let mut numbers = [number(&first), number(&second)];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
}

pub(crate) async fn a_host_hears_nothing_of_anothers_work<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    bus.publish(&Address::Work(HOST, Lane::Fast), message(1)).await.expect("published");
    let mut other = bus.consume(&Queue::Work(OTHER, Lane::Fast), 1).await.expect("a consumer");
    nothing_comes(&mut other).await;
    let mut own = bus.consume(&Queue::Work(HOST, Lane::Fast), 1).await.expect("a consumer");
    assert_eq!(number(&next(&mut own).await), 1);
}

pub(crate) async fn a_lane_does_not_hold_up_the_other<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    bus.publish(&Address::Work(HOST, Lane::Bulk), message(1)).await.expect("published");
    bus.publish(&Address::Work(HOST, Lane::Fast), message(2)).await.expect("published");
    let mut fast = bus.consume(&Queue::Work(HOST, Lane::Fast), 1).await.expect("a consumer");
    assert_eq!(number(&next(&mut fast).await), 2);
}

pub(crate) async fn a_full_queue_refuses_and_keeps_what_it_has<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let most = u32::try_from(QUEUE_MESSAGES_MAX).expect("few enough");
    publish(&bus, 1..=most).await;
    let refused = bus.publish(&TO, message(0)).await;
    assert!(matches!(refused, Err(BusError::Full { .. })), "{refused:?}");
    assert_eq!(bus.waiting(&FROM).await, Ok(QUEUE_MESSAGES_MAX));
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    next(&mut consumer).await.receipt.done().await.expect("done");
    publish(&bus, [most + 1]).await;
}

pub(crate) async fn a_body_that_is_too_long_is_refused<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let with = |bytes: usize| Message::new(Uuid::from_u128(1), Bytes::from(vec![0; bytes]));
    let refused = bus.publish(&TO, with(BODY_BYTES_MAX + 1)).await;
    assert_eq!(refused, Err(BusError::TooLong { given: BODY_BYTES_MAX + 1, max: BODY_BYTES_MAX }));
    bus.publish(&TO, with(BODY_BYTES_MAX)).await.expect("published");
    assert_eq!(bus.waiting(&FROM).await, Ok(1));
}

pub(crate) async fn headers_arrive<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let mut sent = message(1);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    sent.headers.trace_parent = Some(trace.parse().expect("a trace"));
    sent.headers.position = Some(Position(u64::MAX));
    sent.headers.signature = Some(Bytes::from_static(&[0, 255, 7]));
    sent.headers.reply_to = Some("answers.1".to_owned());
    bus.publish(&TO, sent.clone()).await.expect("published");
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    assert_eq!(next(&mut consumer).await.message, sent);
}

pub(crate) async fn a_consumer_that_stops_waiting_loses_nothing<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let mut consumer = bus.consume(&FROM, 1).await.expect("a consumer");
    for expected in 1..=20 {
        nothing_comes(&mut consumer).await;
        publish(&bus, [expected]).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(number(&delivery), expected);
        delivery.receipt.done().await.expect("done");
    }
}
