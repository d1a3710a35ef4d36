//! Disks of machines, and facts about the work on their files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::operation::Failure;
use super::session::Subject;
use crate::ids::{CommandId, DiskId, ImageId, MachineId, MediaId, SnapshotId, StorageId};
use crate::name::{FilePath, Name};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DiskRole {
    /// What it boots from; made anew by Populate.
    System,
    Data,
    /// Belongs to the person and is kept by Populate.
    User,
}

/// How a file holds a disk. It is said once and carried along: what a guest has written at a file's
/// beginning may look like any format, so nobody guesses it from there.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Raw,
    Qcow2,
}

/// What a disk's content was at first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DiskSource {
    /// Nothing, or what a full copy put there.
    Blank,
    /// The disk is an overlay on this file.
    Overlay(Base),
}

/// A file of a version on which another file stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Base {
    pub image: ImageId,
    pub file: u16,
}

/// The file of a disk that was there before Carrel, below its storage's path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FoundFile {
    pub path: FilePath,
    /// Files of the same storage that it stands on, the nearest first. They are nobody's disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backing: Vec<FilePath>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Disk {
    pub id: DiskId,
    pub role: DiskRole,
    pub storage: StorageId,
    pub source: DiskSource,
    pub size_gib: u32,
    /// Raised with each new overlay: the file is another one.
    pub overlay_generation: u32,
    pub format: Format,
    /// Of a disk that was there before Carrel. All others follow from their ids and generations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Box<FoundFile>>,
}

/// What happens to the throwaway overlay when the guest reboots.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[derive(Default)]
pub enum OnReboot {
    #[default]
    Keep,
    Renew,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct VirtualSnapshot {
    #[serde(default)]
    pub on_reboot: OnReboot,
}

/// The disks of another machine are copied to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct CopyRequested {
    pub source: MachineId,
    /// Its own disks as they will be: each the copy of the source's disk at the same place. Until
    /// they are there it keeps those that it has. None: its disks as they are, each written anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
    /// Whose traces are on what is copied, and will be on the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<Subject>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct DeleteRequested {
    /// The command that its end is an answer to.
    pub operation: CommandId,
}

/// The machine is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Deleted {
    #[serde(default)]
    pub files: FilesGone,
}

/// What became of files that are not wanted any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilesGone {
    /// A host has removed them, or there were none.
    #[default]
    Removed,
    /// All hosts that saw them are lost. Who takes one of them in again may find them there.
    GivenUp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Failed {
    pub failure: Failure,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct SealRequested {
    pub image: ImageId,
    /// The version's. No later version gets it, whatever becomes of this one.
    pub number: u32,
}

/// Its disk became that version, and it stands on a fresh overlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Sealed {
    pub image: ImageId,
}

/// Its system disk is to stand, or stands, on this file of the same version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Rebased {
    pub file: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct SnapshotRequested {
    pub snapshot: SnapshotId,
    pub name: Name,
    /// The guest runs on, and its agent holds its file systems still for a moment.
    #[serde(default)]
    pub quiesced: bool,
}

/// Something became of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct OfSnapshot {
    pub snapshot: SnapshotId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct SnapshotFailed {
    pub snapshot: SnapshotId,
    pub failure: Failure,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct OfMedia {
    pub media: MediaId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct DiskResized {
    pub disk: DiskId,
    pub size_gib: u32,
}
