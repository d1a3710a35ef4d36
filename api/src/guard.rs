//! Before a handler: is there room, who is it, may they, and until when.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::Extensions;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use crate::around::Trace;
use crate::edge::Edge;
use crate::fault::Fault;
use crate::limits::{BATCH_WITHIN, COMMAND_WITHIN, READ_WITHIN, SIGN_IN_WITHIN, UPLOAD_WITHIN};
use crate::principal::{Principal, bearer, token_of};
use crate::problem::Problem;
use crate::roles::{Access, Standing, Verdict};

/// How much a route costs, and so how it is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rate {
    /// Nothing: it is always answered, so that whoever watches over Carrel hears of it.
    Free,
    /// Hashing a password.
    SignIn,
    Read,
    Command,
    /// Many commands.
    Batch,
    /// Much of a file.
    Upload,
}

impl Rate {
    const fn within(self) -> Duration {
        match self {
            Self::Free | Self::Read => READ_WITHIN,
            Self::SignIn => SIGN_IN_WITHIN,
            Self::Command => COMMAND_WITHIN,
            Self::Batch => BATCH_WITHIN,
            Self::Upload => UPLOAD_WITHIN,
        }
    }

    fn late(self) -> Problem {
        match self {
            Self::Free | Self::Read | Self::SignIn | Self::Upload => {
                Problem::new(Fault::Overloaded, "this took too long, and was given up")
            }
            Self::Command | Self::Batch => Problem::outcome_unknown(),
        }
    }
}

/// What holds for one route.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub access: Access,
    pub rate: Rate,
}

pub async fn guard(
    State((edge, rule)): State<(Edge, Rule)>,
    mut request: Request,
    next: Next,
) -> Response {
    match guarded(&edge, rule, &mut request) {
        Err(problem) => problem.into_response(),
        Ok(None) if rule.rate == Rate::Free => next.run(request).await,
        Ok(principal) => {
            let pass = match principal {
                Some(principal) => edge.gate.enter_as(&principal),
                None => edge.gate.enter_from(source_of(request.extensions())),
            };
            let pass = match pass {
                Ok(pass) => pass,
                Err(problem) => {
                    drop(request);
                    edge.gate.may_be_told(edge.now()).await;
                    return problem.into_response();
                }
            };
            let answered = timeout(rule.rate.within(), next.run(request)).await;
            drop(pass);
            answered.unwrap_or_else(|_| rule.rate.late().into_response())
        }
    }
}

fn guarded(edge: &Edge, rule: Rule, request: &mut Request) -> Result<Option<Principal>, Problem> {
    if rule.access == Access::Open {
        return Ok(None);
    }
    let standing = edge.ports.commands.standing();
    let token = token_of(request.headers());
    let principal =
        token.and_then(|token| bearer(&standing.fleet, &edge.ports.keys, &token, edge.now()));
    let who = principal.as_ref().map_or(Standing::Nobody, Principal::standing);
    match rule.access.judge(who) {
        Verdict::Allowed => {}
        Verdict::SignIn => {
            return Err(Problem::new(Fault::NotSignedIn, "this needs a token that is known"));
        }
        Verdict::Refused => {
            return Err(Problem::new(Fault::NotAllowed, "your role does not include this"));
        }
    }
    if let Some(principal) = &principal {
        request.extensions_mut().insert(principal.clone());
    }
    Ok(principal)
}

/// Who asks, in which trace. Only of routes that are not open.
#[derive(Clone, Debug)]
pub struct Asking {
    pub principal: Principal,
    pub trace: Trace,
}

impl<S: Send + Sync> FromRequestParts<S> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (principal, trace) = (parts.extensions.get(), parts.extensions.get());
        match (principal.cloned(), trace.copied()) {
            (Some(principal), Some(trace)) => Ok(Self { principal, trace }),
            (_, _) => Err(Problem::internal(&"a handler stands before its guard")),
        }
    }
}

/// Where a request comes from: the other end of its connection. What a header says about that is
/// not believed.
#[derive(Clone, Copy, Debug)]
pub struct Source(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(source_of(&parts.extensions)))
    }
}

fn source_of(extensions: &Extensions) -> IpAddr {
    let at = extensions.get::<ConnectInfo<SocketAddr>>();
    at.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(at)| at.ip())
}
