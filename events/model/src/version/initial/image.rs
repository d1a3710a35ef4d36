//! Facts about versions of images.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decimal;
use super::machine::{Base, FilesGone, Format, Settings};
use super::operation::Failure;
use crate::hash::Digest;
use crate::ids::{CommandId, HypervisorId, MachineId, MediaId, StorageId};
use crate::name::Name;
use crate::record::Timestamp;

/// Where a version comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// The disk of the initial whose image it is.
    Sealed,
    /// A file that was uploaded.
    Imported { media: MediaId },
}

/// A version's number is taken, and its file is being made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct SealRequested {
    /// Whose image it is.
    pub initial: MachineId,
    pub number: u32,
    pub origin: Origin,
    /// The command that asked for it.
    pub operation: CommandId,
    pub storage: StorageId,
    pub format: Format,
    /// How many files stand on each other, this one included.
    pub depth: u8,
    /// The file that this one stands on, of the version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    pub size_gib: u32,
    /// The machine's, as it was.
    pub settings: Settings,
    /// Tags that it gets when it is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Name>,
}

/// What tells at a glance that a file is still the one that was made, without reading it. Whoever
/// starts a machine on it compares these; the digest says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Stat {
    pub size_bytes: u64,
    /// When it was written last.
    pub modified: Timestamp,
    /// Its number in its file system, the same on each host that sees the storage.
    #[serde(with = "decimal")]
    #[schemars(with = "String", regex(pattern = r"^[0-9]{1,20}$"), example = "9007199254740993")]
    pub inode: u64,
}

/// The file is there and no byte of it changes any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Sealed {
    /// The version's first.
    pub file: u16,
    pub stat: Stat,
}

/// Its digest is known: from now on any difference can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Verified {
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Failed {
    pub failure: Failure,
}

/// How firmly a tag stands on a version.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It may move to another version.
    Movable,
    /// It never moves.
    Fixed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Tagged {
    pub tag: Name,
    pub hold: Hold,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Untagged {
    pub tag: Name,
}

/// Another file with the same content is to be made: a replica elsewhere, or one that stands alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FileRequested {
    pub file: u16,
    pub storage: StorageId,
    pub format: Format,
    pub depth: u8,
    pub hypervisor: HypervisorId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FileMade {
    pub file: u16,
    pub digest: Digest,
    pub stat: Stat,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FileFailed {
    pub file: u16,
    pub failure: Failure,
}

/// A file that stands alone can't be made now, and is asked for again then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FlattenDelayed {
    pub until: Timestamp,
}

/// The hosts of machines that are off were told to put them onto the file that stands alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct RebaseAdvanced {
    /// Those up to this one, in the order of their ids. None: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upto: Option<MachineId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FileRetired {
    pub file: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct FileRemoved {
    pub file: u16,
    #[serde(default)]
    pub files: FilesGone,
}
