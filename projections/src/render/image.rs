//! Versions of images.

use carrel_model::ids::{ImageId, MachineId};
use carrel_model::image::{FileState, Image, Origin, State};
use carrel_model::name::Name;

use super::{Render, Rendered, row, word};
use crate::doc;
use crate::memo::Memo;
use crate::row::Cell;

impl Render<'_> {
    pub(super) fn machine_name(&self, id: MachineId) -> Option<Name> {
        self.fleet.machines.get(id).map(|machine| machine.name.clone())
    }

    /// `win11@3`; with the initial's id where that is gone.
    pub(super) fn image_name(&self, id: ImageId) -> Option<String> {
        self.fleet.images.get(id).map(|image| self.name_of_image(image))
    }

    fn name_of_image(&self, image: &Image) -> String {
        match self.fleet.machines.get(image.initial) {
            Some(initial) => format!("{}@{}", initial.name, image.number),
            None => format!("{}@{}", image.initial, image.number),
        }
    }

    pub(super) fn image(&self, id: ImageId, memo: &Memo) -> Rendered {
        let Some(image) = self.fleet.images.get(id) else { return Ok(None) };
        let (state, digest) = match image.state {
            State::Sealing => (doc::ImageState::Sealing, None),
            State::Sealed => (doc::ImageState::Sealed, None),
            State::Verified(digest) => (doc::ImageState::Verified, Some(digest)),
            State::Retired => (doc::ImageState::Retired, None),
        };
        let media = match image.origin {
            Origin::Sealed => None,
            Origin::Imported { media } => Some(media),
        };
        let files = image.files.iter().map(|file| doc::ImageFile {
            number: file.number,
            storage: file.storage,
            format: file.format,
            depth: file.depth,
            state: file.state.name().to_owned(),
            hypervisor: match file.state {
                FileState::Making { hypervisor } => hypervisor,
                FileState::Unverified(_) | FileState::There | FileState::Retired => None,
            },
            size_bytes: file.stat.map(|stat| stat.size_bytes),
        });
        let tags = image.tags.iter();
        let doc = doc::Image {
            id,
            name: self.name_of_image(image),
            version: image.version,
            initial: image.initial,
            initial_name: self.machine_name(image.initial),
            number: image.number,
            state,
            digest,
            tags: tags
                .map(|(name, hold)| doc::ImageTag { name: name.clone(), hold: *hold })
                .collect(),
            size_gib: image.size_gib,
            os: image.settings.hardware.os,
            base: image.base.map(|base| base.image),
            media,
            operation: image.by,
            files: files.collect(),
            created_at: memo.created(),
            changed_at: memo.changed(),
        };
        let state = word(&state);
        let cells = vec![
            Some(image.initial).into(),
            Cell::Text(state.clone()),
            Cell::Number(image.number.into()),
        ];
        let row = row(id, &doc.name, memo, cells, &doc)?;
        Ok(Some(row.facets("tag", image.tags.keys()).counted("state", &state)))
    }
}
