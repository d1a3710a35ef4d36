//! Bodies and parameters of requests: bounded, and refused with the place of what is wrong.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::fault::Fault;
use crate::limits::BODY_WITHIN;
use crate::objects::Inside;
use crate::problem::Problem;

/// A body that was given out as JSON, and is not longer than allowed.
pub async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Problem> {
    read_within(BODY_WITHIN, headers, body, max).await
}

/// The same where there is less time for it.
pub async fn read_within(
    within: Duration,
    headers: &HeaderMap,
    body: Body,
    max: usize,
) -> Result<Bytes, Problem> {
    is_json(headers)?;
    let too_large = || Problem::new(Fault::TooLarge, format!("this takes at most {max} bytes"));
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > max) {
        return Err(too_large());
    }
    // Whether it is too long or broke off: what is left of the line decides who hears it.
    match timeout(within, axum::body::to_bytes(body, max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Problem::new(Fault::TooSlow, "the body did not arrive in time")),
    }
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    Err(Problem::new(Fault::NotJson, "this takes application/json"))
}

/// Reads JSON. `within` is stripped from the path of what is wrong.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], within: &str) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Inside(&mut json)).map_err(|error| {
        let path = error.path().to_string();
        let path = path.strip_prefix(within).unwrap_or(&path).trim_start_matches('.').to_owned();
        let problem = malformed(error.inner());
        if path.is_empty() || path == "." { problem } else { problem.at(path) }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

pub fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(Fault::MalformedBody, error.to_string())
}

/// Query parameters of which each is known.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parsed = Query::<T>::from_request_parts(parts, state).await;
        let Query(parameters) = parsed.map_err(|error| bad_request(&error.body_text()))?;
        Ok(Self(parameters))
    }
}

/// One part of the path.
#[derive(Clone, Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let axum::extract::Path(segment) = path.map_err(|error| bad_request(&error.body_text()))?;
        Ok(Self(segment))
    }
}

pub fn bad_request(detail: &str) -> Problem {
    Problem::new(Fault::MalformedRequest, detail)
}

/// A header that may come once, as text.
pub fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad_request(&format!("{name} is given more than once")));
    }
    let text = value.to_str().map_err(|_| bad_request(&format!("{name} is not plain text")))?;
    Ok(Some(text.trim()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its reading is looked at")]
    struct Thing {
        data: Vec<u32>,
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        let problem = parse::<Thing>(br#"{"data":[1,"x"]}"#, "data").expect_err("no number");
        assert_eq!(problem.path.as_deref(), Some("[1]"));
        let problem = parse::<Thing>(br#"{"data":[1]} x"#, "data").expect_err("trailing");
        assert_eq!(problem.code, "CRL-1001");
    }

    #[test]
    fn depth_has_an_end() {
        let deep = format!("{{\"data\":{}", "[".repeat(100_000));
        assert_eq!(
            parse::<Thing>(deep.as_bytes(), "").map(drop).map_err(|it| it.code),
            Err("CRL-1001")
        );
        let deep = "[".repeat(100_000);
        assert!(parse::<serde_json::Value>(deep.as_bytes(), "").is_err());
    }
}
