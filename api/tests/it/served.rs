//! A listener of its own: TLS beyond this machine, and an end that drains.

use std::net::SocketAddr;

use carrel_api::serve::{Config, ServeError, bind};
use carrel_api::tls::Tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::scene::Scene;

fn here() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[test]
fn without_tls_nothing_is_served_beyond_this_machine() {
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = bind(&Config { listen, tls: Tls::Off }).expect_err("it must not start");
    assert!(matches!(refused, ServeError::PlainBeyondLoopback { .. }), "{refused}");
    let folder = tempfile::tempdir().expect("a folder");
    let names = vec!["localhost".to_owned()];
    let tls = Tls::SelfSigned { folder: folder.path().to_owned(), names };
    assert!(bind(&Config { listen, tls }).is_ok());
}

async fn asked(at: SocketAddr, request: &str) -> String {
    let mut line = TcpStream::connect(at).await.expect("it listens");
    let mut answer = Vec::new();
    // A line that is closed in the middle is an answer, too.
    let _ = line.write_all(request.as_bytes()).await;
    let _ = line.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn it_serves_until_it_is_told_to_stop() {
    let scene = Scene::new().await;
    let bound = bind(&Config { listen: here(), tls: Tls::Off }).expect("it can be bound");
    let at = bound.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let edge = scene.edge.clone();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        bound.serve(&edge, stopped).await
    });
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = asked(at, &get("/healthz")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let long = "x".repeat(100_000);
    let answer = asked(at, &get(&format!("/healthz?{long}"))).await;
    assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{answer}");
    // Who follows is let go when it ends.
    let follow = format!(
        "GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\
         Authorization: Bearer {}\r\n\r\n",
        scene.admin
    );
    let mut follower = TcpStream::connect(at).await.expect("it listens");
    follower.write_all(follow.as_bytes()).await.expect("it takes it");
    let mut first = [0; 12];
    follower.read_exact(&mut first).await.expect("a status");
    assert_eq!(&first, b"HTTP/1.1 200");
    stop.send(()).expect("it still serves");
    let ended = serving.join_next().await.expect("it ends").expect("no panic");
    assert!(ended.is_ok(), "{ended:?}");
}
