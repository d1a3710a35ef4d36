//! What is answered when something can't be done: a problem, as RFC 9457 has it.
//!
//! What is said to whoever asked and what is traced are different things: the detail of a problem
//! never holds what only its operator should read.

use std::borrow::Cow;
use std::ops::Deref;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use carrel_decider::Refusal;
use carrel_keys::KeysError;
use carrel_model::ids::CommandId;
use carrel_model::rejection::{Class, Rejection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::limits::{DETAIL_CHARACTERS_MAX, RETRY_SECONDS};

pub const MEDIA_TYPE: &str = "application/problem+json";

/// One refusal on its way out. It becomes bytes where the trace's id is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Said>);

/// What a problem says, so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub status: StatusCode,
    pub code: &'static str,
    pub title: Cow<'static, str>,
    pub detail: String,
    pub clears: &'static str,
    pub path: Option<String>,
    pub command_id: Option<CommandId>,
    pub retry_after_seconds: Option<u32>,
}

/// Why something was refused, and what would clear it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Problem")]
pub struct Body {
    /// The page about it: `/docs/errors/CRL-0001`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    pub detail: String,
    #[schemars(regex(pattern = r"^CRL-[0-9]{4}$"))]
    pub code: String,
    /// By which it is found in traces and logs.
    #[schemars(regex(pattern = r"^[0-9a-f]{32}$"))]
    pub trace_id: String,
    /// What to do about it.
    pub clears: String,
    /// Where in what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of the command that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
}

impl Deref for Problem {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.0
    }
}

impl Problem {
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        let page = fault.page();
        let status = StatusCode::from_u16(page.status);
        let again = matches!(page.status, 429 | 503);
        Self(Box::new(Said {
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: page.code,
            title: Cow::Borrowed(page.title),
            detail: cut(detail.into()),
            clears: page.clears,
            path: None,
            command_id: None,
            retry_after_seconds: again.then_some(RETRY_SECONDS),
        }))
    }

    /// What went wrong is traced; whoever asked only learns that something did.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(error = %cause, "a request could not be answered");
        Self::new(
            Fault::Internal,
            "this could not be done, and it is not the fault of what was sent",
        )
    }

    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    #[must_use]
    pub fn about(mut self, command: CommandId) -> Self {
        self.0.command_id = Some(command);
        self
    }

    #[must_use]
    pub fn after_seconds(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds.max(1));
        self
    }

    pub fn body(&self, trace_id: &str) -> Body {
        Body {
            kind: format!("/docs/errors/{}", self.code),
            title: self.title.clone().into_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.to_owned(),
            trace_id: trace_id.to_owned(),
            clears: self.clears.to_owned(),
            path: self.path.clone(),
            command_id: self.command_id,
        }
    }

    pub(crate) fn render(&self, trace_id: &str) -> Response {
        // A struct of texts and numbers can always be written.
        let bytes = serde_json::to_vec(&self.body(trace_id)).unwrap_or_default();
        let mut response = (self.status, bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The outermost layer finds it among the extensions and renders it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn cut(mut detail: String) -> String {
    if let Some((at, _)) = detail.char_indices().nth(DETAIL_CHARACTERS_MAX) {
        detail.truncate(at);
        detail.push_str(" ...");
    }
    detail
}

pub(crate) const fn status_of(class: Class) -> StatusCode {
    match class {
        Class::Malformed => StatusCode::BAD_REQUEST,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::Unknown => StatusCode::NOT_FOUND,
        Class::Conflict => StatusCode::CONFLICT,
        Class::Stale => StatusCode::PRECONDITION_FAILED,
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let page = rejection.page();
        Self(Box::new(Said {
            status: status_of(page.class),
            code: page.code,
            title: Cow::Owned(page.title()),
            detail: cut(rejection.to_string()),
            clears: page.clears,
            path: None,
            command_id: None,
            retry_after_seconds: None,
        }))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejection) => rejection.into(),
            Refusal::IdReused { first } => Self::new(
                Fault::IdReused,
                format!("this id was used before for another command, at position {first}"),
            ),
            Refusal::OfTheSystem { name } => {
                Self::new(Fault::NotAllowed, format!("{name} is sent by Carrel itself alone"))
            }
            Refusal::Unsealable(error) => Self::new(Fault::MalformedBody, error.to_string()),
            Refusal::Busy { waiting } => {
                Self::new(Fault::Overloaded, format!("{waiting} commands wait to be decided"))
            }
            Refusal::Unavailable(cause) => {
                tracing::error!(error = %cause, "commands are refused");
                Self::new(Fault::Unavailable, "nothing can be written now, and nothing was")
            }
            Refusal::OutcomeUnknown => Self::outcome_unknown(),
        }
    }
}

impl From<KeysError> for Problem {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Busy { max } => {
                Self::new(Fault::Overloaded, format!("{max} passwords wait to be looked at"))
            }
            KeysError::Shredded { .. }
            | KeysError::Taken { .. }
            | KeysError::NoKey { .. }
            | KeysError::Damaged { .. }
            | KeysError::NoHost { .. }
            | KeysError::TooLong { .. }
            | KeysError::PasswordLength { .. }
            | KeysError::Hashing(_)
            | KeysError::Unwritable(_)
            | KeysError::Certificate(_)
            | KeysError::Store(_)
            | KeysError::Entropy(_) => Self::internal(&error),
        }
    }
}

impl Problem {
    pub fn outcome_unknown() -> Self {
        let detail = "it is not known whether the command was accepted";
        Self::new(Fault::OutcomeUnknown, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_the_model_says_what_would_clear_it() {
        let page = Rejection::pages().next().expect("there are refusals");
        assert_eq!(page.title(), "No such");
        assert!(!page.clears.is_empty());
    }

    #[test]
    fn a_detail_ends_somewhere() {
        let problem = Problem::new(Fault::MalformedBody, "ä".repeat(10_000));
        assert_eq!(problem.detail.chars().count(), DETAIL_CHARACTERS_MAX + 4);
    }

    #[test]
    fn what_only_operators_read_is_not_in_a_problem() {
        let refused = Problem::from(Refusal::Unavailable("/secret/path is full".to_owned()));
        assert_eq!(refused.status.as_u16(), 503);
        assert!(!refused.detail.contains("secret"), "{}", refused.detail);
    }
}
