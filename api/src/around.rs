//! Around every request: a trace's id, headers that browsers keep to, and problems as bytes.
//!
//! Nothing that may be a secret is traced: no header, no query, no body.

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use carrel_model::trace::TraceParent;
use tracing::Instrument;

use crate::edge::Edge;
use crate::problem::Problem;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The trace that a request belongs to: the caller's, or one of its own.
#[derive(Clone, Copy, Debug)]
pub struct Trace(pub TraceParent);

impl Trace {
    pub fn id(&self) -> String {
        let text = self.0.to_string();
        text.split('-').nth(1).unwrap_or_default().to_owned()
    }
}

pub async fn around(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let trace = trace(&edge, request.headers());
    request.extensions_mut().insert(trace);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let trace_id = trace.id();
    let span = tracing::info_span!(
        "request",
        http.method = %method,
        http.route = route.as_deref().unwrap_or("none"),
        trace.id = %trace_id,
    );
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = match response.extensions().get::<Problem>() {
        None => response,
        Some(problem) => {
            let rendered = problem.render(&trace_id);
            with_headers_of(&response, rendered)
        }
    };
    span.in_scope(|| tracing::debug!(http.status = response.status().as_u16(), "answered"));
    harden(response.headers_mut());
    response
}

/// What others have put on a response before its body was made: `Allow`, for one.
fn with_headers_of(before: &Response, mut rendered: Response) -> Response {
    for (name, value) in before.headers() {
        if name != axum::http::header::CONTENT_LENGTH && !rendered.headers().contains_key(name) {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
    }
    rendered
}

fn trace(edge: &Edge, headers: &HeaderMap) -> Trace {
    let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse().ok());
    let fresh = || {
        let trace_id = edge.random().ok().filter(|id| *id != [0; 16]).unwrap_or([1; 16]);
        let parent_id = edge.random().ok().filter(|id| *id != [0; 8]).unwrap_or([1; 8]);
        TraceParent { trace_id, parent_id, flags: 0 }
    };
    Trace(given.unwrap_or_else(fresh))
}

/// OWASP Secure Headers: nothing is kept, framed, sniffed or told to others. A browser keeps to
/// `Strict-Transport-Security` only where it came by TLS.
fn harden(headers: &mut HeaderMap) {
    const ALL: [(HeaderName, &str); 6] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in ALL {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
