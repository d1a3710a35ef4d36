//! The listener: bound first, then served until somebody says stop, then drained.
//!
//! Passwords and tokens cross it, so beyond this machine it speaks TLS or doesn't start.

use std::future::{Future, Ready, ready};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Extension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Layer;

use crate::edge::Edge;
use crate::limits::{
    CONNECTIONS_MAX, DRAIN_WITHIN, HANDSHAKE_WITHIN, HEADER_BYTES_MAX, HEADERS_MAX, HEADERS_WITHIN,
    STREAMS_OF_CONNECTION_MAX,
};
use crate::patience::Patient;
use crate::router::router;
use crate::tls::{Tls, TlsError, acceptor};

/// Where to listen, and how.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub tls: Tls,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(
        "{listen} can be reached from other machines, and without TLS passwords would cross the \
         network as they are; give a certificate and its key, or let one be made, or listen on \
         127.0.0.1"
    )]
    PlainBeyondLoopback { listen: SocketAddr },
    #[error("nobody can listen on {listen}: {cause}")]
    Bind { listen: SocketAddr, cause: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("serving has failed: {0}")]
    Serve(io::Error),
}

/// Bound, with the certificate that it will show, and not serving yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
}

/// Binds the address, if it may be served as it is meant to be.
pub fn bind(config: &Config) -> Result<Bound, ServeError> {
    let listen = config.listen;
    if matches!(config.tls, Tls::Off) && !listen.ip().is_loopback() {
        return Err(ServeError::PlainBeyondLoopback { listen });
    }
    let failed = |cause| ServeError::Bind { listen, cause };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // Whoever is told the address can trust the certificate by then.
    let tls = acceptor(&config.tls)?;
    Ok(Bound { listener, address, tls })
}

impl Bound {
    /// Where it listens: the port that the system chose, if it was to choose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, and then until what is under way has ended.
    pub async fn serve(
        self,
        edge: &Edge,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(self.listener).map_err(ServeError::Serve)?;
        bound(&mut server);
        let server = server.handle(handle.clone());
        let service = router(edge).into_make_service_with_connect_info::<SocketAddr>();
        let gate = Connections(Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        let drain = async {
            stop.await;
            tracing::info!("no more requests are taken; those under way go on");
            edge.close();
            handle.graceful_shutdown(Some(DRAIN_WITHIN));
            std::future::pending::<()>().await;
        };
        let served = async {
            match self.tls {
                None => server.acceptor(Patient(gate)).serve(service).await,
                Some(tls) => {
                    let tls = RustlsAcceptor::new(tls).handshake_timeout(HANDSHAKE_WITHIN);
                    server.acceptor(Patient(tls.acceptor(gate))).serve(service).await
                }
            }
        };
        tokio::select! {
            served = served => served.map_err(ServeError::Serve),
            () = drain => Ok(()),
        }
    }
}

/// A line that sends its headers letter by letter is closed.
fn bound(server: &mut Server<SocketAddr>) {
    let http = server.http_builder();
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX);
    let headers = u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(headers)
        .max_concurrent_streams(STREAMS_OF_CONNECTION_MAX)
        .keep_alive_interval(Some(HEADERS_WITHIN))
        .keep_alive_timeout(HEADERS_WITHIN);
}

/// Refuses connections when there are too many. A connection's service holds its place.
#[derive(Clone, Debug)]
struct Connections(Arc<Semaphore>);

type Held = Arc<OwnedSemaphorePermit>;

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = TcpStream;
    type Service = <Extension<Held> as Layer<S>>::Service;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = Arc::clone(&self.0).try_acquire_owned();
        let place = place.map_err(|_| io::Error::other("too many connections"));
        let accepted = place.and_then(|place| {
            stream.set_nodelay(true)?;
            Ok((stream, Extension(Arc::new(place)).layer(service)))
        });
        ready(accepted)
    }
}
