//! Cursors and leases that several processes use at once.

use std::sync::Arc;

use carrel_log::postgres::Settings;
use carrel_log::{CursorError, EventLog};
use carrel_model::record::{Epoch, Position};
use carrel_testkit::postgres::Postgres;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::server::{Server, somebody_waits};
use crate::conformance::LOG_ID;
use crate::conformance::scene::{consumer, fill, lease};

async fn run(connection: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql(statement).execute(connection).await.unwrap();
}

/// Notes at each commit whether it is going to wait for the disk.
const NOTE: &str = "
    CREATE TABLE public.noted (what text, waits text);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO public.noted VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'));
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON carrel_log.cursors
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.note();
    CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON carrel_log.leases
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.note();
    CREATE CONSTRAINT TRIGGER note AFTER INSERT ON carrel_log.units
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.note()";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let server = Server::with_log(LOG_ID).await;
    let mut superuser = server.connection(Postgres::SUPERUSER).await;
    run(&mut superuser, NOTE).await;
    for (nth, (setting, expected)) in (1..).zip([("off", "on"), ("local", "local"), ("on", "on")]) {
        let alter = format!("ALTER ROLE carrel_app SET synchronous_commit = {setting}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&mut superuser).await.unwrap();
        let log = server.open(Settings::default()).await;
        fill(&log, nth, 1).await;
        let (consumer, lease) = (consumer(setting), lease(setting));
        for epoch in [1, 2].map(Epoch) {
            assert_eq!(log.raise_epoch(&lease).await, Ok(epoch));
            log.save_cursor(&consumer, Position(1), epoch).await.unwrap();
        }
        let noted = "DELETE FROM public.noted RETURNING what, waits";
        let mut noted: Vec<(String, String)> =
            sqlx::query_as(noted).fetch_all(&mut superuser).await.unwrap();
        noted.sort();
        let expected = ["cursors", "cursors", "leases", "leases", "units"]
            .map(|what| (what.to_owned(), expected.to_owned()));
        assert_eq!(noted, expected, "{setting}");
    }
}

/// The cursor is not beyond the end any more when it is looked at for the second time, and then
/// somebody with a newer epoch comes in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_not_saved_is_not_said_to_be() {
    let server = Server::with_log(LOG_ID).await;
    let log = Arc::new(server.open(Settings::default()).await);
    let relay = consumer("relay");
    fill(&*log, 1, 5).await;
    log.save_cursor(&relay, Position(5), Epoch(3)).await.unwrap();
    let mut maker_of_names = server.connection(Postgres::SUPERUSER).await;
    let mut newer = server.connection(Postgres::SUPERUSER).await;
    run(&mut maker_of_names, "SELECT pg_advisory_lock(7161130718149242477)").await;

    let mut saving = JoinSet::new();
    let (consumer, name) = (Arc::clone(&log), relay.clone());
    saving.spawn(async move { consumer.save_cursor(&name, Position(6), Epoch(3)).await });
    somebody_waits(&mut newer).await;
    fill(&*log, 2, 1).await;
    run(&mut newer, "BEGIN; UPDATE carrel_log.cursors SET epoch = 4").await;
    run(&mut maker_of_names, "SELECT pg_advisory_unlock(7161130718149242477)").await;
    somebody_waits(&mut maker_of_names).await;
    run(&mut newer, "COMMIT").await;

    let fenced = CursorError::Fenced { given: Epoch(3), current: Epoch(4) };
    assert_eq!(saving.join_all().await, [Err(fenced)]);
    assert_eq!(log.cursor(&relay).await.unwrap().unwrap().position, Position(5));
}
