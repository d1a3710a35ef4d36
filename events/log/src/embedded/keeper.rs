//! The keeper: one thread for what takes long and nobody should wait for. It makes the next chunk
//! before it is needed, and finishes the one that was sealed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::catalogue::ChunkEntry;
use super::fresh::FreshIndex;
use super::horizon::Horizon;
use super::index::{self, SealedIndex};
use super::inner::{Inner, Job, cannot};
use super::sealed::{IndexState, SealedChunk};
use super::writer::{Next, Prepared};
use crate::disk::{Access, Disk, DiskFile};
use crate::error::Refused;

const ZEROS_BYTES: usize = 1024 * 1024;

#[expect(clippy::needless_pass_by_value, reason = "the keeper's thread owns its end")]
pub(crate) fn run(inner: &Arc<Inner>, jobs: Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Prepare => prepare(inner),
            Job::Finish(chunk) => finish(inner, &chunk),
            Job::Rebuild(chunk) => rebuild(inner, &chunk),
            Job::Stop => return,
        }
    }
}

fn prepare(inner: &Inner) {
    if matches!(inner.writer().next, Next::Ready(_)) {
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

/// A file of zeros that are on disk: overwriting them later needs no space and no metadata.
pub(crate) fn create_zeroed(
    disk: &dyn Disk,
    path: &Path,
    bytes: u64,
) -> io::Result<Box<dyn DiskFile>> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(path, Access::Create)?;
    let zeros = vec![0; ZEROS_BYTES];
    let mut at = 0;
    while at < bytes {
        let count = usize::try_from(bytes - at).map_or(ZEROS_BYTES, |left| left.min(ZEROS_BYTES));
        file.write_all_at(&zeros[..count], at)?;
        at += count as u64;
    }
    file.sync_all()?;
    Ok(file)
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
    let rebuilt = chunk.index_anew().map_err(|error| error.to_string()).map(|fresh| {
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
            tracing::error!(chunk = chunk.seal.number, error, "index not rebuilt");
            inner.rebuilds.send_modify(|rebuilds| rebuilds.failed = Some(error));
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

/// Copies the first `bytes` bytes of a file.
pub(crate) fn copy_bytes(from: &dyn DiskFile, to: &dyn DiskFile, bytes: u64) -> io::Result<()> {
    const WINDOW_BYTES: u64 = 1024 * 1024;
    let mut at = 0;
    while at < bytes {
        let count = usize::try_from(WINDOW_BYTES.min(bytes - at)).unwrap_or_default();
        let mut window = vec![0; count];
        if from.read_at(&mut window, at)? < count {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        to.write_all_at(&window, at)?;
        at += count as u64;
    }
    Ok(())
}

/// Puts a whole file in place of what was there, durably.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension("unfinished");
    match disk.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(&unfinished, Access::Create)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    disk.rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}
