//! Lines on which nothing moves, as real sockets. Time stands still, but for when everybody waits:
//! then it is as late as the first of them waits for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use carrel_api::limits::{FOLLOWERS_MAX, TAKEN_WITHIN, UNDER_WAY_OF_SOURCE_MAX};
use carrel_api::serve::{Config, bind};
use carrel_api::tls::Tls;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{pause, resume, sleep, timeout};
use tower::ServiceExt;

use crate::scene::Scene;

/// Of a clock that goes on when everybody waits: longer than any bound.
const FOR_EVER: Duration = Duration::from_secs(24 * 3_600);

/// Serves until it is dropped.
struct Served {
    at: SocketAddr,
    scene: Scene,
    _serving: JoinSet<()>,
}

async fn served(tls: Tls) -> Served {
    let scene = Scene::new().await;
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let bound = bind(&Config { listen, tls }).expect("it can be bound");
    let (at, edge) = (bound.address(), scene.edge.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        bound.serve(&edge, std::future::pending()).await.expect("it serves");
    });
    // Whoever has signed in until now was waited for by a thread, which a clock knows nothing of.
    pause();
    Served { at, scene, _serving: serving }
}

/// What a line hears after it has said something, until it is closed.
async fn heard(at: SocketAddr, said: &[u8]) -> String {
    let mut line = TcpStream::connect(at).await.expect("it listens");
    line.write_all(said).await.expect("it takes it");
    rest(&mut line).await
}

/// Everything until it is closed. Closed without a word is an answer, too.
async fn rest(line: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let closed = timeout(FOR_EVER, line.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "it is never closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_line_that_asks_for_nothing_is_closed() {
    let served = served(Tls::Off).await;
    let beginnings: [&[u8]; 5] = [
        b"",
        b"G",
        b"PRI * HTTP/2.0\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for said in beginnings {
        let answer = heard(served.at, said).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_line_that_never_says_who_it_is_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = vec!["localhost".to_owned()];
    let tls = Tls::SelfSigned { folder: folder.path().to_owned(), names };
    let served = served(tls).await;
    for said in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\n\r\n"] {
        heard(served.at, said).await;
    }
}

#[tokio::test]
async fn a_line_that_has_been_answered_may_rest_before_it_asks_again() {
    let served = served(Tls::Off).await;
    let mut line = TcpStream::connect(served.at).await.expect("it listens");
    for _ in 0..2 {
        line.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it takes it");
        let mut answer = [0; 12];
        line.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut rest = vec![0; 4_096];
        let some = line.read(&mut rest).await.expect("the rest");
        assert!(rest[..some].ends_with(b"}"), "{}", String::from_utf8_lossy(&rest[..some]));
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let served = served(Tls::Off).await;
    let token = &served.scene.admin;
    for (path, who) in [
        ("/v1/login", String::new()),
        ("/v1/commands", format!("Authorization: Bearer {token}\r\n")),
        ("/v1/commands/CreateGroup", format!("Authorization: Bearer {token}\r\n")),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{who}Content-Length: 100\r\n\r\n{{");
        let answer = heard(served.at, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
        assert!(answer.contains("CRL-1007"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn strangers_who_say_nothing_keep_nobody_out() {
    let served = served(Tls::Off).await;
    let head = b"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";
    let mut lines = Vec::new();
    let mut shed = 0;
    for _ in 0..400 {
        let mut line = TcpStream::connect(served.at).await.expect("it listens");
        line.write_all(head).await.expect("it takes it");
        lines.push(line);
    }
    // Who is signed in doesn't notice.
    let path = "/v1/commands/CreateGroup";
    let body = json!({ "name": "editors" });
    served.scene.post(path, Some(&served.scene.admin), &body).await.is(202);
    for mut line in lines {
        let answer = rest(&mut line).await;
        let is_late = answer.starts_with("HTTP/1.1 408");
        let is_shed = answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1");
        assert!(is_late || is_shed, "{answer}");
        shed += usize::from(is_shed);
    }
    assert_eq!(shed, 400 - UNDER_WAY_OF_SOURCE_MAX, "as many as may from one address");
    // And when they are gone, whoever comes is let in.
    resume();
    served.scene.signs_in("admin", &served.scene.password).await;
}

/// What somebody hears who would follow, too.
async fn follows(scene: &Scene) -> u16 {
    let request = Request::builder()
        .uri("/v1/events")
        .header("authorization", format!("Bearer {}", scene.admin))
        .header("accept", "text/event-stream");
    let request = request.body(Body::empty()).expect("a request");
    scene.router.clone().oneshot(request).await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn who_does_not_listen_loses_their_place() {
    let served = served(Tls::Off).await;
    let scene = &served.scene;
    let follow = format!(
        "GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\
         Authorization: Bearer {}\r\n\r\n",
        scene.admin
    );
    let mut deaf = Vec::new();
    for _ in 0..FOLLOWERS_MAX {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(2_048).expect("a small one");
        let mut line = socket.connect(served.at).await.expect("it listens");
        line.write_all(follow.as_bytes()).await.expect("it takes it");
        let mut first = [0; 12];
        line.read_exact(&mut first).await.expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        deaf.push(line);
    }
    assert_eq!(follows(scene).await, 503, "every place is taken");
    // Far more than the buffers of both ends hold.
    let labels: BTreeMap<String, String> =
        (0..64).map(|key| (format!("key{key}"), "x".repeat(1_000))).collect();
    for number in 0..150 {
        let settings = json!({ "labels": labels });
        let group = json!({ "name": format!("g{number}"), "settings": settings });
        scene.given("CreateGroup", &group).await;
    }
    // Time goes on when nothing else does.
    sleep(3 * TAKEN_WITHIN).await;
    assert_eq!(follows(scene).await, 200);
    drop(deaf);
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let served = served(Tls::Off).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(2_048).expect("a small one");
    let mut line = socket.connect(served.at).await.expect("it listens");
    // One after the other, none of them read: far more than the buffers of both ends.
    let ask = b"GET /docs/scalar.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    line.write_all(&ask).await.expect("it takes it");
    sleep(3 * TAKEN_WITHIN).await;
    let got = rest(&mut line).await;
    let one = served.scene.get("/docs/scalar.js", None).await.is(200).bytes.len();
    let whole = 20 * one;
    assert!(got.len() < whole, "{} of {whole} bytes", got.len());
}
