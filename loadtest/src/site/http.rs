//! Asking a server over HTTP/1.1, on connections that stay open, as clients do.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;

/// Who asks.
#[derive(Clone, Debug, Default)]
pub(crate) enum As {
    #[default]
    Nobody,
    Bearer(String),
    Cookie(String),
}

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    who: As,
    /// What moves its bytes ends with it.
    _moving: JoinSet<()>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr, who: As) -> Result<Self, Failure> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut moving = JoinSet::new();
        moving.spawn(async { drop(connection.await) });
        Ok(Self { sender, authority: to.to_string(), who, _moving: moving })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.send(Method::POST, path, Bytes::from(serde_json::to_vec(body)?)).await
    }

    async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.authority);
        request = match &self.who {
            As::Nobody => request,
            As::Bearer(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            As::Cookie(cookie) => request.header(COOKIE, cookie),
        };
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(body))?).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// Whoever measures wants nothing but this.
    pub(crate) fn must_be(self, status: StatusCode) -> Result<Self, Failure> {
        if self.status == status {
            return Ok(self);
        }
        let said = String::from_utf8_lossy(&self.body);
        Err(format!("{} instead of {status}: {said}", self.status).into())
    }
}
