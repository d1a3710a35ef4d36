//! `carrel upload`, at a server that refuses.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::scene::{Said, binary, said};

/// More than a line holds by itself.
const BYTES: usize = 24 << 20;
const REFUSAL: &str = "only operators send files";

/// What becomes of the first piece. Another one is taken, so that whoever sends it is found out.
#[derive(Clone, Copy, Debug)]
enum First {
    /// It is refused, and nothing of it is read.
    Refused,
    /// The line is cut in the midst of it, and whoever asks then is refused.
    Cut,
}

#[derive(Debug)]
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(medium: Value, first: First) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.expect("a line"), (&medium, first), &heard);
            }
        });
        Self { url, asked }
    }
}

/// One question on each line.
fn answer(mut stream: TcpStream, (medium, first): (&Value, First), heard: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().expect("a line"));
    let (mut asked, mut expects, mut line) = (String::new(), false, String::new());
    while lines.read_line(&mut line).expect("a question") > 2 {
        if asked.is_empty() {
            line.split(' ').next().expect("a method").clone_into(&mut asked);
        }
        expects |= line.eq_ignore_ascii_case("expect: 100-continue\r\n");
        line.clear();
    }
    let earlier = {
        let mut heard = heard.lock().expect("nobody panics");
        heard.push(asked.clone());
        heard.iter().filter(|it| **it == asked).count() - 1
    };
    let refusal = json!({ "title": "refused", "code": "CRL-1003", "detail": REFUSAL });
    let (status, offset, body) = match (asked.as_str(), first, earlier) {
        ("GET", _, _) => (200, 0, Some(medium)),
        ("POST", First::Cut, 1) | ("PATCH", First::Refused, 0) => (403, 0, Some(&refusal)),
        ("PATCH", First::Cut, 0) => {
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
            let _ = lines.read_exact(&mut [0; 4096]);
            return;
        }
        ("PATCH", _, _) => {
            if expects {
                let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            std::io::copy(&mut lines.take(BYTES as u64), &mut std::io::sink()).expect("a piece");
            (204, BYTES, None)
        }
        ("POST", _, _) => (201, 0, None),
        (_, _, _) => (200, 0, None),
    };
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} So\r\nupload-offset: {offset}\r\ncontent-length: {}\r\nconnection: close",
        body.len()
    );
    let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
}

fn upload(first: First) -> (Said, Vec<String>) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("disk.raw");
    fs::write(&file, vec![0; BYTES]).expect("written");
    let digest = Sha256::digest(vec![0; BYTES]);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let medium = json!({ "id": "m", "digest": digest, "size_bytes": BYTES });
    let server = Server::start(medium, first);
    fs::create_dir(folder.path().join("carrel")).expect("a folder");
    let sign_in = json!({ "user": "anna", "token": "t", "expires_at": null });
    let sign_ins = json!({ "last": server.url, "servers": { server.url.clone(): sign_in } });
    fs::write(folder.path().join("carrel/sign-ins.json"), sign_ins.to_string()).expect("written");
    let mut command = binary();
    command.env("XDG_CONFIG_HOME", folder.path()).args(["upload", "--server", &server.url]);
    let said = said(command.arg(&file));
    let asked = server.asked.lock().expect("nobody panics").clone();
    (said, asked)
}

#[test]
fn a_refusal_is_heard_before_anything_is_sent_and_ends_it() {
    let (said, asked) = upload(First::Refused);
    said.failed(3, &[REFUSAL]);
    assert_eq!(asked, ["GET", "POST", "HEAD", "PATCH"]);
}

#[test]
fn a_line_that_was_cut_by_a_refusal_is_not_waited_for() {
    let (said, asked) = upload(First::Cut);
    said.failed(3, &[REFUSAL]);
    assert_eq!(asked, ["GET", "POST", "HEAD", "PATCH", "POST"]);
}
