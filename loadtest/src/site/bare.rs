//! What no API can do without: a server that reads the same and answers as much, and knows
//! nothing. It is a process of its own, as Carrel is.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use std::io::{BufRead, BufReader};

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::report::print;
use crate::{Failure, load};

/// The body of LockMachine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockMachine {
    machine: String,
}

async fn lock(Json(body): Json<LockMachine>) -> (StatusCode, Json<Value>) {
    let id = "0198c0de-0000-7000-8000-00000000c0de";
    let operation = format!("/v1/operations/{id}?{}", body.machine.len());
    (StatusCode::ACCEPTED, Json(json!({ "command_id": id, "position": 1, "operation": operation })))
}

/// Runs until it is killed.
pub(crate) fn serve() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(load::cores())
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        print(&format!("{}\n", listener.local_addr()?));
        let hello = get(|| async { "hello" });
        let router = Router::new().route("/lock", post(lock)).route("/hello", hello);
        axum::serve(listener, router).await?;
        Ok(())
    })
}

/// Ends with this value.
pub(super) struct Bare {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Bare {
    pub(super) fn start() -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("bare-server")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let says = child.stdout.take().ok_or("it has no output")?;
        BufReader::new(says).read_line(&mut line)?;
        Ok(Self { address: line.trim().parse()?, child })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
