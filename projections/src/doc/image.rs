//! Versions of images.

use carrel_model::hash::Digest;
use carrel_model::ids::{CommandId, HypervisorId, ImageId, MachineId, MediaId, StorageId};
use carrel_model::name::Name;
use carrel_model::record::{Timestamp, Version};
use carrel_model::version::latest::image::Hold;
use carrel_model::version::latest::machine::{Format, Os};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    Sealing,
    Sealed,
    /// Its digest is known.
    Verified,
    /// Nothing new may stand on it.
    Retired,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ImageTag {
    pub name: Name,
    pub hold: Hold,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ImageFile {
    pub number: u16,
    pub storage: StorageId,
    pub format: Format,
    /// How many files stand on each other, this one included.
    pub depth: u8,
    /// `making`, `unverified`, `there` or `retired`.
    pub state: String,
    /// The host that makes it.
    pub hypervisor: Option<HypervisorId>,
    pub size_bytes: Option<u64>,
}

/// One version of an image.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Image")]
pub struct Image {
    pub id: ImageId,
    /// `<initial>@<number>`.
    pub name: String,
    pub version: Version,
    pub initial: MachineId,
    pub initial_name: Option<Name>,
    pub number: u32,
    pub state: ImageState,
    pub digest: Option<Digest>,
    pub tags: Vec<ImageTag>,
    pub size_gib: u32,
    pub os: Os,
    /// The version that its first file stands on.
    pub base: Option<ImageId>,
    /// Of one that was imported.
    pub media: Option<MediaId>,
    /// The command that asked for it.
    pub operation: CommandId,
    pub files: Vec<ImageFile>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
}
