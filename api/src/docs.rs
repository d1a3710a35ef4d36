//! The description, to read and to browse. Nothing of it comes from another host.

use std::sync::OnceLock;

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use carrel_model::rejection::{Page, Rejection};

use crate::body::Segment;
use crate::fault::Fault;
use crate::openapi::written;
use crate::problem::{Problem, status_of};

const PAGE: &str = include_str!("../assets/docs.html");
const START: &str = include_str!("../assets/docs.js");
const STYLE: &str = include_str!("../assets/docs.css");

/// Scalar's reference, as its makers have published it, compressed. NOTICE says under which terms.
const SCALAR: &[u8] = include_bytes!("../assets/scalar.js.gz");

/// Scripts are files of ours, and nothing is asked of anybody else. Scalar sets styles as it goes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// `GET /v1/openapi.json`.
pub async fn openapi() -> Response {
    /// It never changes while a process runs.
    static WRITTEN: OnceLock<String> = OnceLock::new();
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json)], WRITTEN.get_or_init(written).as_str()).into_response()
}

/// `GET /docs`.
pub async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))], Html(PAGE)).into_response()
}

/// `GET /docs/{file}`.
pub async fn file(Segment(name): Segment) -> Result<Response, Problem> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    let kept = (CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    let of = |media: &'static str| (CONTENT_TYPE, HeaderValue::from_static(media));
    match name.as_str() {
        "docs.js" => Ok(([of(SCRIPT), kept], START).into_response()),
        "docs.css" => Ok(([of("text/css; charset=utf-8"), kept], STYLE).into_response()),
        "scalar.js" => {
            let packed = (CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Ok(([of(SCRIPT), kept, packed], SCALAR).into_response())
        }
        _ => Err(Problem::new(Fault::NoSuchRoute, "there is no such file")),
    }
}

/// `GET /docs/errors/{code}`.
pub async fn error(Segment(code): Segment) -> Result<Response, Problem> {
    let text = Rejection::pages()
        .find(|page| page.code == code)
        .map(of_model)
        .or_else(|| Fault::ALL.iter().find(|fault| fault.page().code == code).map(of_edge));
    let text = text.ok_or_else(|| Problem::new(Fault::NoSuchRoute, "there is no such code"))?;
    let media = HeaderValue::from_static("text/markdown; charset=utf-8");
    Ok(([(CONTENT_TYPE, media)], text).into_response())
}

fn of_model(page: &Page) -> String {
    let status = status_of(page.class).as_u16();
    shown(page.code, &page.title(), status, page.meaning, page.clears)
}

fn of_edge(fault: &Fault) -> String {
    let page = fault.page();
    shown(page.code, page.title, page.status, page.meaning, page.clears)
}

fn shown(code: &str, title: &str, status: u16, meaning: &str, clears: &str) -> String {
    let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "# {code}: {title}\n\nStatus {status}.\n\n## When it happens\n\n{meaning}\n\n\
         ## What clears it\n\n{clears}\n"
    )
}
