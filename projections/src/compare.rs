//! Whether two files hold the same rows.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use crate::kind::Kind;
use crate::sqlite::StoreError;

/// Differences that are told; the first ones of each table say what is wrong.
const TOLD_MAX: u32 = 10;

/// Compares two files row for row, and tells what stands in one and not in the other. Both have to
/// be as of the same position, with nobody writing.
pub async fn compare(a: &Path, b: &Path) -> Result<Vec<String>, StoreError> {
    let mut connection =
        SqliteConnectOptions::new().filename(a).create_if_missing(false).connect().await?;
    let other = b.to_string_lossy().into_owned();
    sqlx::query("ATTACH DATABASE ? AS other").bind(other).execute(&mut connection).await?;
    let mut differences = Vec::new();
    let rows = Kind::ALL.map(|kind| (kind.name(), "hex(id) || ' ' || doc || ' ' || memo"));
    let beside = [
        ("facets", "kind || ' ' || facet || ' ' || value || ' ' || name || ' ' || hex(id)"),
        ("counts", "kind || ' ' || facet || ' ' || value || ' ' || count"),
        ("projections", "name || ' ' || version || ' ' || position || ' ' || incarnation"),
    ];
    for (table, told) in rows.into_iter().chain(beside) {
        for (side, one, two) in [("first", "main", "other"), ("second", "other", "main")] {
            let sql = format!(
                "SELECT {told} FROM (SELECT * FROM {one}.{table} EXCEPT SELECT * FROM \
                 {two}.{table}) LIMIT {TOLD_MAX}"
            );
            for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await? {
                let told: String = row.try_get(0)?;
                differences.push(format!("{table}, only in the {side}: {told}"));
            }
        }
    }
    connection.close().await?;
    Ok(differences)
}
