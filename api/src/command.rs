//! One command by HTTP: read, allowed, decided, and perhaps waited for.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{IF_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use carrel_decider::Answer;
use carrel_failpoint::{Point, reached};
use carrel_model::command::About;
use carrel_model::event::Event;
use carrel_model::ids::{CausationId, CommandId, CorrelationId};
use carrel_model::wire;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::body::{self, Parameters, bad_request, header};
use crate::edge::Edge;
use crate::fault::Fault;
use crate::guard::Asking;
use crate::limits::{COMMAND_BYTES_MAX, DECIDED_WITHIN, WAIT_SECONDS_MAX};
use crate::operation;
use crate::own;
use crate::port::{Answered, Sent};
use crate::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A command was accepted, and is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    pub command_id: CommandId,
    /// Of its last fact; whoever reads with `min_position` of this sees what became of it.
    pub position: u64,
    /// Where it can be seen what became of it. Not there when there was nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The token that it has issued. It is shown here, once, and nobody keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// What a command would become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Would {
    pub dry_run: bool,
    /// The facts, in order. Empty: nothing would change.
    pub would: Vec<Fact>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// `machine/0198c0de-0000-7000-8000-000000000001`
    pub stream: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Value,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    dry_run: bool,
}

/// The route of one command.
pub fn route(about: &'static About) -> MethodRouter<Edge> {
    post(
        async move |State(edge): State<Edge>,
                    asking: Asking,
                    Parameters(options): Parameters<Options>,
                    headers: HeaderMap,
                    body: Body| {
            take(&edge, &asking, about, (options, &headers), body).await
        },
    )
}

async fn take(
    edge: &Edge,
    asking: &Asking,
    about: &'static About,
    (options, headers): (Options, &HeaderMap),
    body: Body,
) -> Result<Response, Problem> {
    let key = key(headers)?;
    let wait = wait(headers)?;
    let bytes = body::read(headers, body, COMMAND_BYTES_MAX).await?;
    let command = with_condition(parse(about.name, &bytes)?, headers)?;
    let sent = sent(edge, asking, key, command)?;
    let id = sent.command_id;
    if options.dry_run {
        let would = edge.ports.commands.would(sent).await.map_err(Problem::from)?;
        return Ok(Json(would_be(&would)?).into_response());
    }
    let answered = submit(edge, sent).await.map_err(|problem| problem.about(id))?;
    let taken = taken(id, &answered);
    let Some(wait) = wait.filter(|_| taken.operation.is_some()) else {
        return Ok(accepted(&taken));
    };
    let mut response = match operation::wait_for(edge, id, answered.answer.position(), wait).await {
        // What became of it is not known here; that it was accepted is.
        Err(_) => accepted(&taken),
        Ok(operation) => {
            let status = match operation.is_running() {
                true => StatusCode::ACCEPTED,
                false => StatusCode::OK,
            };
            located(
                (status, Json(operation.with_token(taken.token.as_deref()))).into_response(),
                id,
            )
        }
    };
    let applied = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
    if let Ok(applied) = applied {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}

/// The command of this name with this data, or the place in the data that is wrong.
pub fn parse(name: &str, data: &[u8]) -> Result<wire::Command, Problem> {
    // One value and nothing behind it, so that nothing of it ends up beside the name.
    let data: &RawValue = serde_json::from_slice(data).map_err(|error| body::malformed(&error))?;
    let whole = format!(r#"{{"type":"{name}","data":{data}}}"#);
    body::parse(whole.as_bytes(), "data")
}

/// `If-Match` is the field `if_version` of commands that have one.
fn with_condition(command: wire::Command, headers: &HeaderMap) -> Result<wire::Command, Problem> {
    let Some(given) = header(headers, &IF_MATCH)?.filter(|given| *given != "*") else {
        return Ok(command);
    };
    let version = given.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let version: Option<u64> = version.and_then(|version| version.parse().ok());
    let version = version
        .ok_or_else(|| bad_request("If-Match takes one ETag as it was given: \"<version>\""))?;
    if !takes_version(command.name()) {
        let detail = format!("{} is for no one version of one thing", command.name());
        return Err(Problem::new(Fault::NoCondition, detail));
    }
    let name = command.name();
    let mut whole = serde_json::to_value(&command).map_err(|error| Problem::internal(&error))?;
    if whole["data"].get("if_version").is_some_and(|inside| *inside != json!(version)) {
        return Err(bad_request("If-Match and if_version say different versions"));
    }
    whole["data"]["if_version"] = json!(version);
    let conditional = serde_json::from_value(whole);
    conditional.map_err(|error| Problem::internal(&format!("{name} with a version: {error}")))
}

/// Commands that change the settings of one thing.
pub fn takes_version(name: &str) -> bool {
    name.starts_with("Update")
}

/// The caller's id, or a fresh one for a caller who will not ask again.
fn key(headers: &HeaderMap) -> Result<Option<CommandId>, Problem> {
    let Some(text) = header(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    let id = Uuid::try_parse(text).ok().filter(|id| !id.is_nil());
    let bad = || bad_request("Idempotency-Key is a UUID, best of version 7");
    Ok(Some(CommandId::new(id.ok_or_else(bad)?)))
}

/// RFC 7240: what is not understood is not applied.
fn wait(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    let Some(preferences) = header(headers, &PREFER)? else { return Ok(None) };
    let seconds = preferences.split([',', ';']).find_map(|preference| {
        let (name, seconds) = preference.split_once('=')?;
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        is_wait.then(|| seconds.trim().trim_matches('"').parse::<u64>().ok())?
    });
    Ok(seconds.map(|seconds| Duration::from_secs(seconds.min(WAIT_SECONDS_MAX))))
}

pub fn sent(
    edge: &Edge,
    asking: &Asking,
    key: Option<CommandId>,
    command: wire::Command,
) -> Result<Sent, Problem> {
    let standing = edge.ports.commands.standing();
    let command = own::may_send(&asking.principal, command, &standing.fleet, &edge.ports.keys)?;
    let id = key.map_or_else(|| edge.fresh_id(), |key| Ok(key.uuid()))?;
    Ok(sent_as(edge, asking, id, command))
}

/// By whoever asks, whose right to it was looked at before.
pub(crate) fn sent_as(edge: &Edge, asking: &Asking, id: Uuid, command: wire::Command) -> Sent {
    Sent {
        command_id: CommandId::new(id),
        command,
        org: edge.ports.org.clone(),
        actor: asking.principal.actor(),
        causation_id: CausationId::new(id),
        correlation_id: CorrelationId::new(id),
        trace_parent: Some(asking.trace.0),
    }
}

/// Waits for the decision; after that it is unknown, and the same id will tell.
pub async fn submit(edge: &Edge, sent: Sent) -> Result<Answered, Problem> {
    let command_id = sent.command_id;
    let name = sent.command.name();
    let answered = timeout(DECIDED_WITHIN, edge.ports.commands.submit(sent)).await;
    let answered = answered.map_err(|_| Problem::outcome_unknown())?.map_err(Problem::from)?;
    let position = answered.answer.position();
    tracing::info!(command.id = %command_id, command.name = name, %position, "accepted");
    reached(Point::Answering);
    Ok(answered)
}

pub fn taken(id: CommandId, answered: &Answered) -> Taken {
    let operation = match answered.answer {
        Answer::Accepted(_) | Answer::Known(_) => Some(operation::address(id)),
        Answer::Unchanged { .. } => None,
    };
    let token = answered.token.as_ref().map(|token| token.expose().to_string());
    Taken { command_id: id, position: answered.answer.position().0, operation, token }
}

fn accepted(taken: &Taken) -> Response {
    let response = (StatusCode::ACCEPTED, Json(taken)).into_response();
    match taken.operation {
        Some(_) => located(response, taken.command_id),
        None => response,
    }
}

fn located(mut response: Response, id: CommandId) -> Response {
    if let Ok(value) = HeaderValue::from_str(&operation::address(id)) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

fn would_be(events: &[Event]) -> Result<Would, Problem> {
    let fact = |event: &Event| {
        let (category, id) = event.stream();
        let written = event.written(u16::MAX).transpose();
        let written = written.map_err(|error| Problem::internal(&error))?;
        let data = written.map_or(Ok(Value::Null), |written| serde_json::from_slice(&written.data));
        let data = data.map_err(|error| Problem::internal(&error))?;
        Ok(Fact { stream: format!("{category}/{id}"), kind: event.kind().to_owned(), data })
    };
    Ok(Would { dry_run: true, would: events.iter().map(fact).collect::<Result<_, Problem>>()? })
}

#[cfg(test)]
mod tests {
    use carrel_model::command::ALL;
    use schemars::generate::SchemaSettings;

    use super::*;

    #[test]
    fn a_condition_is_taken_by_those_commands_that_have_a_version() {
        for about in ALL {
            let generator = SchemaSettings::draft2020_12().into_generator();
            let schema = (about.json_schema)(generator).to_value();
            let has = schema["properties"].get("if_version").is_some();
            assert_eq!(takes_version(about.name), has, "{}", about.name);
        }
    }

    #[test]
    fn nothing_of_a_body_ends_up_beside_the_name() {
        let smuggled = parse("BlockClient", br#"{"client":"anna"},"type":"DeleteClient""#);
        assert_eq!(smuggled.map_err(|it| it.code), Err("CRL-1001"));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_in_the_data() {
        let problem =
            parse("CreatePool", br#"{"name":"a","settings":{"limits":{"sessions_max":-1}}}"#);
        assert_eq!(
            problem.map_err(|it| it.path.clone()),
            Err(Some("settings.limits.sessions_max".to_owned()))
        );
        let problem = parse("CreateGroup", br#"{"name":"a","owner":"b"}"#);
        assert_eq!(problem.map_err(|it| it.path.clone()), Err(Some("owner".to_owned())));
    }

    #[test]
    fn preferences_that_are_not_known_are_passed_over() {
        let with = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, HeaderValue::from_static(text));
            wait(&headers).map(|wait| wait.map(|it| it.as_secs()))
        };
        assert_eq!(with("respond-async, wait=10"), Ok(Some(10)));
        assert_eq!(with("WAIT=\"5\""), Ok(Some(5)));
        assert_eq!(with("wait=100000"), Ok(Some(WAIT_SECONDS_MAX)));
        assert_eq!(with("wait=soon"), Ok(None));
        assert_eq!(with("return=minimal"), Ok(None));
    }
}
