//! A question for a page of things.
//!
//! `pool=win&state=running,paused&sort=-created_at&limit=50&cursor=...`: filters all have to hold,
//! and of the values of one filter any.

use uuid::Uuid;

use crate::cursor::{Cursor, digest};
use crate::error::QueryError;
use crate::field::{At, Field, Filtered, Sort};
use crate::kind::Kind;
use crate::limits::{
    CURSOR_BYTES_MAX, FILTER_VALUES_MAX, FILTERS_MAX, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX,
    VALUE_BYTES_MAX,
};

/// A checked question. Made by [`Query::parse`] or [`Query::all`].
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub(crate) kind: Kind,
    pub(crate) filters: Vec<Filter>,
    pub(crate) sort: Sort,
    pub(crate) order: Order,
    pub(crate) limit: u16,
    pub(crate) after: Option<Cursor>,
    /// What tells this query's cursors from those of others.
    pub(crate) digest: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    pub(crate) at: At,
    pub(crate) any_of: Vec<Wanted>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    Text(String),
    /// The beginning of a text.
    Begins(String),
    Number(i64),
    Id(Uuid),
    /// Whatever of that kind is called so.
    Called(Kind, String),
}

impl Query {
    /// The first page of all things of a kind.
    pub fn all(kind: Kind) -> Self {
        let [sort, ..] = kind.sorts() else { unreachable!("every kind can be sorted") };
        let order = if kind.is_named() { Order::Ascending } else { Order::Descending };
        let query = Self {
            kind,
            filters: Vec::new(),
            sort: *sort,
            order,
            limit: PAGE_ROWS_DEFAULT,
            after: None,
            digest: 0,
        };
        Self { digest: digest(&query), ..query }
    }

    /// From the parameters of a URL, decoded. What is not a filter, `sort`, `limit` or `cursor` is
    /// refused.
    pub fn parse<'a>(
        kind: Kind,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, QueryError> {
        let mut query = Self::all(kind);
        let mut cursor = None;
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in parameters {
            if seen.contains(&name) {
                return Err(QueryError::Twice { what: name.chars().take(40).collect() });
            }
            if seen.len() >= FILTERS_MAX {
                return Err(QueryError::TooMany { what: "parameters", max: FILTERS_MAX });
            }
            seen.push(name);
            match name {
                "sort" => (query.sort, query.order) = sort(kind, value)?,
                "limit" => query.limit = limit(value)?,
                "cursor" => cursor = Some(value),
                _ => query.filters.push(filter(kind, name, value)?),
            }
        }
        query.digest = digest(&query);
        query.after = cursor.map(|text| after(&query, text)).transpose()?;
        Ok(query)
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    pub const fn limit(&self) -> u16 {
        self.limit
    }
}

fn after(query: &Query, text: &str) -> Result<Cursor, QueryError> {
    let cursor = if text.len() <= CURSOR_BYTES_MAX { Cursor::read(text) } else { None };
    let cursor = cursor.ok_or(QueryError::NoCursor)?;
    if cursor.query == query.digest { Ok(cursor) } else { Err(QueryError::OtherCursor) }
}

fn sort(kind: Kind, value: &str) -> Result<(Sort, Order), QueryError> {
    let (name, order) = match value.strip_prefix('-') {
        Some(name) => (name, Order::Descending),
        None => (value, Order::Ascending),
    };
    let found = kind.sorts().iter().find(|sort| sort.name == name);
    let unknown = || QueryError::UnknownSort {
        kind,
        name: name.chars().take(40).collect(),
        known: listed(kind.sorts().iter().map(|sort| sort.name)),
    };
    Ok((*found.ok_or_else(unknown)?, order))
}

fn limit(value: &str) -> Result<u16, QueryError> {
    let limit = value.parse().ok().filter(|limit| (1..=PAGE_ROWS_MAX).contains(limit));
    limit.ok_or(QueryError::BadLimit { max: PAGE_ROWS_MAX })
}

fn filter(kind: Kind, name: &str, value: &str) -> Result<Filter, QueryError> {
    let found = kind.filters().iter().find(|field| field.name == name);
    let unknown = || QueryError::UnknownFilter {
        kind,
        name: name.chars().take(40).collect(),
        known: listed(kind.filters().iter().map(|field| field.name)),
    };
    let field = found.ok_or_else(unknown)?;
    if value.len() > VALUE_BYTES_MAX {
        let wanted = format!("at most {VALUE_BYTES_MAX} bytes long");
        return Err(QueryError::BadValue { name: field.name, wanted });
    }
    let values: Vec<&str> = match field.filtered {
        // A label's value may have a comma in it.
        Filtered::Label => vec![value],
        Filtered::Text | Filtered::Word(_) | Filtered::Thing(_) | Filtered::Id | Filtered::Flag => {
            value.split(',').collect()
        }
    };
    if values.len() > FILTER_VALUES_MAX {
        return Err(QueryError::TooMany { what: "values", max: FILTER_VALUES_MAX });
    }
    let any_of = values.into_iter().map(|value| wanted(field, value)).collect::<Result<_, _>>()?;
    Ok(Filter { at: field.at, any_of })
}

fn wanted(field: &Field, value: &str) -> Result<Wanted, QueryError> {
    let bad = |wanted: String| QueryError::BadValue { name: field.name, wanted };
    match field.filtered {
        Filtered::Text => Ok(match value.strip_suffix('*') {
            Some(beginning) => Wanted::Begins(beginning.to_owned()),
            None => Wanted::Text(value.to_owned()),
        }),
        Filtered::Word(words) => match words.contains(&value) {
            true => Ok(Wanted::Text(value.to_owned())),
            false => Err(bad(format!("one of: {}", listed(words.iter().copied())))),
        },
        Filtered::Thing(kind) => Ok(match Uuid::try_parse(value) {
            Ok(id) => Wanted::Id(id),
            Err(_) if kind.is_named() => Wanted::Called(kind, value.to_owned()),
            Err(_) => return Err(bad("an id".to_owned())),
        }),
        Filtered::Id => Uuid::try_parse(value).map(Wanted::Id).map_err(|_| bad("an id".to_owned())),
        Filtered::Flag => match value {
            "true" => Ok(Wanted::Number(1)),
            "false" => Ok(Wanted::Number(0)),
            _ => Err(bad("true or false".to_owned())),
        },
        // Every label is entered twice: with its value, and by its key alone.
        Filtered::Label => Ok(Wanted::Text(value.to_owned())),
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(parameters: &[(&str, &str)]) -> Result<Query, QueryError> {
        Query::parse(Kind::Machines, parameters.iter().copied())
    }

    #[test]
    fn what_nobody_knows_is_refused_and_the_known_is_listed() {
        let unknown = parsed(&[("colour", "red")]).expect_err("machines have no colour");
        assert!(unknown.to_string().contains("state"), "{unknown}");
        let unknown = parsed(&[("sort", "-colour")]).expect_err("nor is that an order");
        assert!(unknown.to_string().contains("created_at"), "{unknown}");
        assert!(parsed(&[("state", "flying")]).is_err());
        assert!(parsed(&[("limit", "0")]).is_err());
        assert!(parsed(&[("limit", "1001")]).is_err());
        assert!(parsed(&[("locked", "yes")]).is_err());
        assert!(parsed(&[("state", "off"), ("state", "running")]).is_err());
    }

    #[test]
    fn a_cursor_belongs_to_one_query() {
        let query = parsed(&[("state", "off"), ("sort", "-name")]).expect("it is one");
        let cursor = Cursor::behind(&query, crate::cursor::Value::Text("a".into()), Uuid::max());
        let text = cursor.written();
        let again = parsed(&[("sort", "-name"), ("state", "off"), ("cursor", &text)]);
        assert_eq!(again.map(|query| query.after), Ok(Some(cursor)));
        for other in
            [[("state", "running"), ("sort", "-name")], [("state", "off"), ("sort", "name")]]
        {
            let other: Vec<_> = other.into_iter().chain([("cursor", text.as_str())]).collect();
            assert_eq!(parsed(&other), Err(QueryError::OtherCursor));
        }
        assert_eq!(parsed(&[("cursor", "AAAA")]), Err(QueryError::NoCursor));
        let shorter =
            parsed(&[("state", "off"), ("sort", "-name"), ("limit", "7"), ("cursor", &text)]);
        assert!(shorter.is_ok(), "how many are wanted at once is no part of the question");
    }
}
