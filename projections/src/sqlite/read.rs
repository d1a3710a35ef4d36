//! Questions, as `SQLite` is asked them.

use carrel_model::ids::LogId;
use carrel_model::name::TerminalLabel;
use carrel_model::record::{Incarnation, Position};
use carrel_model::terminal::canonical;
use serde_json::value::RawValue;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Row as _};
use uuid::Uuid;

use super::StoreError;
use crate::cursor::{Cursor, Value};
use crate::field::At;
use crate::kind::Kind;
use crate::limits::FILTER_VALUES_MAX;
use crate::page::{Count, Item, Page};
use crate::projection::{PROJECTIONS, Progress};
use crate::query::{Filter, Order, Query, Wanted};

/// One more row than a page has tells whether there is a further one.
pub(crate) async fn page(readers: &SqlitePool, query: &Query) -> Result<Page, StoreError> {
    let mut sql = statement(query);
    let rows = sql.build().fetch_all(readers).await?;
    let limit = usize::from(query.limit);
    let is_more = rows.len() > limit;
    let mut items = Vec::with_capacity(rows.len().min(limit));
    let mut last = None;
    for row in rows.iter().take(limit) {
        let item = item(row)?;
        last = Some((sort_value(query, row)?, item.id));
        items.push(item);
    }
    let next = last.filter(|_| is_more);
    let next = next.map(|(value, id)| Cursor::behind(query, value, id).written());
    Ok(Page { items, next })
}

fn item(row: &SqliteRow) -> Result<Item, StoreError> {
    let doc = RawValue::from_string(row.try_get("doc")?);
    let doc = doc.map_err(|error| StoreError::Sql(error.to_string()))?;
    Ok(Item { id: row.try_get("id")?, doc })
}

fn is_text(query: &Query) -> bool {
    query.sort.column == "name"
}

fn sort_value(query: &Query, row: &SqliteRow) -> Result<Value, StoreError> {
    Ok(match is_text(query) {
        true => Value::Text(row.try_get("sorted")?),
        false => Value::Number(row.try_get("sorted")?),
    })
}

/// Each value of the first filter with several is a question of its own that an index answers in
/// order, and their answers are merged: an index in which the values stand one behind the other
/// does not give them in order together.
fn statement(query: &Query) -> QueryBuilder<Sqlite> {
    let several = query.filters.iter().position(|filter| {
        let ids_only = filter.any_of.iter().all(|wanted| !matches!(wanted, Wanted::Begins(_)));
        filter.any_of.len() > 1 && matches!(filter.at, At::Column(_)) && ids_only
    });
    let mut sql = QueryBuilder::new("");
    let order = match query.order {
        Order::Ascending => "",
        Order::Descending => " DESC",
    };
    let Some(several) = several else {
        branch(&mut sql, query, None, order);
        return sql;
    };
    let values = query.filters.get(several).map_or(0, |filter| filter.any_of.len());
    sql.push("SELECT id, doc, sorted FROM (");
    for value in 0..values.min(FILTER_VALUES_MAX) {
        if value > 0 {
            sql.push(" UNION ");
        }
        sql.push("SELECT * FROM (");
        branch(&mut sql, query, Some((several, value)), order);
        sql.push(")");
    }
    sql.push(format_args!(") ORDER BY sorted{order}, id{order} LIMIT "));
    sql.push_bind(i64::from(query.limit) + 1);
    sql
}

/// The whole question, or with only one value of one filter.
fn branch(
    sql: &mut QueryBuilder<Sqlite>,
    query: &Query,
    only: Option<(usize, usize)>,
    order: &'static str,
) {
    let column = query.sort.column;
    // What has a label comes sorted by name from the facets.
    let leading = query.filters.iter().position(|filter| {
        let single = matches!(filter.any_of.as_slice(), [Wanted::Text(_) | Wanted::Id(_)]);
        matches!(filter.at, At::Facet(_)) && single && column == "name"
    });
    let sorted = if leading.is_some() { "f.name".to_owned() } else { format!("t.{column}") };
    let id = if leading.is_some() { "f.id" } else { "t.id" };
    sql.push(format_args!("SELECT {id} AS id, t.doc AS doc, {sorted} AS sorted FROM "));
    if leading.is_some() {
        sql.push(format_args!("facets f CROSS JOIN {} t ON t.id = f.id", query.kind));
    } else {
        sql.push(format_args!("{} t", query.kind));
    }
    sql.push(" WHERE 1");
    for (number, filter) in query.filters.iter().enumerate() {
        sql.push(" AND ");
        let any_of = match only {
            Some((at, value)) if at == number => {
                filter.any_of.get(value..=value).unwrap_or_default()
            }
            Some(_) | None => &filter.any_of,
        };
        let facets = if leading == Some(number) { Facets::Leading } else { Facets::Beside };
        condition(sql, query.kind, filter, any_of, facets);
    }
    if let Some(after) = &query.after {
        let compare = match query.order {
            Order::Ascending => ">",
            Order::Descending => "<",
        };
        sql.push(format_args!(" AND ({sorted}, {id}) {compare} ("));
        match &after.value {
            Value::Text(text) => sql.push_bind(text.clone()),
            Value::Number(number) => sql.push_bind(*number),
        };
        sql.push(", ").push_bind(after.id).push(")");
    }
    sql.push(format_args!(" ORDER BY {sorted}{order}, {id}{order} LIMIT "));
    sql.push_bind(i64::from(query.limit) + 1);
}

#[derive(Clone, Copy)]
enum Facets {
    /// They are what is read in order.
    Leading,
    Beside,
}

fn condition(
    sql: &mut QueryBuilder<Sqlite>,
    kind: Kind,
    filter: &Filter,
    any_of: &[Wanted],
    facets: Facets,
) {
    match (filter.at, facets) {
        (At::Column(column), _) => values(sql, &format!("t.{column}"), any_of, false),
        (At::Facet(facet), Facets::Leading) => {
            sql.push("f.kind = ").push_bind(kind.name());
            sql.push(" AND f.facet = ").push_bind(facet).push(" AND ");
            values(sql, "f.value", any_of, true);
        }
        (At::Facet(facet), Facets::Beside) => {
            sql.push("t.id IN (SELECT id FROM facets WHERE kind = ").push_bind(kind.name());
            sql.push(" AND facet = ").push_bind(facet).push(" AND ");
            values(sql, "value", any_of, true);
            sql.push(")");
        }
    }
}

/// That a column has one of the values. In facets ids stand as text.
fn values(sql: &mut QueryBuilder<Sqlite>, column: &str, any_of: &[Wanted], as_text: bool) {
    sql.push("(");
    for (number, wanted) in any_of.iter().enumerate() {
        if number > 0 {
            sql.push(" OR ");
        }
        match wanted {
            Wanted::Text(text) => {
                sql.push(format_args!("{column} = ")).push_bind(text.clone());
            }
            Wanted::Number(number) => {
                sql.push(format_args!("{column} = ")).push_bind(*number);
            }
            Wanted::Id(id) if as_text => {
                sql.push(format_args!("{column} = ")).push_bind(id.to_string());
            }
            Wanted::Id(id) => {
                sql.push(format_args!("{column} = ")).push_bind(*id);
            }
            Wanted::Begins(beginning) => begins(sql, column, beginning),
            Wanted::Called(kind, name) => {
                sql.push(format_args!("{column} IN (SELECT "));
                sql.push(if as_text { UUID_OF_ID } else { "id" });
                called(sql.push(format_args!(" FROM {kind} WHERE ")), *kind, name);
                sql.push(")");
            }
        }
    }
    sql.push(")");
}

/// An id as it is written: `lower(hex(id))` with hyphens.
const UUID_OF_ID: &str = "lower(substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || \
     substr(hex(id), 13, 4) || '-' || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21))";

/// Everything from the beginning on up to what no text that begins so can reach.
fn begins(sql: &mut QueryBuilder<Sqlite>, column: &str, beginning: &str) {
    sql.push(format_args!("({column} >= ")).push_bind(beginning.to_owned());
    sql.push(format_args!(" AND {column} < ")).push_bind(format!("{beginning}\u{10ffff}"));
    sql.push(")");
}

/// That something of a kind has a name.
fn called(sql: &mut QueryBuilder<Sqlite>, kind: Kind, name: &str) {
    let person = (kind == Kind::Clients).then(|| name.split_once('/').unwrap_or(("local", name)));
    let termid = TerminalLabel::new(name).ok().filter(|_| kind == Kind::Terminals);
    let name = termid.map_or_else(|| name.to_owned(), |termid| canonical(&termid).to_string());
    match person {
        Some((provider, name)) => {
            sql.push("name = ").push_bind(name.to_owned());
            sql.push(" AND provider = ").push_bind(provider.to_owned());
        }
        None => {
            sql.push("name = ").push_bind(name);
        }
    }
}

pub(crate) async fn one(
    readers: &SqlitePool,
    kind: Kind,
    id_or_name: &str,
) -> Result<Option<Item>, StoreError> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT id, doc FROM ");
    sql.push(kind.name()).push(" WHERE ");
    match Uuid::try_parse(id_or_name) {
        Ok(id) => {
            sql.push("id = ").push_bind(id);
        }
        // Nothing that can't have a name is called anything.
        Err(_) if !kind.is_named() || id_or_name.is_empty() => return Ok(None),
        Err(_) => called(&mut sql, kind, id_or_name),
    }
    let row = sql.push(" LIMIT 1").build().fetch_optional(readers).await?;
    row.as_ref().map(item).transpose()
}

pub(crate) async fn counts(readers: &SqlitePool) -> Result<Vec<Count>, StoreError> {
    let sql = "SELECT kind, facet, value, count FROM counts ORDER BY kind, facet, value";
    let mut counts = Vec::new();
    for row in sqlx::query(sql).fetch_all(readers).await? {
        let Ok(kind) = row.try_get::<String, _>(0)?.parse() else { continue };
        let count: i64 = row.try_get(3)?;
        let count = u64::try_from(count).unwrap_or_default();
        counts.push(Count { kind, by: row.try_get(1)?, value: row.try_get(2)?, count });
    }
    Ok(counts)
}

/// How far the projections of a file have come, and in which log. None: they are not those of this
/// version.
pub(crate) async fn places(
    connection: &mut SqliteConnection,
) -> Result<Option<(Progress, LogId)>, StoreError> {
    let mut progress = Progress::at(Position::START, Incarnation(0));
    let mut log = None;
    for (state, projection) in progress.0.iter_mut().zip(PROJECTIONS) {
        let sql = "SELECT version, log_id, incarnation, position FROM projections WHERE name = ?";
        let row = sqlx::query(sql).bind(projection.name).fetch_optional(&mut *connection).await?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get::<i64, _>(0)? != i64::from(projection.version) {
            return Ok(None);
        }
        log = Some(LogId::new(row.try_get(1)?));
        state.incarnation = Incarnation(u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0));
        state.position = Position(u64::try_from(row.try_get::<i64, _>(3)?).unwrap_or(0));
    }
    Ok(log.map(|log| (progress, log)))
}
