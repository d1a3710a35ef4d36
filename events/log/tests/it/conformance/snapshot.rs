use bytes::Bytes;
use carrel_log::chain::Link;
use carrel_log::limits::SNAPSHOTS_KEPT;
use carrel_log::{CursorError, EventLog, Snapshot, SnapshotKey};
use carrel_model::name::SnapshotKind;
use carrel_model::record::Position;
use carrel_testkit::random::Random;
use carrel_testkit::units::{Units, stream};

use super::scene::{all, append, fill, links};
use super::{Adapter, empty, reopened};

fn key(kind: &str, model: u8) -> SnapshotKey {
    SnapshotKey { kind: SnapshotKind::new(kind).unwrap(), model: [model; 32] }
}

/// A snapshot of this log at `position`.
async fn taken(log: &dyn EventLog, key: &SnapshotKey, position: u64, data: &[u8]) -> Snapshot {
    let links = links(&all(log).await);
    let before = usize::try_from(position).unwrap().checked_sub(1);
    let link = before.map_or(Link::START, |before| links[before]);
    let data = Bytes::copy_from_slice(data);
    Snapshot { key: key.clone(), position: Position(position), link, data }
}

async fn saved(log: &dyn EventLog, key: &SnapshotKey, position: u64) -> Snapshot {
    let data = format!("{} at {position}", key.kind);
    let snapshot = taken(log, key, position, data.as_bytes()).await;
    log.save_snapshot(snapshot.clone()).await.unwrap();
    snapshot
}

pub(crate) async fn the_newest_one_is_given_out<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let fleet = key("fleet", 1);
    assert_eq!(log.snapshot(&fleet).await, Ok(None));
    fill(&*log, 1, 9).await;
    for position in [0, 3, 4, 9] {
        let newest = saved(&*log, &fleet, position).await;
        assert_eq!(log.snapshot(&fleet).await, Ok(Some(newest)));
    }
}

/// A consumer stops where its page ends, which may be between the facts of one command.
pub(crate) async fn one_from_within_a_command_is_given_out<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    let mut units = Units::new(1);
    append(&*log, (0..60).map(|_| units.unit(&[1; 7].map(stream), 10)).collect()).await;
    let fleet = key("fleet", 1);
    for position in [1, 3, 7, 8, 250, 417, 419] {
        let newest = saved(&*log, &fleet, position).await;
        assert_eq!(log.snapshot(&fleet).await, Ok(Some(newest)), "{position}");
    }
}

pub(crate) async fn another_models_snapshot_is_ignored<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    let (ours, theirs) = (key("fleet", 1), key("fleet", 2));
    let mine = saved(&*log, &ours, 3).await;
    saved(&*log, &theirs, 9).await;
    assert_eq!(log.snapshot(&ours).await, Ok(Some(mine)));
    assert_eq!(log.snapshot(&key("fleet", 3)).await, Ok(None));
}

pub(crate) async fn another_kinds_snapshot_is_ignored<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    let (fleet, names) = (key("fleet", 1), key("names", 1));
    let of_fleet = saved(&*log, &fleet, 3).await;
    for position in 4..=9 {
        saved(&*log, &names, position).await;
    }
    assert_eq!(log.snapshot(&fleet).await, Ok(Some(of_fleet)));
    assert_eq!(log.snapshot(&key("other", 1)).await, Ok(None));
}

/// Which ones are kept shows in what another model still finds.
pub(crate) async fn only_the_newest_few_of_a_kind_are_kept<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    let (ours, theirs) = (key("fleet", 1), key("fleet", 2));
    let mine = saved(&*log, &ours, 1).await;
    for position in 2..=SNAPSHOTS_KEPT as u64 {
        saved(&*log, &theirs, position).await;
        assert_eq!(log.snapshot(&ours).await, Ok(Some(mine.clone())));
    }
    saved(&*log, &theirs, 9).await;
    assert_eq!(log.snapshot(&ours).await, Ok(None));
}

pub(crate) async fn a_snapshot_of_another_past_is_not_given_out<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    let fleet = key("fleet", 1);
    let ours = saved(&*log, &fleet, 3).await;
    let mut other = taken(&*log, &fleet, 5, b"what would have been").await;
    other.link = Link([5; 32]);
    // Whether it is refused or kept and ignored is the adapter's choice.
    let _ = log.save_snapshot(other).await;
    assert_eq!(log.snapshot(&fleet).await, Ok(Some(ours)));
}

pub(crate) async fn a_snapshot_is_never_beyond_the_head<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    let fleet = key("fleet", 1);
    for given in [10, u64::MAX].map(Position) {
        let mut beyond = taken(&*log, &fleet, 9, b"from the future").await;
        beyond.position = given;
        let refused = log.save_snapshot(beyond).await;
        assert_eq!(refused, Err(CursorError::BeyondHead { given, head: Position(9) }));
    }
    assert_eq!(log.snapshot(&fleet).await, Ok(None));
}

pub(crate) async fn any_size_up_to_many_megabytes_comes_back<A: Adapter>() {
    let (_adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    let mut random = Random::new(1);
    for (position, bytes) in [0, 1, 64 * 1024, 20_000_000].into_iter().enumerate() {
        let data: Vec<u8> = (0..=bytes / 16).flat_map(|_| random.bytes()).take(bytes).collect();
        let fleet = key("fleet", 1);
        let snapshot = taken(&*log, &fleet, position as u64, &data).await;
        log.save_snapshot(snapshot.clone()).await.unwrap();
        let found = log.snapshot(&fleet).await.unwrap();
        assert!(found == Some(snapshot), "{bytes} bytes");
    }
}

pub(crate) async fn snapshots_are_there_after_reopening<A: Adapter>() {
    let (mut adapter, log) = empty::<A>().await;
    fill(&*log, 1, 9).await;
    let (ours, theirs) = (key("fleet", 1), key("fleet", 2));
    let mine = saved(&*log, &ours, 3).await;
    let yours = saved(&*log, &theirs, 9).await;
    let log = reopened(&mut adapter, log).await;
    assert_eq!(log.snapshot(&ours).await, Ok(Some(mine)));
    assert_eq!(log.snapshot(&theirs).await, Ok(Some(yours)));
}
