//! An overlay is put onto another file of the same content.

use std::path::Path;

use super::{is_durable, look, read_header};
use crate::content::{Chain, resolve};
use crate::disk::DiskFile;
use crate::failed::Failed;
use crate::images::Images;
use crate::open;
use crate::overlay::{Renamed, rename_backing};
use crate::tool::Call;
use crate::watch::Watch;

impl Images {
    /// Nothing of the content is read or written: that it is the same is for the caller to know.
    /// A crash leaves it on the one or on the other.
    ///
    /// # Errors
    ///
    /// A file is not there or no good; the new one has a disk of another size, or stands on the
    /// overlay itself; a process has it open.
    pub fn rebase(&self, file: &Path, onto: &DiskFile, watch: &dyn Watch) -> Result<(), Failed> {
        open::absolute(&onto.path)?;
        let below = Chain::open(onto)?;
        let mut opened = open::to_read(file)?;
        if below.has(&opened)? {
            return Err(Failed::unfit(file, "the file that it shall stand on stands on it"));
        }
        let header = read_header(file, &mut opened)?;
        // One that was there before Carrel may not say in which format the file below is.
        let now = resolve(file, &header).ok().flatten();
        if now.as_ref() == Some(onto) {
            return is_durable(file);
        }
        if let Some(now) = now {
            match look(&now) {
                Ok((bytes, _)) if bytes != below.virtual_bytes => {
                    return Err(Failed::unfit(&onto.path, "its disk has another size"));
                }
                // What it stood on may be gone.
                Ok(_) | Err(Failed::Missing(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        // Read-only descriptors of it are closed first: with them goes the lock (fcntl(2)).
        drop((opened, below));
        let writable = open::to_write(file)?;
        open::alone(file, &writable)?;
        let renamed = rename_backing(file, &writable, &header, onto)?;
        drop(writable);
        if renamed == Renamed::NotHere {
            self.tools.run(&Call::rename_backing(file, onto), &self.limits, watch)?;
        }
        is_durable(file)
    }
}
