//! What a machine shows and what its guest says, as it is now: asked of its host, and kept nowhere.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use carrel_bus::{AskError, Message};
use carrel_model::contract::{Guest, Question};
use carrel_model::ids::{HypervisorId, MachineId};
use carrel_model::machine::Machine;
use carrel_projections::Kind;

use crate::body::Segment;
use crate::edge::Edge;
use crate::fault::Fault;
use crate::limits::LOOK_WITHIN;
use crate::problem::Problem;
use crate::reads;

/// `GET /v1/machines/{id}/screenshot`.
pub async fn screenshot(
    State(edge): State<Edge>,
    Segment(named): Segment,
) -> Result<Response, Problem> {
    let (host, machine) = running(&edge, &named).await?;
    if !machine.leases.is_empty() {
        let detail = format!("somebody has {}, and what they see is theirs", machine.name);
        return Err(Problem::new(Fault::InUse, detail));
    }
    let png = ask(&edge, host, &Question::Screenshot { machine: machine.id }).await?;
    let headers = [(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "no-store")];
    Ok((headers, png).into_response())
}

/// `GET /v1/machines/{id}/guest`.
pub async fn guest(
    State(edge): State<Edge>,
    Segment(named): Segment,
) -> Result<Json<Guest>, Problem> {
    let (host, machine) = running(&edge, &named).await?;
    let said = ask(&edge, host, &Question::Guest { machine: machine.id }).await?;
    let guest = serde_json::from_slice(&said).map_err(|error| Problem::internal(&error))?;
    Ok(Json(guest))
}

/// A machine by its id or name, and the host on which it runs.
async fn running(edge: &Edge, named: &str) -> Result<(HypervisorId, Machine), Problem> {
    let none = || reads::no_such(Kind::Machines, named);
    let id: MachineId = reads::id(edge, Kind::Machines, named).await?;
    let standing = edge.ports.commands.standing();
    let machine = standing.fleet.machines.get(id).ok_or_else(none)?;
    let host = machine.place.filter(|_| !machine.observed.state.is_off());
    let off = || Problem::new(Fault::NotRunning, format!("{} does not run", machine.name));
    Ok((host.ok_or_else(off)?, machine.clone()))
}

pub(crate) async fn ask(
    edge: &Edge,
    host: HypervisorId,
    what: &Question,
) -> Result<Bytes, Problem> {
    let question = serde_json::to_vec(what).map_err(|error| Problem::internal(&error))?;
    let message = Message::new(edge.fresh_id()?, question);
    let asked = edge.ports.bus.ask(host, message, LOOK_WITHIN).await;
    asked.map_err(|why| {
        let detail = match why {
            AskError::NobodyThere => "no worker of the host is there to be asked",
            AskError::Late => "the host has no answer",
            AskError::Bus(_) => "the host can't be asked",
        };
        Problem::new(Fault::NoAnswer, detail).after_seconds(RETRY_SECONDS)
    })
}

/// An agent comes up with its guest.
const RETRY_SECONDS: u32 = 5;
