//! The chunks themselves, one after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_model::record::{Position, Record};

use super::super::archive::locate;
use super::super::chunk::{HEADER_END, Header};
use super::super::files::header_of;
use super::super::fresh::FreshIndex;
use super::super::index;
use super::super::open::OpenError;
use super::super::scan::{Scan, Stop};
use super::super::sealed::{IndexState, SealedChunk, unit_of};
use super::{ExpectedIndex, Verifier};
use crate::disk::{Access, DiskFile};
use crate::error::{Damage, ReadError};
use crate::format::frame::Kind;
use crate::format::reader::{Frame, FrameReader};
use crate::format::unit;
use crate::verify::{Finding, Progress, Severity};

/// How often progress is told: after this many bytes.
const PROGRESS_BYTES: u64 = 1024 * 1024;

/// A chunk that has no seal so far.
pub(super) struct Unsealed {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) scan: Scan,
}

impl Verifier<'_> {
    pub(super) fn chunk(&mut self, number: u64, last: bool) {
        self.report.chunks += 1;
        let opened = locate(&**self.disk, self.layout, number)
            .map_err(OpenError::from)
            .and_then(|path| Ok((header_of(&**self.disk, &path, number)?, path)));
        let (header, path) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.unreadable(number, error),
        };
        if path.parent() != Some(&self.layout.chunks()) {
            self.report.archived += 1;
        }
        self.continues(&header, &path);
        self.log_id.get_or_insert(header.log_id);
        let from = self.at.done;
        let scanned = self
            .disk
            .open(&path, Access::Read)
            .map_err(ReadError::io("could not open", &path))
            .and_then(|file| {
                let length = file.len().map_err(ReadError::io("could not measure", &path))?;
                Ok((self.scan(&*file, &path, Scan::start(&header))?, length))
            });
        match scanned {
            Ok((scan, length)) => {
                self.at.done = from + length;
                (self.progress)(self.at);
                let chunk = Unsealed { path, header, scan };
                if last && chunk.scan.seal.is_none() {
                    self.last = Some(chunk);
                } else {
                    self.ended(chunk, last);
                }
            }
            Err(error) => self.unreadable(number, error.into()),
        }
    }

    fn unreadable(&mut self, number: u64, error: OpenError) {
        let path = self.layout.chunk(number);
        if let OpenError::Read(ReadError::Damaged(damage)) = error {
            let position = self.report_end().next();
            self.report.found(Finding::damage(Damage { position, ..damage }));
        } else {
            self.damage(&path, format!("chunk {number} can't be read: {error}"));
        }
        self.end = None;
        self.account.skip();
    }

    /// Holds a chunk against the end of the one before.
    fn continues(&mut self, header: &Header, path: &Path) {
        let before = self.end.map(|end| (self.log_id.unwrap_or(header.log_id), end));
        let fits = before.is_none_or(|(log_id, end)| {
            (header.log_id, header.first, header.link) == (log_id, end.position.next(), end.link)
        });
        if !fits {
            let what = "the chunk does not continue the one before it";
            let finding = Finding::new(Severity::Damage, what).of(path).from(0);
            self.report.found(finding.at(header.first));
            self.account.skip();
        }
    }

    /// Scans on, and takes in all records that are new.
    pub(super) fn scan(
        &mut self,
        file: &dyn DiskFile,
        path: &Path,
        scan: Scan,
    ) -> Result<Scan, ReadError> {
        let Self { account, report, links, progress, at, .. } = self;
        let mut told = 0;
        let see = |frame: &Frame, records: &[Record]| {
            let found = report.findings.len();
            account.take(records, report);
            for finding in report.findings.iter_mut().skip(found) {
                finding.path = Some(path.to_owned());
                finding.offset = Some(frame.offset);
            }
            if let Some(last) = records.last()
                && let Some(link) = links.get_mut(&last.position)
            {
                let unit = unit::read(&frame.body, frame.header.position);
                *link = unit.ok().map(|unit| unit.link);
            }
            if frame.end() - told >= PROGRESS_BYTES {
                told = frame.end();
                progress(Progress { done: at.done + told, total: at.total });
            }
        };
        scan.go_on(file, path, see)
    }

    /// Judges a chunk that was read as far as it can be.
    pub(super) fn ended(&mut self, chunk: Unsealed, last: bool) {
        let Unsealed { path, header, scan } = chunk;
        self.notes = scan.notes.clone();
        self.reached(scan.end);
        self.report.bytes += scan.end_offset;
        self.end = Some(scan.end);
        let (seal, place) = match (scan.seal, scan.stop) {
            (Some(place), _) => (place.0, place),
            (None, Stop::Damaged(damage)) => {
                self.report.found(Finding::damage(damage));
                self.end = None;
                return self.account.skip();
            }
            (None, Stop::Clean | Stop::Torn { .. }) if last => return,
            (None, Stop::Clean | Stop::Torn { .. }) => {
                let what = "the chunk ends without a seal, but others follow";
                let next = scan.end.position.next();
                let finding = Finding::new(Severity::Damage, what).of(path);
                self.report.found(finding.from(scan.end_offset).at(next));
                self.end = None;
                return self.account.skip();
            }
        };
        let counted = (header.number, header.first, scan.notes.incarnation, scan.index.units);
        if (seal.number, seal.first, seal.incarnation, seal.units) != counted {
            let what = "the seal does not say what the chunk holds";
            let finding = Finding::new(Severity::Damage, what).of(path.clone());
            self.report.found(finding.from(place.1).at(header.first));
        }
        let disk = Arc::clone(self.disk);
        let chunk = SealedChunk::new(disk, path, header, place, IndexState::Missing);
        self.index(&chunk, &scan.index);
        self.sealed.push(chunk);
    }

    fn index(&mut self, chunk: &SealedChunk, fresh: &FreshIndex) {
        let bytes = index::encode(fresh, &chunk.identity());
        let expected = ExpectedIndex {
            number: chunk.seal.number,
            bytes: bytes.len() as u64,
            crc: crc32c::crc32c(&bytes),
        };
        if !expected.is_there(self) {
            self.indexes.push(expected);
        }
    }

    /// Looks for commands that stand twice. It reads everything again, if ids look alike at all.
    pub(super) fn commands_once(&mut self, numbers: &[u64]) {
        let Some(mut suspects) = self.account.suspects() else { return };
        for number in numbers {
            let Ok(path) = locate(&**self.disk, self.layout, *number) else { continue };
            let Ok(file) = self.disk.open(&path, Access::Read) else { continue };
            let mut reader = FrameReader::new(&*file, HEADER_END, u64::MAX);
            // What can't be read was found before.
            while let Ok(Some(frame)) = reader.next_frame() {
                let offset = frame.offset;
                if frame.header.kind != Kind::Unit {
                    continue;
                }
                let Ok(unit) = unit_of(Ok(frame), &path, Position::START) else { break };
                let found = self.report.findings.len();
                suspects.take(&unit.records, &mut self.report);
                for finding in self.report.findings.iter_mut().skip(found) {
                    finding.path = Some(path.clone());
                    finding.offset = Some(offset);
                }
            }
        }
    }
}

impl ExpectedIndex {
    /// Whether the index file has exactly the bytes that it should.
    pub(super) fn is_there(&self, verifier: &Verifier<'_>) -> bool {
        let path = verifier.layout.index(self.number);
        let Ok(file) = verifier.disk.open(&path, Access::Read) else { return false };
        if file.len().ok() != Some(self.bytes) {
            return false;
        }
        let mut bytes = vec![0; usize::try_from(self.bytes).unwrap_or_default()];
        let filled = file.read_at(&mut bytes, 0).unwrap_or_default();
        filled == bytes.len() && crc32c::crc32c(&bytes) == self.crc
    }
}
