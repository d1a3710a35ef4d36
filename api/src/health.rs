//! Whether this process lives, and whether it can be of use.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carrel_projections::Standing;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;

use crate::edge::Edge;
use crate::limits::CONNECT_WITHIN;

/// It lives.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    pub status: &'static str,
}

/// What it needs, and whether that is there.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    pub ready: bool,
    /// The log can be read.
    pub log: bool,
    /// Up to where facts are decided upon.
    pub position: u64,
    pub projections: Vec<Projection>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    pub name: String,
    pub position: u64,
    /// It met a fact that this version does not know, and waits for one that does.
    pub stopped: bool,
}

/// `GET /healthz`.
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// `GET /readyz`.
pub async fn readyz(State(edge): State<Edge>) -> Response {
    let head = timeout(CONNECT_WITHIN, edge.ports.log.head()).await;
    let log = matches!(head, Ok(Ok(_)));
    let projections: Vec<Projection> = edge
        .ports
        .reads
        .state()
        .into_iter()
        .map(|it| Projection {
            name: it.name.to_owned(),
            position: it.position.0,
            stopped: matches!(it.standing, Standing::Stopped { .. }),
        })
        .collect();
    let closing = *edge.closing().borrow();
    let ready = log && !closing && projections.iter().all(|it| !it.stopped);
    let position = edge.ports.commands.standing().position.0;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, log, position, projections })).into_response()
}
