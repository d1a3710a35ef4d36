//! What a host has to do for a version of an image: compute its digest, make further files of it
//! and remove old ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Lane, Shall, Thing, Work};
use crate::fleet::Fleet;
use crate::hash::Digest;
use crate::ids::{HypervisorId, ImageId, MachineId, StorageId};
use crate::image::{Base, File, FileState, Image, chain_of};
use crate::machine::Format;
use crate::name::HostPath;
use crate::version::latest::image::Stat;

/// A file with the content of a version. Where it lies follows from all of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageFile {
    pub image: ImageId,
    /// Whose image it is, and which version.
    pub initial: MachineId,
    pub version: u32,
    pub file: u16,
    pub storage: StorageId,
    /// Where the host has that storage; none if it doesn't see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<HostPath>,
    pub format: Format,
    /// How many files stand on each other, this one included.
    pub depth: u8,
    /// Of a file that is made. Nothing starts on a file that no longer has it and reads as
    /// something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stat: Option<Stat>,
    /// What it reads as, with all that it stands on, as soon as that is known. One that has another
    /// stat, restored from a backup say, is known again by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What a host has to do about a version's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// The content of every file, as soon as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The files whose content's digest is to be computed, the top one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<ImageFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub make: Vec<NewFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<OldFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFile {
    pub file: ImageFile,
    /// A file that has the content, with those that it stands on, the top one first.
    pub from: Vec<ImageFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OldFile {
    pub file: ImageFile,
}

/// Files are made by the host that was chosen for it, one host of a version at a time; until its
/// digest is known, a host computes it. What is retired is removed by the first enabled host that
/// sees it.
pub(super) fn work(fleet: &Fleet, image: &Image) -> Option<Work> {
    let verifier = image.verifier(fleet);
    let remover = || {
        let retired = image.files.iter().find(|file| file.state == FileState::Retired)?;
        let hosts = &fleet.storages.get(retired.storage)?.settings.hosts;
        hosts.keys().copied().find(|host| fleet.is_enabled(*host))
    };
    let host = image.maker().or(verifier).or_else(remover)?;
    let is_made_here = |file: &&File| file.state == FileState::Making { hypervisor: Some(host) };
    let make = image.files.iter().filter(is_made_here).map(|file| NewFile {
        file: describe(fleet, image, file, host),
        from: best_chain(fleet, image, host),
    });
    let is_removed_here =
        |file: &&File| file.state == FileState::Retired && fleet.sees(host, file.storage);
    let remove = image.files.iter().filter(is_removed_here);
    let remove = remove.map(|file| OldFile { file: describe(fleet, image, file, host) });
    let verifies = verifier == Some(host);
    let verify = if verifies { best_chain(fleet, image, host) } else { Vec::new() };
    let spec = ImageSpec {
        digest: image.digest(),
        verify,
        make: make.collect(),
        remove: remove.collect(),
    };
    Some(Work {
        hypervisor: host,
        thing: Thing::Image(image.id),
        generation: image.version.0,
        lane: Lane::Bulk,
        shall: Shall::Files(spec),
    })
}

pub(super) fn describe(fleet: &Fleet, image: &Image, file: &File, host: HypervisorId) -> ImageFile {
    let storage = fleet.storages.get(file.storage);
    ImageFile {
        image: image.id,
        initial: image.initial,
        version: image.number,
        file: file.number,
        storage: file.storage,
        path: storage.and_then(|storage| storage.settings.hosts.get(&host)).cloned(),
        format: file.format,
        depth: file.depth,
        stat: file.stat,
        digest: image.digest(),
    }
}

/// The files that have the version's content and are read there, the top one first.
pub(super) fn best_chain(fleet: &Fleet, image: &Image, host: HypervisorId) -> Vec<ImageFile> {
    let nearest = image.nearest_file(fleet, host);
    let chain = nearest.and_then(|file| image.chain(fleet, file)).unwrap_or_default();
    chain.into_iter().map(|(image, file)| describe(fleet, image, file, host)).collect()
}

/// A file and those that it stands on, the top one first.
pub(super) fn chain_from(fleet: &Fleet, base: Base, host: HypervisorId) -> Vec<ImageFile> {
    let chain = chain_of(fleet, base).unwrap_or_default();
    chain.into_iter().map(|(image, file)| describe(fleet, image, file, host)).collect()
}

/// Where a file and those that it stands on lie. None: one of them is missing.
pub(crate) fn storages_of(fleet: &Fleet, base: Base) -> Option<Vec<StorageId>> {
    let chain = chain_of(fleet, base)?;
    let mut storages: Vec<StorageId> = chain.iter().map(|(_, file)| file.storage).collect();
    storages.dedup();
    Some(storages)
}

/// The same for what a new overlay on a version stands on.
pub(crate) fn storages_of_new(fleet: &Fleet, image: ImageId) -> Option<Vec<StorageId>> {
    let base = fleet.images.get(image)?.base_for_new(fleet)?;
    storages_of(fleet, base)
}
