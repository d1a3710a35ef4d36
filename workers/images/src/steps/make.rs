//! What a guest writes to: made, and made larger. It never shrinks.

use std::os::unix::fs::MetadataExt as _;

use super::{is_durable, look};
use crate::content::Chain;
use crate::disk::{DiskFile, Format};
use crate::durable::{Name, Part, full_or, is_sealed};
use crate::failed::Failed;
use crate::images::Images;
use crate::tool::Call;
use crate::watch::Watch;
use crate::{open, overlay};

const SECTOR_BYTES: u64 = 512;

impl Images {
    /// A blank disk, or an overlay on a file. One that is there already is left alone if it is
    /// what was asked for; it may have grown since.
    ///
    /// # Errors
    ///
    /// Something it shall stand on is not there or no good; another file has the name; no room.
    pub fn make_disk(
        &self,
        file: &DiskFile,
        size_bytes: u64,
        on: Option<&DiskFile>,
    ) -> Result<(), Failed> {
        if open::exists(&file.path)? {
            is_that(file, size_bytes, on)?;
            return is_durable(&file.path);
        }
        if let Some(on) = on {
            open::absolute(&on.path)?;
            Chain::open(on)?;
        }
        self.make(file, (size_bytes, on), Name::New)
    }

    pub(super) fn make(
        &self,
        file: &DiskFile,
        of: (u64, Option<&DiskFile>),
        name: Name,
    ) -> Result<(), Failed> {
        let named = self.begin(file, of)?.take_name(name);
        named.map_err(|failed| self.explain(&file.path, failed))
    }

    /// It is whole and durable, and only its name is missing.
    pub(super) fn begin(
        &self,
        file: &DiskFile,
        (size_bytes, on): (u64, Option<&DiskFile>),
    ) -> Result<Part, Failed> {
        if size_bytes == 0 || !size_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(Failed::unfit(&file.path, "a disk has full sectors, and at least one"));
        }
        let (part, opened) = Part::begin(&file.path)?;
        let explain = |failed| self.explain(&file.path, failed);
        match (file.format, on) {
            (Format::Qcow2, on) => {
                overlay::write(&part.path, &opened, size_bytes, on).map_err(explain)?;
            }
            (Format::Raw, None) => {
                let sized = opened.set_len(size_bytes);
                sized.map_err(|error| full_or(&part.path, error)).map_err(explain)?;
            }
            (Format::Raw, Some(_)) => {
                return Err(Failed::unfit(&file.path, "a raw disk stands on nothing"));
            }
        }
        part.settle(false).map_err(explain)?;
        Ok(part)
    }

    /// It only grows. One that is as large already is left alone.
    ///
    /// # Errors
    ///
    /// It is not there, is sealed, or is open in another process.
    pub fn resize(
        &self,
        disk: &DiskFile,
        size_bytes: u64,
        watch: &dyn Watch,
    ) -> Result<(), Failed> {
        let (there, _) = look(disk)?;
        if there >= size_bytes {
            return is_durable(&disk.path);
        }
        let io = |error| Failed::io(&disk.path, error);
        let file = open::to_read(&disk.path)?;
        if is_sealed(file.metadata().map_err(io)?.mode()) {
            return Err(Failed::unfit(&disk.path, "it is sealed, and nobody writes to it"));
        }
        match disk.format {
            Format::Raw => {
                let file = open::to_write(&disk.path)?;
                open::alone(&disk.path, &file)?;
                file.set_len(size_bytes).map_err(|error| full_or(&disk.path, error))?;
            }
            Format::Qcow2 => {
                self.tools.run(&Call::resize(disk, size_bytes), &self.limits, watch)?;
            }
        }
        is_durable(&disk.path)
    }

    /// Says how full a full disk is, for what needs next to nothing.
    pub(super) fn explain(&self, path: &std::path::Path, failed: Failed) -> Failed {
        let folder = path.parent().unwrap_or(path);
        failed.with_room(self.free_mib(folder).unwrap_or(0), 1)
    }
}

fn is_that(file: &DiskFile, size_bytes: u64, on: Option<&DiskFile>) -> Result<(), Failed> {
    let differs = |what| Err(Failed::Differs { path: file.path.clone(), what });
    let (there, stands_on) = look(file)?;
    if stands_on.as_ref() != on {
        return differs("it stands on something else");
    }
    if there < size_bytes { differs("the disk in it is smaller") } else { Ok(()) }
}
