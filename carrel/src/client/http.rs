//! Talking to a server: JSON out and in, and a refusal as what it says.

use std::io::{BufRead, Read};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, RequestBuilder, SendBody};

use super::session::Token;
use crate::failure::Failure;

/// Longer than a server waits with `Prefer: wait=60`.
const ANSWER_SECONDS_MAX: u64 = 90;
/// A page of 1,000 machines is below 2 MiB.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Before a server is asked again.
#[expect(clippy::disallowed_methods, reason = "nobody else waits for this thread")]
pub(super) fn pause(so_long: Duration) {
    std::thread::sleep(so_long);
}

#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
    url: String,
    token: Option<Token>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

fn agent(ca: Option<&str>) -> Result<Agent, Failure> {
    let roots = match ca {
        None => RootCerts::PlatformVerifier,
        Some(pem) => {
            let certificate = Certificate::from_pem(pem.as_bytes());
            let wrong = |why| Failure::new("these are no certificates").because(why);
            RootCerts::Specific(Arc::new(vec![certificate.map_err(wrong)?]))
        }
    };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .root_certs(roots)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_global(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))
        .user_agent(concat!("carrel/", env!("CARGO_PKG_VERSION")));
    Ok(config.build().into())
}

impl Http {
    pub(super) fn new(url: &str, ca: Option<&str>, token: Option<Token>) -> Result<Self, Failure> {
        Ok(Self { agent: agent(ca)?, url: url.to_owned(), token })
    }

    /// By whoever is signed in, with these headers.
    fn with<B>(
        &self,
        mut request: RequestBuilder<B>,
        headers: &[(&str, &str)],
    ) -> RequestBuilder<B> {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.0)),
            None => request,
        }
    }

    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Failure> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let request = request.query_pairs(query.iter().copied());
        self.answered(self.with(request, &[]).call())
    }

    pub(super) fn post(
        &self,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let request = self.with(self.agent.post(format!("{}{path}", self.url)), headers);
        let sent = match body {
            None => request.send_empty(),
            Some(body) => request.send_json(body),
        };
        self.answered(sent)
    }

    /// The status, and one of the headers.
    pub(super) fn head(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        wanted: &str,
    ) -> Result<(u16, Option<String>), Failure> {
        let request = self.with(self.agent.head(format!("{}{path}", self.url)), headers);
        let answer = request.call().map_err(|why| self.unreachable(&why))?;
        let value = answer.headers().get(wanted).and_then(|value| value.to_str().ok());
        Ok((answer.status().as_u16(), value.map(str::to_owned)))
    }

    /// However long it takes: nobody knows how fast the line is.
    pub(super) fn patch(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &mut dyn Read,
    ) -> Result<Answer, Failure> {
        let request = self.with(self.agent.patch(format!("{}{path}", self.url)), headers);
        let request = request.config().timeout_global(None).build();
        self.answered(request.send(SendBody::from_reader(body)))
    }

    /// Lines, as they come.
    pub(super) fn lines(
        &self,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<impl BufRead + use<>, Failure> {
        let request = self.agent.get(format!("{}{path}", self.url));
        let request = request.query_pairs(query.iter().copied());
        // They may have no end.
        let request = request.config().timeout_global(None).build();
        let answer = self.with(request, headers).call().map_err(|why| self.unreachable(&why))?;
        if answer.status() != 200 {
            return Err(self.answered(Ok(answer))?.refused());
        }
        Ok(std::io::BufReader::new(answer.into_body().into_reader()))
    }

    fn answered(
        &self,
        answer: Result<ureq::http::Response<Body>, ureq::Error>,
    ) -> Result<Answer, Failure> {
        let mut answer = answer.map_err(|why| self.unreachable(&why))?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let body = body.map_err(|why| self.unreachable(&why))?;
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        Ok(Answer { status, body })
    }

    fn unreachable(&self, why: &ureq::Error) -> Failure {
        Failure::new(format!("{} can't be reached", self.url))
            .because(why)
            .next("is `carrel up` running there? another server: --server, or CARREL_SERVER")
    }
}

impl Answer {
    /// What was answered, or why it was refused.
    pub(crate) fn fine(self) -> Result<Value, Failure> {
        if (200..300).contains(&self.status) { Ok(self.body) } else { Err(self.refused()) }
    }

    /// As the problem says it (RFC 9457).
    pub(super) fn refused(&self) -> Failure {
        let said = |name: &str| self.body[name].as_str().filter(|it| !it.is_empty());
        let title = said("title").unwrap_or("the server refused");
        let what = match said("code") {
            Some(code) => format!("{title} ({code})"),
            None => format!("{title} ({})", self.status),
        };
        let mut failure = Failure::new(what);
        if let Some(detail) = said("detail") {
            failure = failure.because(detail);
        }
        match (said("clears"), self.status) {
            (Some(clears), _) => failure.next(clears),
            (None, 401) => failure.next("sign in with `carrel login`"),
            (None, 429 | 503) => failure.next("try again in a moment"),
            (None, 504) => failure.next("ask again with the same --id to learn what became of it"),
            (None, _) => failure,
        }
    }
}
