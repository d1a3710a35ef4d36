//! Several processes' worth of writers, and what happens to a writer that is cut off.

use std::sync::Arc;

use carrel_log::error::Refused;
use carrel_log::postgres::{Hints, Settings};
use carrel_log::{AppendError, EventLog, Expected, PageLimit, ReadError};
use carrel_model::record::{Position, Record};
use carrel_testkit::postgres::{Postgres, Stop};
use carrel_testkit::units::Units;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::proxy::Proxy;
use super::server::Server;
use crate::conformance::LOG_ID;
use crate::conformance::scene::{append, assert_whole, fill};

/// Cuts off whoever holds the writer's place.
const CUT_OFF: &str = "
    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted";

fn is_unreachable<T>(outcome: &Result<T, AppendError>) -> bool {
    matches!(outcome, Err(AppendError::Refused(Refused::Unreachable(_))))
}

async fn two_handles(server: &Server) -> [Arc<dyn EventLog>; 2] {
    let one = Arc::new(server.open(Settings::default()).await);
    let other = Arc::new(server.open(Settings::default()).await);
    [one, other]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_interleave_without_gaps() {
    let server = Server::with_log(LOG_ID).await;
    let logs = two_handles(&server).await;
    let mut units = Units::new(1);
    let mut readers = JoinSet::new();
    for log in logs.clone() {
        readers.spawn(read_along(log, 200));
    }
    let mut writers = JoinSet::new();
    for n in 0..200 {
        let (log, unit) = (Arc::clone(&logs[n % 2]), units.small(n as u64 % 5));
        writers.spawn(async move {
            if n % 3 > 0 {
                return append(&*log, vec![unit]).await[0].first;
            }
            let turn = log.turn(Position::START).await.unwrap();
            let head = turn.head().position;
            assert_eq!(turn.since().len() as u64, head.0);
            let first = turn.append(vec![unit], None).await.unwrap()[0].first;
            assert_eq!(first, head.next());
            first
        });
    }
    let mut firsts: Vec<_> = writers.join_all().await.into_iter().map(|first| first.0).collect();
    firsts.sort_unstable();
    assert!(firsts.into_iter().eq(1..=200));
    let records = assert_whole(&*logs[0]).await;
    assert_eq!(readers.join_all().await, [records.clone(), records]);
}

/// Sees each record as soon as it can, in order and without a gap.
async fn read_along(log: Arc<dyn EventLog>, count: u64) -> Vec<Record> {
    let mut seen: Vec<Record> = Vec::new();
    while (seen.len() as u64) < count {
        let after = Position(seen.len() as u64);
        log.wait_past(after).await.unwrap();
        let page = log.read(after, PageLimit::records(7)).await.unwrap();
        for record in page.records {
            assert_eq!(record.position.0, seen.len() as u64 + 1);
            seen.push(record);
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_wrote_is_seen_without_being_told() {
    let server = Server::with_log(LOG_ID).await;
    let writer = server.open(Settings::default()).await;
    let deaf = Settings { hints: Hints::Ignore, ..Settings::default() };
    let reader = Arc::new(server.open(deaf).await);
    for before in 0..3 {
        let mut waiting = JoinSet::new();
        let follower = Arc::clone(&reader);
        waiting.spawn(async move { follower.wait_past(Position(before)).await });
        append(&writer, vec![Units::new(before).small(1)]).await;
        assert_eq!(waiting.join_all().await, [Ok(Position(before + 1))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_cut_off_in_its_turn_gives_the_place_back() {
    let server = Server::with_log(LOG_ID).await;
    let [one, other] = two_handles(&server).await;
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    let mut units = Units::new(1);
    let turn = one.turn(Position::START).await.unwrap();
    let mut waiting = JoinSet::new();
    let (waiter, unit) = (Arc::clone(&other), units.small(1));
    waiting.spawn(async move { append(&*waiter, vec![unit]).await[0].first });
    sqlx::raw_sql(CUT_OFF).execute(&mut superuser).await.unwrap();
    assert_eq!(waiting.join_all().await, [Position(1)]);

    let unit = units.small(2);
    let refused = turn.append(vec![unit.clone()], None).await;
    assert!(is_unreachable(&refused), "{refused:?}");
    assert_eq!(one.lookup(unit.command_id).await, Ok(None));
    assert_eq!(append(&*one, vec![unit]).await[0].first, Position(2));
    assert_whole(&*other).await;
}

/// Makes the database end a connection while it commits.
async fn end_at_commit(superuser: &mut PgConnection) {
    let trap = "
        CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON carrel_log.units
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.trap()";
    sqlx::raw_sql(trap).execute(superuser).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_ends_the_connection_has_an_unknown_outcome() {
    let server = Server::with_log(LOG_ID).await;
    let log = server.open(Settings::default()).await;
    fill(&log, 1, 3).await;
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    end_at_commit(&mut superuser).await;
    let unit = Units::new(2).small(1);
    let unknown = log.append(Expected::Any, vec![unit.clone()]).await;
    assert!(matches!(unknown, Err(AppendError::OutcomeUnknown(_))), "{unknown:?}");
    let untrap = "DROP TRIGGER trap ON carrel_log.units";
    sqlx::raw_sql(untrap).execute(&mut superuser).await.unwrap();
    // It had not been written, so this is its first answer.
    assert!(!append(&log, vec![unit]).await[0].duplicate);
    assert_eq!(assert_whole(&log).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_has_an_unknown_outcome() {
    let server = Server::with_log(LOG_ID).await;
    let proxy = Proxy::before(&server);
    let log = server.open_through(&proxy).await;
    let mut units = Units::new(1);
    append(&log, vec![units.small(1)]).await;
    for through_a_turn in [false, true] {
        let unit = units.small(1);
        proxy.lose_the_answer_to_the_next(b"COMMIT\0");
        let unknown = if through_a_turn {
            log.turn(Position::START).await.unwrap().append(vec![unit.clone()], None).await
        } else {
            log.append(Expected::Any, vec![unit.clone()]).await
        };
        assert!(matches!(unknown, Err(AppendError::OutcomeUnknown(_))), "{unknown:?}");
        // It had been written, and asking again tells.
        assert!(append(&log, vec![unit]).await[0].duplicate);
    }
    assert_eq!(assert_whole(&log).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_before_the_commit_was_not_written() {
    let server = Server::with_log(LOG_ID).await;
    let proxy = Proxy::before(&server);
    let log = server.open_through(&proxy).await;
    let mut units = Units::new(1);
    append(&log, vec![units.small(1)]).await;
    let unit = units.small(1);
    // Half a batch of bytes is a batch that never was.
    proxy.lose_the_answer_to_the_next(b"machine.start_requested");
    let refused = log.append(Expected::Any, vec![unit.clone()]).await;
    assert!(is_unreachable(&refused), "{refused:?}");
    assert!(!append(&log, vec![unit]).await[0].duplicate);
    assert_eq!(assert_whole(&log).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_on_when_the_server_comes_back() {
    let mut server = Server::with_log(LOG_ID).await;
    let log = Arc::new(server.open(Settings::default()).await);
    fill(&*log, 1, 3).await;
    let mut units = Units::new(2);
    for (before, how) in [(3, Stop::Orderly), (4, Stop::Crash)] {
        let mut waiting = JoinSet::new();
        let follower = Arc::clone(&log);
        waiting.spawn(async move { follower.wait_past(Position(before)).await });
        let turn = log.turn(Position(before)).await.unwrap();
        server.postgres.stop(how);
        let unit = units.small(1);
        let refused = turn.append(vec![unit.clone()], None).await;
        assert!(is_unreachable(&refused), "{refused:?}");
        let refused = log.append(Expected::Any, vec![unit.clone()]).await;
        assert!(is_unreachable(&refused), "{refused:?}");
        assert!(matches!(log.head().await, Err(ReadError::Unreachable(_))));
        server.postgres.start_again();
        assert_eq!(append(&*log, vec![unit]).await[0].first, Position(before + 1));
        assert_eq!(waiting.join_all().await, [Ok(Position(before + 1))]);
    }
    assert_eq!(assert_whole(&*log).await.len(), 5);
}

/// As a backup does that takes all night, and a writer of other tables that takes as long.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_transaction_elsewhere_holds_nothing_back() {
    let server = Server::with_log(LOG_ID).await;
    let settings = Settings { partition_records: 20, ..Settings::default() };
    let log = server.open(settings).await;
    fill(&log, 1, 10).await;
    let mut backup = server.connection(Postgres::SUPERUSER).await;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM carrel_log.records;
        LOCK TABLE carrel_log.records, carrel_log.units IN ACCESS SHARE MODE";
    sqlx::raw_sql(begin).execute(&mut backup).await.unwrap();
    let mut writer = server.connection(Postgres::SUPERUSER).await;
    let begin = "BEGIN; CREATE TABLE public.elsewhere (); SELECT pg_current_xact_id()";
    sqlx::raw_sql(begin).execute(&mut writer).await.unwrap();

    fill(&log, 2, 100).await;
    assert_eq!(assert_whole(&log).await.len(), 110);
    assert_eq!(log.wait_past(Position(109)).await, Ok(Position(110)));
    // What the backup saw first is what it still sees.
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM carrel_log.records")
        .fetch_one(&mut backup)
        .await
        .unwrap();
    assert_eq!(count, 10);
}
