//! What became of a command: asked for, or waited for.
//!
//! The read model says what is known for good; how far it is at this moment comes from the fleet,
//! which is ahead of it, and from the pulse, which is never logged.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carrel_decider::Standing;
use carrel_model::ids::{CommandId, MachineId};
use carrel_model::operation::{self as model, Operation};
use carrel_model::record::Position;
use carrel_model::work::Thing;
use carrel_projections::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::body::{Parameters, Segment};
use crate::edge::Edge;
use crate::guard::Asking;
use crate::limits::{SEEN_WITHIN, STEPS_SHOWN_MAX};
use crate::principal::{Principal, Who};
use crate::problem::Problem;
use crate::reads::{self, Seen, no_such};

/// How far a long step is with one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub machine: MachineId,
    /// In words: what is being done.
    pub step: String,
    pub done_bytes: u64,
    /// Null: nobody knows yet.
    pub of_bytes: Option<u64>,
}

/// What is said beside what the read model has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Beside {
    /// The operation's id is that of its command.
    pub command_id: CommandId,
    pub operation: String,
    /// Long steps that go on now.
    pub steps: Vec<Step>,
    /// The token that the command has issued. It is shown here, once, and nobody keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// An operation as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Now(Map<String, Value>);

impl Now {
    pub fn is_running(&self) -> bool {
        let state = self.0.get("state").and_then(Value::as_str);
        state.is_some_and(|state| matches!(state, "running" | "cancelling"))
    }

    pub fn with_token(mut self, token: Option<&str>) -> Self {
        if let Some(token) = token {
            self.0.insert("token".to_owned(), token.into());
        }
        self
    }

    fn is_by(&self, actor: Uuid) -> bool {
        let by = self.0.get("actor").and_then(Value::as_str);
        by.and_then(|by| Uuid::try_parse(by).ok()) == Some(actor)
    }

    fn version(&self) -> Option<&Value> {
        self.0.get("version")
    }
}

pub fn address(id: CommandId) -> String {
    format!("/v1/operations/{id}")
}

/// `GET /v1/operations/{id}`. People who use desktops see what became of their own commands.
pub async fn get(
    State(edge): State<Edge>,
    asking: Asking,
    Segment(id): Segment,
    Parameters(seen): Parameters<Seen>,
) -> Result<Response, Problem> {
    reads::seen(&edge, Kind::Operations, seen.min_position).await?;
    let no_such = || no_such(Kind::Operations, &id);
    let command: CommandId = id.parse().map_err(|_| no_such())?;
    let standing = edge.ports.commands.standing();
    let mut found = now(&edge, command).await?;
    if found.is_none() || standing.fleet.operations.contains(command) {
        // Whoever was just told that it was accepted may be faster than the read models.
        reads::seen(&edge, Kind::Operations, Some(standing.position.0)).await?;
        found = now(&edge, command).await?;
    }
    let now = found.filter(|it| may_see(&asking.principal, it)).ok_or_else(no_such)?;
    let tag = now.version().and_then(Value::as_u64);
    Ok(reads::tagged(Json(now).into_response(), tag))
}

fn may_see(principal: &Principal, operation: &Now) -> bool {
    match principal.who {
        Who::Admin { .. } => true,
        Who::Client(client) => operation.is_by(client.uuid()),
    }
}

/// Waits until nothing more of an operation is to come, or for as long as whoever asked would, and
/// says how it is then.
pub async fn wait_for(
    edge: &Edge,
    id: CommandId,
    accepted: Position,
    within: Duration,
) -> Result<Now, Problem> {
    let mut follow = edge.ports.commands.follow();
    let mut closing = edge.closing();
    let end = async {
        loop {
            let standing = follow.borrow_and_update().clone();
            if standing.position >= accepted && is_over(&standing, id) {
                return standing.position;
            }
            let changed = tokio::select! {
                changed = follow.changed() => changed.is_ok(),
                _ = closing.wait_for(|closing| *closing) => false,
            };
            if !changed {
                return standing.position.max(accepted);
            }
        }
    };
    let position = timeout(within, end).await.unwrap_or(accepted);
    let reads = &edge.ports.reads;
    reads.seen(Kind::Operations, position, SEEN_WITHIN).await.map_err(reads::problem)?;
    let now = now(edge, id).await?;
    now.ok_or_else(|| no_such(Kind::Operations, &id.to_string()))
}

fn is_over(standing: &Standing, id: CommandId) -> bool {
    let operation = standing.fleet.operations.get(id);
    operation.is_none_or(|it| matches!(it.state, model::State::Ended { .. }))
}

async fn now(edge: &Edge, id: CommandId) -> Result<Option<Now>, Problem> {
    let kept = edge.ports.reads.one(Kind::Operations, &id.to_string()).await;
    let Some(kept) = kept.map_err(reads::problem)? else { return Ok(None) };
    let mut doc: Map<String, Value> =
        serde_json::from_str(kept.doc.get()).map_err(|error| Problem::internal(&error))?;
    let standing = edge.ports.commands.standing();
    let running = standing.fleet.operations.get(id);
    let kept_version = doc.get("version").and_then(Value::as_u64).unwrap_or_default();
    if let Some(newer) = running.filter(|it| it.version.0 > kept_version) {
        doc.extend(counts(newer));
    }
    let steps = match running {
        Some(operation) => steps(edge, operation).await,
        None => Vec::new(),
    };
    let beside = Beside { command_id: id, operation: address(id), steps, token: None };
    let beside = serde_json::to_value(beside).map_err(|error| Problem::internal(&error))?;
    if let Value::Object(beside) = beside {
        doc.extend(beside);
    }
    Ok(Some(Now(doc)))
}

/// What changes while it goes on.
fn counts(of: &Operation) -> Map<String, Value> {
    let counts = json!({
        "version": of.version,
        "total": of.total,
        "done": of.done,
        "failed": of.failed.len(),
        "cancelled": of.cancelled,
        "superseded": of.superseded,
        "running": of.parts.len(),
        "waiting": of.waiting.len(),
    });
    match counts {
        Value::Object(counts) => counts,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

/// What the pulse says; without it there is nothing to say, and nothing is wrong.
async fn steps(edge: &Edge, of: &Operation) -> Vec<Step> {
    let machines: Vec<MachineId> = of.parts.keys().take(STEPS_SHOWN_MAX).copied().collect();
    let things: Vec<Thing> = machines.iter().map(|id| Thing::Machine(*id)).collect();
    let progress = edge.ports.pulse.progress_of(&things).await.unwrap_or_default();
    let step = |(machine, progress): (MachineId, Option<carrel_bus::Progress>)| {
        let it = progress?;
        let (done_bytes, of_bytes) = (it.done_bytes, it.of_bytes);
        Some(Step { machine, step: it.step, done_bytes, of_bytes })
    };
    machines.into_iter().zip(progress).filter_map(step).collect()
}
