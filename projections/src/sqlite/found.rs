//! What rows are found and counted by, beside them: each write changes both alike.

use std::collections::BTreeMap;

use sqlx::QueryBuilder;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use uuid::Uuid;

use super::StoreError;
use crate::kind::Kind;
use crate::limits::STATEMENT_ROWS;
use crate::row::{Kept, Key};

/// By how many there are more or less of each kind, in all and by each value of what is counted.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<(Kind, String, String), i64>);

impl Counts {
    pub(super) fn change(&mut self, kind: Kind, before: Option<&Kept>, after: Option<&Kept>) {
        for (kept, sign) in [(before, -1), (after, 1)] {
            let Some(kept) = kept else { continue };
            *self.0.entry((kind, String::new(), String::new())).or_default() += sign;
            for (by, value) in &kept.counted {
                *self.0.entry((kind, by.clone(), value.clone())).or_default() += sign;
            }
        }
    }

    pub(super) async fn add(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let changes: Vec<_> = self.0.into_iter().filter(|(_, change)| *change != 0).collect();
        for changes in changes.chunks(STATEMENT_ROWS) {
            let mut query =
                QueryBuilder::<Sqlite>::new("INSERT INTO counts (kind, facet, value, count) ");
            query.push_values(changes, |mut values, ((kind, by, value), change)| {
                values.push_bind(kind.name()).push_bind(by).push_bind(value).push_bind(*change);
            });
            query.push(" ON CONFLICT DO UPDATE SET count = count + excluded.count");
            query.build().execute(&mut *connection).await?;
        }
        if changes.iter().any(|(_, change)| *change < 0) {
            sqlx::query("DELETE FROM counts WHERE count = 0").execute(connection).await?;
        }
        Ok(())
    }
}

/// Enters what a thing is found by, if that has changed.
pub(super) async fn refacet(
    connection: &mut SqliteConnection,
    key: Key,
    before: Option<&Kept>,
    after: Option<&Kept>,
) -> Result<(), StoreError> {
    let same = |a: &Kept, b: &Kept| a.facets == b.facets && a.name == b.name;
    if let (Some(before), Some(after)) = (before, after)
        && same(before, after)
    {
        return Ok(());
    }
    for (facet, value) in before.into_iter().flat_map(|kept| &kept.facets) {
        sqlx::query(
            "DELETE FROM facets
             WHERE kind = ? AND facet = ? AND value = ? AND name = ? AND id = ?",
        )
        .bind(key.kind.name())
        .bind(facet)
        .bind(value)
        .bind(before.map(|kept| kept.name.as_str()))
        .bind(key.id)
        .execute(&mut *connection)
        .await?;
    }
    let Some(after) = after else { return Ok(()) };
    let entries: Vec<_> =
        after.facets.iter().map(|facet| (facet, after.name.as_str(), key.id)).collect();
    insert_facets(connection, key.kind, &entries).await
}

pub(super) async fn insert_facets(
    connection: &mut SqliteConnection,
    kind: Kind,
    entries: &[(&(String, String), &str, Uuid)],
) -> Result<(), StoreError> {
    for entries in entries.chunks(STATEMENT_ROWS) {
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT INTO facets (kind, facet, value, name, id) ");
        query.push_values(entries, |mut values, ((facet, value), name, id)| {
            values.push_bind(kind.name()).push_bind(facet).push_bind(value);
            values.push_bind(*name).push_bind(*id);
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}
