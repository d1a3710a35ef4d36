//! What the tables look like from outside, and what happens when somebody else writes to them.

use carrel_log::postgres::Settings;
use carrel_log::verify::over_port;
use carrel_log::{AppendError, EventLog, Expected, PageLimit, ReadError};
use carrel_model::record::{Position, Version};
use carrel_testkit::postgres::Postgres;
use carrel_testkit::units::{Units, stream};
use sqlx::PgConnection;

use super::server::Server;
use crate::conformance::LOG_ID;
use crate::conformance::scene::{all, append, assert_whole, fill, fill_densely, fold};

async fn change(server: &Server, statement: &'static str) {
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    let done = sqlx::raw_sql(statement).execute(&mut superuser).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{statement}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_shows_what_was_changed_behind_its_back() {
    let server = Server::with_log(LOG_ID).await;
    let log = server.open(Settings::default()).await;
    fill(&log, 1, 9).await;
    for (change_it, undo_it, first) in [
        (
            "UPDATE carrel_log.records SET data = data || ' ' WHERE position = 5",
            "UPDATE carrel_log.records SET data = substr(data, 1, length(data) - 1) WHERE position = 5",
            5,
        ),
        (
            "UPDATE carrel_log.records SET schema = 2 WHERE position = 1",
            "UPDATE carrel_log.records SET schema = 1 WHERE position = 1",
            1,
        ),
        (
            "UPDATE carrel_log.units SET at_us = at_us + 1 WHERE first = 9",
            "UPDATE carrel_log.units SET at_us = at_us - 1 WHERE first = 9",
            9,
        ),
    ] {
        let head = log.head().await.unwrap();
        assert_eq!(fold(&all(&log).await), head.link);
        change(&server, change_it).await;
        assert_ne!(fold(&all(&log).await), head.link, "{change_it}");
        let report = over_port(&log, |_| {}).await.unwrap();
        let bad = report.first_bad().and_then(|finding| finding.position);
        assert_eq!((bad, report.trusted), (Some(Position(first)), Some(Position(first - 1))));
        change(&server, undo_it).await;
    }
    assert_whole(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_makes_no_sense_is_not_read_over() {
    for damage in [
        "DELETE FROM carrel_log.records WHERE position = 5",
        "DELETE FROM carrel_log.records WHERE position = 9",
        "DELETE FROM carrel_log.units WHERE first = 5",
        "UPDATE carrel_log.records SET kind = 'No Kind' WHERE position = 5",
        "UPDATE carrel_log.units SET fingerprint = '' WHERE first = 5",
    ] {
        let server = Server::with_log(LOG_ID).await;
        let log = server.open(Settings::default()).await;
        fill(&log, 1, 9).await;
        change(&server, damage).await;
        let mut found = Vec::new();
        for after in 0..9 {
            found.push(log.read(Position(after), PageLimit::records(1)).await);
        }
        let corrupt = |page: &&Result<_, _>| matches!(page, Err(ReadError::Corrupt(_)));
        assert_eq!(found.iter().filter(corrupt).count(), 1, "{damage}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_go_on_in_the_next_partition() {
    let server = Server::with_log(LOG_ID).await;
    let settings = Settings { partition_records: 100, ..Settings::default() };
    let logs = [server.open(settings.clone()).await, server.open(settings).await];
    let mut units = Units::new(1);
    for n in 0..40 {
        let streams: Vec<_> = (0..10).map(|k| stream(k % 3)).collect();
        append(&logs[n % 2], vec![units.unit(&streams, 64)]).await;
    }
    // One command may be larger than a partition.
    fill_densely(&logs[0], 2, 256).await;
    let records = assert_whole(&logs[1]).await;
    assert_eq!(records.len(), 656);
    for limit in [PageLimit::records(7), PageLimit::MAX] {
        let own: Vec<_> =
            records.iter().filter(|record| record.stream == stream(2)).cloned().collect();
        let mut read = Vec::new();
        loop {
            let after = Version(read.len() as u64);
            let page = logs[0].read_stream(&stream(2), after, limit).await.unwrap();
            read.extend(page.records);
            if page.at_end {
                break;
            }
        }
        assert_eq!(read, own);
    }
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    let sizes = "
        SELECT count(*) FROM carrel_log.records GROUP BY tableoid ORDER BY min(position)";
    let sizes: Vec<i64> = sqlx::query_scalar(sizes).fetch_all(&mut superuser).await.unwrap();
    assert_eq!(sizes, [100, 100, 100, 100, 100, 100, 56]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_partition_nothing_is_written_and_the_reason_is_said() {
    let server = Server::with_log(LOG_ID).await;
    let settings = Settings { partition_records: 10, ..Settings::default() };
    let log = server.open(settings).await;
    fill(&log, 1, 9).await;
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    let forbid = "REVOKE CREATE ON SCHEMA carrel_log FROM carrel_owner";
    sqlx::raw_sql(forbid).execute(&mut superuser).await.unwrap();
    let mut units = Units::new(2);
    let refused = loop {
        let appended = log.append(Expected::Any, vec![units.small(1)]).await;
        if let Err(error) = appended {
            break error;
        }
    };
    assert!(
        matches!(refused, AppendError::Refused(carrel_log::Refused::NoChunk(_))),
        "{refused:?}"
    );
    let allow = "GRANT CREATE ON SCHEMA carrel_log TO carrel_owner";
    sqlx::raw_sql(allow).execute(&mut superuser).await.unwrap();
    append(&log, vec![units.small(1)]).await;
    assert_whole(&log).await;
}

async fn partitions(connection: &mut PgConnection) -> i64 {
    let count = "SELECT count(*) FROM carrel_log.partitions";
    sqlx::query_scalar(count).fetch_one(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_makes_no_partition() {
    let server = Server::with_log(LOG_ID).await;
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    let log = server.open(Settings::default()).await;
    assert_eq!(log.head().await.unwrap().position, Position(0));
    assert!(assert_whole(&log).await.is_empty());
    drop(log.turn(Position(0)).await.unwrap());
    log.close().await.unwrap();
    assert_eq!(partitions(&mut superuser).await, 0);

    let log = server.open(Settings::default()).await;
    fill(&log, 1, 3).await;
    assert_eq!(partitions(&mut superuser).await, 1);
}

/// What is there already is found without waiting for whoever is making more.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_append_waits_for_no_partition_that_it_does_not_need() {
    let server = Server::with_log(LOG_ID).await;
    fill(&server.open(Settings::default()).await, 1, 3).await;
    let mut maker = server.connection(Postgres::SUPERUSER).await;
    let lock = "BEGIN; LOCK TABLE carrel_log.partitions IN EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut maker).await.unwrap();
    let log = server.open(Settings::default()).await;
    fill(&log, 2, 3).await;
    assert_eq!(assert_whole(&log).await.len(), 6);
}

/// Its partitions go with it, and the next append makes them again.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_fails_after_it_made_room_harms_nobody() {
    let server = Server::with_log(LOG_ID).await;
    let settings = Settings { partition_records: 10, ..Settings::default() };
    let log = server.open(settings).await;
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    let function = "
        CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE disk_full; END $$";
    sqlx::raw_sql(function).execute(&mut superuser).await.unwrap();
    let mut units = Units::new(1);
    for trap in [
        "CREATE TRIGGER trap BEFORE INSERT ON carrel_log.units
            FOR EACH ROW EXECUTE FUNCTION public.trap()",
        "CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON carrel_log.units
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.trap()",
    ] {
        sqlx::raw_sql(trap).execute(&mut superuser).await.unwrap();
        let unit = units.unit(&vec![stream(1); 30], 12);
        log.append(Expected::Any, vec![unit.clone()]).await.unwrap_err();
        let untrap = "DROP TRIGGER trap ON carrel_log.units";
        sqlx::raw_sql(untrap).execute(&mut superuser).await.unwrap();
        append(&log, vec![unit]).await;
    }
    assert_eq!(assert_whole(&log).await.len(), 60);
}

/// As when the statistics of a large log are made anew.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_partition_that_is_made_ahead() {
    let server = Server::with_log(LOG_ID).await;
    let settings = Settings { partition_records: 20, ..Settings::default() };
    let log = server.open(settings).await;
    fill(&log, 1, 11).await;
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    while partitions(&mut superuser).await < 2 {}

    let lock = "BEGIN; LOCK TABLE carrel_log.records IN SHARE UPDATE EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut superuser).await.unwrap();
    fill(&log, 2, 29).await;
    sqlx::raw_sql("COMMIT").execute(&mut superuser).await.unwrap();
    fill(&log, 3, 30).await;
    assert_eq!(assert_whole(&log).await.len(), 70);
}
