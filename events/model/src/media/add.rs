//! Media come and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Format, Kind, Media};
use crate::deciding::{Decide, Deciding};
use crate::event::MediaFact as Fact;
use crate::hash::Digest;
use crate::ids::{MediaId, StorageId};
use crate::image::{ImageName, Origin, State};
use crate::name::Name;
use crate::reference::Ref;
use crate::rejection::Rejection;
use crate::storage::rejection::Rejection as Refused;
use crate::storage::{Role, Storage};
use crate::version::latest::media::Added;
use crate::version::latest::{Labels, Nothing, Properties};

/// Makes a file known that was uploaded to a storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddMedia {
    pub name: Name,
    pub kind: Kind,
    /// Of a disk it has to be said, because it can't be told from the file's bytes; everything else
    /// is raw: a guest gets it as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// One with the role `media`.
    pub storage: Ref<StorageId>,
    pub size_bytes: u64,
    /// What its bytes have to hash to.
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

impl Decide for AddMedia {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        deciding.name_is_free::<MediaId>(self.name.as_str(), None)?;
        let (storage, found) = deciding.find::<Storage>(&self.storage)?;
        if !found.settings.roles.contains(&Role::Media) {
            return Err(Refused::NotForMedia { storage: found.name.clone() }.into());
        }
        let format = match (self.format, self.kind) {
            (Some(format), Kind::Iso | Kind::Drivers) if format != Format::Raw => {
                return Err(Refused::ForImportOnly { media: self.name.clone() }.into());
            }
            (Some(format), _) => format,
            (None, Kind::Iso | Kind::Drivers) => Format::Raw,
            (None, Kind::Disk) => {
                return Err(Refused::FormatUnknown { media: self.name.clone() }.into());
            }
        };
        let id: MediaId = deciding.fresh();
        let added = Added {
            name: self.name.clone(),
            kind: self.kind,
            format,
            storage,
            size_bytes: self.size_bytes,
            digest: self.digest,
            labels: self.labels.clone(),
            properties: self.properties.clone(),
        };
        deciding.fact(id, Fact::Added(added));
        Ok(())
    }
}

/// Forgets a file that no machine has in its drive.
///
/// No host has anything to do for it: whoever keeps the uploads removes the file, because a medium
/// that is not known any more needs none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveMedia {
    pub media: Ref<MediaId>,
}

impl Decide for RemoveMedia {
    fn decide(&self, deciding: &mut Deciding<'_>) -> Result<(), Rejection> {
        let (id, media) = deciding.find::<Media>(&self.media)?;
        let fleet = &deciding.fleet;
        // Looks at every machine and version, which is done rarely.
        if let Some((_, machine)) = fleet.machines.iter().find(|(_, it)| it.media.contains(&id)) {
            let (media, machine) = (media.name.clone(), machine.name.clone());
            return Err(Refused::StillAttached { media, machine }.into());
        }
        let imported = fleet.images.iter().find(|(_, image)| {
            image.state == State::Sealing && image.origin == Origin::Imported { media: id }
        });
        if let Some((_, image)) = imported {
            let (media, image) = (media.name.clone(), ImageName::of(fleet, image).to_string());
            return Err(Refused::StillImported { media, image }.into());
        }
        deciding.fact(id, Fact::Removed(Nothing {}));
        Ok(())
    }
}
