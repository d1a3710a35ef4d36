//! Making and changing the log's tables. This is the owner's business, not the application's.

use carrel_model::ids::LogId;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

/// Why the log's tables are not as they should be.
#[derive(Debug, thiserror::Error)]
#[error("the log's tables could not be made: {0}")]
pub struct MigrateError(String);

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/log/postgres");

/// An incarnation below 1 is nobody's.
const BEGIN_LOG: &str = "
    INSERT INTO carrel_log.log (log_id, incarnation) VALUES ($1, 1) ON CONFLICT DO NOTHING";

const ADMIT: &str = "SELECT carrel_log.admit($1::name)";

/// Makes the tables or brings them up to date, and lets the application's role use them. A log that
/// is there already keeps its id.
pub(super) async fn migrate(
    owner: &PgConnectOptions,
    application: &str,
    log_id: LogId,
) -> Result<(), MigrateError> {
    let mut connection = PgConnection::connect_with(owner).await.map_err(said)?;
    let migrator = Migrator {
        table_name: "carrel_log.migrations".into(),
        create_schemas: vec!["carrel_log".into()].into(),
        migrations: MIGRATIONS.migrations.clone(),
        ..Migrator::DEFAULT
    };
    migrator.run_direct(None, &mut connection, false).await.map_err(said)?;
    let begin = sqlx::query(BEGIN_LOG).bind(log_id.uuid());
    begin.execute(&mut connection).await.map_err(said)?;
    let admit = sqlx::query(ADMIT).bind(application);
    admit.execute(&mut connection).await.map_err(said)?;
    connection.close().await.map_err(said)
}

fn said(error: impl std::error::Error) -> MigrateError {
    MigrateError(error.to_string())
}
