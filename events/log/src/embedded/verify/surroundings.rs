//! What is beside the sealed chunks: the last chunk's end, index files, the mark of a clean stop,
//! the catalogue, snapshots, cursors.

use std::path::Path;

use carrel_model::record::Position;

use super::super::catalogue::{Catalogue, CataloguePlace, ChunkEntry};
use super::super::clean::{CleanStop, Mark};
use super::super::repair;
use super::super::scan::Stop;
use super::super::snapshot;
use super::Verifier;
use crate::chain::Link;
use crate::disk::{Access, LockError};
use crate::error::ReadError;
use crate::verify::{Finding, Severity};

/// Whether somebody has the log open.
enum InUse {
    /// Nobody, for as long as the lock is held.
    No(#[expect(dead_code, reason = "it is held")] Option<Box<dyn Send + Sync>>),
    Yes(String),
}

/// Where the last chunk ends.
#[derive(Clone, Copy)]
struct LastEnd {
    number: u64,
    offset: u64,
}

impl Verifier<'_> {
    pub(super) fn surroundings(&mut self, catalogue: &CataloguePlace) {
        let in_use = self.in_use();
        let last = self.last_chunk(&in_use);
        self.index_files();
        if let Ok(Some(position)) = repair::unfinished(&**self.disk, self.layout) {
            let what = format!("a repair to position {position} was begun and not finished");
            self.report.found(Finding::new(Severity::Damage, what).of(self.layout.repair()));
        }
        match &in_use {
            InUse::Yes(holder) => {
                let catalogue = format!("the catalogue: the log is in use by {holder}");
                self.report.unchecked.push(catalogue);
            }
            InUse::No(_) => {
                if let Some(last) = last.filter(|_| self.end.is_some()) {
                    self.clean_stop(&last);
                }
                self.catalogue(catalogue, last.map_or(0, |last| last.number));
            }
        }
        drop(in_use);
        self.snapshots();
        self.cursors();
    }

    fn in_use(&self) -> InUse {
        let path = self.layout.lock();
        // To make the file would change the directory, and nobody who has the log open lacks it.
        if self.disk.open(&path, Access::Read).is_err() {
            return InUse::No(None);
        }
        match self.disk.lock(&path, "carrel log verify") {
            Ok(lock) => InUse::No(Some(lock)),
            Err(LockError::Held(holder)) => InUse::Yes(holder),
            Err(LockError::Io(error)) => InUse::Yes(format!("somebody, maybe ({error})")),
        }
    }

    fn last_chunk(&mut self, in_use: &InUse) -> Option<LastEnd> {
        let Some(mut chunk) = self.last.take() else {
            let sealed = self.sealed.last()?;
            let (number, offset) = (sealed.seal.number, sealed.bytes);
            return Some(LastEnd { number, offset });
        };
        let opened = self.disk.open(&chunk.path, Access::Read);
        let opened = opened.map_err(ReadError::io("could not open", &chunk.path));
        let path = chunk.path.clone();
        match opened.and_then(|file| self.scan(&*file, &path, chunk.scan)) {
            Ok(scan) => chunk.scan = scan,
            Err(error) => {
                self.damage(&path, error.to_string());
                return None;
            }
        }
        if let (InUse::No(_), Stop::Torn { offset, what }) = (in_use, &chunk.scan.stop) {
            let what = format!(
                "a last group did not reach the disk whole ({what}); the next start cuts it off"
            );
            let next = chunk.scan.end.position.next();
            let finding = Finding::new(Severity::Stale, what).of(path).from(*offset).at(next);
            self.report.found(finding);
        }
        let last = LastEnd { number: chunk.header.number, offset: chunk.scan.end_offset };
        self.ended(chunk, true);
        Some(last)
    }

    /// Those that were not there a while ago may be by now, if a process has the log open.
    fn index_files(&mut self) {
        for expected in std::mem::take(&mut self.indexes) {
            let path = self.layout.index(expected.number);
            let what = if self.disk.open(&path, Access::Read).is_err() {
                "the index is missing"
            } else if expected.is_there(self) {
                continue;
            } else {
                "the index is not what the chunk gives"
            };
            self.stale(path, what);
        }
    }

    fn clean_stop(&mut self, last: &LastEnd) {
        let path = self.layout.clean_stop();
        let stop: CleanStop = match CleanStop::look(&**self.disk, self.layout) {
            Ok(Mark::None) => return,
            Ok(Mark::Malformed) => {
                return self.stale(path, "the mark of a clean stop is not whole");
            }
            Err(error) => return self.stale(path, error.to_string()),
            Ok(Mark::Whole(stop)) => stop,
        };
        if Some(stop.log_id) != self.log_id {
            return self.stale(path, "the mark of a clean stop is another log's");
        }
        // It may be of an earlier stop: the log has gone on since.
        if stop.number > last.number {
            return self.missing(stop.number);
        }
        if stop.number == last.number && stop.end_offset > last.offset {
            let what = "the log was closed in order behind this, so more was on disk";
            let chunk = self.layout.chunk(last.number);
            let next = self.report_end().next();
            let finding = Finding::new(Severity::Damage, what).of(chunk).from(last.offset);
            self.report.found(finding.at(next));
        }
    }

    fn catalogue(&mut self, place: &CataloguePlace, last: u64) {
        let path = match place {
            CataloguePlace::Directory(dir) => dir.clone(),
            CataloguePlace::Temporary => return,
        };
        let known = match Catalogue::look(place) {
            Ok(Some(catalogue)) => catalogue.chunks(),
            // There would be nothing in it.
            Ok(None) if self.sealed.is_empty() => return,
            Ok(None) => return self.stale(path, "the catalogue is missing"),
            Err(cause) => return self.stale(path, format!("the catalogue can't be read: {cause}")),
        };
        let beyond = known.iter().map(|entry| entry.seal.number).filter(|number| *number > last);
        beyond.for_each(|number| self.missing(number));
        let entry =
            |chunk: &super::SealedChunk| ChunkEntry { seal: chunk.seal, bytes: chunk.bytes };
        let wrong = self.sealed.iter().filter(|chunk| !known.contains(&entry(chunk)));
        let wrong: Vec<String> = wrong.map(|chunk| chunk.seal.number.to_string()).collect();
        if !wrong.is_empty() {
            let what =
                format!("its entries of these chunks are missing or wrong: {}", wrong.join(", "));
            self.stale(path, what);
        }
    }

    /// Remembers which links to keep while the chunks are read.
    pub(super) fn note_snapshots(&mut self) {
        let files = snapshot::files(&**self.disk, self.layout).unwrap_or_default();
        self.links.extend(files.into_iter().map(|file| (file.position, None)));
        self.links.insert(Position::START, Some(Link::START));
    }

    fn snapshots(&mut self) {
        let dir = self.layout.snapshots();
        for file in snapshot::files(&**self.disk, self.layout).unwrap_or_default() {
            let path = dir.join(&file.name);
            match snapshot::check(&**self.disk, &path) {
                Err(what) => self.stale(path, format!("the snapshot is not whole: {what}")),
                Ok((position, link)) => self.snapshot_of(&path, position, link),
            }
        }
    }

    fn snapshot_of(&mut self, path: &Path, position: Position, link: Link) {
        let end = self.report_end();
        match self.links.get(&position) {
            Some(Some(ours)) if *ours == link => {}
            Some(None) | None if position > end => {
                // In a log that is in use it may be newer than what was read.
                if self.report.unchecked.is_empty() {
                    self.stale(path, "the snapshot is of a position that the log does not have");
                }
            }
            // Where the log itself is damaged nothing can be said of it.
            Some(None) | None if self.report.is_damaged() => {}
            Some(_) | None => self.stale(path, "the snapshot is of another past"),
        }
    }

    fn cursors(&mut self) {
        let end = self.report_end();
        let notes = std::mem::take(&mut self.notes);
        for (name, cursor) in notes.cursors.iter().filter(|(_, it)| it.position > end) {
            let what =
                format!("cursor {name} is at {}, beyond the end of the log", cursor.position);
            self.report.found(Finding::new(Severity::Stale, what));
        }
    }
}
