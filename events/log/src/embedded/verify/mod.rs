//! Verifying a log directory: every frame of every chunk, and what was made from them.
//!
//! ```text
//!   each chunk:  header, that it continues the one before, frames, positions, chain, seal
//!                versions and commands (crate::verify), index file against one made anew
//!   then, unless another process has the log open:  the mark of a clean stop, the catalogue
//!   snapshots:   whole, and of this past
//! ```
//!
//! It works beside a process that has the log open, on the chunks that there are when it begins.
//! Nothing of the log is changed; only the catalogue's engine writes to its own files when it is
//! opened.

mod chunks;
mod surroundings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_model::ids::LogId;
use carrel_model::record::Position;

use super::catalogue::CataloguePlace;
use super::chunk::Layout;
use super::files::existing_numbers;
use super::note::Notes;
use super::open::OpenError;
use super::sealed::SealedChunk;
use crate::chain::{End, Link};
use crate::disk::{Access, Disk};
use crate::port::Head;
use crate::verify::{Account, Finding, Progress, Report, Severity};

/// Verifies the log in a directory. What is wrong with it is in the report; an error says that
/// there was nothing to verify.
pub fn verify(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    catalogue: Option<&CataloguePlace>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, OpenError> {
    let layout = Layout::new(dir);
    let numbers = existing_numbers(disk, &layout)?;
    let last = numbers.last().copied().unwrap_or_default();
    let beside = CataloguePlace::Directory(layout.catalogue());
    let mut verifier = Verifier::new(disk, &layout, progress);
    verifier.measure(&numbers);
    verifier.note_snapshots();
    for number in 1..=last {
        if numbers.binary_search(&number).is_ok() {
            verifier.chunk(number, number == last);
        } else {
            verifier.missing(number);
        }
        verifier.report.trust(verifier.report_end());
    }
    verifier.surroundings(catalogue.unwrap_or(&beside));
    verifier.commands_once(&numbers);
    verifier.report.trust(verifier.report_end());
    Ok(verifier.report())
}

struct Verifier<'a> {
    disk: &'a Arc<dyn Disk>,
    layout: &'a Layout,
    progress: &'a mut dyn FnMut(Progress),
    at: Progress,
    report: Report,
    account: Account,
    log_id: Option<LogId>,
    /// Where the chunks so far end, unless the last of them can't be read to its end.
    end: Option<End>,
    notes: Notes,
    sealed: Vec<SealedChunk>,
    /// The last chunk; it is looked at again when it is known who else does.
    last: Option<chunks::Unsealed>,
    /// Indexes that are not as they should be. A live process may be about to write them.
    indexes: Vec<ExpectedIndex>,
    /// The positions that snapshots are of, with the chain's link there as far as it is known.
    links: BTreeMap<Position, Option<Link>>,
}

struct ExpectedIndex {
    number: u64,
    bytes: u64,
    crc: u32,
}

impl<'a> Verifier<'a> {
    fn new(
        disk: &'a Arc<dyn Disk>,
        layout: &'a Layout,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Self {
        Self {
            disk,
            layout,
            progress,
            at: Progress::default(),
            report: Report::default(),
            account: Account::default(),
            log_id: None,
            end: Some(End::START),
            notes: Notes::default(),
            sealed: Vec::new(),
            last: None,
            indexes: Vec::new(),
            links: BTreeMap::from([(Position::START, Some(Link::START))]),
        }
    }

    fn measure(&mut self, numbers: &[u64]) {
        let length = |number: &u64| {
            let path = super::archive::locate(&**self.disk, self.layout, *number).ok()?;
            self.disk.open(&path, Access::Read).ok()?.len().ok()
        };
        self.at.total = numbers.iter().filter_map(length).sum();
        (self.progress)(self.at);
    }

    fn damage(&mut self, path: &Path, what: impl Into<String>) {
        let position = self.report_end().next();
        self.report.found(Finding::new(Severity::Damage, what).of(path).at(position));
    }

    fn stale(&mut self, path: impl Into<PathBuf>, what: impl Into<String>) {
        self.report.found(Finding::new(Severity::Stale, what).of(path));
    }

    /// The last position that was read.
    fn report_end(&self) -> Position {
        self.report.head.map_or(Position::START, |head| head.position)
    }

    fn reached(&mut self, end: End) {
        if let Some(log_id) = self.log_id {
            let (position, link) = (end.position, end.link);
            let incarnation = self.notes.incarnation;
            self.report.head = Some(Head { position, link, incarnation, log_id });
        }
    }

    fn missing(&mut self, number: u64) {
        let path = self.layout.chunk(number);
        self.damage(&path, format!("chunk {number} is missing"));
        self.end = None;
        self.account.skip();
    }

    fn report(mut self) -> Report {
        self.report.records = self.account.records;
        self.report.units = self.account.units();
        self.report.streams = self.account.streams();
        (self.progress)(Progress { done: self.at.total, total: self.at.total });
        self.report
    }
}
