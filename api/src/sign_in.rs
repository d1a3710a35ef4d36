//! People sign in and out.
//!
//! Whether a name is known can't be told from an answer, nor from how long it takes: one password
//! is hashed for every attempt, that of nobody if need be, and every refusal is the same.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use carrel_decider::Refusal;
use carrel_keys::{KeysError, Purpose, Verdict};
use carrel_model::admin::commands::{IssueToken, RevokeToken};
use carrel_model::admin::{LIFETIME_SECONDS, Of, Role};
use carrel_model::fleet::Fleet;
use carrel_model::hash::KeyedHash;
use carrel_model::ids::{AdminId, CausationId, ClientId, CommandId, CorrelationId};
use carrel_model::people::{PersonRef, local};
use carrel_model::record::Timestamp;
use carrel_model::sealed::{SealedBox, Secret};
use carrel_model::trace::TraceParent;
use carrel_model::wire::Command;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::around::Trace;
use crate::body;
use crate::command::submit;
use crate::edge::Edge;
use crate::fault::Fault;
use crate::guard::{Asking, Source};
use crate::limits::{SIGN_IN_BODY_WITHIN, SMALL_BODY_BYTES_MAX};
use crate::port::Sent;
use crate::principal::{Who, actor};
use crate::problem::Problem;

/// Who signs in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// A name, or `<provider>/<name>` of a person who uses desktops.
    #[schemars(length(min = 1, max = 192))]
    pub username: String,
    pub password: Secret,
    /// Among whom to look. Without it, administrators' names win.
    #[serde(default)]
    pub realm: Option<Realm>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Realm {
    Admin,
    Client,
}

/// Who has signed in.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedIn {
    /// Send it as `Authorization: Bearer <token>`.
    pub token: String,
    pub expires_at: Timestamp,
    pub principal: Person,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub kind: Realm,
    pub id: Uuid,
    pub name: String,
    /// Of those who run the system. Each includes the ones before: viewer, operator, admin.
    pub roles: Vec<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Admin(AdminId),
    Client(ClientId),
}

const LOCAL_ONLY: &str = "the name or the password is wrong, or this person may not sign in";

fn refused() -> Problem {
    Problem::new(Fault::SignInRefused, LOCAL_ONLY)
}

/// `POST /v1/login`.
pub async fn login(
    State(edge): State<Edge>,
    axum::Extension(trace): axum::Extension<Trace>,
    Source(from): Source,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SignedIn>, Problem> {
    let bytes =
        body::read_within(SIGN_IN_BODY_WITHIN, &headers, body, SMALL_BODY_BYTES_MAX).await?;
    let busy = |_| Problem::new(Fault::Overloaded, "too many sign in at once");
    let _permit = edge.sign_ins.try_acquire().map_err(busy)?;
    let Login { username, password, realm } = body::parse(&bytes, "")?;
    drop(bytes);
    let named = serde_json::from_value::<PersonRef>(username.as_str().into()).ok();
    let account = account(&edge, named.as_ref());
    edge.back_off.attempt(account, from, edge.now()).map_err(|seconds| {
        let detail = format!("this account can be tried again in {seconds} seconds");
        Problem::new(Fault::SignInLater, detail).after_seconds(seconds)
    })?;
    let standing = edge.ports.commands.standing();
    let found = named.as_ref().and_then(|named| find(&edge, &standing.fleet, named, realm));
    let kept = found.and_then(|found| password_of(&standing.fleet, found));
    let verdict = match edge.ports.keys.verify(kept.clone(), password).await {
        // As wrong as any other that is not the right one.
        Err(KeysError::PasswordLength { .. }) => Verdict::Wrong,
        other => other.map_err(Problem::from)?,
    };
    // It may have been changed, or its person blocked, while it was looked at.
    let now = edge.ports.commands.standing();
    let found = found.filter(|_| verdict == Verdict::Right);
    let found = found.filter(|found| password_of(&now.fleet, *found) == kept);
    let found = found.ok_or_else(refused)?;
    let signed_in = issue(&edge, trace.0, found, &username).await?;
    edge.back_off.succeeded(account, from);
    Ok(Json(signed_in))
}

/// What failures are counted by. Names that nobody can have share one count.
fn account(edge: &Edge, named: Option<&PersonRef>) -> KeyedHash {
    match named {
        Some(PersonRef::Name { provider, name }) => edge.ports.keys.name_hash(provider, name),
        Some(PersonRef::Id(_)) | None => KeyedHash([0; 32]),
    }
}

/// Nobody signs in by an id: it is no secret, and no name.
fn find(edge: &Edge, fleet: &Fleet, named: &PersonRef, realm: Option<Realm>) -> Option<Found> {
    let PersonRef::Name { provider, name } = named else { return None };
    let hash = edge.ports.keys.name_hash(provider, name);
    let admin = || {
        let id = fleet.index.admins.get(&hash).filter(|_| *provider == local());
        id.copied().map(Found::Admin)
    };
    let client = || {
        let id = fleet.index.clients.get(&(provider.clone(), hash));
        id.copied().map(Found::Client)
    };
    match realm {
        Some(Realm::Admin) => admin(),
        Some(Realm::Client) => client(),
        None => admin().or_else(client),
    }
}

/// Who is blocked has none.
fn password_of(fleet: &Fleet, found: Found) -> Option<SealedBox> {
    match found {
        Found::Admin(id) => fleet.admins.get(id).map(|admin| admin.password.clone()),
        Found::Client(id) => {
            let client = fleet.clients.get(id).filter(|client| !client.blocked)?;
            client.password.as_deref().cloned()
        }
    }
}

async fn issue(
    edge: &Edge,
    trace: TraceParent,
    found: Found,
    name: &str,
) -> Result<SignedIn, Problem> {
    let (id, of, kind) = match found {
        Found::Admin(id) => (id.uuid(), Of::Admin(PersonRef::Id(id.uuid())), Realm::Admin),
        Found::Client(id) => (id.uuid(), Of::Client(PersonRef::Id(id.uuid())), Realm::Client),
    };
    let issue = IssueToken { token: None, of, name: None, expires_in_seconds: LIFETIME_SECONDS };
    let command_id = edge.fresh_id()?;
    let answered = submit(
        edge,
        Sent {
            command_id: CommandId::new(command_id),
            command: Command::IssueToken(issue),
            org: edge.ports.org.clone(),
            actor: actor(id, "password"),
            causation_id: CausationId::new(command_id),
            correlation_id: CorrelationId::new(command_id),
            trace_parent: Some(trace),
        },
    )
    .await
    // Deleted or blocked at this moment.
    .map_err(|problem| if problem.status.is_server_error() { problem } else { refused() })?;
    let token = answered.token.ok_or_else(|| Problem::internal(&"a token was not handed out"))?;
    let standing = edge.ports.commands.standing();
    let kept = standing.fleet.index.tokens.get(&edge.ports.keys.token_hash(&token));
    let kept = kept.and_then(|id| standing.fleet.tokens.get(*id));
    let expires_at = kept.map_or(edge.now().plus_seconds(LIFETIME_SECONDS), |it| it.expires_at);
    let roles = match found {
        Found::Admin(id) => roles(&standing.fleet, id),
        Found::Client(_) => Vec::new(),
    };
    let principal = Person { kind, id, name: name.to_owned(), roles };
    Ok(SignedIn { token: token.expose().to_string(), expires_at, principal })
}

fn roles(fleet: &Fleet, id: AdminId) -> Vec<Role> {
    let admin = fleet.admins.get(id);
    admin.map(|admin| admin.roles.iter().copied().collect()).unwrap_or_default()
}

/// `POST /v1/logout`: the token that this was asked with ends.
pub async fn logout(State(edge): State<Edge>, asking: Asking) -> Result<StatusCode, Problem> {
    let command_id = edge.fresh_id()?;
    let revoke = RevokeToken { token: asking.principal.token };
    let sent = Sent {
        command_id: CommandId::new(command_id),
        command: Command::RevokeToken(revoke),
        org: edge.ports.org.clone(),
        actor: asking.principal.actor(),
        causation_id: CausationId::new(command_id),
        correlation_id: CorrelationId::new(command_id),
        trace_parent: Some(asking.trace.0),
    };
    match edge.ports.commands.submit(sent).await {
        // It has ended at this moment by another way.
        Ok(_) | Err(Refusal::Rejected(_)) => Ok(StatusCode::NO_CONTENT),
        Err(refusal) => Err(refusal.into()),
    }
}

/// `GET /v1/me`.
pub async fn me(State(edge): State<Edge>, asking: Asking) -> Result<Json<Person>, Problem> {
    let standing = edge.ports.commands.standing();
    let (kind, id, name, roles) = match asking.principal.who {
        Who::Admin { id, roles } => {
            let name = standing.fleet.admins.get(id).map(|admin| admin.name.clone());
            (Realm::Admin, id.uuid(), name, roles.into_iter().collect())
        }
        Who::Client(id) => {
            let name = standing.fleet.clients.get(id).map(|client| client.name.clone());
            (Realm::Client, id.uuid(), name, Vec::new())
        }
    };
    let keys = edge.ports.keys.clone();
    let opened = tokio::task::spawn_blocking(move || {
        name.map_or(Ok(None), |name| keys.open(Purpose::Name, &name))
    });
    let name = opened.await.map_err(|error| Problem::internal(&error))?.map_err(Problem::from)?;
    let name = name.map(|name| name.as_str().to_owned()).unwrap_or_default();
    Ok(Json(Person { kind, id, name, roles }))
}
