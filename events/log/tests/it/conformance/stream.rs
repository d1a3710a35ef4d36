use carrel_log::{EventLog, Page, PageLimit};
use carrel_model::name::Category;
use carrel_model::record::{StreamId, Version};
use carrel_testkit::units::{Units, stream};

use super::scene::{append, assert_whole, fill_densely};
use super::{Adapter, empty, reopened};

async fn read(log: &dyn EventLog, of: &StreamId, after: u64, limit: PageLimit) -> Page {
    log.read_stream(of, Version(after), limit).await.unwrap()
}

fn versions(page: &Page) -> Vec<u64> {
    page.records.iter().map(|record| record.version.0).collect()
}

pub(crate) async fn a_stream_has_its_own_records_only<A: Adapter>() {
    let (mut adapter, mut log) = empty::<A>().await;
    let mut units = Units::new(1);
    for n in 0..30 {
        append(&*log, vec![units.unit(&[stream(n % 4), stream(n % 3)], 64)]).await;
    }
    for _ in 0..2 {
        let records = assert_whole(&*log).await;
        for n in 0..4 {
            let page = read(&*log, &stream(n), 0, PageLimit::MAX).await;
            let own: Vec<_> =
                records.iter().filter(|record| record.stream == stream(n)).cloned().collect();
            assert_eq!(page, Page { records: own, at_end: true });
        }
        log = reopened(&mut adapter, log).await;
    }
}

pub(crate) async fn a_stream_is_read_after_a_version<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    append(&*log, (0..20).map(|n| units.small(n % 2)).collect()).await;
    let one = stream(1);
    assert_eq!(versions(&read(&*log, &one, 7, PageLimit::MAX).await), [8, 9, 10]);
    for after in [10, 11, u64::MAX] {
        let page = read(&*log, &one, after, PageLimit::MAX).await;
        assert_eq!(page, Page { records: vec![], at_end: true });
    }
}

pub(crate) async fn a_streams_page_is_limited_and_says_whether_there_was_more<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    append(&*log, (0..20).map(|n| units.unit(&[stream(n % 2)], 100)).collect()).await;
    for (after, records, bytes, expected, at_end) in [
        (0, 3, 1_000, vec![1, 2, 3], false),
        (7, 3, 1_000, vec![8, 9, 10], true),
        (7, 9, 200, vec![8, 9], false),
        (7, 9, 300, vec![8, 9, 10], true),
        (0, 0, 0, vec![1], false),
        (9, 0, 0, vec![10], true),
    ] {
        let page = read(&*log, &stream(1), after, PageLimit { records, bytes }).await;
        assert_eq!((versions(&page), page.at_end), (expected, at_end));
    }
    fill_densely(&*log, 2, 10_000).await;
    let page = read(&*log, &stream(1), 0, PageLimit::MAX).await;
    assert_eq!((page.records.len(), page.at_end), (10_000, false));
}

pub(crate) async fn the_same_id_in_another_category_is_another_stream<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    let machine = stream(1);
    let image = StreamId { category: Category::new("image").unwrap(), id: machine.id };
    append(&*log, vec![units.unit(&[machine.clone(), image.clone(), machine.clone()], 64)]).await;
    assert_eq!(versions(&read(&*log, &machine, 0, PageLimit::MAX).await), [1, 2]);
    assert_eq!(versions(&read(&*log, &image, 0, PageLimit::MAX).await), [1]);
    assert_whole(&*log).await;
}

pub(crate) async fn a_stream_that_nobody_wrote_to_is_empty<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    append(&*log, vec![Units::new(1).small(1)]).await;
    let page = read(&*log, &stream(99), 0, PageLimit::MAX).await;
    assert_eq!(page, Page { records: vec![], at_end: true });
}
