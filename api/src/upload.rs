//! The file of a medium, sent in pieces: the protocol tus 1.0.0, with creation and termination.
//!
//! ```text
//!   AddMedia          says how large the file is and what it hashes to
//!   POST   .../file   it is awaited
//!   PATCH  .../file   bytes from an offset on; answered when they are durable
//!   HEAD   .../file   how far it is, after a line was cut or a server has ended
//!   DELETE .../file   nobody sends it any more
//! ```
//!
//! It has its name when it is whole and hashes to what was told, and then it stays.

use std::fmt::Debug;
use std::pin::Pin;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use carrel_model::ids::MediaId;
use carrel_model::media::Media;
use carrel_model::storage::Storage;
use carrel_projections::Kind;
use futures_util::{Stream, StreamExt as _};
use tokio::time::timeout;
use tracing::warn;

use crate::body::{Segment, bad_request, header};
use crate::edge::Edge;
use crate::fault::Fault;
use crate::limits::BODY_WITHIN;
use crate::problem::Problem;
use crate::reads::no_such;

pub const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// The only version that there is.
pub const TUS: &str = "1.0.0";
pub const OCTETS: &str = "application/offset+octet-stream";

/// A medium whose file is sent, and where it shall lie.
#[derive(Clone, Debug)]
pub struct Upload {
    pub medium: Media,
    pub storage: Storage,
}

/// Pieces as they come. It ends where the line does, whether that was its end or it was cut.
pub type Pieces = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// Why a file can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// This process doesn't see the storage.
    Unseen,
    /// The storage can't be used as it is, and why.
    Unready(String),
    /// Nobody has said that it would come.
    NotAwaited,
    /// It is whole, and stays as it is.
    There,
    /// The next byte is this one.
    NotFrom(u64),
    /// Somebody else is sending it.
    Busy,
    TooMany,
    TooLarge {
        most_bytes: u64,
    },
    NoRoom {
        free_mib: u64,
    },
    /// It was not what the medium says; it is gone.
    OtherBytes,
    /// For whoever runs the server.
    Failed(String),
}

/// Where files of media are put.
#[async_trait]
pub trait Uploads: Send + Sync + Debug {
    async fn begin(&self, upload: &Upload) -> Result<(), NotTaken>;

    /// How much of it is there and durable.
    async fn offset(&self, upload: &Upload) -> Result<u64, NotTaken>;

    /// Takes what comes, and says how much is there and durable then.
    async fn append(&self, upload: &Upload, from: u64, pieces: Pieces) -> Result<u64, NotTaken>;

    async fn abandon(&self, upload: &Upload) -> Result<(), NotTaken>;
}

/// No storage is seen: hosts are simulated, or elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct NoUploads;

#[async_trait]
impl Uploads for NoUploads {
    async fn begin(&self, _: &Upload) -> Result<(), NotTaken> {
        Err(NotTaken::Unseen)
    }

    async fn offset(&self, _: &Upload) -> Result<u64, NotTaken> {
        Err(NotTaken::Unseen)
    }

    async fn append(&self, _: &Upload, _: u64, _: Pieces) -> Result<u64, NotTaken> {
        Err(NotTaken::Unseen)
    }

    async fn abandon(&self, _: &Upload) -> Result<(), NotTaken> {
        Err(NotTaken::Unseen)
    }
}

impl From<NotTaken> for Problem {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Unseen => Self::new(
                Fault::StorageUnseen,
                "the server does not see the medium's storage; put the file there by hand",
            ),
            NotTaken::Unready(why) => Self::new(Fault::StorageUnready, why),
            NotTaken::NotAwaited => {
                Self::new(Fault::NoSuchThing, "no file is awaited for this medium")
            }
            NotTaken::There => Self::new(Fault::FileThere, "the medium has its file"),
            NotTaken::NotFrom(at) => {
                Self::new(Fault::NotFromThere, format!("the next byte is number {at}"))
            }
            NotTaken::Busy => Self::new(Fault::UploadUnderWay, "somebody is sending this file"),
            NotTaken::TooMany => {
                Self::new(Fault::NoRoomForUploads, "as many files are awaited as may be")
            }
            NotTaken::TooLarge { most_bytes } => {
                Self::new(Fault::TooLarge, format!("a file may have {most_bytes} bytes"))
            }
            NotTaken::NoRoom { free_mib } => Self::new(
                Fault::NoRoomForUploads,
                format!("the medium's storage has {free_mib} MiB left, and keeps some for itself"),
            ),
            NotTaken::OtherBytes => {
                Self::new(Fault::OtherBytes, "its SHA-256 is not the medium's; all of it is gone")
            }
            NotTaken::Failed(why) => Self::internal(&why),
        }
    }
}

fn upload(edge: &Edge, named: &str) -> Result<Upload, Problem> {
    let fleet = edge.ports.commands.standing().fleet;
    let by_id = named.parse::<MediaId>().ok().and_then(|id| fleet.media.get(id));
    let by_name = || fleet.media.iter().find(|(_, it)| it.name.as_str() == named);
    let medium = match by_id {
        Some(medium) => Some(medium.clone()),
        None => by_name().map(|(_, medium)| medium.clone()),
    };
    let medium = medium.ok_or_else(|| no_such(Kind::Media, named))?;
    let storage = fleet.storages.get(medium.storage).cloned();
    Ok(Upload { storage: storage.ok_or_else(|| no_such(Kind::Storages, named))?, medium })
}

/// # Errors
///
/// It is of a version that nobody here speaks.
fn speaks_tus(headers: &HeaderMap) -> Result<(), Problem> {
    match header(headers, &TUS_RESUMABLE)? {
        Some(TUS) => Ok(()),
        _ => Err(Problem::new(Fault::OtherTus, "Tus-Resumable has to be 1.0.0")),
    }
}

/// What is asked about, of whoever speaks as this does.
fn asked(edge: &Edge, named: &str, headers: &HeaderMap) -> Result<Upload, Problem> {
    let upload = upload(edge, named)?;
    speaks_tus(headers)?;
    Ok(upload)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Problem> {
    let text = header(headers, name)?.unwrap_or_default();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(|| bad_request(&format!("{name} has to be a number of bytes")))
}

fn answer(status: StatusCode, more: &[(HeaderName, String)]) -> Result<Response, Problem> {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE, HeaderValue::from_static(TUS));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in more {
        let value = HeaderValue::from_str(value).map_err(|why| Problem::internal(&why))?;
        headers.insert(name, value);
    }
    Ok(response)
}

/// `POST /v1/media/{id}/file`.
pub async fn begin(
    State(edge): State<Edge>,
    Segment(named): Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let upload = asked(&edge, &named, &headers)?;
    let length = number(&headers, &UPLOAD_LENGTH)?;
    let wanted = upload.medium.size_bytes;
    if length != wanted {
        let detail = format!("the medium was said to have {wanted} bytes");
        return Err(Problem::new(Fault::OtherLength, detail));
    }
    edge.ports.uploads.begin(&upload).await?;
    let location = format!("/v1/media/{}/file", upload.medium.id);
    answer(StatusCode::CREATED, &[(LOCATION, location)])
}

/// `HEAD /v1/media/{id}/file`.
pub async fn offset(
    State(edge): State<Edge>,
    Segment(named): Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let upload = asked(&edge, &named, &headers)?;
    let offset = edge.ports.uploads.offset(&upload).await?;
    let length = upload.medium.size_bytes.to_string();
    let more = [(UPLOAD_OFFSET, offset.to_string()), (UPLOAD_LENGTH, length)];
    answer(StatusCode::OK, &more)
}

/// `PATCH /v1/media/{id}/file`.
pub async fn append(
    State(edge): State<Edge>,
    Segment(named): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let upload = asked(&edge, &named, &headers)?;
    if header(&headers, &CONTENT_TYPE)? != Some(OCTETS) {
        return Err(Problem::new(Fault::NotOctets, format!("this takes {OCTETS}")));
    }
    let from = number(&headers, &UPLOAD_OFFSET)?;
    let offset = edge.ports.uploads.append(&upload, from, pieces(body)).await?;
    answer(StatusCode::NO_CONTENT, &[(UPLOAD_OFFSET, offset.to_string())])
}

/// A line on which nothing comes any more is as good as cut.
fn pieces(body: Body) -> Pieces {
    let stream = Box::pin(body.into_data_stream());
    Box::pin(futures_util::stream::unfold(stream, async |mut stream| {
        match timeout(BODY_WITHIN, stream.next()).await {
            Ok(Some(Ok(piece))) => Some((piece, stream)),
            Ok(Some(Err(why))) => {
                warn!(%why, "an upload has broken off");
                None
            }
            Ok(None) | Err(_) => None,
        }
    }))
}

/// `DELETE /v1/media/{id}/file`.
pub async fn abandon(
    State(edge): State<Edge>,
    Segment(named): Segment,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let upload = asked(&edge, &named, &headers)?;
    edge.ports.uploads.abandon(&upload).await?;
    answer(StatusCode::NO_CONTENT, &[])
}
