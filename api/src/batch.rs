//! Many commands at once, one after the other: each is decided on what the ones before have left.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use carrel_decider::Answer;
use carrel_model::command::{self, By};
use carrel_model::ids::CommandId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::body::{self, bad_request};
use crate::command::{parse, sent, submit, taken};
use crate::edge::Edge;
use crate::fault::Fault;
use crate::guard::Asking;
use crate::limits::{BATCH_BEGINS_WITHIN, BATCH_BYTES_MAX, BATCH_COMMANDS_MAX};
use crate::problem::{Body as ProblemBody, Problem};
use crate::roles::{Verdict, of_command};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// One command of many.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Made by the caller, so that they can ask again.
    #[serde(default)]
    pub command_id: Option<CommandId>,
    /// The command's name.
    #[serde(rename = "type")]
    pub kind: String,
    /// As `POST /v1/commands/{Name}` takes it.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub data: Box<RawValue>,
}

/// What became of each, in their order.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    pub items: Vec<ItemAnswer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Accepted,
    /// It was accepted before, and nothing was done again.
    Duplicate,
    /// See `problem`.
    Rejected,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemAnswer {
    /// Null: it could not even be read.
    pub command_id: Option<CommandId>,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<ProblemBody>,
}

/// `POST /v1/commands`.
pub async fn take(
    State(edge): State<Edge>,
    asking: Asking,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Answers>, Problem> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return Err(bad_request("here each command has a command_id of its own, not the request"));
    }
    let bytes = body::read(&headers, body, BATCH_BYTES_MAX).await?;
    let items: Vec<Box<RawValue>> = body::parse(&bytes, "")?;
    if items.len() > BATCH_COMMANDS_MAX {
        let detail = format!("{} commands, of at most {BATCH_COMMANDS_MAX}", items.len());
        return Err(Problem::new(Fault::MalformedBody, detail));
    }
    let seconds = u32::try_from(BATCH_BEGINS_WITHIN.as_secs()).unwrap_or(u32::MAX);
    let until = edge.now().plus_seconds(seconds);
    let mut answers = Vec::with_capacity(items.len());
    for item in items {
        answers.push(match edge.now() <= until {
            true => one(&edge, &asking, &item).await,
            false => {
                let detail = "those before took too long; this one was not begun";
                let id = body::parse::<Item>(item.get().as_bytes(), "").ok();
                let late = Problem::new(Fault::Overloaded, detail);
                rejected(&asking, id.and_then(|it| it.command_id), &late)
            }
        });
    }
    Ok(Json(Answers { items: answers }))
}

async fn one(edge: &Edge, asking: &Asking, item: &RawValue) -> ItemAnswer {
    let item: Item = match body::parse(item.get().as_bytes(), "") {
        Ok(item) => item,
        Err(problem) => return rejected(asking, None, &problem),
    };
    // Who gives no id hears the one that it got.
    let id = item.command_id.map_or_else(|| edge.fresh_id().map(CommandId::new), Ok);
    let id = match id {
        Ok(id) => id,
        Err(problem) => return rejected(asking, None, &problem),
    };
    match decided(edge, asking, id, &item).await {
        Ok(answer) => answer,
        Err(problem) => rejected(asking, Some(id), &problem.about(id)),
    }
}

async fn decided(
    edge: &Edge,
    asking: &Asking,
    id: CommandId,
    item: &Item,
) -> Result<ItemAnswer, Problem> {
    if id.uuid().is_nil() {
        return Err(bad_request("command_id is a UUID, best of version 7"));
    }
    let about = command::ALL.iter().find(|about| about.name == item.kind);
    let about = about.filter(|about| about.by != By::System).ok_or_else(|| {
        Problem::new(Fault::NoSuchThing, "there is no command of that name").at("type")
    })?;
    if of_command(about.by).judge(asking.principal.standing()) != Verdict::Allowed {
        return Err(Problem::new(Fault::NotAllowed, "your role does not include this"));
    }
    let command = parse(about.name, item.data.get().as_bytes())?;
    let answered = submit(edge, sent(edge, asking, Some(id), command)?).await?;
    let taken = taken(id, &answered);
    let status = match answered.answer {
        Answer::Accepted(_) | Answer::Unchanged { .. } => Status::Accepted,
        Answer::Known(_) => Status::Duplicate,
    };
    Ok(ItemAnswer {
        command_id: Some(id),
        status,
        position: Some(taken.position),
        operation: taken.operation,
        token: taken.token,
        problem: None,
    })
}

fn rejected(asking: &Asking, command_id: Option<CommandId>, problem: &Problem) -> ItemAnswer {
    ItemAnswer {
        command_id,
        status: Status::Rejected,
        position: None,
        operation: None,
        token: None,
        problem: Some(problem.body(&asking.trace.id())),
    }
}
