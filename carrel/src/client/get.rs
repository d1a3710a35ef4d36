//! `carrel get`: what is known, in pages.

use std::io::{self, Write};

use carrel_projections::Kind;
use serde_json::Value;

use super::arguments::{Get, Shape};
use super::http::Http;
use super::{session, table};
use crate::failure::{Failure, Outcome};
use crate::output::printed;

/// The server's own bound.
const PAGE_MAX: u32 = 1_000;

pub(crate) fn run(get: &Get) -> Result<Outcome, Failure> {
    let http = session::signed_in(&get.server)?;
    let kind = get.kind.name();
    if let Some(which) = &get.which {
        let thing = http.get(&format!("/v1/{kind}/{}", escaped(which)), &[])?.fine()?;
        // One thing has more to it than a line.
        printed(&thing, get.output != Shape::Json)?;
        return Ok(Outcome::Fine);
    }
    let (items, more) = items(&http, get)?;
    match get.output {
        Shape::Json | Shape::Yaml => printed(&Value::Array(items), get.output == Shape::Yaml)?,
        Shape::Table if items.is_empty() => {
            let filtered = get.state.is_some() || !get.filter.is_empty();
            let such = if filtered { " of this kind" } else { "" };
            writeln!(io::stdout(), "there are no {kind}{such}")?;
        }
        Shape::Table => {
            writeln!(io::stdout(), "{}", table::of(get.kind, &items))?;
            if more {
                writeln!(io::stderr(), "there are more: --all, or --limit")?;
            }
        }
    }
    Ok(Outcome::Fine)
}

/// As many as are asked for, and whether there are more.
fn items(http: &Http, get: &Get) -> Result<(Vec<Value>, bool), Failure> {
    let most = if get.all { usize::MAX } else { usize::try_from(get.limit).unwrap_or(usize::MAX) };
    let mut query: Vec<(&str, &str)> = Vec::new();
    query.extend(get.state.as_deref().map(|state| ("state", state)));
    query.extend(get.sort.as_deref().map(|sort| ("sort", sort)));
    query.extend(get.filter.iter().map(|(field, value)| (field.as_str(), value.as_str())));
    pages(http, get.kind, &query, most)
}

/// However many there are.
#[cfg(feature = "libvirt")]
pub(crate) fn all(http: &Http, kind: Kind, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
    Ok(pages(http, kind, query, usize::MAX)?.0)
}

fn pages(
    http: &Http,
    kind: Kind,
    asked: &[(&str, &str)],
    most: usize,
) -> Result<(Vec<Value>, bool), Failure> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let left = u32::try_from(most.saturating_sub(items.len())).unwrap_or(PAGE_MAX);
        let limit = left.min(PAGE_MAX).to_string();
        let mut query: Vec<(&str, &str)> = vec![("limit", &limit)];
        query.extend(asked);
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = http.get(&format!("/v1/{}", kind.name()), &query)?.fine()?;
        let Value::Object(mut page) = page else { return Ok((items, false)) };
        if let Some(Value::Array(more)) = page.remove("items") {
            items.extend(more);
        }
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() || items.len() >= most {
            return Ok((items, cursor.is_some()));
        }
    }
}

/// A name in a path (RFC 3986): what isn't unreserved is encoded.
pub(super) fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut text = String::new();
    for byte in name.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_in_paths_are_encoded() {
        assert_eq!(escaped("win11-001"), "win11-001");
        assert_eq!(escaped("a/b ü"), "a%2Fb%20%C3%BC");
    }
}
