//! What people who use desktops do: see theirs, connect, stay, leave, switch off.
//!
//! Everything here is about whoever is signed in. What is not theirs is not there.

use std::fmt;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use carrel_bus::Beat;
use carrel_model::fleet::{Fleet, Silence};
use carrel_model::ids::{ClientId, FromUuid, MachineId, PoolId, SessionId};
use carrel_model::people::PersonRef;
use carrel_model::record::{Position, Timestamp};
use carrel_model::reference::Ref;
use carrel_model::session::commands::{EndSession, RequestDesktop};
use carrel_model::session::{Session, Subject, Target, TicketState, Via};
use carrel_model::text::Text;
use carrel_model::version::latest::display::Protocol;
use carrel_model::wire::Command;
use carrel_projections::lookup::{self, Desktop, DesktopKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::body::{self, Segment};
use crate::command::{Taken, sent_as, submit, taken};
use crate::edge::Edge;
use crate::fault::Fault;
use crate::guard::{Asking, Source};
use crate::limits::{
    ASK_AGAIN_MS, CONNECT_WITHIN, ETA_OF_A_PLACE_MS, ETA_OF_A_START_MS, SMALL_BODY_BYTES_MAX,
};
use crate::own;
use crate::port::Sent;
use crate::principal::Who;
use crate::problem::Problem;
use crate::viewer::{self, Reach};

/// The desktops of whoever is signed in.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Desktops {
    pub items: Vec<Desktop>,
    /// There is one page.
    pub next: Option<String>,
}

/// How to see it.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// The best that there is, if nothing is said.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    #[serde(default)]
    pub via: Via,
}

/// The desktop is ready.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    pub session: SessionId,
    pub status: ReadyStatus,
    pub protocol: Protocol,
    /// Where its display is, and nothing where it is no display of a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// In the clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_port: Option<u16>,
    /// Whose certificate its host shows by TLS, as PEM. Trust no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The display's password. It lets in once, for as long as it says below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What virt-viewer opens; the answer to `Accept: application/x-virt-viewer` is this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viewer_file: Option<String>,
    /// When another `connect` is needed, if nobody has come until then.
    pub expires_at: Timestamp,
}

/// Without what lets somebody in.
impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("session", &self.session).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadyStatus {
    Ready,
}

/// The desktop is not ready yet. Ask again.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    pub session: SessionId,
    pub status: WaitingStatus,
    /// How many are served first, and this one: 1 is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<usize>,
    pub eta_ms: u64,
    pub retry_after_ms: u64,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitingStatus {
    Starting,
    Queued,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Power {
    pub action: PowerAction,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PowerAction {
    /// The guest is asked to shut down.
    Shutdown,
    Reset,
    /// What the guest has not written is lost.
    Poweroff,
}

impl PowerAction {
    const fn command(self) -> &'static str {
        match self {
            Self::Shutdown => "ShutdownMachine",
            Self::Reset => "ResetMachine",
            Self::Poweroff => "PowerOffMachine",
        }
    }
}

fn no_such(what: &str, id: &str) -> Problem {
    Problem::new(Fault::NoSuchThing, format!("you have no {what} {id:?}"))
}

fn client(asking: &Asking) -> Result<ClientId, Problem> {
    match asking.principal.who {
        Who::Client(client) => Ok(client),
        Who::Admin { .. } => Err(Problem::new(Fault::NotAllowed, "this is for who uses desktops")),
    }
}

/// `GET /v1/me/desktops`.
pub async fn list(State(edge): State<Edge>, asking: Asking) -> Result<Json<Desktops>, Problem> {
    let standing = edge.ports.commands.standing();
    let items = lookup::desktops(&standing.fleet, client(&asking)?);
    Ok(Json(Desktops { items, next: None }))
}

/// One of theirs, by its id or its name. A pool goes before a machine of the same name.
fn desktop(fleet: &Fleet, client: ClientId, named: &str) -> Result<Desktop, Problem> {
    let id = Uuid::try_parse(named).ok();
    let is = |it: &Desktop| id.map_or(it.name == named, |id| it.id == id);
    let found = lookup::desktops(fleet, client).into_iter().find(is);
    found.ok_or_else(|| no_such("desktop", named))
}

fn target(desktop: &Desktop) -> Target {
    match desktop.kind {
        DesktopKind::Pool => Target::Pool(PoolId::from_uuid(desktop.id)),
        DesktopKind::Machine => Target::Machine(MachineId::from_uuid(desktop.id)),
    }
}

fn sent(edge: &Edge, asking: &Asking, command: Command) -> Result<Sent, Problem> {
    Ok(sent_as(edge, asking, edge.fresh_id()?, command))
}

/// `POST /v1/me/desktops/{id}/connect`.
pub async fn connect(
    State(edge): State<Edge>,
    asking: Asking,
    Source(from): Source,
    Segment(named): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let client = client(&asking)?;
    let bytes = body::read(&headers, body, SMALL_BODY_BYTES_MAX).await?;
    let Connect { protocol, via } =
        if bytes.is_empty() { Connect::default() } else { body::parse(&bytes, "")? };
    let standing = edge.ports.commands.standing();
    let target = target(&desktop(&standing.fleet, client, &named)?);
    let (pool, machine) = match target {
        Target::Pool(pool) => (Some(Ref::Id(pool)), None),
        Target::Machine(machine) => (None, Some(Ref::Id(machine))),
    };
    let request = RequestDesktop {
        client: Some(PersonRef::Id(client.uuid())),
        terminal: None,
        pool,
        machine,
        protocol,
        via,
        source: Some(Text::cut(&from.to_string())),
    };
    let answered = submit(&edge, sent(&edge, &asking, Command::RequestDesktop(request))?).await?;
    let session = armed(&edge, client, target, answered.answer.position()).await;
    let (session, fleet) = session.ok_or_else(|| no_such("session for", &named))?;
    if session.is_queued() {
        beat(&edge, Silence::Place(session.id)).await;
    }
    let wants_file = viewer::is_wanted(&headers);
    state(&edge, &fleet, &session, wants_file)
}

/// Their session, when its display is armed, or as it is after a moment.
async fn armed(
    edge: &Edge,
    client: ClientId,
    target: Target,
    accepted: Position,
) -> Option<(Session, Fleet)> {
    let mut follow = edge.ports.commands.follow();
    let subject = Subject::Client(client);
    let seen = |fleet: &Fleet| {
        let id = session_for(fleet, subject, target)?;
        fleet.sessions.get(id).cloned()
    };
    let settled = async {
        loop {
            let standing = follow.borrow_and_update().clone();
            let session = seen(&standing.fleet);
            let waits = session.as_ref().is_some_and(|it| it.ticket.state != TicketState::Armed);
            let starts = session.as_ref().is_some_and(|it| !it.is_queued());
            let settled = standing.position >= accepted && !(waits && starts);
            if settled || follow.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = timeout(CONNECT_WITHIN, settled).await;
    let fleet = edge.ports.commands.standing().fleet;
    seen(&fleet).map(|session| (session, fleet))
}

/// Also where they asked for a pool and have their own machine in it, or the other way round.
fn session_for(fleet: &Fleet, subject: Subject, target: Target) -> Option<SessionId> {
    let same = lookup::session_for(fleet, subject, target);
    same.or_else(|| {
        fleet.sessions_of(subject).find(|id| {
            let machine = fleet.sessions.get(*id).and_then(Session::machine);
            match target {
                Target::Machine(wanted) => machine == Some(wanted),
                Target::Pool(pool) => {
                    let machine = machine.and_then(|id| fleet.machines.get(id));
                    machine.is_some_and(|machine| machine.pool == Some(pool))
                }
            }
        })
    })
}

fn state(
    edge: &Edge,
    fleet: &Fleet,
    session: &Session,
    wants_file: bool,
) -> Result<Response, Problem> {
    if session.is_queued() {
        let place = fleet.queue(session.target).position(|id| id == session.id).unwrap_or(0) + 1;
        let waiting = Waiting {
            session: session.id,
            status: WaitingStatus::Queued,
            place: Some(place),
            eta_ms: ETA_OF_A_PLACE_MS.saturating_mul(u64::try_from(place).unwrap_or(u64::MAX)),
            retry_after_ms: ASK_AGAIN_MS,
        };
        return Ok((StatusCode::ACCEPTED, Json(waiting)).into_response());
    }
    match session.ticket.state {
        TicketState::Armed => {
            let reach = viewer::reach(fleet, &edge.ports.keys, session)?;
            match reach {
                Some(reach) if wants_file => Ok(reach.answer()),
                reach => Ok(Json(ready(session, reach.as_ref())).into_response()),
            }
        }
        TicketState::None | TicketState::Issued | TicketState::Spent => {
            let waiting = Waiting {
                session: session.id,
                status: WaitingStatus::Starting,
                place: None,
                eta_ms: ETA_OF_A_START_MS,
                retry_after_ms: ASK_AGAIN_MS,
            };
            Ok((StatusCode::ACCEPTED, Json(waiting)).into_response())
        }
    }
}

fn ready(session: &Session, reach: Option<&Reach>) -> Ready {
    let ports = reach.map(|reach| reach.ports).unwrap_or_default();
    Ready {
        session: session.id,
        status: ReadyStatus::Ready,
        protocol: session.protocol,
        host: reach.map(|reach| reach.host.clone()),
        port: ports.port,
        tls_port: ports.tls_port,
        ca: reach.and_then(|reach| Some(reach.authority.as_deref()?.to_owned())),
        ticket: reach.map(|reach| reach.password.expose().to_owned()),
        viewer_file: reach.map(Reach::file),
        expires_at: session.ticket.expires_at,
    }
}

/// A sign of life that is lost is followed by another.
async fn beat(edge: &Edge, of: Silence) {
    if let Err(error) = edge.ports.pulse.beat(Beat::Of(of)).await {
        tracing::warn!(error = %error, "a sign of life was lost");
    }
}

fn session_id(text: &str) -> Result<SessionId, Problem> {
    text.parse().map_err(|_| no_such("session", text))
}

/// `POST /v1/me/sessions/{id}/heartbeat`.
pub async fn heartbeat(
    State(edge): State<Edge>,
    asking: Asking,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    let standing = edge.ports.commands.standing();
    let session = own::session_of(&standing.fleet, client(&asking)?, session_id(&id)?)?;
    let of = match session.is_queued() {
        true => Silence::Place(session.id),
        false => Silence::Lease(session.id),
    };
    beat(&edge, of).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /v1/me/sessions/{id}`: gives the desktop back, or the place in the queue.
pub async fn leave(
    State(edge): State<Edge>,
    asking: Asking,
    Segment(id): Segment,
) -> Result<StatusCode, Problem> {
    let standing = edge.ports.commands.standing();
    let session = own::session_of(&standing.fleet, client(&asking)?, session_id(&id)?)?.id;
    let end = Command::EndSession(EndSession { session });
    submit(&edge, sent(&edge, &asking, end)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/me/desktops/{id}/power`.
pub async fn power(
    State(edge): State<Edge>,
    asking: Asking,
    Segment(named): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let client = client(&asking)?;
    let bytes = body::read(&headers, body, SMALL_BODY_BYTES_MAX).await?;
    let Power { action } = body::parse(&bytes, "")?;
    let standing = edge.ports.commands.standing();
    let desktop = desktop(&standing.fleet, client, &named)?;
    let machine = machine_of(&standing.fleet, client, target(&desktop)).ok_or_else(|| {
        Problem::new(Fault::NotUntilItRuns, "you have no machine of this desktop now")
    })?;
    let command = json!({ "type": action.command(), "data": { "machines": [machine] } });
    let command = serde_json::from_value(command).map_err(|error| Problem::internal(&error))?;
    let sent = sent(&edge, &asking, command)?;
    let id = sent.command_id;
    let answered = submit(&edge, sent).await.map_err(|problem| problem.about(id))?;
    Ok((StatusCode::ACCEPTED, Json(taken(id, &answered))))
}

/// The machine that they have, or that is theirs.
fn machine_of(fleet: &Fleet, client: ClientId, target: Target) -> Option<MachineId> {
    let subject = Subject::Client(client);
    let session = session_for(fleet, subject, target).and_then(|id| fleet.sessions.get(id));
    session.and_then(Session::machine).or_else(|| {
        let mut owned = fleet.owned_by(subject);
        match target {
            Target::Machine(machine) => owned.find(|it| *it == machine),
            Target::Pool(pool) => {
                owned.find(|it| fleet.machines.get(*it).is_some_and(|it| it.pool == Some(pool)))
            }
        }
    })
}
