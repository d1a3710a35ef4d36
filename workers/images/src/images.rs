//! What is done with disk images. Each step is in a file of its own in `steps`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::disk::DiskFile;
use crate::failed::Failed;
use crate::limits::Limits;
use crate::seen::{self, Found, SeenFile};
use crate::space::Space;
use crate::tool::Tools;

/// One for all storages of a host: it knows what room was promised to whom. All calls block, and
/// may be made from many threads at once; for one file there is one at a time.
#[derive(Debug, Default)]
pub struct Images {
    pub(crate) tools: Tools,
    pub(crate) limits: Limits,
    pub(crate) space: Space,
    pub(crate) accepting: Mutex<()>,
}

impl Images {
    pub fn new(tools: Tools, limits: Limits) -> Self {
        Self { tools, limits, ..Self::default() }
    }

    /// Those of these files that are there, and all files of these folders but leftovers. One that
    /// is damaged is told with what is wrong with it. No process is started.
    ///
    /// # Errors
    ///
    /// The storage can't be read.
    pub fn seen(&self, folders: &[PathBuf], files: &[DiskFile]) -> Result<Vec<SeenFile>, Failed> {
        seen::seen(folders, files)
    }

    /// Everything in a storage's folders of Carrel's, leftovers included: what nobody asked for is
    /// for the caller to say.
    ///
    /// # Errors
    ///
    /// The storage can't be read.
    pub fn list(&self, root: &Path) -> Result<Vec<Found>, Failed> {
        seen::list(root)
    }

    /// What calls that were killed have left in a storage's folders, unless a call is at it now.
    ///
    /// # Errors
    ///
    /// The storage can't be read.
    pub fn leftovers(&self, root: &Path) -> Result<Vec<Found>, Failed> {
        let mut found = seen::list(root)?;
        found.retain(|found| found.kind == seen::Kind::Leftover);
        Ok(found)
    }

    /// What is neither in use nor promised to a copy that is under way.
    ///
    /// # Errors
    ///
    /// The folder is not there.
    pub fn free_mib(&self, folder: &Path) -> Result<u64, Failed> {
        self.space.free_mib(folder)
    }
}
