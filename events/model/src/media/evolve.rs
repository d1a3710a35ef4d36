//! What facts make of media.

use super::Media;
use crate::event::MediaFact as Fact;
use crate::fleet::Fleet;
use crate::ids::MediaId;
use crate::record::Version;

pub(crate) fn evolve(fleet: &mut Fleet, id: MediaId, fact: &Fact) {
    match fact {
        Fact::Added(media) => fleet.put(
            id,
            Media {
                id,
                version: Version(1),
                name: media.name.clone(),
                kind: media.kind,
                format: media.format,
                storage: media.storage,
                size_bytes: media.size_bytes,
                digest: media.digest,
                labels: media.labels.clone(),
                properties: media.properties.clone(),
            },
        ),
        Fact::Removed(_) => drop(fleet.take::<Media>(id)),
    }
}
