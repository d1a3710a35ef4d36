//! The keeper: one thread for what takes long and nobody should wait for. It makes the next chunk
//! before it is needed, and finishes the one that was sealed.

use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};

use super::catalogue::ChunkEntry;
use super::durable::{create_zeroed, replace};
use super::fresh::FreshIndex;
use super::horizon::Horizon;
use super::index::{self, SealedIndex};
use super::inner::{Inner, Job, cannot};
use super::roll::{Next, Prepared};
use super::sealed::{IndexState, SealedChunk};
use crate::disk::Access;
use crate::error::{ReadError, Refused};

#[expect(clippy::needless_pass_by_value, reason = "the keeper's thread owns its end")]
pub(crate) fn run(inner: &Arc<Inner>, jobs: Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        let closed = inner.writer().closed;
        match job {
            // What is lost stays lost until the next open.
            Job::Rebuild(_) | Job::Prepare if closed => {}
            Job::Prepare => prepare(inner),
            Job::Finish(chunk) => finish(inner, &chunk),
            Job::Rebuild(chunk) => rebuild(inner, &chunk),
            Job::Stop => return,
        }
    }
}

pub(crate) fn prepare(inner: &Inner) {
    if !matches!(inner.writer().next, Next::Making) {
        return;
    }
    let next = match inner.low_space(inner.chunk_bytes).and_then(|()| make(inner)) {
        Ok(prepared) => Next::Ready(prepared),
        Err(refused) => {
            tracing::warn!(%refused, "the next chunk could not be made");
            Next::Failed(refused)
        }
    };
    inner.writer().next = next;
    inner.room.notify_waiters();
}

fn make(inner: &Inner) -> Result<Prepared, Refused> {
    let path = inner.layout.prepared();
    let capacity = inner.chunk_bytes;
    match create_zeroed(&*inner.disk, &path, capacity) {
        Ok(file) => Ok(Prepared { file: Arc::from(file), capacity }),
        Err(error) => {
            // What it took of the disk's space is given back.
            let _ = inner.disk.remove(&path);
            Err(Refused::NoChunk(cannot("write", &path, &error)))
        }
    }
}

fn finish(inner: &Inner, chunk: &Arc<SealedChunk>) {
    if let Err(error) = trim(inner, chunk) {
        // The next open does it again.
        tracing::warn!(chunk = chunk.seal.number, %error, "could not trim a sealed chunk");
    }
    if let IndexState::Fresh(fresh) = chunk.index() {
        match store(inner, chunk, &fresh) {
            Ok(index) => chunk.set_index(index),
            // It stays in memory, and is made from the chunk at the next open.
            Err(error) => tracing::warn!(chunk = chunk.seal.number, error, "no index written"),
        }
    }
    let entry = ChunkEntry { seal: chunk.seal, bytes: chunk.bytes };
    if let Err(error) = inner.catalogue.put_chunk(&entry) {
        tracing::warn!(chunk = chunk.seal.number, error, "could not put it into the catalogue");
    }
}

fn trim(inner: &Inner, chunk: &SealedChunk) -> io::Result<()> {
    let file = inner.disk.open(&chunk.path, Access::ReadWrite)?;
    file.set_len(chunk.bytes)?;
    file.sync_all()
}

fn rebuild(inner: &Inner, chunk: &Arc<SealedChunk>) {
    let rebuilt = chunk.index_anew().map(|fresh| {
        let stored = store(inner, chunk, &fresh);
        stored.unwrap_or_else(|error| {
            tracing::warn!(chunk = chunk.seal.number, error, "no index written");
            IndexState::Fresh(Arc::new(fresh))
        })
    });
    match rebuilt {
        Ok(index) => {
            chunk.set_index(index);
            let mut writer = inner.writer();
            writer.horizon = Horizon::of(&writer.sealed);
            drop(writer);
            tracing::info!(chunk = chunk.seal.number, "index rebuilt");
            inner.rebuilds.send_modify(|rebuilds| rebuilds.done += 1);
        }
        // Appends stay refused; reading says where the damage is.
        Err(error) => {
            tracing::error!(chunk = chunk.seal.number, %error, "index not rebuilt");
            if matches!(error, ReadError::Io { .. }) {
                let chunk = Arc::clone(chunk);
                inner.to_rebuild.lock().unwrap_or_else(PoisonError::into_inner).push(chunk);
            }
            inner.rebuilds.send_modify(|rebuilds| rebuilds.failed = Some(error.to_string()));
        }
    }
}

fn store(inner: &Inner, chunk: &SealedChunk, fresh: &FreshIndex) -> Result<IndexState, String> {
    let path = inner.layout.index(chunk.seal.number);
    let identity = chunk.identity();
    let bytes = index::encode(fresh, &identity);
    replace(&*inner.disk, &path, &bytes).map_err(|error| cannot("write", &path, &error))?;
    let index = SealedIndex::open(&inner.disk, &path, &identity)
        .map_err(|bad| format!("an index that was just written is wrong: {bad:?}"))?;
    Ok(IndexState::File(Arc::new(index)))
}
