use carrel_log::{EventLog, Page, PageLimit, ReadError, each_page};
use carrel_model::record::Position;
use carrel_testkit::random::Random;
use carrel_testkit::units::{Units, stream};

use super::scene::{append, assert_whole, fill};
use super::{Adapter, empty};

fn positions(page: &Page) -> Vec<u64> {
    page.records.iter().map(|record| record.position.0).collect()
}

async fn read(log: &dyn EventLog, after: u64, records: usize, bytes: usize) -> Page {
    log.read(Position(after), PageLimit { records, bytes }).await.unwrap()
}

pub(crate) async fn a_page_has_as_many_records_as_were_asked_for<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    for (after, records, expected) in
        [(0, 1, vec![1]), (0, 4, vec![1, 2, 3, 4]), (3, 2, vec![4, 5]), (7, 5, vec![8, 9])]
    {
        assert_eq!(positions(&read(&*log, after, records, 1_000_000).await), expected);
    }
}

pub(crate) async fn a_page_ends_before_it_has_too_many_bytes<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    append(&*log, (0..5).map(|_| units.unit(&[stream(1)], 100)).collect()).await;
    for (bytes, records) in [(100, 1), (199, 1), (200, 2), (299, 2), (500, 5), (501, 5)] {
        let page = read(&*log, 0, 100, bytes).await;
        assert_eq!(page.records.len(), records, "{bytes} bytes");
        assert_eq!(page.at_end, records == 5);
    }
}

/// Else a reader would never get past a record that is larger than it asked for.
pub(crate) async fn a_page_has_at_least_one_record<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    append(&*log, (0..3).map(|_| units.unit(&[stream(1)], 10_000)).collect()).await;
    for (records, bytes) in [(5, 1), (5, 0), (5, 9_999), (0, 100_000), (0, 0)] {
        let page = read(&*log, 1, records, bytes).await;
        assert_eq!((positions(&page), page.at_end), (vec![2], false));
    }
}

pub(crate) async fn a_page_says_whether_there_was_more<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    for (after, records, at_end) in
        [(0, 8, false), (0, 9, true), (0, 10, true), (4, 4, false), (4, 5, true), (8, 1, true)]
    {
        assert_eq!(read(&*log, after, records, 1_000_000).await.at_end, at_end);
    }
}

pub(crate) async fn after_the_end_there_is_nothing<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let nothing = Page { records: vec![], at_end: true };
    assert_eq!(read(&*log, 0, 10, 1_000).await, nothing);
    fill(&*log, 1, 3).await;
    for after in [3, 4, u64::MAX] {
        assert_eq!(read(&*log, after, 10, 1_000).await, nothing);
    }
}

pub(crate) async fn pages_laid_end_to_end_are_the_log<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let mut random = Random::new(1);
    for n in 0..20 {
        let streams = vec![stream(n % 4); random.index(6) + 1];
        append(&*log, vec![units.unit(&streams, random.index(400) + 12)]).await;
    }
    let records = assert_whole(&*log).await;
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let mut laid = Vec::new();
        loop {
            let after = laid.len() as u64;
            let page = read(&*log, after, random.index(9), random.index(2_000)).await;
            laid.extend(page.records);
            if page.at_end {
                break;
            }
        }
        assert_eq!(laid, records, "seed {seed}");
    }
}

pub(crate) async fn each_page_is_handed_over_once_and_in_order<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    // Some pages of the largest size.
    for _ in 0..5 {
        append(&*log, (0..10).map(|_| units.unit(&[stream(1)], 200_000)).collect()).await;
    }
    let (mut read, mut pages) = (Vec::new(), 0);
    let take = |page: Page| {
        read.extend(positions(&page));
        pages += 1;
        Ok::<_, ReadError>(true)
    };
    each_page(&*log, Position(3), take).await.unwrap();
    assert_eq!(read, (4..=50).collect::<Vec<_>>());
    assert!(pages > 2, "{pages} pages");
    let mut pages = 0;
    let take = |_: Page| {
        pages += 1;
        Ok::<_, ReadError>(false)
    };
    each_page(&*log, Position::START, take).await.unwrap();
    assert_eq!(pages, 1);
}
