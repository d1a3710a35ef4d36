//! UmaDB: an event store that is a server of its own, reached by gRPC.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_dcb::{DcbEvent, DcbEventStoreAsync};

use crate::events::Source;
use crate::load::{Load, Sample, Writer, metered, together};
use crate::place::Place;
use crate::store::Store;
use crate::{Failure, clock};

/// Writers share connections, as the requests of one program do; more of them make it slower.
const CONNECTIONS_MAX: usize = 4;

/// Starting takes a few milliseconds; a busy machine may need many times that.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
const LOOKS: u32 = 200;

#[derive(Debug)]
pub(super) struct UmaDb {
    program: PathBuf,
}

impl UmaDb {
    pub(super) fn find(programs: Option<&Path>) -> Result<Self, Failure> {
        let beside = || -> Result<PathBuf, Failure> {
            let program = std::env::current_exe()?;
            let target = program.parent().and_then(Path::parent).ok_or("no target directory")?;
            Ok(target.join("peers"))
        };
        let programs = programs.map_or_else(beside, |programs| Ok(programs.to_owned()))?;
        let program = programs.join("bin/umadb");
        if program.exists() {
            return Ok(Self { program });
        }
        Err(format!("there is no {}; run loadtest/peers/install", program.display()).into())
    }
}

impl Store for UmaDb {
    fn name(&self) -> &'static str {
        "UmaDB"
    }

    fn does(&self) -> &'static str {
        "the stream as a tag, no condition; a server over gRPC on loopback, which makes requests \
         that come together durable together"
    }

    fn appends(&self, load: &Load, place: &Place) -> Result<Sample, Failure> {
        let dir = place.fresh()?;
        let server = Server::start(&self.program, dir.path())?;
        let runtime = load.runtime()?;
        let mut clients = Vec::new();
        for _ in 0..load.writers.min(CONNECTIONS_MAX) {
            clients.push(Arc::new(runtime.block_on(server.connect())?));
        }
        let mut source = Source::new(load.seed)?;
        let writers = (0..load.writers)
            .map(|nth| Appender {
                client: Arc::clone(&clients[nth % clients.len()]),
                source: source.split(),
            })
            .collect();
        let server = Some(server.process.id());
        metered(load, server, |span| runtime.block_on(together(span, writers)))
    }
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(program: &Path, dir: &Path) -> Result<Self, Failure> {
        // Free now, and nobody else on this machine is waiting for it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let process = Command::new(program)
            .args(["--listen", &address])
            .arg("--db-path")
            .arg(dir.join("uma.db"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { process, address })
    }

    async fn connect(&self) -> Result<AsyncUmaDbClient, Failure> {
        for _ in 0..LOOKS {
            match UmaDbClient::new(format!("http://{}", self.address)).connect_async().await {
                Ok(client) => return Ok(client),
                Err(_) => clock::pause(STARTS_WITHIN / LOOKS),
            }
        }
        Err(format!("it did not listen within {STARTS_WITHIN:?}").into())
    }
}

impl Drop for Server {
    /// What it kept is thrown away, so it need not stop in order.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Appender {
    client: Arc<AsyncUmaDbClient>,
    source: Source,
}

impl Writer for Appender {
    async fn append(&mut self) -> Result<(), Failure> {
        let event = self.source.event();
        let event = DcbEvent::default()
            .event_type("machine.start_requested")
            .tags([format!("machine:{}", event.stream)])
            .data(event.body.to_vec());
        self.client.append(vec![event], None, None).await?;
        Ok(())
    }
}
