//! Files of media, as they are sent to this host's storages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use carrel_api::upload::{NotTaken, Pieces, Upload, Uploads};
use carrel_decider::Decider;
use carrel_driver::libvirt::{Storages, Unready};
use carrel_driver::place::{MEDIA_FOLDER, Root, medium_named};
use carrel_images::{Arrived, Failed, Images, Incoming, Kind};
use carrel_model::ids::{HypervisorId, MediaId};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::now_unix;

/// Each keeps the room that it will need.
const AWAITED_MAX: usize = 16;
/// What was read from the line and is not written yet, of each upload: a few hundred KiB.
const PIECES_AHEAD: usize = 8;
/// Whoever still sends what is not taken would find the line cut, and not hear why. As much as one
/// piece of `carrel upload` is read to its end.
const DRAINED_BYTES_MAX: usize = 64 << 20;
/// What nobody has sent anything of for so long is given up.
const GIVEN_UP_SECONDS: u64 = 24 * 3_600;
const SWEPT_EVERY: Duration = Duration::from_secs(3_600);
const GIB: u64 = 1 << 30;
const MICROS: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct HostUploads {
    host: HypervisorId,
    most_bytes: u64,
    storages: Arc<Storages>,
    /// The host's: what room is promised to whom is known in one place.
    images: Arc<Images>,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Whose bytes somebody is sending: of two, one would write over the other.
    busy: Mutex<BTreeSet<MediaId>>,
}

/// Only one sends a file at a time.
struct Alone {
    inner: Arc<Inner>,
    medium: MediaId,
}

impl Alone {
    fn begin(inner: &Arc<Inner>, medium: MediaId) -> Result<Self, NotTaken> {
        let mut busy = inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if !busy.insert(medium) {
            return Err(NotTaken::Busy);
        }
        Ok(Self { inner: Arc::clone(inner), medium })
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let mut busy = self.inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.remove(&self.medium);
    }
}

impl HostUploads {
    pub(super) fn new(host: HypervisorId, most_gib: u32) -> Self {
        let most_bytes = u64::from(most_gib) * GIB;
        let (storages, images) = (Arc::default(), Arc::default());
        Self { host, most_bytes, storages, images, inner: Arc::default() }
    }

    /// What is known of storages that were used before, and whoever else writes there.
    pub(super) fn on(self, storages: Arc<Storages>, images: Arc<Images>) -> Self {
        Self { storages, images, ..self }
    }

    fn incoming(&self, upload: &Upload) -> Result<Incoming, NotTaken> {
        let medium = &upload.medium;
        let path = upload.storage.settings.hosts.get(&self.host).ok_or(NotTaken::Unseen)?;
        let root = Root { storage: medium.storage, path: path.clone() };
        let place = medium_named(&root, medium.id, (medium.kind, medium.format));
        let place = place.ok_or(NotTaken::Unseen)?;
        let to = PathBuf::from(place.path());
        Ok(Incoming { to, bytes: medium.size_bytes, sha256: medium.digest.0 })
    }

    /// Alone with a file, on a thread that may wait for disks.
    async fn does<T: Send + 'static>(
        &self,
        upload: &Upload,
        act: impl FnOnce(&Images, &Incoming) -> Result<T, NotTaken> + Send + 'static,
    ) -> Result<T, NotTaken> {
        let incoming = self.incoming(upload)?;
        let alone = Alone::begin(&self.inner, upload.medium.id)?;
        let images = Arc::clone(&self.images);
        let done = spawn_blocking(move || {
            let _alone = alone;
            act(&images, &incoming)
        });
        done.await.map_err(|why| NotTaken::Failed(why.to_string()))?
    }
}

fn not_taken(failed: &Failed) -> NotTaken {
    match failed {
        Failed::Missing(_) => NotTaken::NotAwaited,
        Failed::NoSpace { free_mib, .. } => NotTaken::NoRoom { free_mib: *free_mib },
        Failed::InUse(_) => NotTaken::Busy,
        Failed::OtherBytes(_) => NotTaken::OtherBytes,
        Failed::Differs { .. } => NotTaken::There,
        Failed::Refused { .. }
        | Failed::Unfit { .. }
        | Failed::Cancelled
        | Failed::ToolLimit { .. }
        | Failed::Tool { .. }
        | Failed::Io { .. } => NotTaken::Failed(failed.to_string()),
    }
}

fn so_far(arrived: Arrived, of: &Incoming) -> Result<u64, NotTaken> {
    match arrived {
        Arrived::Part(bytes) => Ok(bytes),
        Arrived::All => Ok(of.bytes),
        Arrived::NotFrom(at) => Err(NotTaken::NotFrom(at)),
        Arrived::TooMuch => Err(NotTaken::TooLarge { most_bytes: of.bytes }),
    }
}

#[async_trait]
impl Uploads for HostUploads {
    async fn begin(&self, upload: &Upload) -> Result<(), NotTaken> {
        if upload.medium.size_bytes > self.most_bytes {
            return Err(NotTaken::TooLarge { most_bytes: self.most_bytes });
        }
        let keep_mib = upload.storage.settings.low_space_mib;
        let storages = Arc::clone(&self.storages);
        let root = upload.storage.settings.hosts.get(&self.host).cloned();
        self.does(upload, move |images, incoming| {
            let root = root.ok_or(NotTaken::Unseen)?;
            let unready = |why: Unready| NotTaken::Unready(why.to_string());
            storages.ready(root.as_str().as_ref()).map_err(unready)?;
            let is_awaited =
                images.arrived(incoming).map_err(|failed| not_taken(&failed))?.is_some();
            let folder = incoming.to.parent().unwrap_or(Path::new("/"));
            if !is_awaited
                && images.awaited(folder).map_err(|failed| not_taken(&failed))? >= AWAITED_MAX
            {
                return Err(NotTaken::TooMany);
            }
            images.await_file(incoming, keep_mib).map_err(|failed| not_taken(&failed))
        })
        .await
    }

    async fn offset(&self, upload: &Upload) -> Result<u64, NotTaken> {
        self.does(upload, |images, incoming| {
            let arrived = images.arrived(incoming).map_err(|failed| not_taken(&failed))?;
            so_far(arrived.ok_or(NotTaken::NotAwaited)?, incoming)
        })
        .await
    }

    /// Whoever asked may be gone before it ends: what has come is kept all the same.
    async fn append(
        &self,
        upload: &Upload,
        from: u64,
        mut pieces: Pieces,
    ) -> Result<u64, NotTaken> {
        let (ahead, mut come) = mpsc::channel(PIECES_AHEAD);
        let sends = async move {
            let mut drained = 0;
            while let Some(piece) = pieces.next().await {
                let bytes = piece.len();
                if ahead.send(piece).await.is_ok() {
                    continue;
                }
                drained += bytes;
                if drained > DRAINED_BYTES_MAX {
                    return;
                }
            }
        };
        let takes = self.does(upload, move |images, incoming| {
            let arrived =
                images.receive(incoming, from, &mut || come.blocking_recv().map(Vec::from));
            so_far(arrived.map_err(|failed| not_taken(&failed))?, incoming)
        });
        let ((), taken) = tokio::join!(sends, takes);
        taken
    }

    async fn abandon(&self, upload: &Upload) -> Result<(), NotTaken> {
        let was_there = self.does(upload, |images, incoming| {
            images.abandon(incoming).map_err(|failed| not_taken(&failed))
        });
        if was_there.await? { Ok(()) } else { Err(NotTaken::NotAwaited) }
    }
}

/// Removes what nobody goes on to send, for as long as it is polled.
pub(super) async fn sweep(decider: Decider, host: HypervisorId) {
    loop {
        let fleet = decider.standing().fleet;
        let seen = fleet.storages.iter().filter_map(|(_, it)| it.settings.hosts.get(&host));
        let roots: Vec<PathBuf> = seen.map(|path| PathBuf::from(path.as_str())).collect();
        let swept = spawn_blocking(move || roots.iter().for_each(|root| swept(root)));
        if let Err(why) = swept.await {
            tracing::warn!(%why, "uploads are not looked after");
        }
        tokio::time::sleep(SWEPT_EVERY).await;
    }
}

fn swept(root: &Path) {
    let images = Images::default();
    let found = match images.leftovers(root) {
        Ok(found) => found,
        Err(why) => return tracing::warn!(%why, "a storage can't be read"),
    };
    let media = root.join(MEDIA_FOLDER);
    let before = i64::try_from(now_unix().saturating_sub(GIVEN_UP_SECONDS) * MICROS);
    for found in found.iter().filter(|found| found.path.starts_with(&media)) {
        let is_old = before.is_ok_and(|before| found.stat.modified_micros < before);
        if found.kind == Kind::Leftover && is_old {
            match images.clear(found) {
                Ok(()) => tracing::info!(path = %found.path.display(), "an upload was given up"),
                Err(why) => tracing::warn!(%why, "an upload can't be given up"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::time::{Duration, UNIX_EPOCH};

    use carrel_model::media::{Kind as MediumKind, Media};
    use carrel_model::storage::Storage;
    use serde_json::json;
    use tempfile::TempDir;
    use tokio::runtime::Runtime;

    use super::*;

    const HOST: HypervisorId = HypervisorId::from_bytes([1; 16]);

    fn upload(root: &Path, number: u8, size_bytes: u64) -> Upload {
        let settings = json!({
            "roles": ["media"], "hosts": { HOST.to_string(): root }, "low_space_mib": 0,
        });
        let id = MediaId::from_bytes([number; 16]);
        let medium = json!({
            "id": id, "version": 1, "name": format!("m{number}"), "kind": MediumKind::Iso,
            "format": "raw", "storage": id.uuid(), "size_bytes": size_bytes,
            "digest": "0".repeat(64), "labels": {}, "properties": {},
        });
        let storage = json!({
            "id": id.uuid(), "version": 1, "name": "main", "settings": settings,
            "low_on_space": false, "free_mib": null,
        });
        let medium: Media = serde_json::from_value(medium).expect("a medium");
        let storage: Storage = serde_json::from_value(storage).expect("a storage");
        Upload { medium, storage }
    }

    #[test]
    fn no_more_are_awaited_than_may_be() {
        let (folder, runtime) = (TempDir::new().expect("a folder"), Runtime::new().expect("one"));
        let uploads = HostUploads::new(HOST, 1);
        let begin = |number| runtime.block_on(uploads.begin(&upload(folder.path(), number, 10)));
        for number in 1..=16 {
            begin(number).expect("there is room");
        }
        assert_eq!(begin(17), Err(NotTaken::TooMany));
        begin(3).expect("it was begun before");
        runtime.block_on(uploads.abandon(&upload(folder.path(), 3, 10))).expect("it is gone");
        begin(17).expect("there is room again");
    }

    #[test]
    fn what_is_too_large_or_elsewhere_or_being_sent_is_not_begun() {
        let (folder, runtime) = (TempDir::new().expect("a folder"), Runtime::new().expect("one"));
        let uploads = HostUploads::new(HOST, 1);
        let begin = |uploads: &HostUploads, bytes| {
            runtime.block_on(uploads.begin(&upload(folder.path(), 1, bytes)))
        };
        let too_large = NotTaken::TooLarge { most_bytes: GIB };
        assert_eq!(begin(&uploads, GIB + 1), Err(too_large));
        let elsewhere = HostUploads::new(HypervisorId::from_bytes([2; 16]), 1);
        assert_eq!(begin(&elsewhere, 10), Err(NotTaken::Unseen));
        let alone = Alone::begin(&uploads.inner, MediaId::from_bytes([1; 16]));
        assert_eq!(begin(&uploads, 10), Err(NotTaken::Busy));
        drop(alone);
        begin(&uploads, 10).expect("nobody sends it any more");
    }

    #[test]
    fn what_nobody_goes_on_to_send_is_given_up_after_a_day() {
        let folder = TempDir::new().expect("a folder");
        let made = |name: &str, seconds_ago: u64| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let file = File::create(&path).expect("a file");
            let then = UNIX_EPOCH + Duration::from_secs(now_unix() - seconds_ago);
            file.set_times(FileTimes::new().set_modified(then)).expect("a time");
            path
        };
        let old = made("media/.old.iso.part", GIVEN_UP_SECONDS + 60);
        let young = made("media/.young.iso.part", GIVEN_UP_SECONDS - 600);
        let others = made("images/i/.1-0.qcow2.part", GIVEN_UP_SECONDS + 60);
        let whole = made("media/whole.iso", GIVEN_UP_SECONDS + 60);
        swept(folder.path());
        assert!(!old.exists());
        for path in [young, others, whole] {
            assert!(path.exists(), "{}", path.display());
        }
    }
}
