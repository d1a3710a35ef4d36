//! The protocol by which the file of a medium is sent, over a storage in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::http::Method;
use carrel_api::upload::{NotTaken, Pieces, Upload, Uploads};
use carrel_model::ids::MediaId;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::scene::{Answer, Scene};

/// What has arrived of each file, and which of them are whole.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    parts: Mutex<BTreeMap<MediaId, Vec<u8>>>,
    whole: Mutex<BTreeSet<MediaId>>,
    /// Answered to whoever asks for anything.
    refuses: Mutex<Option<NotTaken>>,
}

impl Heap {
    fn takes(&self) -> Result<(), NotTaken> {
        self.refuses.lock().expect("nobody panics").clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Uploads for Heap {
    async fn begin(&self, upload: &Upload) -> Result<(), NotTaken> {
        self.takes()?;
        if self.whole.lock().expect("nobody panics").contains(&upload.medium.id) {
            return Err(NotTaken::There);
        }
        self.parts.lock().expect("nobody panics").entry(upload.medium.id).or_default();
        Ok(())
    }

    async fn offset(&self, upload: &Upload) -> Result<u64, NotTaken> {
        self.takes()?;
        let parts = self.parts.lock().expect("nobody panics");
        parts.get(&upload.medium.id).map(|part| part.len() as u64).ok_or(NotTaken::NotAwaited)
    }

    async fn append(
        &self,
        upload: &Upload,
        from: u64,
        mut pieces: Pieces,
    ) -> Result<u64, NotTaken> {
        let there = self.offset(upload).await?;
        if there != from {
            return Err(NotTaken::NotFrom(there));
        }
        while let Some(piece) = pieces.next().await {
            let mut parts = self.parts.lock().expect("nobody panics");
            parts.get_mut(&upload.medium.id).expect("it was there").extend(piece);
        }
        let there = self.offset(upload).await?;
        if there == upload.medium.size_bytes {
            self.whole.lock().expect("nobody panics").insert(upload.medium.id);
        }
        Ok(there)
    }

    async fn abandon(&self, upload: &Upload) -> Result<(), NotTaken> {
        self.takes()?;
        let gone = self.parts.lock().expect("nobody panics").remove(&upload.medium.id);
        gone.map(drop).ok_or(NotTaken::NotAwaited)
    }
}

const AT: &str = "/v1/media/debian/file";
const TUS: (&str, &str) = ("tus-resumable", "1.0.0");
const OCTETS: (&str, &str) = ("content-type", "application/offset+octet-stream");

async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.given("CreateStorage", &json!({ "name": "main", "settings": {} })).await;
    let medium = json!({
        "name": "debian", "kind": "iso", "storage": "main", "size_bytes": 10,
        "digest": "0".repeat(64),
    });
    scene.given("AddMedia", &medium).await;
    scene
}

async fn asks(
    scene: &Scene,
    method: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let method: Method = method.parse().expect("a method");
    let headers: BTreeMap<&str, &str> = headers.iter().copied().collect();
    scene.asked(method, AT, Some(&scene.admin), &headers, body).await
}

async fn sends(scene: &Scene, from: &str, body: impl Into<Body>) -> Answer {
    asks(scene, "PATCH", &[TUS, OCTETS, ("upload-offset", from)], body).await
}

#[track_caller]
fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).expect("the header").to_str().expect("text")
}

#[tokio::test]
async fn a_file_is_sent_in_pieces_and_goes_on_where_it_was_cut() {
    let scene = scene().await;
    asks(&scene, "HEAD", &[TUS], "").await.is(404);
    let length = ("upload-length", "10");
    let begun = asks(&scene, "POST", &[TUS, length], "").await.is(201);
    let medium = scene.edge.ports.commands.standing().fleet.media.last().expect("a medium");
    assert_eq!(header(&begun, "location"), format!("/v1/media/{medium}/file"));
    assert_eq!(header(&begun, "tus-resumable"), "1.0.0");
    let first = sends(&scene, "0", "0123").await.is(204);
    assert_eq!(header(&first, "upload-offset"), "4");

    // The line is cut after two more.
    let cut = [Ok(Bytes::from("45")), Err(std::io::Error::other("cut"))];
    let cut = Body::from_stream(stream::iter(cut));
    assert_eq!(header(&sends(&scene, "4", cut).await, "upload-offset"), "6");
    sends(&scene, "4", "4567").await.problem(409, "CRL-1026");
    let now = asks(&scene, "HEAD", &[TUS], "").await.is(200);
    assert_eq!((header(&now, "upload-offset"), header(&now, "upload-length")), ("6", "10"));
    assert_eq!(header(&now, "cache-control"), "no-store");
    sends(&scene, "6", "6789").await.is(204);
    assert_eq!(scene.heap.parts.lock().expect("nobody panics")[&medium], b"0123456789");
    asks(&scene, "POST", &[TUS, length], "").await.problem(409, "CRL-1027");
}

#[tokio::test]
async fn a_piece_is_as_large_as_it_likes() {
    let scene = scene().await;
    asks(&scene, "POST", &[TUS, ("upload-length", "10")], "").await.is(201);
    // More than any other body may have.
    let large = sends(&scene, "0", vec![7_u8; 9 << 20]).await.is(204);
    assert_eq!(header(&large, "upload-offset"), (9 << 20).to_string());
}

#[tokio::test]
async fn what_is_no_piece_of_this_file_is_refused() {
    let scene = scene().await;
    let length = ("upload-length", "10");
    asks(&scene, "POST", &[length], "").await.problem(412, "CRL-1032");
    asks(&scene, "POST", &[("tus-resumable", "0.2"), length], "").await.problem(412, "CRL-1032");
    asks(&scene, "POST", &[TUS], "").await.problem(400, "CRL-1002");
    asks(&scene, "POST", &[TUS, ("upload-length", "-1")], "").await.problem(400, "CRL-1002");
    asks(&scene, "POST", &[TUS, ("upload-length", "11")], "").await.problem(409, "CRL-1028");
    asks(&scene, "POST", &[TUS, length], "").await.is(201);
    asks(&scene, "PATCH", &[TUS, OCTETS], "x").await.problem(400, "CRL-1002");
    let json = ("content-type", "application/json");
    let offset = ("upload-offset", "0");
    asks(&scene, "PATCH", &[TUS, json, offset], "1").await.problem(415, "CRL-1033");
    asks(&scene, "DELETE", &[TUS], "").await.is(204);
    asks(&scene, "DELETE", &[TUS], "").await.problem(404, "CRL-1018");
    sends(&scene, "0", "x").await.problem(404, "CRL-1018");
}

#[tokio::test]
async fn why_a_file_is_not_taken_is_said() {
    let scene = scene().await;
    for (why, status, code) in [
        (NotTaken::Unseen, 409, "CRL-1025"),
        (NotTaken::Busy, 409, "CRL-1029"),
        (NotTaken::TooMany, 409, "CRL-1030"),
        (NotTaken::NoRoom { free_mib: 1 }, 409, "CRL-1030"),
        (NotTaken::TooLarge { most_bytes: 1 }, 413, "CRL-1008"),
        (NotTaken::OtherBytes, 409, "CRL-1031"),
        (NotTaken::Failed("/secret is broken".to_owned()), 500, "CRL-1017"),
    ] {
        *scene.heap.refuses.lock().expect("nobody panics") = Some(why);
        let refused = asks(&scene, "POST", &[TUS, ("upload-length", "10")], "").await;
        let problem = refused.problem(status, code);
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }
}
