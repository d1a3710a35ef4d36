//! What a machine's disks stand on.

use super::{Base, Disk, DiskSource, Machine};
use crate::ids::ImageId;

impl Disk {
    /// The file that it stands on.
    pub fn base(&self) -> Option<Base> {
        match self.source {
            DiskSource::Overlay(base) => Some(base),
            DiskSource::Blank => None,
        }
    }

    /// The version that it stands on.
    pub fn image(&self) -> Option<ImageId> {
        self.base().map(|base| base.image)
    }
}

impl Machine {
    /// The version that its system disk stands on.
    pub fn image(&self) -> Option<ImageId> {
        self.system_disk().and_then(Disk::image)
    }

    /// The file that its system disk is to stand on.
    pub fn base(&self) -> Option<Base> {
        let base = self.system_disk().and_then(Disk::base)?;
        Some(Base { file: self.rebasing_to.unwrap_or(base.file), ..base })
    }
}
