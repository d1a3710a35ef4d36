//! How long a start takes: to be run by whoever wants to know.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use carrel_decider::limits::SNAPSHOT_EVERY;
use carrel_decider::{Snapshots, Standing};
use carrel_log::disk::OsDisk;
use carrel_log::embedded::{CHUNK_BYTES_DEFAULT, EmbeddedLog, Options, RESERVE_BYTES_DEFAULT};
use carrel_log::{EventLog, Expected};
use carrel_model::event::Event;
use carrel_model::ids::{EventId, LogId};
use carrel_model::name::{Category, RecordType};
use carrel_model::record::{CommandUnit, NewRecord, Position, StreamId};
use carrel_testkit::random::Random;
use carrel_testkit::site::{self, Site};
use carrel_testkit::units::{Units, uuid_v7};

const SITE: Site =
    Site { hosts: 200, machines: 20_000, pools: 40, first_pool: 0, people: 20_000, one_in_runs: 1 };
const FACTS: usize = 1_000_000;

#[expect(clippy::disallowed_methods, reason = "measuring time is what this is for")]
fn now() -> Instant {
    Instant::now()
}

fn since(started: Instant) -> Duration {
    now() - started
}

fn open(dir: &Path) -> EmbeddedLog {
    let options = Options {
        new_log_id: LogId::from_bytes([1; 16]),
        chunk_bytes: CHUNK_BYTES_DEFAULT,
        reserve_bytes: RESERVE_BYTES_DEFAULT,
        owner: String::from("a measurement"),
        catalogue: None,
    };
    EmbeddedLog::open(Arc::new(OsDisk), dir, options).expect("a log")
}

/// A site, and machines that go off and on until there are enough facts.
fn facts() -> impl Iterator<Item = Event> {
    let again = (0..).flat_map(|_| 0..SITE.machines).flat_map(|number| {
        let id = site::machine(number);
        site::stops(id).into_iter().chain(site::starts(id, site::host(number % SITE.hosts)))
    });
    SITE.facts().chain(again).take(FACTS)
}

fn record(event: &Event, random: &mut Random) -> NewRecord {
    let written = event.written(u16::MAX).and_then(Result::ok).expect("JSON");
    let (category, id) = event.stream();
    NewRecord {
        stream: StreamId { category: Category::new(category).expect("a name"), id },
        event_id: EventId::new(uuid_v7(1_767_225_600_000, random)),
        kind: RecordType::new(event.kind()).expect("a name"),
        schema: written.schema,
        data: written.data,
    }
}

async fn fill(log: &EmbeddedLog) {
    let (mut units, mut random) = (Units::new(1), Random::new(2));
    let mut facts = facts().peekable();
    while facts.peek().is_some() {
        let batch: Vec<CommandUnit> = (0..256)
            .map(|_| {
                let records = facts.by_ref().take(8).map(|it| record(&it, &mut random));
                CommandUnit { records: records.collect(), ..units.small(1) }
            })
            .filter(|unit| !unit.records.is_empty())
            .collect();
        log.append(Expected::Any, batch).await.expect("it is written");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes minutes; for those who want the figures"]
async fn a_start_with_a_snapshot_and_without() {
    let dir = tempfile::tempdir().expect("a directory");
    let log_dir = dir.path().join("log");
    let log = open(&log_dir);
    fill(&log).await;
    log.close().await.expect("it is closed");
    drop(log);

    for round in 1..=3 {
        let started = now();
        let log = open(&log_dir);
        let opened = since(started);
        let standing = Standing::of(&log).await.expect("the log");
        println!("round {round}: log opened in {opened:?}; folded without: {:?}", since(started));
        let head = standing.position;
        for tail in [0, SNAPSHOT_EVERY / 2, SNAPSHOT_EVERY] {
            let snapshots = Snapshots::new(Arc::new(OsDisk), dir.path().join(format!("s{tail}")));
            let up_to = Some(Position(head.0 - tail));
            let then = Standing::start(&log, None, up_to).await.expect("the log");
            let started = now();
            snapshots.save(&log, then).await.expect("it is written");
            let saved = since(started);
            let started = now();
            let again = Standing::start(&log, Some(&snapshots), None).await.expect("the log");
            let took = since(started);
            assert!(again == standing, "not what was folded");
            println!("  {tail} facts behind it: written in {saved:?}, started in {took:?}");
        }
        let bytes: u64 = std::fs::read_dir(dir.path().join("s0"))
            .expect("snapshots")
            .map(|file| file.expect("a file").metadata().expect("its size").len())
            .sum();
        println!("  {bytes} bytes");
        log.close().await.expect("it is closed");
    }
}
