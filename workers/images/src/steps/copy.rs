//! A disk with everything that it stands on becomes one file.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::ioctl_ficlone;

use super::{is_durable, look, sealed_stat};
use crate::content::{Chain, count, digest};
use crate::disk::{Claim, DiskFile, Format, Made};
use crate::durable::{Name, Part, is_sealed};
use crate::failed::Failed;
use crate::images::Images;
use crate::open;
use crate::tool::{Cache, Call};
use crate::watch::{Half, Watch};

impl Images {
    /// Sparse; shared blocks where the file system has them and the formats are the same. A whole
    /// file that has the name already is left alone.
    ///
    /// # Errors
    ///
    /// Something is not there or no good, is open to write in another process, or there is no room.
    pub fn copy(&self, from: &DiskFile, to: &DiskFile, watch: &dyn Watch) -> Result<(), Failed> {
        if open::exists(&to.path)? {
            stands_alone(to)?;
            return is_durable(&to.path);
        }
        self.copy_to(from, to, false, watch)
    }

    /// The same of a version; the file that is made is sealed.
    ///
    /// # Errors
    ///
    /// As of [`Images::copy`].
    pub fn copy_version(
        &self,
        from: &DiskFile,
        to: &DiskFile,
        watch: &dyn Watch,
    ) -> Result<Made, Failed> {
        if open::exists(&to.path)? {
            sealed_stat(&to.path)?;
            stands_alone(to)?;
            is_durable(&to.path)?;
        } else {
            let (virtual_bytes, _) = look(from)?;
            self.copy_to(from, to, true, &Half { watch, is_second: false, virtual_bytes })?;
        }
        let (virtual_bytes, _) = look(to)?;
        let digest = self.verify(to, &Half { watch, is_second: true, virtual_bytes })?;
        Ok(Made { digest, stat: sealed_stat(&to.path)? })
    }

    fn copy_to(
        &self,
        from: &DiskFile,
        to: &DiskFile,
        sealed: bool,
        watch: &dyn Watch,
    ) -> Result<(), Failed> {
        let mut chain = Chain::open(from)?;
        let bytes = chain.virtual_bytes;
        let (part, file) = Part::begin(&to.path)?;
        let shares = chain.is_one_file() && from.format == to.format && reflink(from, &file);
        // Shared blocks need no room.
        let needed = if shares { 0 } else { room(count(&mut chain, watch)?, bytes) };
        drop(chain);
        let hold = self.space.hold(&part.path, needed)?;
        if !shares {
            let (from, to) = ((from.path.as_path(), from.format.into()), (&*part.path, to.format));
            self.convert(from, to, bytes, watch).map_err(|failed| hold.explain(failed))?;
        }
        if watch.is_cancelled() {
            return Err(Failed::Cancelled);
        }
        watch.is(bytes, Some(bytes));
        part.finish(sealed, Name::New).map_err(|failed| hold.explain(failed))
    }

    /// What comes out has a disk of the size that was told, or it is none.
    pub(super) fn convert(
        &self,
        from: (&Path, Claim),
        to: (&Path, Format),
        virtual_bytes: u64,
        watch: &dyn Watch,
    ) -> Result<(), Failed> {
        let cache = if open::direct(to.0) { Cache::None } else { Cache::Unsafe };
        let call = Call::convert(from, to, cache, virtual_bytes);
        self.tools.run(&call, &self.limits, watch).map_err(|failed| {
            // It can't open for reading what a running guest writes to.
            if matches!(failed, Failed::InUse(_)) {
                Failed::InUse(from.0.to_owned())
            } else {
                failed
            }
        })?;
        let made = DiskFile::new(to.0, to.1);
        let (bytes, below) = look(&made)?;
        if bytes == virtual_bytes && below.is_none() {
            return Ok(());
        }
        Err(Failed::Differs { path: made.path, what: "the copy has a disk of another size" })
    }

    /// Of what a guest reads from it.
    ///
    /// # Errors
    ///
    /// Something of it is not there or no good.
    pub fn verify(&self, file: &DiskFile, watch: &dyn Watch) -> Result<crate::Digest, Failed> {
        digest(&mut Chain::open(file)?, watch)
    }
}

/// What a copy needs at most: its clusters, and tables for them.
pub(super) const fn room(data_bytes: u64, virtual_bytes: u64) -> u64 {
    data_bytes + virtual_bytes / 4096 + (1 << 20)
}

fn stands_alone(disk: &DiskFile) -> Result<(), Failed> {
    let (_, below) = look(disk)?;
    if below.is_none() {
        return Ok(());
    }
    let what = "it stands on another file";
    Err(Failed::Differs { path: disk.path.clone(), what })
}

/// Whether the file is a copy now. Where that can't be had, nothing was done.
fn reflink(from: &DiskFile, to: &File) -> bool {
    let Ok(source) = open::to_read(&from.path) else { return false };
    let sealed = source.metadata().is_ok_and(|meta| is_sealed(meta.mode()));
    // What somebody has open is left to a tool that knows its locks.
    let alone = || {
        let writable = open::to_write(&from.path)?;
        open::alone(&from.path, &writable)
    };
    (sealed || alone().is_ok()) && ioctl_ficlone(to, &source).is_ok()
}
