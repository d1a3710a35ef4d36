//! One function for each promise, run against every adapter.
//!
//! An adapter joins with a type that implements [`Adapter`] and `conformance::suite!(ThatType)`.

pub(crate) mod ask;
pub(crate) mod listening;
pub(crate) mod pulse;
pub(crate) mod queue;

use std::sync::Arc;

use carrel_bus::{Bus, Consumer, Delivery, Message, Pulse};
use carrel_model::ids::HypervisorId;
use uuid::Uuid;

/// How the suite makes an adapter. Dropping it removes what it stood on.
pub(crate) trait Adapter: Sized {
    async fn fresh() -> Self;

    /// An empty bus.
    async fn bus(&self) -> Arc<dyn Bus>;

    /// One in which nobody was heard.
    async fn pulse(&self) -> Arc<dyn Pulse>;
}

pub(crate) const HOST: HypervisorId = HypervisorId::from_bytes([1; 16]);
pub(crate) const OTHER: HypervisorId = HypervisorId::from_bytes([2; 16]);

pub(crate) fn message(number: u32) -> Message {
    Message::new(Uuid::from_u128(number.into()), format!("message {number}"))
}

pub(crate) fn number(delivery: &Delivery) -> u32 {
    u32::try_from(delivery.message.id.as_u128()).expect("one of ours")
}

pub(crate) async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    consumer.next().await.expect("the bus is there")
}

/// Nothing comes, also if everything that runs has had its turn.
pub(crate) async fn nothing_comes(consumer: &mut Box<dyn Consumer>) {
    tokio::select! {
        biased;
        delivery = consumer.next() => panic!("{delivery:?}"),
        () = idle() => {}
    }
}

async fn idle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

/// Makes a test of every case, for one adapter. A case that is missing here is dead code, and the
/// compiler says so.
macro_rules! suite {
    ($adapter:ident) => {
        $crate::conformance::cases! { $adapter, queue:
            what_is_published_is_given_out_in_its_order
            what_nobody_takes_yet_waits
            what_is_done_never_comes_again
            a_consumer_that_goes_gives_back_what_it_has_not_finished
            what_is_asked_for_again_comes_again
            what_never_comes_to_an_end_is_put_aside
            what_can_never_be_done_is_put_aside_with_the_reason
            nobody_has_more_at_once_than_they_asked_for
            two_consumers_share_a_queue
            a_host_hears_nothing_of_anothers_work
            a_lane_does_not_hold_up_the_other
            a_full_queue_refuses_and_keeps_what_it_has
            a_body_that_is_too_long_is_refused
            headers_arrive
            a_consumer_that_stops_waiting_loses_nothing
        }
        $crate::conformance::cases! { $adapter, listening:
            every_subscriber_hears_every_event_that_it_asked_for
            nobody_need_listen
            who_comes_later_has_missed_what_was
            who_falls_behind_loses_the_oldest
            a_reply_reaches_who_named_the_queue
        }
        $crate::conformance::cases! { $adapter, ask:
            a_question_is_answered
            a_host_that_is_not_there_can_not_be_asked
            a_host_that_does_not_answer_is_waited_for_no_longer_than_said
            who_began_to_answer_last_is_asked
        }
        $crate::conformance::cases! { $adapter, pulse:
            a_beat_is_told_from_the_one_before
            who_was_never_heard_has_no_beat
            who_is_forgotten_was_never_heard
            progress_is_what_was_said_last
        }
    };
}
pub(crate) use suite;

macro_rules! cases {
    ($adapter:ident, $topic:ident: $($case:ident)*) => {
        mod $topic {
            use super::$adapter;

            $(
                #[tokio::test]
                async fn $case() {
                    $crate::conformance::$topic::$case::<$adapter>().await;
                }
            )*
        }
    };
}
pub(crate) use cases;
