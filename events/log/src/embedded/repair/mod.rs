//! Cutting a log off: everything behind a position is put aside, and the log goes on from there.
//!
//! It is for a log that can't be opened because of damage, and for one whose last commands have to
//! be undone. Nothing is destroyed: what is cut goes to `cut-<n>/` in the log's directory.
//!
//! ```text
//!   plan     find the chunk that holds the position; look through all that will be cut
//!   apply    write down what will be done: repair            from here on the log does not open
//!            take the mark of a clean stop away              until all of it is done
//!            later chunks, from the last to the first:       -> cut-<n>/
//!            the chunk, cut off, written anew beside the old one; the old one -> cut-<n>/
//!            snapshots beyond, the catalogue:                -> cut-<n>/
//!            remove what was written down
//! ```
//!
//! Every step can be done twice, so an interrupted repair is finished by running it again. What
//! must not go back does not: epochs of leases and cursors stay as they were at the old end, and
//! the incarnation is higher than any before.

mod intent;
mod plan;
mod salvage;
mod steps;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carrel_model::record::{Incarnation, Position, Timestamp};

use self::intent::Intent;
pub(crate) use self::intent::unfinished;
use self::plan::Planning;
use super::catalogue::CataloguePlace;
use super::chunk::Layout;
use super::files::existing_numbers;
use super::inner::DirectoryLock;
use super::open::{self, OpenError};
use crate::disk::Disk;
use crate::error::ReadError;
use crate::port::Head;

#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("position {position} is in the middle of a batch; a batch ends at {before}{}",
        after.map(|after| format!(" and at {after}")).unwrap_or_default())]
    NotAnEnd { position: Position, before: Position, after: Option<Position> },
    #[error("the log can't be read up to position {position}, only up to {readable}: {why}")]
    Beyond { position: Position, readable: Position, why: String },
    #[error("there is nothing behind position {0}")]
    NothingToCut(Position),
    #[error("a repair to position {unfinished} was begun and not finished; finish that first")]
    OtherUnfinished { unfinished: Position },
}

/// What will be cut. Where the log is damaged this is what can still be read of it: there may be
/// more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    pub records: u64,
    /// The last position that was found.
    pub last: Option<Position>,
    /// The times of the first and the last record that were found.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Chunks that are missing or damaged.
    pub damaged: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the log will end.
    pub position: Position,
    /// The log's incarnation afterwards.
    pub incarnation: Incarnation,
    /// The chunk that will be the last one.
    pub chunk: u64,
    pub cut: Cut,
    /// Where it is put.
    pub aside: PathBuf,
    /// A repair that was interrupted is finished.
    pub resumed: bool,
}

/// A repair that is about to be done; it has the log's lock.
pub struct Repair {
    disk: Arc<dyn Disk>,
    layout: Layout,
    catalogue: CataloguePlace,
    intent: Intent,
    resumed: bool,
    _lock: DirectoryLock,
}

impl std::fmt::Debug for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repair").field("intent", &self.intent).finish_non_exhaustive()
    }
}

impl Repair {
    /// Finds out what cutting the log off behind `position` means. Nothing is changed yet.
    pub fn plan(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        position: Position,
        owner: &str,
        catalogue: Option<CataloguePlace>,
    ) -> Result<Self, RepairError> {
        let layout = Layout::new(dir);
        let begun = Intent::find(&**disk, &layout)?;
        if begun.is_none() {
            existing_numbers(disk, &layout)?;
        }
        let lock = open::lock(disk, &layout, owner)?;
        let catalogue = catalogue.unwrap_or_else(|| CataloguePlace::Directory(layout.catalogue()));
        let (intent, resumed) = match Intent::find(&**disk, &layout)? {
            Some(begun) if begun.position != position => {
                return Err(RepairError::OtherUnfinished { unfinished: begun.position });
            }
            Some(begun) => (begun, true),
            None => (Planning::new(disk, &layout, &catalogue, position)?.plan()?, false),
        };
        let disk = Arc::clone(disk);
        Ok(Self { disk, layout, catalogue, intent, resumed, _lock: lock })
    }

    pub fn planned(&self) -> Plan {
        Plan {
            position: self.intent.position,
            incarnation: self.intent.incarnation,
            chunk: self.intent.chunk,
            cut: self.intent.cut.clone(),
            aside: self.layout.cut(self.intent.aside),
            resumed: self.resumed,
        }
    }

    /// Does it. After an error, do it again from the plan on.
    pub fn apply(self) -> Result<Head, RepairError> {
        steps::Steps::new(&self.disk, &self.layout, &self.catalogue, &self.intent).run()
    }
}
