use carrel_log::chain::Link;
use carrel_testkit::units::{Units, stream};

use super::scene::{all, append, assert_whole, fill, links};
use super::{Adapter, empty};
use carrel_model::record::Position;

pub(crate) async fn it_is_known_at_every_position<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 23).await;
    let links = links(&all(&*log).await);
    assert_eq!(log.link_at(Position(0)).await, Ok(Some(Link::START)));
    for (position, link) in (1..).zip(&links) {
        assert_eq!(log.link_at(Position(position)).await, Ok(Some(*link)), "{position}");
    }
    for beyond in [links.len() as u64 + 1, u64::MAX] {
        assert_eq!(log.link_at(Position(beyond)).await, Ok(None));
    }
}

pub(crate) async fn the_head_vouches_for_every_record<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    assert_eq!(log.head().await.unwrap().link, Link::START);
    for seed in 1..5 {
        fill(&*log, seed, seed).await;
        assert_whole(&*log).await;
    }
}

pub(crate) async fn it_does_not_depend_on_how_records_were_batched<A: Adapter>() {
    let mut units = Units::new(11);
    let made: Vec<_> = (0..12).map(|n| units.unit(&[stream(n % 3), stream(9)], 80)).collect();
    let mut heads = Vec::new();
    for at_once in [1, 5, 12] {
        let (_adapter, log) = empty::<A>().await;
        for batch in made.chunks(at_once) {
            append(&*log, batch.to_vec()).await;
        }
        heads.push(log.head().await.unwrap());
    }
    assert_eq!(heads[0], heads[1]);
    assert_eq!(heads[0], heads[2]);
}

/// A log keeps its chain when it moves from one adapter to another, and from one release to the
/// next: this link must never change.
pub(crate) async fn it_is_the_same_in_every_adapter_and_for_all_time<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(20_260_101);
    for n in 0..10 {
        append(&*log, vec![units.unit(&[stream(n % 4), stream(n % 3)], 100)]).await;
    }
    let link = log.head().await.unwrap().link.to_string();
    assert_eq!(link, "34d7a84c8de137703b365a6e717a2041d3746d19d8f179ba14289905e736552b");
}
