//! What may go wrong, by status: one description for all operations.

use carrel_model::command::{self, By};
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::guard::Rate;
use crate::openapi::about::In;
use crate::problem::Problem;
use crate::roles::Access;
use crate::router::Route;

/// The listener itself answers so, with nothing in it, before anybody knows what was asked for.
const HEADERS: &str = "HeadersTooLarge";

/// Status, its name in the document, what it means, and one of its problems.
const ANSWERS: &[(u16, &str, &str, Fault)] = &[
    (400, "Malformed", "What was sent can't be.", Fault::MalformedBody),
    (401, "NotSignedIn", "Nobody is signed in.", Fault::NotSignedIn),
    (403, "NotAllowed", "Whoever is signed in may not do this.", Fault::NotAllowed),
    (404, "NotFound", "Something that is named isn't there.", Fault::NoSuchThing),
    (408, "TooSlow", "The body did not arrive in time.", Fault::TooSlow),
    (409, "NotInThisState", "It can't be done in this state.", Fault::NotUntilItRuns),
    (412, "Stale", "The thing has another version.", Fault::NoCondition),
    (413, "TooLarge", "The body is too large.", Fault::TooLarge),
    (415, "NotJson", "The body is not JSON.", Fault::NotJson),
    (422, "IdReused", "The id was used before, with another body.", Fault::IdReused),
    (429, "TooMany", "Too much at once, or too soon again.", Fault::TooManyRequests),
    (431, HEADERS, "The request line and its headers are too long.", Fault::MalformedRequest),
    (500, "InternalError", "Something is wrong with the server.", Fault::Internal),
    (503, "Unavailable", "Refused; nothing was written.", Fault::Overloaded),
    (504, "OutcomeUnknown", "It is not known whether it was accepted.", Fault::OutcomeUnknown),
];

pub(super) fn name(status: u16) -> &'static str {
    let found = ANSWERS.iter().find(|(known, ..)| *known == status);
    found.map_or("InternalError", |(_, name, ..)| *name)
}

pub(super) fn all(problem: &Value) -> Value {
    let all: Map<String, Value> = ANSWERS
        .iter()
        .map(|(status, name, what, fault)| {
            let detail = fault.page().meaning.split_once(". ").map_or(*what, |(first, _)| first);
            let mut example = Problem::new(*fault, detail).body("0af7651916cd43dd8448eb211c80319c");
            example.status = *status;
            let media = json!({ "schema": problem, "example": example });
            let mut answer = json!({ "description": what });
            if *name != HEADERS {
                answer["content"] = json!({ crate::problem::MEDIA_TYPE: media });
            }
            if matches!(status, 429 | 503) {
                answer["headers"] = json!({
                    "Retry-After": {
                        "description": "Seconds after which to ask again.",
                        "schema": { "type": "string" },
                    },
                });
            }
            ((*name).to_owned(), answer)
        })
        .collect();
    Value::Object(all)
}

/// The problems that a route may answer with.
pub(super) fn of(route: &Route) -> Vec<u16> {
    let about = &route.about;
    let mut statuses = vec![431, 500];
    if route.rate != Rate::Free {
        statuses.push(503);
    }
    match route.access() {
        Access::Open if route.rate == Rate::Free => {}
        Access::Open => statuses.push(429),
        Access::SignedIn => statuses.extend([401, 429]),
        Access::Role(_) | Access::Client | Access::Subject(_) | Access::Nobody => {
            statuses.extend([401, 403, 429]);
        }
    }
    if about.takes.is_some() {
        statuses.extend([400, 408, 413, 415]);
    }
    if about.params.iter().any(|param| param.place != In::Path) {
        statuses.push(400);
    }
    if about.params.iter().any(|param| param.place == In::Path) {
        statuses.extend([400, 404]);
    }
    if matches!(route.rate, Rate::Command | Rate::Batch) {
        statuses.push(504);
    }
    if matches!(route.rate, Rate::Command | Rate::Upload) {
        statuses.extend([404, 409]);
    }
    if is_command(&route.path) {
        statuses.extend([412, 422]);
    }
    statuses.extend(about.also);
    statuses.sort_unstable();
    statuses.dedup();
    statuses.retain(|status| !about.gives.iter().any(|gives| gives.status == *status));
    statuses
}

fn is_command(path: &str) -> bool {
    let name = path.strip_prefix("/v1/commands/");
    let about = name.and_then(|name| command::ALL.iter().find(|about| about.name == name));
    about.is_some_and(|about| about.by != By::System)
}
