//! `carrel up`, as a process of its own, and what it takes.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::http::{As, Connection};
use crate::{Failure, clock, machine};

/// How often it is looked how far an operation is.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Ends with this value, whatever becomes of it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    data: PathBuf,
    /// From its start until it let people in.
    pub(crate) started_in: Duration,
    _says: BufReader<ChildStdout>,
}

impl Server {
    /// What of hosts it has is said by these words.
    pub(crate) fn start(
        program: &Path,
        data: &Path,
        hosts: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, Failure> {
        let started = clock::now();
        let mut child = Command::new(program)
            .args(["up", "--listen", "127.0.0.1:0", "--log-level", "error", "--data"])
            .arg(data)
            .args(hosts)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|why| {
                format!("{}: {why}; build it first, or say --carrel", program.display())
            })?;
        let mut says = BufReader::new(child.stdout.take().ok_or("it has no output")?);
        let address = match listens_on(&mut says) {
            Ok(address) => address,
            Err(why) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(why);
            }
        };
        let started_in = clock::now() - started;
        Ok(Self { child, address, data: data.to_owned(), started_in, _says: says })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes now, and at most.
    pub(crate) fn resident(&self) -> Result<(u64, u64), Failure> {
        machine::resident_of(&self.pid().to_string())
    }

    pub(crate) async fn admin(&self) -> Result<As, Failure> {
        let password = fs::read_to_string(self.data.join("admin-password"))?;
        self.sign_in("admin", password.trim_end()).await
    }

    pub(crate) async fn sign_in(&self, username: &str, password: &str) -> Result<As, Failure> {
        let body = json!({ "username": username, "password": password });
        let mut nobody = Connection::open(self.address, As::Nobody).await?;
        let answer = nobody.post("/v1/login", &body).await?.must_be(StatusCode::OK)?.json()?;
        Ok(As::Bearer(answer["token"].as_str().ok_or("no token")?.to_owned()))
    }

    pub(crate) async fn connect(&self, who: &As) -> Result<Connection, Failure> {
        Connection::open(self.address, who.clone()).await
    }

    /// As an administrator stops it.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listens_on(says: &mut impl BufRead) -> Result<SocketAddr, Failure> {
    let mut line = String::new();
    while says.read_line(&mut line)? > 0 {
        if let Some((_, rest)) = line.split_once("http://") {
            let end = rest.find(|it: char| it.is_whitespace() || it == '/');
            return Ok(rest[..end.unwrap_or(rest.len())].parse()?);
        }
        line.clear();
    }
    Err("it has ended without saying where it listens".into())
}

/// A command, and what was answered: it is accepted, or there is nothing to measure.
pub(crate) async fn done(
    connection: &mut Connection,
    name: &str,
    data: &Value,
) -> Result<Value, Failure> {
    let answer = connection.post(&format!("/v1/commands/{name}"), data).await?;
    if answer.status == StatusCode::OK || answer.status == StatusCode::ACCEPTED {
        return answer.json();
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&answer.body)).into())
}

/// Until the operation that a command has begun is over.
pub(crate) async fn over(connection: &mut Connection, taken: &Value) -> Result<Value, Failure> {
    let path = taken["operation"].as_str().ok_or("it has begun no operation")?;
    let path = format!("{path}?min_position={}", taken["position"]);
    loop {
        let operation = connection.get(&path).await?.must_be(StatusCode::OK)?.json()?;
        match operation["state"].as_str() {
            Some("running" | "cancelling") => tokio::time::sleep(LOOK_AGAIN).await,
            Some("succeeded") => return Ok(operation),
            _ => return Err(format!("{path}: {operation}").into()),
        }
    }
}
