//! What the application's role may not do, whatever it says.

use carrel_log::postgres::{PostgresLog, Settings};
use carrel_model::ids::LogId;
use carrel_testkit::postgres::Postgres;
use carrel_testkit::units::Units;
use sqlx::error::DatabaseError;

use super::server::{APPLICATION, OWNER, Server};
use crate::conformance::LOG_ID;
use crate::conformance::scene::{append, assert_whole, fill};

const DENIED: &str = "42501";

/// A table, and a column that it has. The first partition stands for all of them.
const TABLES: [(&str, &str); 3] = [
    ("carrel_log.units", "org"),
    ("carrel_log.records", "data"),
    ("carrel_log.records_0000000000000000001", "data"),
];

fn changes((table, column): (&str, &str)) -> Vec<String> {
    let changes = [
        "UPDATE {table} SET {column} = {column} WHERE false",
        "DELETE FROM {table} WHERE false",
        "TRUNCATE {table}",
        "DROP TABLE {table}",
        "DROP TABLE {table} CASCADE",
        "ALTER TABLE {table} ADD COLUMN more text",
        "ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL",
        "ALTER TABLE {table} OWNER TO carrel_app",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "CREATE TRIGGER t BEFORE INSERT ON {table}
            EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING",
    ];
    changes.map(|change| change.replace("{table}", table).replace("{column}", column)).to_vec()
}

const OTHERS: [&str; 12] = [
    "ALTER TABLE carrel_log.records DETACH PARTITION carrel_log.records_0000000000000000001",
    "DROP SCHEMA carrel_log CASCADE",
    "CREATE TABLE carrel_log.mine ()",
    "CREATE TABLE mine ()",
    "DROP INDEX carrel_log.records_by_stream",
    "UPDATE carrel_log.log SET log_id = log_id",
    "DELETE FROM carrel_log.log",
    "INSERT INTO carrel_log.partitions VALUES (1000000000, 2000000000)",
    "DELETE FROM carrel_log.streams",
    "SELECT carrel_log.admit('carrel_app')",
    "SET ROLE carrel_owner",
    "UPDATE carrel_log.migrations SET success = false",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_appended_can_be_changed_or_removed() {
    let server = Server::with_log(LOG_ID).await;
    let log = server.open(Settings::default()).await;
    fill(&log, 1, 3).await;
    let mut application = server.connection(APPLICATION).await;
    let others = OTHERS.map(str::to_owned);
    for statement in TABLES.into_iter().flat_map(changes).chain(others) {
        let query = sqlx::AssertSqlSafe(statement.clone());
        let refused = sqlx::raw_sql(query).execute(&mut application).await.unwrap_err();
        let code = refused.as_database_error().and_then(DatabaseError::code);
        assert_eq!(code.as_deref(), Some(DENIED), "{statement}: {refused}");
    }
    append(&log, vec![Units::new(2).small(1)]).await;
    assert_eq!(assert_whole(&log).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_again_changes_nothing() {
    let server = Server::with_log(LOG_ID).await;
    let log = server.open(Settings::default()).await;
    fill(&log, 1, 3).await;
    let other = LogId::from_bytes([9; 16]);
    PostgresLog::migrate(&server.options(OWNER), APPLICATION, other).await.unwrap();
    let again = server.open(Settings::default()).await;
    fill(&again, 2, 3).await;
    assert_eq!(assert_whole(&log).await.len(), 6);
    assert_eq!(carrel_log::EventLog::head(&again).await.unwrap().log_id, LOG_ID);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_may_migrate() {
    let server = Server::with_log(LOG_ID).await;
    let refused = PostgresLog::migrate(&server.options(APPLICATION), APPLICATION, LOG_ID).await;
    assert!(refused.unwrap_err().to_string().contains("permission denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_there_is_an_error() {
    let server = Server { postgres: Postgres::start() };
    let options = server.options(Postgres::SUPERUSER);
    let error = PostgresLog::connect(options, Settings::default()).await.unwrap_err();
    assert!(error.to_string().contains("carrel_log.log"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_never_shown() {
    let server = Server::with_log(LOG_ID).await;
    let options = server.options(APPLICATION).password("hunter2");
    let log = PostgresLog::connect(options.clone(), Settings::default()).await.unwrap();
    assert!(!format!("{log:?} {log:#?}").contains("hunter2"));
    drop(server);
    let refused = PostgresLog::connect(options, Settings::default()).await.unwrap_err();
    assert!(!format!("{refused:?} {refused}").contains("hunter2"));
}
