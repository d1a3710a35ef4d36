//! Doing what was written down. Each step finds out whether it was done before.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::archive::locate;
use super::super::catalogue::CataloguePlace;
use super::super::chunk::{Layout, SEAL_FRAME_BYTES};
use super::super::durable::{copy_bytes, create_zeroed};
use super::super::files::{chunk_numbers, header_of};
use super::super::scan::{Scan, Stop, scan};
use super::super::snapshot;
use super::RepairError;
use super::intent::Intent;
use crate::disk::{Access, Disk, DiskFile};
use crate::error::ReadError;
use crate::port::Head;

pub(super) struct Steps<'a> {
    disk: &'a Arc<dyn Disk>,
    layout: &'a Layout,
    catalogue: &'a CataloguePlace,
    intent: &'a Intent,
    aside: PathBuf,
}

impl<'a> Steps<'a> {
    pub(super) fn new(
        disk: &'a Arc<dyn Disk>,
        layout: &'a Layout,
        catalogue: &'a CataloguePlace,
        intent: &'a Intent,
    ) -> Self {
        Self { disk, layout, catalogue, intent, aside: layout.cut(intent.aside) }
    }

    pub(super) fn run(&self) -> Result<Head, RepairError> {
        self.intent.write(&**self.disk, self.layout)?;
        self.disk
            .create_dir_all(&self.aside)
            .map_err(ReadError::io("could not make", &self.aside))?;
        let dir = &self.layout.dir;
        self.disk.sync_dir(dir).map_err(ReadError::io("could not sync", dir))?;
        self.remove(&self.layout.clean_stop())?;
        self.later_chunks()?;
        self.last_chunk()?;
        self.snapshots()?;
        self.set_catalogue_aside()?;
        let Some((scan, log_id)) = self.cut_chunk() else {
            let what = "it was cut off and can't be read now";
            let path = self.layout.chunk(self.intent.chunk);
            return Err(ReadError::io("could not check", &path)(io::Error::other(what)).into());
        };
        self.remove(&self.layout.repair())?;
        Ok(Head {
            position: scan.end.position,
            link: scan.end.link,
            incarnation: scan.notes.incarnation,
            log_id,
        })
    }

    /// From the last to the first, so that what is left has no gap at any moment.
    fn later_chunks(&self) -> Result<(), RepairError> {
        let numbers = chunk_numbers(self.disk, self.layout)?;
        for number in numbers.into_iter().rev().filter(|number| *number > self.intent.chunk) {
            self.set_aside(&self.layout.index(number))?;
            self.set_aside(&self.layout.moved(number))?;
            self.set_aside(&self.layout.chunk(number))?;
        }
        Ok(())
    }

    fn last_chunk(&self) -> Result<(), RepairError> {
        let number = self.intent.chunk;
        if self.cut_chunk().is_none() {
            let path = self.layout.chunk(number);
            let unfinished = path.with_added_extension("unfinished");
            self.write_cut(&unfinished).map_err(ReadError::io("could not write anew", &path))?;
            self.set_aside(&self.layout.index(number))?;
            self.set_aside(&path)?;
            self.disk
                .rename(&unfinished, &path)
                .and_then(|()| self.disk.sync_dir(&self.layout.chunks()))
                .map_err(ReadError::io("could not put in place", &path))?;
        }
        // An archive has a whole chunk of this number; from here on it is not this log's.
        self.set_aside(&self.layout.moved(number))
    }

    /// The last chunk, if it is as it shall be.
    fn cut_chunk(&self) -> Option<(Scan, carrel_model::ids::LogId)> {
        let path = self.layout.chunk(self.intent.chunk);
        let header = header_of(&**self.disk, &path, self.intent.chunk).ok()?;
        let file = self.disk.open(&path, Access::Read).ok()?;
        let found = scan(&*file, &path, &header, |_, _| {}).ok()?;
        let cut = found.stop == Stop::Clean
            && found.seal.is_none()
            && found.end.position == self.intent.position
            && found.notes.incarnation == self.intent.incarnation;
        cut.then_some((found, header.log_id))
    }

    /// Writes the part that stays, and the notes that are in force, to a new file. It has room for
    /// a seal, whatever size chunks will have.
    fn write_cut(&self, unfinished: &Path) -> io::Result<()> {
        const ROUND_TO_BYTES: u64 = 4096;
        let source = self.source()?;
        let end = self.intent.end_offset;
        let notes = &self.intent.notes;
        let capacity = end + notes.len() as u64 + SEAL_FRAME_BYTES as u64;
        let capacity = capacity.next_multiple_of(ROUND_TO_BYTES);
        let file = create_zeroed(&**self.disk, unfinished, capacity)?;
        copy_bytes(&*source, &*file, end)?;
        file.write_all_at(notes, end)?;
        file.sync_all()
    }

    /// The chunk as it was: here, set aside already, or in an archive.
    fn source(&self) -> io::Result<Box<dyn DiskFile>> {
        let path = self.layout.chunk(self.intent.chunk);
        let here = path.file_name().map(|name| self.aside.join(name)).unwrap_or_default();
        for path in [path, here] {
            match self.disk.open(&path, Access::Read) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        let archived = locate(&**self.disk, self.layout, self.intent.chunk);
        self.disk.open(&archived.map_err(io::Error::other)?, Access::Read)
    }

    fn snapshots(&self) -> Result<(), RepairError> {
        let dir = self.layout.snapshots();
        let files = match snapshot::files(&**self.disk, self.layout) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(ReadError::io("could not list", &dir))?,
        };
        for file in files.into_iter().filter(|file| file.position > self.intent.position) {
            self.set_aside(&dir.join(file.name))?;
        }
        Ok(())
    }

    /// It knows chunks that are gone. All that is in it is found again in the chunks.
    fn set_catalogue_aside(&self) -> Result<(), RepairError> {
        let CataloguePlace::Directory(from) = self.catalogue else { return Ok(()) };
        let to = if from.parent() == Some(&self.layout.dir) {
            self.aside.join("catalogue")
        } else {
            from.with_added_extension(format!("cut-{}", self.intent.aside))
        };
        self.move_to(from, &to)
    }

    fn set_aside(&self, path: &Path) -> Result<(), RepairError> {
        let Some(name) = path.file_name() else { return Ok(()) };
        self.move_to(path, &self.aside.join(name))
    }

    /// Moves what is there to another directory. Synced in this order, it is always in one of them.
    fn move_to(&self, from: &Path, to: &Path) -> Result<(), RepairError> {
        match self.disk.rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(ReadError::io("could not put aside", from))?,
        }
        for dir in [to.parent(), from.parent()].into_iter().flatten() {
            self.disk.sync_dir(dir).map_err(ReadError::io("could not sync", dir))?;
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), RepairError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(ReadError::io("could not remove", path))?,
        }
        let dir = &self.layout.dir;
        Ok(self.disk.sync_dir(dir).map_err(ReadError::io("could not sync", dir))?)
    }
}
