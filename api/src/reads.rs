//! What is known about many things, out of the read models.

use axum::Json;
use axum::extract::{Query as RawQuery, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use carrel_model::ids::FromUuid;
use carrel_model::record::Position;
use carrel_projections::{Kind, Query, ReadModelError};
use serde::Deserialize;

use crate::body::{Parameters, Segment, bad_request, header};
use crate::edge::Edge;
use crate::event::unread;
use crate::fault::Fault;
use crate::limits::SEEN_WITHIN;
use crate::problem::Problem;

const MIN_POSITION: &str = "min_position";

/// As new as the caller has seen it somewhere else.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub min_position: Option<u64>,
}

/// `GET /v1/{kind}`.
pub fn list(kind: Kind) -> MethodRouter<Edge> {
    get(async move |State(edge): State<Edge>, parameters: Result<_, _>| {
        let RawQuery::<Vec<(String, String)>>(parameters) =
            parameters.map_err(|error: axum::extract::rejection::QueryRejection| {
                bad_request(&error.body_text())
            })?;
        page(&edge, kind, &parameters).await
    })
}

async fn page(
    edge: &Edge,
    kind: Kind,
    parameters: &[(String, String)],
) -> Result<Response, Problem> {
    let (seen_first, asked): (Vec<_>, Vec<_>) =
        parameters.iter().partition(|(name, _)| name == MIN_POSITION);
    let min_position = match seen_first.as_slice() {
        [] => None,
        [(_, number)] => {
            Some(number.parse().map_err(|_| bad_request("min_position is a position"))?)
        }
        [_, _, ..] => return Err(bad_request("min_position is given more than once")),
    };
    let asked = asked.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let query = Query::parse(kind, asked).map_err(|error| bad_request(&error.to_string()))?;
    seen(edge, kind, min_position).await?;
    let page = edge.ports.reads.page(&query).await.map_err(problem)?;
    Ok(Json(page).into_response())
}

/// `GET /v1/{kind}/{id-or-name}`.
pub fn one(kind: Kind) -> MethodRouter<Edge> {
    get(
        async move |State(edge): State<Edge>,
                    Segment(named): Segment,
                    Parameters(first): Parameters<Seen>,
                    headers: HeaderMap| {
            seen(&edge, kind, first.min_position).await?;
            let item = edge.ports.reads.one(kind, &named).await.map_err(problem)?;
            let item = item.ok_or_else(|| no_such(kind, &named))?;
            let version = version_in(item.doc.get());
            if is_known(&headers, version)? {
                return Ok(tagged(StatusCode::NOT_MODIFIED.into_response(), version));
            }
            let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            let whole = item.doc.get().to_owned();
            Ok::<_, Problem>(tagged((json, whole).into_response(), version))
        },
    )
}

/// The version that a document says, without reading the rest of it.
fn version_in(doc: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Versioned {
        version: Option<u64>,
    }
    serde_json::from_str::<Versioned>(doc).ok()?.version
}

fn is_known(headers: &HeaderMap, version: Option<u64>) -> Result<bool, Problem> {
    let given = header(headers, &IF_NONE_MATCH)?;
    let (Some(given), Some(version)) = (given, version) else { return Ok(false) };
    let known = format!("\"{version}\"");
    Ok(given == "*" || given.split(',').any(|tag| tag.trim().trim_start_matches("W/") == known))
}

pub fn tagged(mut response: Response, version: Option<u64>) -> Response {
    if let Some(version) = version
        && let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\""))
    {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Waits until the read models are as new as that. For what is not in the log nobody waits.
pub async fn seen(edge: &Edge, kind: Kind, min_position: Option<u64>) -> Result<(), Problem> {
    let Some(position) = min_position.map(Position) else { return Ok(()) };
    if position > edge.ports.commands.standing().position {
        // The log may have grown by another process of which this one has not heard yet.
        let head = edge.ports.log.head().await.map_err(|error| unread(&error))?.position;
        if position > head {
            let detail = format!("min_position is {position}, and the log ends at {head}");
            return Err(bad_request(&detail));
        }
    }
    let waited = edge.ports.reads.seen(kind, position, SEEN_WITHIN).await;
    waited.map_err(problem)
}

/// What is called so, by its id or name.
pub async fn id<I: FromUuid>(edge: &Edge, kind: Kind, named: &str) -> Result<I, Problem> {
    let row = edge.ports.reads.one(kind, named).await.map_err(problem)?;
    row.map(|row| I::from_uuid(row.id)).ok_or_else(|| no_such(kind, named))
}

pub fn no_such(kind: Kind, named: &str) -> Problem {
    Problem::new(Fault::NoSuchThing, format!("there is nothing among the {kind} that is {named:?}"))
}

pub fn problem(error: ReadModelError) -> Problem {
    match error {
        ReadModelError::Query(error) => bad_request(&error.to_string()),
        ReadModelError::NotYet { wanted, at, retry_after } => {
            let detail = format!("what is read has come to position {at}, not yet to {wanted}");
            let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX);
            Problem::new(Fault::NotSeenYet, detail).after_seconds(seconds)
        }
        ReadModelError::Stopped { projection, position, .. } => {
            tracing::error!(projection, %position, error = %error, "a projection has stopped");
            let detail = format!("the projection {projection} stands still at position {position}");
            Problem::new(Fault::ReadsUnavailable, detail)
        }
        ReadModelError::Unavailable(cause) => {
            tracing::error!(error = %cause, "the read models can't be read");
            Problem::new(Fault::ReadsUnavailable, "the read models can't be read")
        }
    }
}
