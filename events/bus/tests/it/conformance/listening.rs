//! Queues of those who listen, which go with them.

use std::sync::Arc;

use carrel_bus::limits::TRANSIENT_MESSAGES_MAX;
use carrel_bus::{Address, Bus, Queue};

use super::{Adapter, message, next, nothing_comes, number};

fn events(subscriber: &str, prefix: &str) -> Queue {
    Queue::Events { subscriber: subscriber.to_owned(), prefix: prefix.to_owned() }
}

async fn happens(bus: &Arc<dyn Bus>, key: &str, number: u32) {
    bus.publish(&Address::Event(key.to_owned()), message(number)).await.expect("published");
}

pub(crate) async fn every_subscriber_hears_every_event_that_it_asked_for<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let mut all = bus.consume(&events("all", ""), 8).await.expect("a consumer");
    let mut machines = bus.consume(&events("machines", "machine."), 8).await.expect("a consumer");
    happens(&bus, "machine.started", 1).await;
    happens(&bus, "image.sealed", 2).await;
    assert_eq!(number(&next(&mut all).await), 1);
    assert_eq!(number(&next(&mut all).await), 2);
    assert_eq!(number(&next(&mut machines).await), 1);
    nothing_comes(&mut machines).await;
}

pub(crate) async fn nobody_need_listen<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    happens(&bus, "machine.started", 1).await;
    bus.publish(&Address::Progress, message(2)).await.expect("published");
    bus.publish(&Address::Reply("gone".to_owned()), message(3)).await.expect("published");
}

pub(crate) async fn who_comes_later_has_missed_what_was<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let progress = Queue::Progress { subscriber: "relay".to_owned() };
    bus.publish(&Address::Progress, message(1)).await.expect("published");
    let mut first = bus.consume(&progress, 8).await.expect("a consumer");
    bus.publish(&Address::Progress, message(2)).await.expect("published");
    assert_eq!(number(&next(&mut first).await), 2);
    bus.publish(&Address::Progress, message(3)).await.expect("published");
    drop(first);
    let mut second = bus.consume(&progress, 8).await.expect("a consumer");
    nothing_comes(&mut second).await;
}

pub(crate) async fn who_falls_behind_loses_the_oldest<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let mut behind = bus.consume(&events("slow", ""), 1).await.expect("a consumer");
    let most = u32::try_from(TRANSIENT_MESSAGES_MAX).expect("few enough");
    for number in 1..=most + 1 {
        happens(&bus, "machine.started", number).await;
    }
    assert_eq!(number(&next(&mut behind).await), 2);
}

pub(crate) async fn a_reply_reaches_who_named_the_queue<A: Adapter>() {
    let adapter = A::fresh().await;
    let bus = adapter.bus().await;
    let mut mine = bus.consume(&Queue::Reply("mine".to_owned()), 1).await.expect("a consumer");
    let mut other = bus.consume(&Queue::Reply("other".to_owned()), 1).await.expect("a consumer");
    bus.publish(&Address::Reply("mine".to_owned()), message(1)).await.expect("published");
    assert_eq!(number(&next(&mut mine).await), 1);
    nothing_comes(&mut other).await;
}
