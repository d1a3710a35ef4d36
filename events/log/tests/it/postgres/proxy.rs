//! A socket between the log and its server that can lose an answer: the server has done what it was
//! asked, and the one who asked is never told.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use carrel_testkit::postgres::Postgres;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::server::Server;

pub(crate) struct Proxy {
    directory: PathBuf,
    /// What to look for in the requests.
    trap: Arc<Mutex<Option<&'static [u8]>>>,
    _relaying: JoinSet<()>,
}

impl Proxy {
    pub(crate) fn before(server: &Server) -> Self {
        let socket = format!(".s.PGSQL.{}", Postgres::PORT);
        let to = server.postgres.socket_directory().join(&socket);
        // Beside the server's own socket, so that it goes when the server does.
        let directory = server.postgres.socket_directory().join("proxy");
        std::fs::create_dir(&directory).unwrap();
        let listener = UnixListener::bind(directory.join(&socket)).unwrap();
        let trap = Arc::default();
        let mut relaying = JoinSet::new();
        relaying.spawn(accept(listener, to, Arc::clone(&trap)));
        Self { directory, trap, _relaying: relaying }
    }

    pub(crate) fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// The next request with these bytes gets through, and its answer does not.
    pub(crate) fn lose_the_answer_to_the_next(&self, request: &'static [u8]) {
        *self.trap.lock().unwrap() = Some(request);
    }
}

async fn accept(listener: UnixListener, to: PathBuf, trap: Arc<Mutex<Option<&'static [u8]>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = UnixStream::connect(&to).await.unwrap();
        connections.spawn(relay(client, server, Arc::clone(&trap)));
    }
}

async fn relay(
    mut client: UnixStream,
    mut server: UnixStream,
    trap: Arc<Mutex<Option<&'static [u8]>>>,
) {
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            length = client.read(&mut asked) => {
                let Ok(length @ 1..) = length else { return };
                let request = &asked[..length];
                let trapped = {
                    let mut trap = trap.lock().unwrap();
                    let found = trap.is_some_and(|it| request.windows(it.len()).any(|at| at == it));
                    if found {
                        *trap = None;
                    }
                    found
                };
                server.write_all(request).await.unwrap();
                if trapped {
                    // The server answers when it is done.
                    assert_ne!(server.read(&mut answered).await.unwrap(), 0);
                    return;
                }
            }
            length = server.read(&mut answered) => {
                let Ok(length @ 1..) = length else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
