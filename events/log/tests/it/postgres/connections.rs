//! Connections are used again, and whoever has one next must not feel what happened before.

use std::sync::Arc;

use bytes::Bytes;
use carrel_log::postgres::PostgresLog;
use carrel_log::{EventLog, Expected, Snapshot, SnapshotKey};
use carrel_model::name::SnapshotKind;
use carrel_model::record::{Epoch, Position};
use carrel_testkit::postgres::Postgres;
use carrel_testkit::units::Units;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::server::{Server, somebody_waits};
use crate::conformance::LOG_ID;
use crate::conformance::scene::{append, assert_whole, consumer, fill, lease};

async fn run(connection: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql(statement).execute(connection).await.unwrap();
}

async fn scene() -> (Server, Arc<PostgresLog>, PgConnection) {
    let server = Server::with_log(LOG_ID).await;
    let log = Arc::new(server.open_with_one_connection().await);
    fill(&*log, 1, 3).await;
    let superuser = server.connection(Postgres::SUPERUSER).await;
    (server, log, superuser)
}

/// Starts something, and gives it up when it waits for a lock.
async fn give_up<T: Send + 'static>(
    what: impl Future<Output = T> + Send + 'static,
    observer: &mut PgConnection,
) {
    let mut given_up = JoinSet::new();
    given_up.spawn(what);
    somebody_waits(observer).await;
    given_up.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_refused_its_turn_harms_nobody() {
    let (server, log, mut superuser) = scene().await;
    let other = server.open_with_one_connection().await;
    let turn = other.turn(Position(3)).await.unwrap();
    let mut waiting = JoinSet::new();
    let (writer, unit) = (Arc::clone(&log), Units::new(2).small(1));
    waiting.spawn(async move { writer.append(Expected::Any, vec![unit]).await });
    somebody_waits(&mut superuser).await;
    run(&mut superuser, "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted").await;
    waiting.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(log.head().await.unwrap().position, Position(3));

    drop(turn);
    append(&*log, vec![Units::new(3).small(1)]).await;
    assert_eq!(assert_whole(&*log).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_a_new_name_harms_nobody() {
    let (_server, log, mut superuser) = scene().await;
    log.raise_epoch(&lease("known")).await.unwrap();
    log.save_cursor(&consumer("known"), Position(1), Epoch(1)).await.unwrap();
    for new_lease in [true, false] {
        // Whoever makes a name has this lock.
        run(&mut superuser, "SELECT pg_advisory_lock(7161130718149242477)").await;
        let who = Arc::clone(&log);
        let name = async move {
            if new_lease {
                drop(who.raise_epoch(&lease("new")).await);
            } else {
                drop(who.save_cursor(&consumer("new"), Position(1), Epoch(1)).await);
            }
        };
        give_up(name, &mut superuser).await;
        run(&mut superuser, "SELECT pg_advisory_unlock(7161130718149242477)").await;

        let epoch = log.raise_epoch(&lease("known")).await.unwrap();
        let kept = "SELECT epoch FROM carrel_log.leases WHERE name = 'known'";
        let kept: i64 = sqlx::query_scalar(kept).fetch_one(&mut superuser).await.unwrap();
        assert_eq!(epoch, Epoch(kept.try_into().unwrap()));
        log.save_cursor(&consumer("known"), Position(2), epoch).await.unwrap();
        let kept = "SELECT epoch FROM carrel_log.cursors WHERE name = 'known'";
        let kept: i64 = sqlx::query_scalar(kept).fetch_one(&mut superuser).await.unwrap();
        assert_eq!(epoch, Epoch(kept.try_into().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_what_nobody_else_waits_for() {
    let (server, log, mut superuser) = scene().await;
    let key = SnapshotKey { kind: SnapshotKind::new("fleet").unwrap(), model: [1; 32] };
    let link = log.head().await.unwrap().link;
    let snapshot = Snapshot { key: key.clone(), position: Position(3), link, data: Bytes::new() };

    run(&mut superuser, "BEGIN; LOCK TABLE carrel_log.leases").await;
    let who = Arc::clone(&log);
    give_up(async move { who.raise_epoch(&lease("new")).await }, &mut superuser).await;
    run(&mut superuser, "COMMIT").await;
    // There is one connection, so this waits for it.
    log.head().await.unwrap();
    run(&mut superuser, "BEGIN; LOCK TABLE carrel_log.cursors").await;
    let who = Arc::clone(&log);
    let save = async move { who.save_cursor(&consumer("new"), Position(1), Epoch(1)).await };
    give_up(save, &mut superuser).await;
    run(&mut superuser, "COMMIT").await;
    log.head().await.unwrap();
    run(&mut superuser, "BEGIN; LOCK TABLE carrel_log.snapshots").await;
    let (who, saved) = (Arc::clone(&log), snapshot.clone());
    give_up(async move { who.save_snapshot(saved).await }, &mut superuser).await;
    run(&mut superuser, "COMMIT").await;

    log.close().await.unwrap();
    let log = server.open_with_one_connection().await;
    assert_eq!(log.raise_epoch(&lease("new")).await, Ok(Epoch(2)));
    assert!(log.cursor(&consumer("new")).await.unwrap().is_some());
    assert_eq!(log.snapshot(&key).await, Ok(Some(snapshot)));
}

/// A decision that has nothing to say is as good as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_without_an_append_costs_no_connection() {
    let (_server, log, mut superuser) = scene().await;
    let mut process_ids: Vec<Vec<i32>> = Vec::new();
    for have in [Position(3), Position(4)] {
        // The second one is ahead of the log, and gets no turn.
        drop(log.turn(have).await);
        log.append(Expected::At(Position(2)), vec![Units::new(2).small(1)]).await.unwrap_err();
        log.head().await.unwrap();
        let process_id = "SELECT pid FROM pg_stat_activity WHERE usename = 'carrel_app'";
        process_ids.push(sqlx::query_scalar(process_id).fetch_all(&mut superuser).await.unwrap());
    }
    assert_eq!(process_ids[0].len(), 1);
    assert_eq!(process_ids[0], process_ids[1]);
}
