//! Read models that are built anew: to be used, or to be compared with those in use.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carrel_projections::{FollowError, Purpose, Rebuilt};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;

use crate::edge::Edge;
use crate::fault::Fault;
use crate::limits::REBUILT_WITHIN;
use crate::problem::Problem;

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Built {
    /// As of which both are: what was built anew, and what was in use before. Null: it is not built
    /// yet, and goes on.
    pub position: Option<u64>,
    /// What stands in the one and not in the other; the first rows of each kind. Empty as well
    /// where nothing was to be compared.
    pub differences: Vec<String>,
}

/// `POST /v1/projections/rebuild`.
pub async fn rebuild(State(edge): State<Edge>) -> Result<Response, Problem> {
    build(&edge, Purpose::Use).await
}

/// `POST /v1/projections/verify`.
pub async fn verify(State(edge): State<Edge>) -> Result<Response, Problem> {
    build(&edge, Purpose::Comparison).await
}

async fn build(edge: &Edge, purpose: Purpose) -> Result<Response, Problem> {
    let Ok(built) = timeout(REBUILT_WITHIN, edge.ports.reads.rebuild(purpose)).await else {
        let built = Built { position: None, differences: Vec::new() };
        return Ok((StatusCode::ACCEPTED, Json(built)).into_response());
    };
    let Rebuilt { position, differences } = built.map_err(|error| problem(&error))?;
    if !differences.is_empty() {
        let count = differences.len();
        tracing::error!(%position, count, alarm = true, "rows are not what the log says");
    }
    Ok(Json(Built { position: Some(position.0), differences }).into_response())
}

fn problem(error: &FollowError) -> Problem {
    match error {
        FollowError::Building => {
            Problem::new(Fault::RebuildUnderWay, "read models are being built anew already")
        }
        FollowError::Log(_)
        | FollowError::Store(_)
        | FollowError::Render(_)
        | FollowError::Ended => {
            tracing::error!(%error, "read models can't be built anew");
            Problem::new(Fault::ReadsUnavailable, "the read models can't be built anew")
        }
    }
}
