//! `carrel up` with this libvirtd as its only host, and a golden machine of which desktops are
//! made.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::machine::{DISK_GIB, hardware};
use super::{Host, Session};
use crate::site::http::{As, Connection};
use crate::site::server::{Server, done, over};
use crate::{Failure, clock};

pub(super) const INITIAL: &str = "win11";
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub(super) fn desktop(number: usize) -> String {
    format!("{INITIAL}-{number:03}")
}

pub(super) struct Site<'a> {
    session: &'a Session<'a>,
    pub(super) server: Server,
    admin: As,
    connection: Connection,
    /// What it knows of.
    _data: TempDir,
}

impl<'a> Site<'a> {
    pub(super) async fn start(session: &'a Session<'a>, host: &Host) -> Result<Self, Failure> {
        let data = session.place.fresh()?;
        let storage = host.folder("storage")?;
        let storage = storage.to_str().ok_or("the storage's path is not UTF-8")?;
        let uri = host.lab.uri();
        let hosts = ["--driver", "libvirt", "--libvirt-uri", uri, "--storage", storage];
        let server = Server::start(&session.carrel, data.path(), hosts)?;
        let admin = server.admin().await?;
        let connection = server.connect(&admin).await?;
        let mut site = Self { session, server, admin, connection, _data: data };
        site.crowd().await?;
        site.golden().await?;
        Ok(site)
    }

    /// It is to have more desktops than its processors are good for.
    async fn crowd(&mut self) -> Result<(), Failure> {
        let hosts = self.get("/v1/hypervisors").await?;
        let name = hosts["items"][0]["name"].as_str().ok_or("it has no host")?;
        let over = json!({ "memory_percent": 400, "vcpus_percent": 20_000 });
        let data = json!({ "hypervisor": name, "settings": { "overcommit": over } });
        self.does("UpdateHypervisor", &data).await.map(drop)
    }

    /// With an empty disk: its firmware finds nothing, and waits.
    async fn golden(&mut self) -> Result<(), Failure> {
        let gold = json!({
            "name": "gold", "kind": "source", "disk_gib": DISK_GIB,
            "settings": { "hardware": hardware() },
        });
        self.does("CreateMachine", &gold).await?;
        let initial = json!({ "name": INITIAL, "kind": "initial", "source": "gold" });
        self.does("CreateMachine", &initial).await?;
        self.does("CopyFromSource", &json!({ "initial": INITIAL })).await.map(drop)
    }

    /// Seconds until what it begins is over.
    pub(super) async fn does(&mut self, name: &str, data: &Value) -> Result<f64, Failure> {
        let (connection, begun) = (&mut self.connection, clock::now());
        let whole = async {
            let taken = done(connection, name, data).await?;
            if taken["operation"].is_string() { over(connection, &taken).await } else { Ok(taken) }
        };
        self.session.stop.or(whole).await?;
        Ok((clock::now() - begun).as_secs_f64())
    }

    /// After a while in which nobody has asked anything, and the server has let go.
    pub(super) async fn greet(&mut self) -> Result<(), Failure> {
        self.connection = self.server.connect(&self.admin).await?;
        Ok(())
    }

    /// By their numbers: they run, and are held still before their firmware has done much.
    pub(super) async fn hold(&mut self, numbers: std::ops::Range<usize>) -> Result<(), Failure> {
        let names: Vec<String> = numbers.map(desktop).collect();
        let machines = json!({ "machines": names });
        self.does("StartMachine", &machines).await?;
        self.does("SuspendMachine", &machines).await.map(drop)
    }

    /// As many more desktops, and all of them running: seconds for each of both.
    pub(super) async fn desktops(&mut self, count: usize) -> Result<(f64, f64), Failure> {
        let made = self.make(count).await?;
        let started = self.does("StartMachine", &json!({ "children_of": INITIAL })).await?;
        Ok((made, started))
    }

    pub(super) async fn make(&mut self, count: usize) -> Result<f64, Failure> {
        self.does("Populate", &json!({ "initial": INITIAL, "count": count })).await
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        self.session.stop.check()?;
        self.connection.get(path).await?.must_be(StatusCode::OK)?.json()
    }

    pub(super) async fn until_off(&mut self, machine: &str) -> Result<(), Failure> {
        let path = format!("/v1/machines/{machine}");
        while !is_off(&self.get(&path).await?["state"]) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    pub(super) async fn until(&self, mut is_so: impl FnMut() -> bool) -> Result<(), Failure> {
        while !is_so() {
            self.session.stop.check()?;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

fn is_off(state: &Value) -> bool {
    state == "off" || state == "crashed"
}
